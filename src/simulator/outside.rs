//! The world's sides that sockets are given to: listeners, tasks and health checks.

use super::elb::{reach, record_outcome};
use super::{ExternalTarget, ListenerEndpoint, Millis, Probe, TaskEndpoint, TaskId, World, ecs, elb};

impl World {
    /// The listeners that must be reachable.
    pub fn listeners(&self) -> Vec<ListenerEndpoint> {
        let listeners = self.state.listeners.values();
        listeners
            .filter_map(|listener| {
                Some(ListenerEndpoint {
                    arn: listener.arn.clone(),
                    load_balancer_arn: listener.load_balancer.clone(),
                    dns_name: self.state.load_balancers.get(&listener.load_balancer)?.dns_name.clone(),
                    protocol: listener.protocol.clone(),
                    port: listener.port,
                })
            })
            .collect()
    }

    /// The tasks whose processes run.
    pub fn tasks(&self) -> Vec<TaskEndpoint> {
        let running = self.state.tasks.values().filter(|task| !task.exited);
        running
            .filter_map(|task| {
                let service = task.service.and_then(|id| self.state.services.get(&id));
                Some(TaskEndpoint {
                    id: task.id,
                    service: service.map(|service| service.name.clone()),
                    container: task.program.container.clone(),
                    image: task.program.image.clone(),
                    release: task.program.release.clone(),
                    behaviour: task.program.behaviour.clone(),
                    started_at: task.started_at?,
                    ports: task.program.ports.clone(),
                })
            })
            .collect()
    }

    /// What must be played for external targets that can't be reached: all that were spoken of but for those that
    /// are at loopback addresses. One for each address and port; `service` is where the target is registered.
    pub fn external_tasks(&self) -> Vec<TaskEndpoint> {
        let played = |key, known: &elb::External| !known.gone && reach(&self.state, key).is_none();
        let there = self.state.externals.iter().filter(|(key, known)| played(key, known));
        let shown = there.map(|((ip, port), known)| TaskEndpoint {
            id: known.id,
            service: Some(format!("{ip}:{port}")),
            container: String::new(),
            image: known.target.image.clone(),
            release: known.target.release.clone(),
            behaviour: known.target.behaviour.clone(),
            started_at: known.target.started_at,
            ports: vec![*port],
        });
        shown.collect()
    }

    /// Says what answers at an address that ECS did not give out, an image or a behaviour. Its age counts from
    /// `started_at`, or from now if that is 0. In a world of [`Probes::Model`](super::Probes::Model) an address that
    /// nothing is said about is healthy and answers 200; on sockets it can be registered only if it is a loopback
    /// address, and then it is the real server there that answers.
    pub fn external_target(&mut self, ip: &str, port: u16, target: impl Into<ExternalTarget>) {
        let mut target = target.into();
        if target.started_at == 0 {
            target.started_at = self.state.now;
        }
        if target.release.is_empty() {
            target.release = format!("{ip}:{port}");
        }
        elb::declare(&mut self.state, (ip.to_string(), port), target);
    }

    /// What answers at this address, on any port, has ended: connections are refused from now on. Its targets stay
    /// registered until someone deregisters them.
    pub fn external_target_ended(&mut self, ip: &str) {
        elb::end(&mut self.state, ip);
    }

    /// The health checks due until `now`, each once ([`Probes::External`](super::Probes::External)). A target is not
    /// checked again before the [`World::probe_result`] of its last check.
    pub fn due_probes(&mut self, now: Millis) -> Vec<Probe> {
        self.advance(now);
        std::mem::take(&mut self.state.due_probes)
    }

    /// What became of a health check: the HTTP status (any for a TCP check), or `None` for no answer in time.
    pub fn probe_result(&mut self, now: Millis, id: u64, status: Option<u16>) {
        self.advance(now);
        let Some((group, key, epoch)) = self.state.open_probes.remove(&id) else { return };
        let Some(result) = self.state.target_groups.get(&group).map(|group| elb::judge(group, status)) else {
            return;
        };
        record_outcome(&mut self.state, &group, &key, epoch, result);
    }

    /// A task's process, or what is played for an external target, has ended by itself.
    pub fn task_exited(&mut self, now: Millis, task: TaskId, exit_code: i32) {
        self.advance(now);
        let external = self.state.externals.iter().find(|(_, known)| known.id == task);
        match external.map(|(key, _)| key.0.clone()) {
            Some(ip) => elb::end(&mut self.state, &ip),
            None => ecs::exit(&mut self.state, task, exit_code),
        }
    }

    /// Gives a load balancer another DNS name.
    pub fn set_load_balancer_dns(&mut self, arn: &str, name: &str) {
        if let Some(lb) = self.state.load_balancers.get_mut(arn) {
            lb.dns_name = name.into();
        }
    }
}
