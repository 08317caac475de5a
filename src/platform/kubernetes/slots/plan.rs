//! The slots' objects as a plan shows them.

use super::content::is_as_wanted;
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::Refusal;
use crate::model::{BySlot, Health, HealthReport, ObjectKey, Slot};
use crate::plan::{LiveObject, WouldBe};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::health::assess;
use crate::platform::kubernetes::live::{refused, without_namespace};
use crate::platform::kubernetes::slot::{LiveSlot, Part, Steered, desired_count};
use crate::platform::kubernetes::takeover::Spot;
use crate::rollout::Content;
use futures_util::future::try_join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The slots of all workloads of an application.
#[derive(Default)]
pub(in crate::platform::kubernetes) struct AllSlots {
    /// By BlueGreen name.
    pub objects: BTreeMap<String, BySlot<Vec<LiveObject>>>,
    /// What the cluster has of them, objects of other people that are used as they are included.
    pub live: Vec<(ObjectKey, Value)>,
    /// What they consist of, whether it is there or not.
    pub keys: BTreeSet<ObjectKey>,
    /// Why some of them are missing here.
    pub unread: Option<String>,
}

impl Kubernetes {
    /// Reads the slots of all workloads. One that can't be read, and can't be the next time either, is left out: it is
    /// blocked for itself.
    pub(in crate::platform::kubernetes) async fn plan_all_slots(
        &self,
        deployment: &Deployment,
    ) -> Result<AllSlots, Trouble> {
        let mut all = AllSlots::default();
        let rollouts = deployment.rollouts();
        let readings = rollouts.iter().map(async |rollout| {
            let steered = self.steered(rollout)?;
            let keys = Slot::BOTH.map(|slot| steered.keys(slot)).concat();
            match self.plan_slots(deployment, &steered).await {
                Ok((live, objects)) => Ok((rollout, keys, Ok((live, objects)))),
                Err(trouble) if matches!(trouble.kind, TroubleKind::Rejected | TroubleKind::Unavailable) => {
                    Ok((rollout, keys, Err(trouble)))
                }
                Err(trouble) => Err(trouble),
            }
        });
        for (rollout, keys, reading) in try_join_all(readings).await? {
            all.keys.extend(keys);
            match reading {
                Ok((live, objects)) => {
                    all.live.extend([live.blue, live.green].into_iter().flat_map(LiveSlot::into_objects));
                    all.objects.insert(rollout.blue_green.name.clone(), objects);
                }
                Err(trouble) => all.unread = Some(trouble.to_string()),
            }
        }
        Ok(all)
    }

    /// Both slots of a workload as they are, and as they would be with what the documents want. What is absent is asked
    /// about only if no slot runs what is wanted: otherwise nobody needs it now.
    async fn plan_slots(
        &self,
        deployment: &Deployment,
        steered: &Steered<'_>,
    ) -> Result<(BySlot<LiveSlot>, BySlot<Vec<LiveObject>>), Trouble> {
        let live = self.live_slots(steered).await?;
        let contents = Slot::BOTH.map(|slot| self.content_of(steered, slot, live.get(slot)));
        let contents = try_join_all(contents).await?;
        let is_needed = !contents.contains(&Content::Desired);
        let of =
            |slot, content| self.plan_slot(deployment, steered, slot, live.get(slot), content, is_needed);
        let (blue, green) = tokio::try_join!(of(Slot::Blue, contents[0]), of(Slot::Green, contents[1]))?;
        Ok((live, BySlot { blue, green }))
    }

    async fn plan_slot(
        &self,
        deployment: &Deployment,
        steered: &Steered<'_>,
        slot: Slot,
        live: &LiveSlot,
        content: Content,
        is_needed: bool,
    ) -> Result<Vec<LiveObject>, Trouble> {
        let count = match &live.deployment {
            Some(deployment) => desired_count(deployment),
            None => steered.documents.desired_count().unwrap_or(1),
        };
        let parts = steered.parts(slot, live, count);
        let objects = parts.iter().map(async |part| {
            let would_be = match part.live {
                _ if is_as_wanted(steered, slot, part) => WouldBe::Same,
                // What is carried along is changed in place.
                _ if content == Content::Desired && !steered.is_carried(slot, &part.key) => WouldBe::Same,
                _ if content != Content::Desired && !is_needed => WouldBe::Unasked,
                _ => self.would_part_be(deployment, steered, part).await?,
            };
            let missing = || HealthReport { health: Health::Missing, ..HealthReport::default() };
            Ok(LiveObject {
                key: part.key.clone(),
                live: part.live.cloned(),
                would_be,
                health: part.live.map_or_else(missing, assess),
                filled: vec![],
            })
        });
        try_join_all(objects).await
    }

    async fn would_part_be(
        &self,
        deployment: &Deployment,
        steered: &Steered<'_>,
        part: &Part<'_>,
    ) -> Result<WouldBe, Trouble> {
        let resource = self.resource_of(&part.key, &part.api_version).await?;
        let forces = self.takes_fields(steered, part);
        let takeover = match self.takeover_of(steered, part) {
            Ok(takeover) => takeover,
            Err(message) => return Ok(WouldBe::Refused { message, field: None }),
        };
        let spot = Spot { resource: &resource, namespace: Some(steered.namespace) };
        let answer = self
            .would_apply(spot, &part.body, part.live, takeover.as_ref(), forces, super::apply::is_yielding)
            .await;
        match answer {
            Ok(object) => Ok(WouldBe::Object(object)),
            Err(Refusal::Conflicts(conflicts)) => Ok(WouldBe::Conflicts(conflicts)),
            Err(Refusal::Invalid { message, fields }) => Ok(match part.document {
                Some(document) => refused(document, &message, &fields),
                None => WouldBe::Refused { message, field: fields.first().map(|field| field.path.clone()) },
            }),
            Err(Refusal::Trouble(trouble)) if trouble.kind == TroubleKind::Unavailable => {
                Ok(WouldBe::Unanswered(trouble.message))
            }
            Err(Refusal::Trouble(trouble)) if trouble.kind == TroubleKind::Missing => {
                without_namespace(Some(steered.namespace), deployment, trouble)
            }
            Err(Refusal::Trouble(trouble)) => Err(trouble),
        }
    }
}
