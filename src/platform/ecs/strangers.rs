//! Strangers: services that are registered in a slot's target group, or behind one of its rules, and are not the
//! workload's own.

use super::live::{balancers, groups_of};
use super::{Ecs, LiveService, ServiceStatus};
use crate::aws::EVIDENCE_BOUND;
use crate::diff::same_reference;
use crate::engine::{Registered, Rollout, Trouble};
use crate::model::{Kind, Service, Slot, marks};
use crate::rollout::{Hindrance, Remedy, Stranger};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::timeout;

/// All services of a cluster, once they were listed.
pub(super) type Listed = Arc<Mutex<Option<Arc<Vec<LiveService>>>>>;

impl Ecs {
    /// The cluster's services whose tasks are registered in the slot's group, this workload's slots aside, with the
    /// other application that each belongs to. Costs a listing of the cluster: a call for each hundred services, and one for
    /// each ten whose description is older than some seconds.
    ///
    /// # Errors
    /// Any part of the list that could not be read in time: a name is worth no longer wait.
    pub(super) async fn strangers_in(&self, rollout: &Rollout, slot: Slot) -> Result<Vec<Stranger>, Trouble> {
        let group = rollout.blue_green.target_group(slot);
        let own = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let late = |_| {
            self.unreadable("ListServices", &format!("no answer within {} seconds", EVIDENCE_BOUND.as_secs()))
        };
        let all = timeout(EVIDENCE_BOUND, self.list_all()).await.map_err(late)??.into_values();
        let behind = all.filter(|service| {
            !own.contains(&service.name) && service.groups().iter().any(|arn| same_reference(group, arn))
        });
        Ok(behind
            .map(|service| Stranger {
                application: service
                    .owner()
                    .filter(|owner| *owner != rollout.application)
                    .map(ToOwned::to_owned),
                service: service.name,
            })
            .collect())
    }

    /// What of the rollout's target groups and rules (`named`: the groups in each) another application uses, by the marks
    /// on the cluster's live services, whether they run tasks or not. A group of a slot may be nobody else's; beside the
    /// slots a rule may send to anybody but another application's slots, since two would move its weights then. Costs a
    /// listing of the cluster, once a run.
    ///
    /// # Errors
    /// Any part of the list that could not be read.
    pub async fn used_by_others(
        &self,
        rollout: &Rollout,
        registered: &Registered,
        named: &[(String, Vec<String>)],
    ) -> Result<Vec<Hindrance>, Trouble> {
        let all = self.listed().await?;
        let own = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let mut found = vec![];
        for service in all.iter() {
            let owner = service.owner().filter(|owner| *owner != rollout.application);
            let is_there = service.status == ServiceStatus::Active && !own.contains(&service.name);
            let Some(owner) = owner.filter(|_| is_there) else { continue };
            found.extend(taken(rollout, registered, named, service, owner));
        }
        Ok(found)
    }

    /// What keeps a service without blue/green out of the target groups that it declares and that `live` is not in yet: a
    /// service of another application is registered in one, and its requests would be answered by both. Costs a listing of
    /// the cluster, once a run, and only where there are such groups.
    ///
    /// # Errors
    /// Any part of the list that could not be read.
    pub(super) async fn groups_of_others(
        &self,
        application: &str,
        service: &Service,
        live: Option<&LiveService>,
    ) -> Result<Option<Hindrance>, Trouble> {
        let joined = live.filter(|live| live.status == ServiceStatus::Active).map(LiveService::groups);
        let is_new = |group: &&str| joined.iter().flatten().all(|known| !same_reference(group, known));
        let new: Vec<&str> = balancers(&service.spec).flat_map(groups_of).filter(is_new).collect();
        if new.is_empty() {
            return Ok(None);
        }
        let all = self.listed().await?;
        let registered = |other: &LiveService| {
            let owner = other.owner().filter(|owner| *owner != application)?.to_owned();
            let groups = other.groups();
            let group = new.iter().find(|group| groups.iter().any(|arn| same_reference(group, arn)))?;
            let why = format!(
                "service {} of application {owner} is registered in {group}, and would share its requests with this one",
                other.name
            );
            let edit = Remedy::Edit {
                document: marks::document(Kind::Service, &service.name),
                field: "loadBalancers".into(),
                to: "target groups that no other application uses".into(),
            };
            Some(Hindrance::new(why, vec![edit]))
        };
        Ok(all.iter().filter(|other| other.status == ServiceStatus::Active).find_map(registered))
    }

    /// All services of the cluster, listed once a run, and once more under the lock.
    pub(super) async fn listed(&self) -> Result<Arc<Vec<LiveService>>, Trouble> {
        let known = || self.others.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(all) = known() {
            return Ok(all);
        }
        let all: Arc<Vec<LiveService>> = Arc::new(self.list_all().await?.into_values().collect());
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&all));
        Ok(all)
    }
}

/// What of the rollout's groups and rules is in use by `service` of the application `owner`.
fn taken(
    rollout: &Rollout,
    registered: &Registered,
    named: &[(String, Vec<String>)],
    service: &LiveService,
    owner: &str,
) -> Option<Hindrance> {
    let groups = service.groups();
    let is_of = |slot: Slot, arn: &String| {
        same_reference(rollout.blue_green.target_group(slot), arn) || registered.get(slot).contains(arn)
    };
    let of_slot =
        Slot::BOTH.into_iter().find_map(|slot| Some((slot, groups.iter().find(|arn| is_of(slot, arn))?)));
    if let Some((slot, arn)) = of_slot {
        let why = format!(
            "service {} of application {owner} is registered in {arn}, the target group for {slot}",
            service.name
        );
        let to = "a target group that no other application uses";
        return Some(Hindrance::new(why, vec![edit(rollout, format!("alb.targetGroups.{slot}"), to)]));
    }
    let is_slot = service.tags.contains_key(marks::SLOT);
    let (rule, _) = named
        .iter()
        .filter(|_| is_slot)
        .find(|(_, of_rule)| groups.iter().any(|arn| of_rule.contains(arn)))?;
    let why = format!(
        "{rule} sends requests to service {} too, a slot of application {owner}, which moves its weights as well",
        service.name
    );
    Some(Hindrance::new(why, vec![edit(rollout, "alb".into(), "a rule that no other application moves")]))
}

fn edit(rollout: &Rollout, field: String, to: &str) -> Remedy {
    Remedy::Edit {
        document: marks::document(Kind::BlueGreen, &rollout.blue_green.name),
        field,
        to: to.into(),
    }
}
