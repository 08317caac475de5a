//! Waits of a deletion. Pure.
//!
//! What leaves Git may be replaced by something that comes, and pods may still use it. So it is deleted once everything
//! stands that is declared
//! - of its own kind in its namespace, or of its kind and name anywhere, where it may have moved to;
//! - in its namespace and leads requests on, as it does itself;
//! - in its namespace and runs pods; for what lies in no namespace, in all of them. Registrations of webhooks and of API
//!   servers wait for none: they may be what keeps pods away.
//!
//! Nothing else is waited for: a LoadBalancer that gets no address holds up no ConfigMap. But as long as a document could not
//! be applied nothing is deleted except registrations: what leaves may be what still serves in its place.

use super::report::{ItemResult, Verdict};
use crate::model::{Health, HookPhase};
use crate::plan::{Change, Live, Plan, PlanItem};
use std::collections::{BTreeMap, BTreeSet};

/// Kinds that run pods.
const WORKLOADS: [&str; 9] = [
    "Deployment.apps",
    "StatefulSet.apps",
    "DaemonSet.apps",
    "ReplicaSet.apps",
    "ReplicationController",
    "Pod",
    "Job.batch",
    "CronJob.batch",
    BLUE_GREEN,
];
const BLUE_GREEN: &str = "BlueGreen.cutover.dev";
const REGISTRATIONS: [&str; 2] = [".admissionregistration.k8s.io", ".apiregistration.k8s.io"];

/// Something that is declared and does not stand, or is told to go and is not gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// `Deployment/web`
    pub document: String,
    /// `Deployment.apps/shop/web`, or the name of an ECS service.
    resource: String,
    /// False if its document could not be applied.
    is_applied: bool,
}

impl Unfinished {
    /// The item of a plan.
    pub fn of(item: &PlanItem) -> Unfinished {
        Unfinished { document: item.document(), resource: item.resource.clone(), is_applied: true }
    }

    /// The BlueGreen of this name, whose pods are in this namespace; on ECS in none.
    pub fn rollout(name: &str, namespace: Option<&str>) -> Unfinished {
        let document = format!("BlueGreen/{name}");
        let resource = match namespace {
            Some(namespace) => format!("{BLUE_GREEN}/{namespace}/{name}"),
            None => name.to_owned(),
        };
        Unfinished { document, resource, is_applied: true }
    }
}

/// What of a plan that was made after everything was applied does not stand: what still differs or is unwell, if this
/// sync did not see it at rest.
pub(super) fn unfinished(plan: &Plan, live: &Live, results: &[ItemResult]) -> Vec<Unfinished> {
    let results: BTreeMap<&str, Verdict> =
        results.iter().map(|result| (result.document.as_str(), result.verdict)).collect();
    let unwell: BTreeSet<String> = live
        .objects
        .values()
        .filter(|one| matches!(one.health.health, Health::Progressing | Health::Degraded | Health::Missing))
        .map(|one| one.key.to_string())
        .collect();
    let is_unwell = |item: &PlanItem| live.moving.contains(&item.resource) || unwell.contains(&item.resource);
    let items = plan.items.iter().filter(|item| item.change != Change::Prune && !item.carried);
    let items = items.filter(|item| item.turn.phase <= HookPhase::Sync);
    let left = items.filter(|item| match results.get(item.document().as_str()) {
        Some(verdict) => *verdict != Verdict::Done,
        None => item.change != Change::Unchanged || is_unwell(item),
    });
    left.map(|item| {
        let is_refused = results.get(item.document().as_str()) == Some(&Verdict::Error);
        Unfinished { is_applied: !is_refused && item.change != Change::Blocked, ..Unfinished::of(item) }
    })
    .collect()
}

/// True if `leaving` is not deleted as long as `other` is unfinished.
pub(super) fn waits_for(leaving: &str, other: &Unfinished) -> bool {
    let is_applied = other.is_applied;
    let (leaving, other) = (Address::of(leaving), Address::of(&other.resource));
    // On ECS everything is a workload, and in one place.
    let (Some(kind), Some(other_kind)) = (leaving.kind, other.kind) else { return true };
    if kind == other_kind && (leaving.namespace == other.namespace || leaving.name == other.name) {
        return true;
    }
    if is_registration(kind) {
        return false;
    }
    let is_near = leaving.namespace.is_none() || leaving.namespace == other.namespace;
    let is_in_its_place = is_route(kind) && is_route(other_kind);
    !is_applied || is_near && (WORKLOADS.contains(&other_kind) || is_in_its_place)
}

