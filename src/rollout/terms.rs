//! What people call the things that a rollout is about, which depends on where it runs.

/// The words of one workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// Services and tasks of ECS, behind load balancers with target groups.
    #[default]
    Ecs,
    /// Deployments and pods behind such load balancers.
    BalancedPods,
    /// Deployments and pods that Kubernetes itself sends the requests to.
    Pods,
}

impl Terms {
    /// `service`
    pub(super) fn workload(self) -> &'static str {
        match self {
            Terms::Ecs => "service",
            Terms::BalancedPods | Terms::Pods => "Deployment",
        }
    }

    /// `tasks`
    pub(super) fn units(self) -> &'static str {
        match self {
            Terms::Ecs => "tasks",
            Terms::BalancedPods | Terms::Pods => "pods",
        }
    }

    /// `3 tasks`
    pub(super) fn count(self, count: u32) -> String {
        let units = self.units();
        format!("{count} {}", if count == 1 { units.trim_end_matches('s') } else { units })
    }

    /// What brings the workload's tasks up: `service deployment`.
    pub(super) fn deployment(self) -> &'static str {
        match self {
            Terms::Ecs => "service deployment",
            Terms::BalancedPods | Terms::Pods => "Deployment",
        }
    }

    /// Where requests go to: `targets`
    pub(super) fn targets(self) -> &'static str {
        match self {
            Terms::Ecs | Terms::BalancedPods => "targets",
            Terms::Pods => "pods",
        }
    }

    /// What is asked of them: `healthy`
    pub(super) fn healthy(self) -> &'static str {
        match self {
            Terms::Ecs | Terms::BalancedPods => "healthy",
            Terms::Pods => "ready",
        }
    }

    /// What sends requests there.
    pub(super) fn balancer(self) -> &'static str {
        match self {
            Terms::Ecs | Terms::BalancedPods => "the load balancer",
            Terms::Pods => "the cluster's network",
        }
    }

    /// What a rule names: `target group`
    pub(super) fn group(self) -> &'static str {
        match self {
            Terms::Ecs | Terms::BalancedPods => "target group",
            Terms::Pods => "Service",
        }
    }
}
