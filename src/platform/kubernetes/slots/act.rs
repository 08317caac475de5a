//! The machine's actions on slots. Each may be repeated, and may be cut off after any of its writes.

use super::content::is_as_wanted;
use super::hold::ScaleDown;
use super::read::{deployments, uid};
use crate::engine::{Signal, Trouble, TroubleKind};
use crate::model::{Slot, marks};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::applyset::object_at;
use crate::platform::kubernetes::health::assess;
use crate::platform::kubernetes::slot::{LiveSlot, Steered, applied_revision, desired_count, notes};
use crate::rollout::{Action, Progress, Record};
use serde_json::{Value, json};

/// On a pod template: starts the pods anew for the rollout of this number, although nothing else changed.
const ATTEMPT: &str = "cutover.dev/attempt";

impl Kubernetes {
    pub(super) async fn act_on_slot(&self, steered: &Steered<'_>, action: &Action) -> Result<(), Trouble> {
        match action {
            Action::CreateSlot { slot, count, record } => {
                let live = self.live_slots(steered).await?;
                self.heal(steered, slot.other(), live.get(slot.other())).await?;
                self.bring_up(steered, *slot, live.get(*slot), *count, Some(record)).await
            }
            Action::UpdateSlot { slot, count } => {
                let live = self.live_slots(steered).await?;
                own(steered, *slot, live.get(*slot).deployment.as_ref())?;
                self.heal(steered, slot.other(), live.get(slot.other())).await?;
                self.bring_up(steered, *slot, live.get(*slot), *count, None).await
            }
            Action::ScaleSlot { slot, count } => self.scale(steered, *slot, *count).await,
            Action::AdoptSlot { slot } => self.adopt(steered, *slot).await,
            Action::WriteRecord { slot, record } => {
                if matches!(record.progress, Progress::Done(_)) {
                    self.set_scale_down(steered, *slot, ScaleDown::AsWritten).await?;
                    self.set_scale_down(steered, slot.other(), ScaleDown::Off).await?;
                }
                self.annotate(steered, *slot, &record_notes(record)).await
            }
            Action::NameGroup { .. } | Action::PointTestRule { .. } | Action::SetWeights { .. } => {
                Err(Trouble {
                    kind: TroubleKind::Rejected,
                    doing: action.to_string(),
                    message: "this is no change of a Deployment".into(),
                })
            }
        }
    }

    pub(super) async fn signal_slot(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        signal: Signal,
    ) -> Result<(), Trouble> {
        let notes = match signal {
            Signal::Promote(number) => vec![(marks::PROMOTE, number.to_string().into())],
            Signal::Abort(number) => vec![(marks::ABORT, number.to_string().into())],
            Signal::Forget => [marks::RECORD, marks::INTENT, marks::PROMOTE, marks::ABORT]
                .map(|key| (key, Value::Null))
                .into(),
        };
        self.annotate(steered, slot, &notes).await
    }

    /// Applies the slot's objects, the Deployment last: cut off before it, the slot is not there, or not as wanted, and
    /// all of it is done again.
    async fn bring_up(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        live: &LiveSlot,
        count: u32,
        record: Option<&Record>,
    ) -> Result<(), Trouble> {
        for mut part in steered.parts(slot, live, count) {
            if part.key == steered.deployment_key(slot) {
                self.set_scale_down(steered, slot, ScaleDown::Off).await?;
                keep_notes(&mut part.body, live.deployment.as_ref(), record);
                if live.deployment.as_ref().is_some_and(|deployment| assess(deployment).is_final) {
                    begin_anew(&mut part.body, live.deployment.as_ref());
                }
            } else if is_as_wanted(steered, slot, &part) {
                continue;
            }
            self.apply_part(steered, &part).await?;
        }
        Ok(())
    }

    /// Makes the Service and the binding of a slot that runs pods, if they are not there: somebody deleted them while
    /// requests may be going there, or the slot was adopted without them. What fills the target group of an adopted slot
    /// is left to itself.
    async fn heal(&self, steered: &Steered<'_>, slot: Slot, live: &LiveSlot) -> Result<(), Trouble> {
        let Some(deployment) = &live.deployment else { return Ok(()) };
        let is_made_by_us = applied_revision(deployment).is_some();
        let is_ours = self.identity.owns(deployment) || steered.is_adopted(slot);
        if !is_ours || desired_count(deployment) == 0 {
            return Ok(());
        }
        for part in steered.parts(slot, live, desired_count(deployment)) {
            let is_healed = part.key == steered.service_key(slot)
                || part.key == steered.binding_key(slot) && is_made_by_us;
            if part.live.is_none() && is_healed {
                self.apply_part(steered, &part).await?;
            }
        }
        Ok(())
    }

