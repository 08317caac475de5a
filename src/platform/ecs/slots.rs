//! The two slots of a blue/green workload: observes them, and does the machine's actions on them.

use super::inseparable::hindrances;
use super::live::short_revision;
use super::read::Purpose;
use super::slot::{Tasks, client_token, desired_revision, ownership, slot_spec, tasks};
use super::steady::stage;
use super::write::{Stamp, foreign, update_body, with_tags};
use super::{Ecs, LiveService, ServiceStatus};
use crate::diff::{compare_service, content_hash, same_reference};
use crate::engine::{Rollout, Signal, SlotsReading, Trouble, TroubleKind};
use crate::model::{BySlot, Slot, marks};
use crate::rollout::{Action, Content, Record, Signals, SlotObservation, Stage, Workload};
use serde_json::{Map, Value};

impl Ecs {
    /// Reads both slots. Only the services themselves have to be readable: what a return of traffic does not need is left
    /// unknown where it can't be read.
    pub(super) async fn read_slots(&self, rollout: &Rollout) -> Result<SlotsReading, Trouble> {
        let names = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let mut read = self.read_for(Purpose::Observation, names.clone()).await?;
        let live = BySlot { blue: read.remove(&names[0]), green: read.remove(&names[1]) };
        let groups = self.known_groups(rollout).await;
        let mut slots = BySlot::<SlotObservation>::default();
        for slot in Slot::BOTH {
            if let Some(service) = live.get(slot) {
                *slots.get_mut(slot) = self.read_slot(rollout, slot, &groups, service).await?;
            }
        }
        Ok(SlotsReading { slots, hindrances: hindrances(rollout, &live)? })
    }

    async fn read_slot(
        &self,
        rollout: &Rollout,
        slot: Slot,
        groups: &BySlot<Option<String>>,
        service: &LiveService,
    ) -> Result<SlotObservation, Trouble> {
        let is_foreign = service.owner().is_some_and(|owner| owner != rollout.application);
        // What another application notes on its service says nothing about ours.
        let notes = if is_foreign { SlotObservation::default() } else { notes(service) };
        let notes = SlotObservation { groups: service.groups(), ..notes };
        if service.status == ServiceStatus::Draining {
            // Its notes are read as well: they speak until the service is gone.
            return Ok(SlotObservation { workload: Workload::Draining, ..notes });
        }
        let content = self.content(rollout, slot, groups, service).await?;
        let refused = match content {
            Content::Other | Content::Unknown if !is_foreign => {
                self.refused_at(rollout, service, notes.record.as_ref()).await?
            }
            _ => None,
        };
        let stage = stage(&service.json);
        let troubles = if stage == Stage::Steady { vec![] } else { self.troubles_of(service).await };
        let workload = Workload::Present {
            content,
            desired_count: service.count("desiredCount"),
            running: service.count("runningCount"),
            pending: service.count("pendingCount"),
            stage,
            owned: service.owner().is_some() && !is_foreign,
            label: short_revision(service.task_definition()).to_owned(),
            troubles,
        };
        Ok(SlotObservation { workload, refused, ..notes })
    }

    /// How a slot's service compares with the documents. Where a part can't be read, the rest may still tell that it is
    /// something else.
    async fn content(
        &self,
        rollout: &Rollout,
        slot: Slot,
        groups: &BySlot<Option<String>>,
        service: &LiveService,
    ) -> Result<Content, Trouble> {
        let same_tasks = match tasks(rollout)? {
            Tasks::Document(document) => self.runs(service, document).await.ok(),
            Tasks::External(id) => Some(same_reference(id, service.task_definition())),
        };
        let known = BySlot::from_fn(|slot| {
            groups.get(slot).clone().unwrap_or_else(|| rollout.blue_green.target_group(slot).to_owned())
        });
        let comparison = compare_service(&slot_spec(rollout, slot, &known)?, &service.json);
        let same_service = comparison.changed_top_level_fields().into_iter().all(|field| field == "tags");
        Ok(match (same_tasks, same_service) {
            (Some(false), _) | (_, false) => Content::Other,
            // By its name alone nobody can tell a group from one that was made anew.
            (Some(true), true) if groups.get(slot).is_some() => Content::Desired,
            _ => Content::Unknown,
        })
    }

