//! What the API server checks of an Application beyond its schema, in CEL: as much of `check_application` as can be said
//! in it, so that a mistake is refused where it is made. The controller checks all of it once more.

/// The API server quotes the value that breaks a rule if it is a text or a number: what may hold a secret is checked one level
/// above.
///
/// Where a rule holds (`spec.dependsOn[]` is an entry of the list, empty is the whole object), the rule, and what is said
/// to whoever breaks it.
pub type Rule = (&'static str, &'static str, &'static str);

/// A duration, wherever the table has one.
pub const DURATION: (&str, &str) = (
    r"self == '0' || self.matches('^([0-9]+[smhd])+$')",
    "is not a duration; write it like 30s, 15m, 1h30m or 1d",
);

/// A share or a number.
pub const LIMIT: (&str, &str) = (
    r"type(self) == int ? self >= 0 : string(self).matches('^(0*([0-9]{1,2}|100)%|[0-9]+)$')",
    "is neither a share like 30% nor a number",
);

/// The rules by place.
pub const RULES: &[Rule] = &[
    (
        "",
        r"self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "the name of an Application has lower-case letters, digits and - in between, and no dots; choose another one",
    ),
    (
        "",
        r"!has(self.spec.dependsOn) || !self.spec.dependsOn.exists(name, name == self.metadata.name)",
        "an application cannot wait for itself; take its own name out of spec.dependsOn",
    ),
    (
        "spec",
        r"!has(self.ignoreDifferences) || self.ignoreDifferences.size() == 0 || has(self.destination.kubernetes)",
        "ignoreDifferences is for Kubernetes objects, and this application goes to ECS; remove it",
    ),
    (
        "spec",
        r"!has(self.sync) || !has(self.sync.forceConflicts) || !self.sync.forceConflicts || has(self.destination.kubernetes)",
        "sync.forceConflicts is for Kubernetes objects, and this application goes to ECS; remove it",
    ),
    (
        "spec",
        r"!has(self.serviceAccountName) || has(self.destination.kubernetes)",
        "serviceAccountName is for Kubernetes, and this application goes to ECS; remove it",
    ),
    (
        "spec.destination",
        r"has(self.ecs) != has(self.kubernetes)",
        "name exactly one destination: ecs or kubernetes",
    ),
    (
        "spec.source",
        r"!self.repoURL.matches('^[a-zA-Z0-9+.-]*://[^/]*:[^/]*@')",
        "repoURL holds a password, which everyone who reads this object can use; put it into a Secret and name that in source.secretRef",
    ),
    (
        "spec.source",
        r"self.repoURL.matches('^(https?|ssh|git[+]ssh|ssh[+]git|git)://[^[:space:][:cntrl:]]+$') || self.repoURL.matches('^[^-/:[:space:][:cntrl:]][^/:[:space:][:cntrl:]]*:[^:[:space:][:cntrl:]][^[:space:][:cntrl:]]*$') && !self.repoURL.contains('://')",
        "repoURL is no repository that the controller can reach; write https://host/path, ssh://user@host/path, user@host:path or git://host/path",
    ),
    (
        "spec.source.path",
        r"!self.startsWith('/') && !self.matches('(^|[/\\\\])[.][.]([/\\\\]|$)') && !self.matches('[[:cntrl:]]')",
        "must be a folder in the repository, seen from its root, without \"..\"",
    ),
    (
        "spec.source.targetRevision",
        r"!self.startsWith('-') && !self.matches('[[:space:][:cntrl:]]')",
        "is not a branch, tag or commit",
    ),
    (
        "spec.destination.ecs.cluster",
        r"self.matches('^[a-zA-Z0-9_:/-]+$')",
        "is neither a cluster's name nor its ARN",
    ),
    ("spec.destination.ecs.region", REGION, NO_REGION),
    ("spec.destination.kubernetes.region", REGION, NO_REGION),
    ("spec.destination.kubernetes.namespace", LABEL, NO_NAMESPACE),
    ("spec.sync.interval", SOME_TIME, NO_TIME),
    ("spec.sync.timeout", SOME_TIME, NO_TIME),
    ("spec.dependsOn[]", LABELS, "is not the name of an Application"),
    ("spec.ignoreDifferences[].namespace", LABEL, NO_NAMESPACE),
    (
        "spec.ignoreDifferences[].jsonPointers[]",
        r"self.startsWith('/')",
        "is not a JSON pointer; it begins with \"/\", like /spec/replicas",
    ),
    (
        "spec.ignoreDifferences[].jsonPointers[]",
        r"!self.matches('~([^01]|$)') && !self.matches('[[:cntrl:]]')",
        "is not a JSON pointer; \"~\" in a field's name is written ~0, and \"/\" is written ~1",
    ),
    (
        "spec.ignoreDifferences[].jsonPointers[]",
        r"!(self in ['/', '/apiVersion', '/kind', '/metadata', '/metadata/name', '/metadata/namespace']) && !self.startsWith('//') && !self.startsWith('/apiVersion/') && !self.startsWith('/kind/')",
        "says which object is meant; it can't be ignored",
    ),
];

/// What is no duration at all has been said to be none.
const SOME_TIME: &str = r"self.matches('[1-9]') || !self.matches('^[0-9smhd]+$')";
const NO_TIME: &str = "must be longer than 0";
const REGION: &str = r"self.matches('^[a-z0-9-]+$')";
const NO_REGION: &str = "is not a region such as eu-central-1";
const LABEL: &str = r"self.size() <= 63 && self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
const LABELS: &str = r"self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
const NO_NAMESPACE: &str =
    "is not the name of a namespace: lower-case letters, digits and - in between, at most 63 characters";
