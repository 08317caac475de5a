//! Services that pass from one application to another: by an explicit pair of tags, or when the old owner, another
//! application of the same process, no longer declares them. That an owner is not seen from here passes nothing.

use super::{Ecs, LiveService};
use crate::engine::{Deployment, Neighbours};
use crate::model::{Application, Destination, Service, Slot, marks};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The services that this run may take over, with the application that each is taken from.
#[derive(Default)]
pub(super) struct Passing(Mutex<BTreeMap<String, String>>);

impl Passing {
    /// Reads one of them as a service that nobody owns, which is adopted.
    pub fn read(&self, mut service: LiveService) -> LiveService {
        let passing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if passing.get(&service.name).map(String::as_str) == service.owner() && service.owner().is_some() {
            service.tags.remove(marks::APPLICATION);
            if let Some(tags) = service.json.get_mut("tags").and_then(Value::as_array_mut) {
                tags.retain(|tag| tag.get("key").and_then(Value::as_str) != Some(marks::APPLICATION));
            }
        }
        service
    }
}

impl Ecs {
    /// Knows the other applications of the same process.
    #[must_use]
    pub fn beside(self, neighbours: Arc<dyn Neighbours>) -> Ecs {
        Ecs { neighbours, ..self }
    }

    /// Notes what of `services` may be taken over; true if there is anything that was not known before.
    pub(super) async fn note_passing(
        &self,
        deployment: &Deployment,
        services: &BTreeMap<String, LiveService>,
    ) -> bool {
        let mut is_news = false;
        for service in services.values() {
            let foreign = service.owner().filter(|owner| *owner != deployment.application.name);
            let Some(owner) = foreign else { continue };
            if self.passes(deployment, service, owner).await {
                let mut passing = self.passing.0.lock().unwrap_or_else(PoisonError::into_inner);
                passing.insert(service.name.clone(), owner.to_owned());
                is_news = true;
            }
        }
        is_news
    }

    async fn passes(&self, deployment: &Deployment, service: &LiveService, owner: &str) -> bool {
        let is_released =
            service.tags.get(marks::RELEASE).is_some_and(|heir| *heir == deployment.application.name);
        if is_released && adopted_from(deployment, &service.name) == Some(owner) {
            return true;
        }
        let is_owner = |application: &Application| {
            application.name == owner && matches!(application.destination, Destination::Ecs { .. })
        };
        self.neighbours.gave_up(&is_owner, &service.name).await == Some(true)
    }
}

/// The application that the document of this live service says it is taken over from.
fn adopted_from<'a>(deployment: &'a Deployment, name: &str) -> Option<&'a str> {
    let manifests = &deployment.manifests;
    let is_it = |service: &&Service| match manifests.blue_green_of(&service.name) {
        Some(blue_green) => {
            Slot::BOTH.iter().any(|slot| blue_green.slot_workload(*slot, service.live_name()) == name)
        }
        None => service.live_name() == name,
    };
    let tags = manifests.services.values().find(is_it)?.spec.get("tags")?.as_array()?;
    let adopt = tags.iter().find(|tag| tag.get("key").and_then(Value::as_str) == Some(marks::ADOPT))?;
    adopt.get("value")?.as_str()
}