    pub(super) async fn apply_slot(&self, rollout: &Rollout, action: &Action) -> Result<(), Trouble> {
        match action {
            Action::CreateSlot { slot, count, record } => {
                self.create_slot(rollout, *slot, *count, record).await
            }
            Action::UpdateSlot { slot, count } => self.update_slot(rollout, *slot, *count).await,
            Action::ScaleSlot { slot, count } => {
                let service = self.own_slot(rollout, *slot).await?;
                let mut body = Map::new();
                set_count(&mut body, &service, *count);
                self.update_if_any(&service.name, body).await
            }
            Action::AdoptSlot { slot } => {
                let service = self.present(rollout, *slot).await?;
                self.tag_service(&service, &ownership(rollout, *slot)).await
            }
            Action::WriteRecord { slot, record } => {
                let service = self.own_slot(rollout, *slot).await?;
                self.tag_service(&service, &record_tags(record)).await
            }
            Action::NameGroup { .. } | Action::PointTestRule { .. } | Action::SetWeights { .. } => {
                Err(Trouble {
                    kind: TroubleKind::Rejected,
                    doing: action.to_string(),
                    message: "this is no change of a service".into(),
                })
            }
        }
    }

    pub(super) async fn signal_slot(
        &self,
        rollout: &Rollout,
        slot: Slot,
        signal: Signal,
    ) -> Result<(), Trouble> {
        let service = self.own_slot(rollout, slot).await?;
        match signal {
            Signal::Promote(number) => {
                self.tag_service(&service, &[(marks::PROMOTE, number.to_string())]).await
            }
            Signal::Abort(number) => self.tag_service(&service, &[(marks::ABORT, number.to_string())]).await,
            Signal::Forget => {
                self.untag_service(&service, &[marks::RECORD, marks::INTENT, marks::PROMOTE, marks::ABORT])
                    .await
            }
        }
    }

    async fn create_slot(
        &self,
        rollout: &Rollout,
        slot: Slot,
        count: u32,
        record: &Record,
    ) -> Result<(), Trouble> {
        let name = rollout.slot_name(slot);
        let (task_definition, mut tags) = self.slot_revision(rollout, slot).await?;
        tags.extend(record_tags(record));
        let create = async |arns: Vec<String>| {
            let mut body = with_tags(slot_spec(rollout, slot, &by_slot(&arns))?, &tags);
            body["taskDefinition"] = task_definition.clone().into();
            body["desiredCount"] = count.into();
            body["clientToken"] = client_token(rollout, &name, record).into();
            self.create(&name, body).await
        };
        self.aws.with_target_groups(&group_names(rollout), create).await
    }

    async fn update_slot(&self, rollout: &Rollout, slot: Slot, count: u32) -> Result<(), Trouble> {
        let service = self.own_slot(rollout, slot).await?;
        let groups = self.slot_groups(rollout).await?;
        let mut spec = slot_spec(rollout, slot, &groups)?;
        if !compare_service(&spec, &service.json).replace_fields().is_empty() {
            return self.replace_slot(rollout, slot, &service).await;
        }
        let (task_definition, tags) = self.slot_revision(rollout, slot).await?;
        spec["taskDefinition"] = task_definition.into();
        let mut body = update_body(&compare_service(&spec, &service.json), &spec);
        set_count(&mut body, &service, count);
        // Tags first: cut off between the two, the update is still seen to be missing.
        self.tag_service(&service, &all_tags(&spec, tags)).await?;
        self.update_if_any(&service.name, body).await
    }

    /// Deletes the service of an idle slot, since UpdateService has no such field: it is made anew once its name is free.
    /// The caller has seen that no rule gives weight to its groups, so it must still be the same service in the same
    /// groups.
    async fn replace_slot(&self, rollout: &Rollout, slot: Slot, seen: &LiveService) -> Result<(), Trouble> {
        let service = self.own_slot(rollout, slot).await?;
        if service.arn != seen.arn || service.groups() != seen.groups() {
            return Err(Trouble {
                kind: TroubleKind::LookAgain,
                doing: format!("replacing service {}", seen.name),
                message: "it is registered in other target groups than a moment ago".into(),
            });
        }
        self.delete(&rollout.application, &service).await
    }

    /// The groups that the slot's service is registered in, if bringing it to the documents deletes it and makes it anew.
    ///
    /// # Errors
    /// Those of the reads.
    pub async fn groups_to_replace(&self, rollout: &Rollout, slot: Slot) -> Result<Vec<String>, Trouble> {
        let name = rollout.slot_name(slot);
        let Some(service) = self.read_for(Purpose::Hint, [name.clone()]).await?.remove(&name) else {
            return Ok(vec![]);
        };
        let groups = self.slot_groups(rollout).await?;
        let comparison = compare_service(&slot_spec(rollout, slot, &groups)?, &service.json);
        Ok(if comparison.replace_fields().is_empty() { vec![] } else { service.groups() })
    }

    async fn update_if_any(&self, name: &str, body: Map<String, Value>) -> Result<(), Trouble> {
        if body.is_empty() { Ok(()) } else { self.update(name, body.into()).await }
    }

