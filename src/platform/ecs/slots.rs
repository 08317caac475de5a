//! The two slots of a blue/green workload: observes them, and does the machine's actions on them.

use super::live::short_revision;
use super::read::Purpose;
use super::slot::{Tasks, client_token, desired_revision, ownership, slot_spec, tasks};
use super::steady::stage;
use super::write::{Stamp, foreign, with_tags};
use super::{Ecs, LiveService, ServiceStatus};
use crate::diff::{compare_service, content_hash, same_reference};
use crate::engine::{Rollout, Signal, Trouble, TroubleKind};
use crate::model::{BySlot, Slot, marks};
use crate::rollout::{Action, Content, Record, Signals, SlotObservation, Stage, Workload};
use serde_json::{Map, Value};

impl Ecs {
    pub(super) async fn read_slots(&self, rollout: &Rollout) -> Result<BySlot<SlotObservation>, Trouble> {
        let names = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let mut live = self.read_for(Purpose::Observation, names.clone()).await?;
        let groups = self.slot_groups(rollout).await?;
        let mut slots = BySlot::<SlotObservation>::default();
        for (slot, name) in Slot::BOTH.into_iter().zip(&names) {
            if let Some(service) = live.remove(name) {
                *slots.get_mut(slot) = self.read_slot(rollout, slot, &groups, &service).await?;
            }
        }
        Ok(slots)
    }

    async fn read_slot(
        &self,
        rollout: &Rollout,
        slot: Slot,
        groups: &BySlot<String>,
        service: &LiveService,
    ) -> Result<SlotObservation, Trouble> {
        if service.status == ServiceStatus::Draining {
            // Its notes are read as well: they speak until the service is gone.
            return Ok(SlotObservation { workload: Workload::Draining, ..notes(service) });
        }
        let owned = match service.owner() {
            Some(owner) if owner == rollout.application => true,
            Some(_) => return Err(foreign(&rollout.application, service)),
            None => false,
        };
        let same_tasks = match tasks(rollout)? {
            Tasks::Document(document) => self.runs(service, document).await?,
            Tasks::External(id) => same_reference(id, service.task_definition()),
        };
        let comparison = compare_service(&slot_spec(rollout, slot, groups)?, &service.json);
        let same_service = comparison.changed_top_level_fields().into_iter().all(|field| field == "tags");
        let stage = stage(&service.json);
        let troubles = if stage == Stage::Steady { vec![] } else { self.troubles_of(service).await? };
        let workload = Workload::Present {
            content: if same_tasks && same_service { Content::Desired } else { Content::Other },
            desired_count: service.count("desiredCount"),
            running: service.count("runningCount"),
            pending: service.count("pendingCount"),
            stage,
            owned,
            label: short_revision(service.task_definition()).to_owned(),
            troubles,
        };
        Ok(SlotObservation { workload, ..notes(service) })
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
        let (task_definition, tags) = self.slot_revision(rollout, slot).await?;
        let mut spec = slot_spec(rollout, slot, &groups)?;
        spec["taskDefinition"] = task_definition.into();
        let comparison = compare_service(&spec, &service.json);
        if !comparison.replace_fields().is_empty() {
            // UpdateService has no such field. The slot has no traffic: it is made anew once its name is free.
            return self.delete(&rollout.application, &service).await;
        }
        let mut body = Map::new();
        for field in comparison.update_fields() {
            if let Some(value) = spec.get(field) {
                body.insert(field.to_owned(), value.clone());
            }
        }
        set_count(&mut body, &service, count);
        // Tags first: cut off between the two, the update is still seen to be missing.
        self.tag_service(&service, &all_tags(&spec, tags)).await?;
        self.update_if_any(&service.name, body).await
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
fn notes(service: &LiveService) -> SlotObservation {
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
