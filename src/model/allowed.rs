//! What an Application may touch, as the operator of a controller allows it.

use serde::{Deserialize, Serialize};

/// A name or a name with `*` for any text: `team-a-*`, `https://git.example/team-a/*`, `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pattern(pub String);

impl Pattern {
    /// True if `text` is what the pattern describes. Takes time linear in both for each `*`.
    pub fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let parts: Vec<&str> = rest.split('*').collect();
        let Some((last, between)) = parts.split_last() else { return true };
        for part in between {
            match left.find(part) {
                Some(at) => left = &left[at + part.len()..],
                None => return false,
            }
        }
        left.ends_with(last)
    }
}

/// Where the objects of one Application on Kubernetes may be. What is not allowed is refused before anything is written,
/// and is not listed, pruned or read either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Namespaces of objects, whether a document names one or it is the destination's.
    pub namespaces: Vec<Pattern>,
    /// Cluster-scoped kinds, as `Namespace` or `ClusterRole.rbac.authorization.k8s.io`.
    pub cluster_kinds: Vec<Pattern>,
    /// True if BlueGreens may steer load balancers of AWS and read its alarms, with the program's own rights there.
    pub aws: bool,
    /// What it may not go beyond besides: the bounds of the Application that made this one.
    pub within: Option<Box<Allowed>>,
}

impl Allowed {
    /// No bounds: for who runs the program with rights of his own.
    pub fn everything() -> Allowed {
        let any = || vec![Pattern("*".into())];
        Allowed { namespaces: any(), cluster_kinds: any(), aws: true, within: None }
    }

    /// True if objects may be in the namespace.
    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|pattern| pattern.fits(namespace))
            && self.within.as_ref().is_none_or(|within| within.has_namespace(namespace))
    }

    /// True if objects of the cluster-scoped kind may be written; `group` is empty for the core group.
    pub fn has_cluster_kind(&self, group: &str, kind: &str) -> bool {
        let name = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        self.cluster_kinds.iter().any(|pattern| pattern.fits(&name))
            && self.within.as_ref().is_none_or(|within| within.has_cluster_kind(group, kind))
    }

    /// True if BlueGreens may steer load balancers of AWS.
    pub fn has_aws(&self) -> bool {
        self.aws && self.within.as_ref().is_none_or(|within| within.has_aws())
    }

    /// The same, bounded by another one as well.
    #[must_use]
    pub fn and_within(self, bounds: Allowed) -> Allowed {
        let within = match self.within {
            Some(within) => within.and_within(bounds),
            None => bounds,
        };
        Allowed { within: Some(Box::new(within)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_bounds_has_what_both_have() {
        let allowed = |namespaces: &[&str], aws| Allowed {
            namespaces: namespaces.iter().map(|name| Pattern((*name).into())).collect(),
            aws,
            ..Allowed::everything()
        };
        let both = allowed(&["a", "b"], true)
            .and_within(allowed(&["b*", "c"], true))
            .and_within(allowed(&["*"], false));
        let has = ["a", "b", "bb", "c"].map(|namespace| both.has_namespace(namespace));
        assert_eq!((has, both.has_aws()), ([false, true, false, false], false));
        assert!(both.has_cluster_kind("", "Namespace"));
    }

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, text, want) in [
            ("team-a", "team-a", true),
            ("team-a", "team-ab", false),
            ("team-a-*", "team-a-web", true),
            ("team-a-*", "team-a", false),
            ("*", "", true),
            ("*.git", "https://x/y.git", true),
            ("https://*/a/*.git", "https://git.example/a/b.git", true),
            ("https://*/a/*.git", "https://git.example/b/b.git", false),
            ("a*a", "a", false),
            ("a*b*c", "abbc", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern(pattern.into()).fits(text), want, "{pattern} {text}");
        }
    }
}
