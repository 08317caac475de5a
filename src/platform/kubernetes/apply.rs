//! One item of a plan, carried out.

use super::Kubernetes;
use super::desired::{Resolved, Wanted, resolve};
use super::filled::{filled, leave_placeholders};
use super::hooks::is_hook;
use super::left_alone::{leave, pointers};
use super::live::{Autoscalers, awaits_its_role, defined, is_replaced, refused, without_namespace};
use super::steering::is_steered;
use super::takeover::{Spot, due};
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::{Apply, FIELD_MANAGER, Refusal};
use crate::model::{HookPhase, MOVES_REQUESTS, Object, ObjectKey};
use crate::plan::{Change, PlanItem, WouldBe};
use serde_json::Value;
use std::time::Duration;

/// How long after a CustomResourceDefinition was accepted an API server may still refuse what only the new one allows.
const DEFINED_WITHIN: Duration = Duration::from_secs(30);

impl Kubernetes {
    pub(super) async fn carry_out(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        match item.change {
            Change::Prune => self.prune(item).await,
            Change::Blocked => Ok(()),
            Change::Unchanged if item.turn.phase == HookPhase::Sync => Ok(()),
            Change::Create | Change::Update | Change::Adopt | Change::Replace | Change::Unchanged => {
                if self.apply_carried(deployment, item).await? {
                    return Ok(());
                }
                let wanted = self.find(deployment, item).await?;
                if is_hook(wanted.object) {
                    return self.apply_hook(&deployment.manifests, &wanted).await;
                }
                if item.turn.rank == MOVES_REQUESTS {
                    self.release(deployment, &wanted).await?;
                }
                self.apply_object(deployment, &wanted, item.change).await
            }
        }
    }

