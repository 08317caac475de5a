//! The forms that Kubernetes' names have, as far as they are certain without asking a cluster.

/// True for a DNS label (RFC 1123): lower-case letters, digits and `-` in between, at most 63.
pub fn is_label(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    letters && !text.starts_with('-') && !text.ends_with('-') && (1..=63).contains(&text.len())
}

/// True for DNS labels joined by dots, at most 253 characters; a label may be longer than 63 here, as in Kubernetes.
pub fn is_subdomain(text: &str) -> bool {
    let part_fits = |part: &str| {
        let letters = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        letters && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(part_fits)
}

/// True for `v1`, `apps/v1`, `e.example.com/v1alpha1`.
pub fn is_api_version(text: &str) -> bool {
    match text.split_once('/') {
        Some((group, version)) => is_subdomain(group) && is_label(version),
        None => is_label(text),
    }
}

/// True for the name of a kind: letters and digits, at most 63.
pub fn is_kind(text: &str) -> bool {
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric());
    letters && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.len() <= 63
}

/// What is wrong with the name of an object of this kind, if something is. Kinds that are not known get what holds for
/// all: the name is a part of a URL's path.
pub fn wrong_name(group: &str, kind: &str, name: &str) -> Option<&'static str> {
    let is_segment = name != "." && name != ".." && !name.contains(['/', '%']);
    if name.is_empty() || name.len() > 253 || !is_segment || name.chars().any(char::is_control) {
        return Some("is not a name: at most 253 characters, without \"/\" and \"%\"");
    }
    match (group, kind) {
        ("", "Namespace" | "Service") if !is_label(name) => Some(
            "is not a name for this kind: lower-case letters, digits and \"-\" in between, at most 63 characters",
        ),
        ("batch", "CronJob") if name.len() > 52 => {
            Some("is longer than 52 characters, which leaves no room for the names of its Jobs")
        }
        _ if has_domain_names(group, kind) && !is_subdomain(name) => Some(
            "is not a name for this kind: lower-case letters, digits, \"-\" and \".\" in between, at most 253 characters",
        ),
        _ => None,
    }
}

/// Built-in kinds whose names are DNS subdomains. RBAC's are not among them: `system:…` is a good name there.
fn has_domain_names(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "ConfigMap"
                | "Secret"
                | "ServiceAccount"
                | "Pod"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "ReplicationController"
                | "LimitRange"
                | "ResourceQuota"
        ),
        "apps" => matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"),
        "batch" => matches!(kind, "Job" | "CronJob"),
        "autoscaling" => kind == "HorizontalPodAutoscaler",
        "policy" => kind == "PodDisruptionBudget",
        "networking.k8s.io" => matches!(kind, "Ingress" | "IngressClass" | "NetworkPolicy"),
        "storage.k8s.io" => kind == "StorageClass",
        "scheduling.k8s.io" => kind == "PriorityClass",
        "apiextensions.k8s.io" => kind == "CustomResourceDefinition",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_their_kinds() {
        for (group, kind, name, good) in [
            ("", "Namespace", "shop", true),
            ("", "Namespace", "shop.a", false),
            ("", "Service", "0web", true),
            ("apps", "Deployment", "web.v1", true),
            ("apps", "Deployment", "Web", false),
            ("apps", "Deployment", "web..v1", false),
            ("rbac.authorization.k8s.io", "ClusterRole", "system:reader", true),
            ("rbac.authorization.k8s.io", "ClusterRole", "a/b", false),
            ("e.dev", "Thing", "A_b:c", true),
            ("e.dev", "Thing", "..", false),
            ("e.dev", "Thing", "a%2fb", false),
            ("e.dev", "Thing", "", false),
            ("batch", "CronJob", &"c".repeat(53), false),
            ("batch", "Job", &"c".repeat(53), true),
            ("", "ConfigMap", &"c".repeat(254), false),
        ] {
            assert_eq!(wrong_name(group, kind, name).is_none(), good, "{kind} {name}");
        }
    }

    #[test]
    fn versions_and_kinds_are_told_from_what_only_looks_like_them() {
        for (version, good) in [
            ("v1", true),
            ("apps/v1", true),
            ("a.b/v1beta1", true),
            ("", false),
            ("/v1", false),
            ("a/b/c", false),
            ("apps/", false),
            ("../v1", false),
        ] {
            assert_eq!(is_api_version(version), good, "{version}");
        }
        for (kind, good) in [("Pod", true), ("a1", true), ("", false), ("1a", false), ("A-b", false)] {
            assert_eq!(is_kind(kind), good, "{kind}");
        }
    }
}
