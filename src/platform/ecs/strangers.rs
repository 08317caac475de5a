//! Strangers: services that are registered in a slot's target group and are not the workload's own.

use super::Ecs;
use crate::diff::same_reference;
use crate::engine::{Rollout, Trouble};
use crate::model::Slot;
use crate::rollout::Stranger;

impl Ecs {
    /// The cluster's services whose tasks are registered in the slot's group, this workload's slots aside, with the
    /// application that each belongs to. Costs a listing of the cluster: a call for each hundred services, and one for
    /// each ten whose description is older than some seconds.
    ///
    /// # Errors
    /// Any part of the list that could not be read.
    pub(super) async fn strangers_in(&self, rollout: &Rollout, slot: Slot) -> Result<Vec<Stranger>, Trouble> {
        let group = rollout.blue_green.target_group(slot);
        let own = Slot::BOTH.map(|slot| rollout.slot_name(slot));
        let all = self.list_all().await?.into_values();
        let behind = all.filter(|service| {
            !own.contains(&service.name) && service.groups().iter().any(|arn| same_reference(group, arn))
        });
        Ok(behind
            .map(|service| Stranger {
                application: service.owner().map(ToOwned::to_owned),
                service: service.name,
            })
            .collect())
    }
}