    /// The document that an item is about.
    pub(super) async fn find<'a>(
        &self,
        deployment: &'a Deployment,
        item: &PlanItem,
    ) -> Result<Wanted<'a>, Trouble> {
        let manifests = &deployment.manifests;
        let mut kinds = self.cluster.kinds().await?;
        let named = |object: &&Object| {
            item.resource.starts_with(&object.key.kind) && item.resource.ends_with(&object.key.name)
        };
        // The CustomResourceDefinition of a kind may have come in an earlier turn.
        for is_fresh in [false, true] {
            if is_fresh {
                kinds = self.cluster.refresh_kinds().await?;
            }
            for object in manifests.objects.values().filter(named) {
                if let Resolved::Known(wanted) = resolve(object, manifests, &kinds, &self.identity)
                    && wanted.key.to_string() == item.resource
                {
                    return Ok(wanted);
                }
            }
        }
        let coming = manifests.objects.values().filter(named).any(|object| {
            matches!(resolve(object, manifests, &kinds, &self.identity), Resolved::Coming(key) if key.to_string() == item.resource)
        });
        let (kind, message) = match coming {
            true => (TroubleKind::Unavailable, "the cluster does not serve its kind yet"),
            false => (TroubleKind::Rejected, "there is no such document, or the cluster has no such kind"),
        };
        Err(Trouble { kind, doing: item.resource.clone(), message: message.into() })
    }

    async fn apply_object(
        &self,
        deployment: &Deployment,
        wanted: &Wanted<'_>,
        change: Change,
    ) -> Result<(), Trouble> {
        let doing = || format!("apply {}", wanted.key);
        let mut body = wanted.body(&self.identity);
        // What was absent when it was planned is not asked for once more.
        let live = match change {
            Change::Create if !is_steered(deployment, &wanted.key, self.identity.namespace()) => None,
            _ => self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?,
        };
        let steered = self.steer(deployment, wanted, &mut body, live.as_ref()).await?;
        let asked = deployment.application.sync.force_conflicts;
        let mut takeover = None;
        if let Some(live) = &live {
            if live.pointer("/metadata/deletionTimestamp").is_some() {
                let message = "it is being deleted, and is made anew when it is gone".into();
                return Err(Trouble { kind: TroubleKind::Transient, doing: doing(), message });
            }
            if let Some(message) = self.owned_by_others(&wanted.key, &wanted.object.body, live).await? {
                return Err(Trouble { kind: TroubleKind::Rejected, doing: doing(), message });
            }
            let left_alone = self.left_alone(deployment, wanted, &body, live, steered).await?;
            if leave(&mut body, live, &left_alone) {
                body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            }
            self.identity.mark(&mut body);
            takeover = match due(Some(live), &body, &left_alone, self.takes_all(asked)) {
                Ok(takeover) => takeover,
                Err(_) if self.forces(asked, Some(live)) => None,
                Err(message) => return Err(Trouble { kind: TroubleKind::Rejected, doing: doing(), message }),
            };
            if change == Change::Replace && wanted.key.is("batch", "Job") {
                return self.make_room(wanted, live).await;
            }
        }
        if live.is_none() {
            leave_placeholders(&mut body);
        }
        self.inventory.widen(&self.cluster, &self.identity, &wanted.key).await?;
        if let (Some(live), Some(takeover)) = (&live, &takeover) {
            let spot = Spot { resource: &wanted.resource, namespace: wanted.namespace() };
            let taken = self.take_over(spot, live, takeover).await?;
            body["metadata"]["resourceVersion"] = taken["metadata"]["resourceVersion"].clone();
        }
        let how = Apply { force: self.forces(asked, live.as_ref()), dry_run: false };
        match self.apply_yielding(wanted, &body, how).await {
            Ok(answer) => {
                self.note_run(wanted, &answer).await?;
                let unmet = self.planned.unmet(&wanted.key, &answer);
                self.applied.note(&wanted.key, answer);
                match unmet {
                    Some(message) => Err(Trouble { kind: TroubleKind::Rejected, doing: doing(), message }),
                    None => Ok(()),
                }
            }
            Err(Refusal::Invalid { fields, .. }) if is_replaced(wanted, &fields) => {
                let live = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?;
                match live {
                    Some(live) => self.make_room(wanted, &live).await,
                    None => {
                        let message = "it went while it was applied".into();
                        Err(Trouble { kind: TroubleKind::LookAgain, doing: doing(), message })
                    }
                }
            }
            // Each API server takes a definition in by itself, a little after it was accepted.
            Err(Refusal::Invalid { .. }) if self.is_defined_anew(&wanted.key) => {
                let message = "the API server does not go by the new CustomResourceDefinition yet".into();
                Err(Trouble { kind: TroubleKind::Transient, doing: doing(), message })
            }
            Err(Refusal::Invalid { message, fields }) => {
                let message = match refused(wanted.object, &message, &fields) {
                    WouldBe::Refused { message, .. } => message,
                    _ => message,
                };
                Err(Trouble { kind: TroubleKind::Rejected, doing: doing(), message })
            }
            Err(Refusal::Trouble(trouble))
                if trouble.kind == TroubleKind::Missing
                    && awaits_its_role(wanted.object, &deployment.manifests) =>
            {
                let message = "its role is not there yet".into();
                Err(Trouble { kind: TroubleKind::Transient, doing: doing(), message })
            }
            Err(Refusal::Trouble(trouble)) if trouble.kind == TroubleKind::Missing => {
                let comes = without_namespace(wanted.namespace(), deployment, trouble)?;
                let (kind, message) = match comes {
                    WouldBe::Refused { message, .. } => (TroubleKind::Rejected, message),
                    _ => (TroubleKind::Unavailable, "its namespace is not there yet".into()),
                };
                Err(Trouble { kind, doing: doing(), message })
            }
            Err(refusal) => Err(refusal.into_trouble(&doing())),
        }
    }

    /// True if the definition of this kind was changed a moment ago by this run.
    fn is_defined_anew(&self, key: &ObjectKey) -> bool {
        self.applied.has_lately(DEFINED_WITHIN, |applied, answer| {
            applied.is("apiextensions.k8s.io", "CustomResourceDefinition")
                && defined(answer).is_some_and(|(group, kind)| key.is(&group, &kind))
        })
    }

    /// Applies, and takes what only a patch of our own stands in the way of: the weights of a route that a rollout moved,
    /// say, which the server holds against us as those of another manager.
    pub(super) async fn apply_yielding(
        &self,
        wanted: &Wanted<'_>,
        body: &Value,
        how: Apply,
    ) -> Result<Value, Refusal> {
        let apply = |how| self.cluster.apply(&wanted.resource, wanted.namespace(), body, how);
        match apply(how).await {
            Err(Refusal::Conflicts(conflicts))
                if conflicts.iter().all(|conflict| conflict.manager == FIELD_MANAGER) =>
            {
                apply(Apply { force: true, ..how }).await
            }
            other => other,
        }
    }

    /// The fields that stay as they are: ignored ones, what a rollout steers by, what others fill, and replicas under an
    /// autoscaler.
    async fn left_alone(
        &self,
        deployment: &Deployment,
        wanted: &Wanted<'_>,
        body: &Value,
        live: &Value,
        steered: Vec<String>,
    ) -> Result<Vec<String>, Trouble> {
        let is_autoscaled =
            body.pointer("/spec/replicas").is_some() && self.is_autoscaled(deployment, wanted).await?;
        let rules = &deployment.application.ignore_differences;
        let filled = filled(body, Some(live)).into_iter().map(|(pointer, _)| pointer);
        let pointers = pointers(rules, &wanted.key, is_autoscaled).into_iter();
        Ok(pointers.chain(steered).chain(filled).collect())
    }

    async fn is_autoscaled(&self, deployment: &Deployment, wanted: &Wanted<'_>) -> Result<bool, Trouble> {
        self.has_autoscaler(deployment, &wanted.key).await
    }

    /// True if an autoscaler, of the documents or of the cluster, sets this object's number of pods.
    pub(super) async fn has_autoscaler(
        &self,
        deployment: &Deployment,
        scaled: &ObjectKey,
    ) -> Result<bool, Trouble> {
        let manifests = &deployment.manifests;
        let kinds = self.cluster.kinds().await?;
        let documents = manifests.objects.values().filter_map(|object| {
            match resolve(object, manifests, &kinds, &self.identity) {
                Resolved::Known(wanted) => Some((wanted.key, &object.body)),
                _ => None,
            }
        });
        if Autoscalers::of(documents.filter(|(key, _)| key.kind == "HorizontalPodAutoscaler")).scale(scaled) {
            return Ok(true);
        }
        let Some(resource) = kinds.preferred("autoscaling", "HorizontalPodAutoscaler") else {
            return Ok(false);
        };
        let found = self.cluster.list(resource, scaled.namespace.as_deref(), "").await?;
        Ok(Autoscalers::of(found.iter().map(|live| (resource.key_of(live), live))).scale(scaled))
    }
}