/// True if `leaving` takes along, or is needed by, what is told to go and is not gone: a namespace with something in it, a
/// definition with objects, what pods use.
pub(super) fn is_needed_by(leaving: &str, going: &Unfinished) -> bool {
    let (leaving, going) = (Address::of(leaving), Address::of(&going.resource));
    match (leaving.kind, going.kind) {
        (Some("Namespace"), _) => going.namespace == Some(leaving.name),
        // `things.e.dev` defines `Thing.e.dev`; its kind is not in its name, so that any of its group counts.
        (Some("CustomResourceDefinition.apiextensions.k8s.io"), Some(kind)) => {
            let group = leaving.name.split_once('.').map(|(_, group)| group);
            group.is_some() && group == kind.split_once('.').map(|(_, group)| group)
        }
        (Some(kind), Some(other)) if answers_requests(kind) && leads_requests(other) && kind != other => {
            leaving.namespace == going.namespace
        }
        // Whoever looks after custom resources is needed to let go of them, wherever they are.
        (Some(kind), Some(other)) if answers_requests(kind) && is_custom(other) => true,
        (Some(_), Some(kind)) => {
            WORKLOADS.contains(&kind) && (leaving.namespace.is_none() || leaving.namespace == going.namespace)
        }
        _ => true,
    }
}

/// True for a kind, with its group, that tells the API server to ask somebody else.
pub(super) fn is_registration(kind: &str) -> bool {
    REGISTRATIONS.iter().any(|group| kind.ends_with(group))
}

/// True for a kind that gets requests through others.
fn answers_requests(kind: &str) -> bool {
    kind == "Service" || WORKLOADS.contains(&kind)
}

/// True for a kind that sends requests on.
fn leads_requests(kind: &str) -> bool {
    kind == "Service" || is_route(kind)
}

/// True for a kind that sends requests from outside to Services.
fn is_route(kind: &str) -> bool {
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    match group {
        "networking.k8s.io" => kind == "Ingress",
        "gateway.networking.k8s.io" => kind.ends_with("Route"),
        "elbv2.k8s.aws" => kind == "TargetGroupBinding",
        _ => false,
    }
}

/// True for a kind that no API server has by itself.
fn is_custom(kind: &str) -> bool {
    let group = kind.split_once('.').map_or("", |(_, group)| group);
    group.contains('.') && !group.ends_with(".k8s.io") && kind != BLUE_GREEN
}

