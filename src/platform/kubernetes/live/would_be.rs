//! What an apply would make of an object.

use super::Context;
use super::compare::is_as_applied;
use crate::diff::without_secrets;
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::{InvalidField, Refusal};
use crate::model::{Destination, Manifests, Object};
use crate::plan::WouldBe;
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::bookkeeping::inventory_of;
use crate::platform::kubernetes::desired::Wanted;
use crate::platform::kubernetes::filled::{filled, leave_placeholders};
use crate::platform::kubernetes::left_alone::{leave, pointers};
use crate::platform::kubernetes::steering::is_steered;
use crate::platform::kubernetes::takeover::{Spot, due, is_our_patch};
use serde_json::Value;

impl Kubernetes {
    pub(super) async fn would_be(
        &self,
        context: &Context<'_>,
        wanted: &Wanted<'_>,
        live: Option<&Value>,
    ) -> Result<WouldBe, Trouble> {
        let mut body = wanted.body(&self.identity);
        let is_route = wanted.key.kind == "HTTPRoute"
            && is_steered(context.deployment, &wanted.key, self.identity.namespace());
        let steered = self.steer(context.deployment, wanted, &mut body, live).await?;
        let asked = context.deployment.application.sync.force_conflicts;
        let (mut takeover, mut still_written) = (None, None);
        if let Some(live) = live {
            if let Some(message) = self.owned_by_others(&wanted.key, &wanted.object.body, live).await? {
                return Ok(WouldBe::Refused { message, field: None });
            }
            if let Some(whose) = inventory_of(live) {
                return Ok(WouldBe::Refused { message: whose, field: Some("metadata.name".into()) });
            }
            // It has to be made anew once it is gone; what an apply would make of it until then is of no interest.
            if live.pointer("/metadata/deletionTimestamp").is_some() {
                return Ok(WouldBe::Unasked);
            }
            let rules = &context.deployment.application.ignore_differences;
            let mut pointers = pointers(rules, &wanted.key, context.autoscalers.scale(&wanted.key));
            pointers.extend(steered);
            pointers.extend(filled(&body, Some(live)).into_iter().map(|(pointer, _)| pointer));
            leave(&mut body, live, &pointers);
            // Marks are not for documents to leave alone.
            self.identity.mark(&mut body);
            match due(Some(live), &body, &pointers, self.takes_all(asked)) {
                Ok(found) => takeover = found,
                // What is a member's is taken back from everybody, the rest is told when nothing else is to be done.
                Err(message) if self.forces(asked, Some(live)) => still_written = Some(message),
                Err(message) => return Ok(WouldBe::Refused { message, field: None }),
            }
            if takeover.is_none() && is_as_applied(&body, live) {
                return Ok(same(still_written));
            }
        } else {
            leave_placeholders(&mut body);
        }
        let spot = Spot { resource: &wanted.resource, namespace: wanted.namespace() };
        let force = self.forces(asked, live);
        let is_taken_over = takeover.is_some();
        match self.would_apply(spot, &body, live, takeover.as_ref(), force, is_our_patch).await {
            Ok(object) if is_taken_over => Ok(WouldBe::Object(object)),
            // An apply that changes nothing leaves even the resource version and the managed fields as they are.
            Ok(object) if live.is_some_and(|live| are_same_but_for_times(live, &object)) => {
                Ok(same(still_written))
            }
            // The weights belong to whoever moved them last, which is the rollout; to say so is not worth a write.
            Ok(object) if is_route && live.is_some_and(|live| are_same_but_for_owners(live, &object)) => {
                Ok(WouldBe::Same)
            }
            Ok(object) => Ok(WouldBe::Object(object)),
            Err(Refusal::Conflicts(conflicts)) => Ok(WouldBe::Conflicts(conflicts)),
            Err(Refusal::Invalid { message, .. }) if message.contains("does not support dry run") => {
                Ok(WouldBe::Unasked)
            }
            Err(Refusal::Invalid { fields, .. }) if live.is_some() && is_replaced(wanted, &fields) => {
                Ok(WouldBe::Unasked)
            }
            // What the definition allows is told once the new one is there.
            Err(Refusal::Invalid { .. }) if context.definitions.changes(&wanted.key) => {
                Ok(WouldBe::Unanswered("its CustomResourceDefinition changes with this sync".into()))
            }
            Err(Refusal::Invalid { message, fields }) => Ok(refused(wanted.object, &message, &fields)),
            Err(Refusal::Trouble(trouble)) if trouble.kind == TroubleKind::Unavailable => {
                Ok(WouldBe::Unanswered(trouble.message))
            }
            Err(Refusal::Trouble(trouble)) if trouble.kind == TroubleKind::Missing => {
                if awaits_its_role(wanted.object, &context.deployment.manifests) {
                    return Ok(WouldBe::Unasked);
                }
                without_namespace(wanted.namespace(), context.deployment, trouble)
            }
            Err(Refusal::Trouble(trouble)) if trouble.message.contains(TERMINATING) => {
                without_namespace(wanted.namespace(), context.deployment, trouble)
            }
            Err(Refusal::Trouble(trouble)) => Err(trouble),
        }
    }
}