    /// The revision that the slot is to run, registered where needed, and the slot's marks.
    async fn slot_revision(
        &self,
        rollout: &Rollout,
        slot: Slot,
    ) -> Result<(String, Vec<(&'static str, String)>), Trouble> {
        let mut tags = ownership(rollout, slot);
        tags.push((marks::CONTENT, desired_revision(rollout)?.0));
        tags.push((marks::COMMIT, rollout.commit.clone()));
        let arn = match tasks(rollout)? {
            Tasks::External(id) => id.to_owned(),
            Tasks::Document(document) => {
                let names = Slot::BOTH.map(|slot| rollout.slot_name(slot));
                let live = self.read_for(Purpose::Hint, names).await?;
                let hints: Vec<&LiveService> = live.values().collect();
                let stamp =
                    Stamp { application: rollout.application.clone(), commit: rollout.commit.clone() };
                let arn = self.register(&stamp, document, &hints).await?;
                let hash = content_hash(&document.spec);
                tags.push((marks::TASK_DEFINITION, marks::task_definition(short_revision(&arn), &hash)));
                arn
            }
        };
        Ok((arn, tags))
    }

    async fn present(&self, rollout: &Rollout, slot: Slot) -> Result<LiveService, Trouble> {
        let name = rollout.slot_name(slot);
        let service = self.read_service(&name).await?.filter(|s| s.status == ServiceStatus::Active);
        let service = service.ok_or_else(|| Trouble {
            kind: TroubleKind::Transient,
            doing: format!("changing service {name}"),
            message: "it is not there (any more)".into(),
        })?;
        match service.owner() {
            Some(owner) if owner != rollout.application => Err(foreign(&rollout.application, &service)),
            _ => Ok(service),
        }
    }

    async fn own_slot(&self, rollout: &Rollout, slot: Slot) -> Result<LiveService, Trouble> {
        let service = self.present(rollout, slot).await?;
        match service.owner() {
            Some(_) => Ok(service),
            None => Err(foreign(&rollout.application, &service)),
        }
    }

    /// The ARNs of the slots' groups, as far as they can be read.
    async fn known_groups(&self, rollout: &Rollout) -> BySlot<Option<String>> {
        let mut known = BySlot::default();
        match self.slot_groups(rollout).await {
            Ok(groups) => return BySlot { blue: Some(groups.blue), green: Some(groups.green) },
            // One that is gone does not hide the other.
            Err(trouble) if trouble.kind == TroubleKind::Missing => {}
            Err(_) => return known,
        }
        for slot in Slot::BOTH {
            let arn = self.aws.target_group_arns(&[rollout.blue_green.target_group(slot)]).await;
            *known.get_mut(slot) = arn.ok().and_then(|mut arns| arns.pop());
        }
        known
    }

    async fn slot_groups(&self, rollout: &Rollout) -> Result<BySlot<String>, Trouble> {
        Ok(by_slot(&self.aws.target_group_arns(&group_names(rollout)).await?))
    }
}

/// The tags of a record and of its intent, written together.
fn record_tags(record: &Record) -> [(&'static str, String); 2] {
    [(marks::RECORD, record.to_tag()), (marks::INTENT, record.intent_to_tag())]
}

fn group_names(rollout: &Rollout) -> [&str; 2] {
    Slot::BOTH.map(|slot| rollout.blue_green.target_group(slot))
}

fn by_slot(arns: &[String]) -> BySlot<String> {
    BySlot { blue: arns[0].clone(), green: arns[1].clone() }
}

/// Record and signals from a service's tags. Anything that is not ours is a lost note.
pub(super) fn notes(service: &LiveService) -> SlotObservation {
    let tag = |key| service.tags.get(key).map(String::as_str);
    let number = |key| tag(key).and_then(|text| text.parse().ok());
    SlotObservation {
        record: tag(marks::RECORD).and_then(|text| Record::from_tags(text, tag(marks::INTENT))),
        signals: Signals { promote: number(marks::PROMOTE), abort: number(marks::ABORT) },
        ..SlotObservation::default()
    }
}

/// The declared tags and ours.
fn all_tags<'a>(spec: &'a Value, ours: Vec<(&'a str, String)>) -> Vec<(&'a str, String)> {
    let mut tags: Vec<(&str, String)> = super::live::items(spec, "tags")
        .filter_map(|tag| {
            let value = super::live::text(tag, "value").unwrap_or_default();
            Some((super::live::text(tag, "key")?, value.to_owned()))
        })
        .collect();
    tags.retain(|(key, _)| !ours.iter().any(|(our, _)| our == key));
    tags.extend(ours);
    tags
}

/// Asks for another number of tasks. A deployment that the circuit breaker has given up starts no tasks, whatever the
/// number: it takes a new deployment.
fn set_count(body: &mut Map<String, Value>, service: &LiveService, count: u32) {
    if service.count("desiredCount") != count {
        body.insert("desiredCount".into(), count.into());
    }
    let gave_up = stage(&service.json) == Stage::Failed;
    if gave_up && count > 0 && !body.contains_key("taskDefinition") {
        body.insert("forceNewDeployment".into(), true.into());
    }
}
