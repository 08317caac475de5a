//! How a slot compares with the documents.

use super::hold::{is_autoscaler, without_hold};
use super::read::{deployments, uid};
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::Refusal;
use crate::model::{Slot, marks};
use crate::plan::WouldBe;
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::live::refused;
use crate::platform::kubernetes::slot::{
    LiveSlot, Part, Steered, applied_revision, desired_count, is_bound_to, is_ours_as_sent,
};
use crate::platform::kubernetes::takeover::{Spot, due, has_leftovers, is_our_patch};
use crate::rollout::Content;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

impl Kubernetes {
    /// Whether the slot is as the documents want it, the number of its pods aside.
    ///
    /// What we have applied bears the revision, and the managed fields tell whether somebody changed it since: that costs
    /// no request. A Deployment that we never applied, to be adopted, is asked about by a dry run, once a run.
    pub(super) async fn content_of(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        live: &LiveSlot,
    ) -> Result<Content, Trouble> {
        let Some(deployment) = &live.deployment else { return Ok(Content::Other) };
        let parts = steered.parts(slot, live, desired_count(deployment));
        let is_desired = match applied_revision(deployment) {
            Some(_) => {
                let mut parts = parts.iter().filter(|part| !steered.is_carried(slot, &part.key));
                parts.all(|part| is_as_wanted(steered, slot, part))
            }
            None => self.is_the_same(steered, slot, deployment).await?,
        };
        Ok(if is_desired { Content::Desired } else { Content::Other })
    }

    /// Whether an apply would leave the Deployment's spec as it is. Its pods need not bear the slot's label.
    async fn is_the_same(
        &self,
        steered: &Steered<'_>,
        slot: Slot,
        deployment: &Value,
    ) -> Result<bool, Trouble> {
        let compared = format!("{} {}", steered.revision, fingerprint(&deployment["spec"]));
        if let Some((what, result)) = self.looks.known().compared.get(uid(deployment))
            && *what == compared
        {
            return Ok(*result);
        }
        let part = steered.deployment(slot, Some(deployment), desired_count(deployment));
        let mut body = part.body;
        let labels = "/spec/template/metadata/labels";
        let has_label = deployment.pointer(labels).is_some_and(|labels| labels.get(marks::SLOT).is_some());
        if let Some(labels) = body.pointer_mut(labels).and_then(Value::as_object_mut).filter(|_| !has_label) {
            labels.shift_remove(marks::SLOT);
        }
        // What kubectl declared beside it is no part of what is wanted: that takes a rollout, as any other difference.
        let takeover = due(Some(deployment), &body, &part.left_alone, true).unwrap_or_default();
        let resource = deployments();
        let spot = Spot { resource: &resource, namespace: Some(steered.namespace) };
        let doing = format!("comparing {}", steered.deployment_key(slot).label());
        let asked =
            self.would_apply(spot, &body, Some(deployment), takeover.as_ref(), true, is_our_patch).await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(Refusal::Invalid { message, fields }) => {
                let WouldBe::Refused { message, .. } =
                    refused(&steered.documents.deployment, &message, &fields)
                else {
                    return Ok(false);
                };
                return Err(Trouble { kind: TroubleKind::Rejected, doing, message });
            }
            Err(refusal) => return Err(refusal.into_trouble(&doing)),
        };
        let result = answer["spec"] == deployment["spec"];
        self.looks.known().compared.insert(uid(deployment).to_owned(), (compared, result));
        Ok(result)
    }
}

/// True if a part is there, bears the wanted revision and was not changed since, and former managers left nothing in it.
pub(super) fn is_as_wanted(steered: &Steered<'_>, slot: Slot, part: &Part<'_>) -> bool {
    let Some(live) = part.live else { return false };
    let sent = match is_autoscaler(&part.key) {
        true => Cow::Owned(without_hold(&part.body)),
        false => Cow::Borrowed(&part.body),
    };
    let applied = applied_revision(live);
    let is_revision = applied == applied_revision(&part.body)
        || applied.is_some_and(|applied| steered.is_former_name(applied));
    let is_wanted = is_revision && is_ours_as_sent(live, &sent);
    // The revision does not say which target group: both slots have the same one.
    let is_bound = match steered.target_group(slot).filter(|_| part.key.kind == "TargetGroupBinding") {
        Some(group) => is_bound_to(live, group),
        None => true,
    };
    is_wanted && is_bound && !has_leftovers(live, &part.body, &part.left_alone)
}

fn fingerprint(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