    /// To 0, or up: a number that an autoscaler has raised meanwhile is not lowered. At 0 an autoscaler stands still until
    /// there are pods again.
    async fn scale(&self, steered: &Steered<'_>, slot: Slot, count: u32) -> Result<(), Trouble> {
        let deployment = self.own_slot(steered, slot).await?;
        let now = desired_count(&deployment);
        if now == count || count > 0 && now > count {
            return Ok(());
        }
        if count > 0 && steered.documents.desired_count().is_none() {
            self.set_scale_down(steered, slot, ScaleDown::Off).await?;
        }
        let patch = json!({"metadata": same_as(&deployment), "spec": {"replicas": count}});
        self.patch(steered, slot, &patch).await
    }

    /// Puts our marks on the Deployment and changes nothing else of it: its pods do not notice. A slot's Service that is
    /// not there is made.
    async fn adopt(&self, steered: &Steered<'_>, slot: Slot) -> Result<(), Trouble> {
        let live = self.live_slots(steered).await?;
        self.heal(steered, slot, live.get(slot)).await?;
        let deployment = present(steered, slot, live.get(slot).deployment.clone())?;
        let key = steered.deployment_key(slot);
        self.inventory.widen(&self.cluster, &self.identity, &key).await?;
        let mut patch = json!({"metadata": {"uid": uid(&deployment), "labels": {marks::SLOT: slot.name()}}});
        self.identity.mark(&mut patch);
        self.patch(steered, slot, &patch).await
    }

    async fn annotate(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        notes: &[(&str, Value)],
    ) -> Result<(), Trouble> {
        let deployment = self.own_slot(steered, slot).await?;
        let mut patch = json!({"metadata": {"uid": uid(&deployment)}});
        for (key, value) in notes {
            object_at(&mut patch["metadata"], "annotations")[*key] = value.clone();
        }
        self.patch(steered, slot, &patch).await
    }

    async fn patch(&self, steered: &Steered<'_>, slot: Slot, patch: &Value) -> Result<(), Trouble> {
        let name = steered.rollout.slot_name(slot);
        self.cluster.merge_patch(&deployments(), Some(steered.namespace), &name, patch).await.map(drop)
    }

    async fn deployment(&self, steered: &Steered<'_>, slot: Slot) -> Result<Option<Value>, Trouble> {
        let name = steered.rollout.slot_name(slot);
        self.cluster.get(&deployments(), Some(steered.namespace), &name).await
    }

    async fn own_slot(&self, steered: &Steered<'_>, slot: Slot) -> Result<Value, Trouble> {
        let found = self.deployment(steered, slot).await?;
        own(steered, slot, found.as_ref())?;
        present(steered, slot, found)
    }
}

/// That a slot's Deployment is there and is going to stay.
fn present(steered: &Steered<'_>, slot: Slot, found: Option<Value>) -> Result<Value, Trouble> {
    let found = found.filter(|found| found.pointer("/metadata/deletionTimestamp").is_none());
    found.ok_or_else(|| Trouble {
        kind: TroubleKind::Transient,
        doing: format!("changing {}", steered.deployment_key(slot)),
        message: "it is not there (any more)".into(),
    })
}

/// That a slot's Deployment, if it is there, is this application's.
fn own(steered: &Steered<'_>, slot: Slot, found: Option<&Value>) -> Result<(), Trouble> {
    let Some(found) = found.filter(|found| !steered.identity.owns(found)) else { return Ok(()) };
    let owner = steered.identity.other_owner(found).unwrap_or_else(|| "nobody that says so".into());
    Err(Trouble {
        kind: TroubleKind::Rejected,
        doing: format!("changing {}", steered.deployment_key(slot)),
        message: format!("it does not bear this application's label; it belongs to {owner}"),
    })
}

/// The very object that was read, unchanged.
fn same_as(live: &Value) -> Value {
    json!({"uid": live["metadata"]["uid"], "resourceVersion": live["metadata"]["resourceVersion"]})
}

/// The annotations of a record and of its intent, written together.
fn record_notes(record: &Record) -> [(&'static str, Value); 2] {
    [(marks::RECORD, record.to_tag().into()), (marks::INTENT, record.intent_to_tag().into())]
}

/// An apply takes away what an earlier one set and this one does not, so the notes are sent along as they are.
fn keep_notes(body: &mut Value, live: Option<&Value>, record: Option<&Record>) {
    let annotations = object_at(&mut body["metadata"], "annotations");
    for key in [marks::RECORD, marks::INTENT, marks::PROMOTE, marks::ABORT] {
        let note = live.and_then(|live| live["metadata"]["annotations"].get(key));
        if let Some(note) = note {
            annotations[key] = note.clone();
        }
    }
    if let Some(record) = record {
        for (key, note) in record_notes(record) {
            annotations[key] = note;
        }
    }
}

/// A Deployment that has given up does not try again by itself, and an apply of the same would change nothing.
fn begin_anew(body: &mut Value, live: Option<&Value>) {
    let record = live.and_then(|live| notes(live).record);
    let metadata = object_at(&mut body["spec"]["template"], "metadata");
    object_at(metadata, "annotations")[ATTEMPT] =
        record.map_or(0, |record| record.sequence).to_string().into();
}