/// Nothing is to be done, unless a former manager still writes.
fn same(still_written: Option<String>) -> WouldBe {
    still_written.map_or(WouldBe::Same, |message| WouldBe::Refused { message, field: None })
}

/// The server's words for a namespace that is being deleted.
const TERMINATING: &str = "because it is being terminated";

/// True for a binding of a role that comes with the same documents. Whoever may not give every right is answered "not
/// found" for such a binding as long as the role, whose rights would have to be compared, is not there.
pub(in crate::platform::kubernetes) fn awaits_its_role(object: &Object, manifests: &Manifests) -> bool {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let named = |field: &str| object.body.pointer(&format!("/roleRef/{field}")).and_then(Value::as_str);
    let (Some(kind), Some(name)) = (named("kind"), named("name")) else { return false };
    let is_binding = ["RoleBinding", "ClusterRoleBinding"].iter().any(|kind| object.key.is(RBAC, kind));
    is_binding && manifests.objects.keys().any(|key| key.is(RBAC, kind) && key.name == name)
}

/// Where the server fills a part that is owned as a whole with defaults, it writes down a new time for an apply of the
/// same, and nothing else.
fn are_same_but_for_times(live: &Value, would_be: &Value) -> bool {
    let without_times = |object: &Value| {
        let mut object = object.clone();
        let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.shift_remove("time");
        }
        object
    };
    live == would_be || without_times(live) == without_times(would_be)
}

fn are_same_but_for_owners(live: &Value, would_be: &Value) -> bool {
    let without_owners = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("managedFields");
        }
        object
    };
    without_owners(live) == without_owners(would_be)
}

/// True if the dry run made a new object. One that is there has a resource version, and keeps it.
pub(super) fn is_creation(would_be: &WouldBe) -> bool {
    let WouldBe::Object(object) = would_be else { return false };
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().is_empty()
}

/// True if the dry run was answered about another version of the object than the one that was read.
pub(super) fn is_of_another(would_be: &WouldBe, live: Option<&Value>) -> bool {
    let WouldBe::Object(object) = would_be else { return false };
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    live.is_some_and(|live| version(live) != version(object))
}

/// Why an object of somebody else is not touched, and what gives it to the application `heir`.
pub(in crate::platform::kubernetes) fn belongs_to(owner: &str, heir: &str, name: Option<&str>) -> String {
    let Some(name) = name else {
        return format!(
            "it belongs to {owner}; take it out of there first, or remove its label applyset.kubernetes.io/part-of to let \
             this application adopt it"
        );
    };
    format!(
        "it belongs to {owner}. If one controller has both applications, take it out of there, and it is handed over; \
         otherwise taking it out deletes it: first annotate the live object cutover.dev/release={heir} and the document \
         cutover.dev/adopt: {name}, or, if application {name} is gone for good, delete its inventory: kubectl delete configmap \
         cutover-{name}"
    )
}

