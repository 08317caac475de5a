//! Data of a takeover: the field managers of other deployment tools, and the fields that stay with whoever has them.

/// How a manager writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// A tool that applies whole documents: two of them on one object undo each other.
    Applies,
    /// A person's change of single fields. After an adoption it is drift like any other, and no sign of another tool.
    Edits,
}

/// Managers by name; a `*` at the end stands for any rest. The names are those that the tools give themselves, or that
/// the API server makes of their `User-Agent`.
const FORMER: [(&str, Habit); 36] = [
    ("kubectl-client-side-apply", Habit::Applies),
    ("kubectl-last-applied", Habit::Applies),
    ("before-first-apply", Habit::Applies),
    ("kubectl-create", Habit::Applies),
    ("kubectl-replace", Habit::Applies),
    ("kubectl-run", Habit::Applies),
    ("kubectl-expose", Habit::Applies),
    ("kubectl", Habit::Applies),
    ("kubectl-edit", Habit::Edits),
    ("kubectl-patch", Habit::Edits),
    ("kubectl-set", Habit::Edits),
    ("kubectl-label", Habit::Edits),
    ("kubectl-annotate", Habit::Edits),
    ("helm", Habit::Applies),
    ("Helm", Habit::Applies),
    ("helm-controller", Habit::Applies),
    ("kustomize-controller", Habit::Applies),
    ("flux", Habit::Applies),
    ("fluxd", Habit::Applies),
    ("argocd-controller", Habit::Applies),
    ("argocd-application-controller", Habit::Applies),
    ("argocd-server", Habit::Edits),
    ("argocd", Habit::Edits),
    ("fleetagent", Habit::Applies),
    ("fleet-agent", Habit::Applies),
    ("kapp", Habit::Applies),
    ("kapp-server-side-fieldmanager", Habit::Applies),
    ("werf", Habit::Applies),
    ("piped", Habit::Applies),
    ("tanka", Habit::Applies),
    ("Terraform", Habit::Applies),
    ("HashiCorp", Habit::Applies),
    ("terraform-provider-*", Habit::Applies),
    ("pulumi-kubernetes*", Habit::Applies),
    ("pulumi-resource-kubernetes", Habit::Applies),
    ("cdk8s", Habit::Applies),
];

/// Fields that no takeover removes, by group and kind (`*` is every one), with the path of the field. Without a value of
/// their own they would fall back to a default that nobody chose, or another controller runs them.
const KEPT: [(&str, &str, &[&str]); 19] = [
    ("*", "*", &["f:status"]),
    ("*", "*", &["f:metadata", "f:finalizers"]),
    ("*", "*", &["f:metadata", "f:ownerReferences"]),
    ("*", "*", &["f:spec", "f:replicas"]),
    (
        "*",
        "*",
        &["f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt"],
    ),
    ("", "Service", &["f:spec", "f:clusterIP"]),
    ("", "Service", &["f:spec", "f:clusterIPs"]),
    ("", "Service", &["f:spec", "f:ipFamilies"]),
    ("", "Service", &["f:spec", "f:ipFamilyPolicy"]),
    ("", "Service", &["f:spec", "f:ports", "*", "f:nodePort"]),
    ("", "Service", &["f:spec", "f:healthCheckNodePort"]),
    ("", "Service", &["f:spec", "f:loadBalancerClass"]),
    ("", "Service", &["f:spec", "f:loadBalancerIP"]),
    ("", "Namespace", &["f:spec", "f:finalizers"]),
    ("", "PersistentVolume", &["f:spec", "f:claimRef"]),
    ("", "PersistentVolumeClaim", &["f:spec", "f:volumeName"]),
    ("", "PersistentVolumeClaim", &["f:spec", "f:storageClassName"]),
    ("", "PersistentVolumeClaim", &["f:spec", "f:volumeMode"]),
    ("", "ServiceAccount", &["f:secrets"]),
];

/// How a manager that may have kept an object before writes; `None` for every other one.
pub(super) fn habit(manager: &str) -> Option<Habit> {
    let is_named = |name: &str| match name.strip_suffix('*') {
        Some(start) => manager.starts_with(start),
        None => manager == name,
    };
    FORMER.iter().find(|(name, _)| is_named(name)).map(|(_, habit)| *habit)
}

/// The paths of the fields of a kind that stay with whoever has them.
pub(super) fn kept(group: &str, kind: &str) -> Vec<&'static [&'static str]> {
    let is_of = |(of_group, of_kind, _): &&(&str, &str, &[&str])| {
        (*of_group == "*" || *of_group == group) && (*of_kind == "*" || *of_kind == kind)
    };
    KEPT.iter().filter(is_of).map(|(_, _, path)| *path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_tools_are_known_by_their_managers_and_controllers_are_none() {
        for (manager, expected) in [
            ("kubectl-client-side-apply", Some(Habit::Applies)),
            ("kubectl-edit", Some(Habit::Edits)),
            ("terraform-provider-helm_v2.9.0_x5", Some(Habit::Applies)),
            ("pulumi-kubernetes-1a2b3c", Some(Habit::Applies)),
            ("kube-controller-manager", None),
            ("kubectl-rollout", None),
            ("cert-manager-cainjector", None),
            ("cutover", None),
        ] {
            assert_eq!(habit(manager), expected, "{manager}");
        }
    }

    #[test]
    fn replicas_stay_for_every_kind_and_ports_of_nodes_for_services() {
        let has = |group, kind, field: &str| kept(group, kind).iter().any(|path| path.last() == Some(&field));
        assert!(has("argoproj.io", "Rollout", "f:replicas"));
        assert!(has("", "Service", "f:nodePort") && !has("serving.knative.dev", "Service", "f:nodePort"));
    }
}