/// The parts of an [`crate::model::ObjectKey`]'s text.
struct Address<'a> {
    /// With its group; none on ECS.
    kind: Option<&'a str>,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Address<'a> {
    fn of(text: &'a str) -> Address<'a> {
        let mut parts = text.splitn(3, '/');
        let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        match (second, third) {
            (Some(namespace), Some(name)) => Address { kind: Some(first), namespace: Some(namespace), name },
            (Some(name), None) => Address { kind: Some(first), namespace: None, name },
            (None, _) => Address { kind: None, namespace: None, name: first },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HealthReport, ObjectKey, Turn};
    use crate::plan::{LiveObject, WouldBe};

    fn other(resource: &str) -> Unfinished {
        Unfinished { document: String::new(), resource: resource.into(), is_applied: true }
    }

    #[test]
    fn a_deletion_waits_for_what_may_take_its_place_and_for_pods_that_may_use_it() {
        for (leaving, unfinished, waits) in [
            ("ConfigMap/shop/old", "Deployment.apps/shop/web", true),
            ("Deployment.apps/shop/old", "StatefulSet.apps/shop/new", true),
            ("Deployment.apps/shop/old", "BlueGreen.cutover.dev/shop/new", true),
            ("ConfigMap/shop/old", "Service/shop/lb", false),
            ("ConfigMap/shop/old", "HorizontalPodAutoscaler.autoscaling/shop/web", false),
            ("ConfigMap/shop/old", "PersistentVolumeClaim/shop/data", false),
            ("Ingress.networking.k8s.io/shop/old", "Ingress.networking.k8s.io/shop/new", true),
            ("Service/shop/web", "Service/prod/web", true),
            ("ConfigMap/shop/old", "Deployment.apps/blog/web", false),
            ("Deployment.apps/shop/web", "Deployment.apps/blog/web", true),
            ("Deployment.apps/shop/web", "Deployment.apps/blog/other", false),
            ("ClusterRole.rbac.authorization.k8s.io/reader", "Deployment.apps/shop/web", true),
            (
                "ClusterRole.rbac.authorization.k8s.io/reader",
                "Gateway.gateway.networking.k8s.io/shop/web",
                false,
            ),
            (
                "ValidatingWebhookConfiguration.admissionregistration.k8s.io/a",
                "Deployment.apps/shop/web",
                false,
            ),
            (
                "ValidatingWebhookConfiguration.admissionregistration.k8s.io/a",
                "ValidatingWebhookConfiguration.admissionregistration.k8s.io/b",
                true,
            ),
            ("Ingress.networking.k8s.io/shop/web", "HTTPRoute.gateway.networking.k8s.io/shop/web", true),
            ("Ingress.networking.k8s.io/shop/web", "HTTPRoute.gateway.networking.k8s.io/blog/web", false),
            ("web-old", "worker", true),
        ] {
            assert_eq!(waits_for(leaving, &other(unfinished)), waits, "{leaving} {unfinished}");
        }
    }

    #[test]
    fn what_holds_or_defines_others_goes_after_them() {
        for (leaving, going, waits) in [
            ("Namespace/shop", "ConfigMap/shop/a", true),
            ("Namespace/shop", "ConfigMap/blog/a", false),
            ("CustomResourceDefinition.apiextensions.k8s.io/things.e.dev", "Thing.e.dev/shop/one", true),
            ("CustomResourceDefinition.apiextensions.k8s.io/things.e.dev", "Thing.f.dev/shop/one", false),
            ("ConfigMap/shop/a", "Deployment.apps/shop/web", true),
            ("ConfigMap/shop/a", "Thing.e.dev/shop/one", false),
            ("ServiceAccount/blog/a", "Deployment.apps/shop/web", false),
        ] {
            assert_eq!(is_needed_by(leaving, &other(going)), waits, "{leaving} {going}");
        }
    }

    #[test]
    fn what_stands_is_told_by_this_sync_or_else_by_what_is_live() {
        let item = |name: &str, change| PlanItem {
            turn: Turn::default(),
            ..PlanItem::new("Deployment", name, &format!("Deployment.apps/shop/{name}"), change, "")
        };
        let plan = Plan {
            items: vec![
                item("well", Change::Unchanged),
                item("broken", Change::Unchanged),
                item("refused", Change::Update),
                item("fought-over", Change::Update),
                item("crashing", Change::Unchanged),
            ],
            ..Plan::default()
        };
        let object = |name: &str, health| {
            let key = ObjectKey {
                group: "apps".into(),
                kind: "Deployment".into(),
                namespace: Some("shop".into()),
                name: name.into(),
            };
            let health = HealthReport { health, ..HealthReport::default() };
            (key.clone(), LiveObject { key, live: None, would_be: WouldBe::Same, health, filled: vec![] })
        };
        let objects = [
            object("well", Health::Healthy),
            object("broken", Health::Degraded),
            object("crashing", Health::Healthy),
        ];
        let live = Live { objects: objects.into(), ..Live::default() };
        let result = |name: &str, verdict| ItemResult {
            document: format!("Deployment/{name}"),
            verdict,
            message: String::new(),
        };
        let results = [result("fought-over", Verdict::Done), result("crashing", Verdict::Failed)];
        let found = unfinished(&plan, &live, &results);
        let names: Vec<&str> = found.iter().map(|one| one.document.as_str()).collect();
        assert_eq!(names, ["Deployment/broken", "Deployment/refused", "Deployment/crashing"]);
        let refused = [result("refused", Verdict::Error)];
        let holds_up = |results: &[ItemResult]| {
            let left = unfinished(&plan, &live, results);
            left.iter().any(|one| waits_for("Ingress.networking.k8s.io/other/web", one))
        };
        assert!(holds_up(&refused), "a document that could not be applied");
        assert!(!holds_up(&results), "one that is unwell");
    }
}