/// A Job whose template changed is made anew: that is how a Job is run again. Nothing else is deleted for that.
pub(in crate::platform::kubernetes) fn is_replaced(wanted: &Wanted<'_>, fields: &[InvalidField]) -> bool {
    wanted.key.is("batch", "Job") && !fields.is_empty() && fields.iter().all(InvalidField::is_immutable)
}

/// What `kubectl apply` refuses as well.
const STARTED_POD: &str =
    "of a Pod that is there only images, activeDeadlineSeconds and added tolerations can be changed";

/// All that the server said, each with the line where it is written.
pub(in crate::platform::kubernetes) fn refused(
    object: &Object,
    message: &str,
    fields: &[InvalidField],
) -> WouldBe {
    let say = |field: &InvalidField| {
        let what = match field.message.as_str() {
            _ if field.is_unknown() => "unknown field",
            _ if field.is_of_started_pod() => STARTED_POD,
            message => message,
        };
        format!("{}: {}: {what}", object.origin_of(&field.path), field.path)
    };
    let told: Vec<String> = fields.iter().map(say).collect();
    let message = if told.is_empty() { message.to_owned() } else { told.join("; ") };
    // Messages quote what they refuse.
    let message = without_secrets(&message, &object.body);
    let hint = match fields.iter().any(InvalidField::is_immutable) {
        true if fields.iter().any(InvalidField::is_of_started_pod) => {
            "; delete the Pod by hand to have it made anew with the next sync, or declare a Deployment, which replaces its \
             pods"
        }
        true => {
            "; this can't be changed on a live object: go back to what it was, or delete the object by hand (a \
             StatefulSet with --cascade=orphan) and sync again"
        }
        false => "",
    };
    WouldBe::Refused {
        message: format!("{message}{hint}"),
        field: fields.first().map(|field| field.path.clone()),
    }
}

/// True if `sync.createNamespace` is for this namespace: the destination's, unless a document says what it has to be.
pub(in crate::platform::kubernetes) fn makes_namespace(deployment: &Deployment, namespace: &str) -> bool {
    deployment.application.sync.create_namespace
        && is_own(deployment, namespace)
        && !is_declared(&deployment.manifests, namespace)
}

fn is_own(deployment: &Deployment, namespace: &str) -> bool {
    match &deployment.application.destination {
        Destination::Kubernetes { namespace: own, .. } => own == namespace,
        Destination::Ecs { .. } => false,
    }
}

fn is_declared(manifests: &Manifests, namespace: &str) -> bool {
    manifests.objects.keys().any(|key| key.is("", "Namespace") && key.name == namespace)
}

/// A namespace that is not there, or not for long: it comes with this sync, or somebody has to make it.
pub(in crate::platform::kubernetes) fn without_namespace(
    namespace: Option<&str>,
    deployment: &Deployment,
    trouble: Trouble,
) -> Result<WouldBe, Trouble> {
    let Some(namespace) = namespace else { return Err(trouble) };
    let is_going = trouble.message.contains(TERMINATING);
    if !is_going && !trouble.message.contains(&format!("namespaces \"{namespace}\" not found")) {
        return Err(trouble);
    }
    // Made before everything else; one that is on its way out has to be gone for that.
    let is_made = !is_going && makes_namespace(deployment, namespace);
    let or = if is_own(deployment, namespace) { ", or set sync.createNamespace" } else { "" };
    Ok(match is_made || is_declared(&deployment.manifests, namespace) {
        true => WouldBe::Unasked,
        false if is_going => WouldBe::Refused {
            message: format!(
                "the namespace {namespace} is being deleted; add a Namespace document to have it made anew"
            ),
            field: Some("metadata.namespace".into()),
        },
        false => WouldBe::Refused {
            message: format!(
                "there is no namespace {namespace}; add a Namespace document, or `kubectl create namespace {namespace}`{or}"
            ),
            field: Some("metadata.namespace".into()),
        },
    })
}
