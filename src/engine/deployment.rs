//! One application at one commit.

use super::ports::Rollout;
use crate::model::{Application, BlueGreen, Manifests, TaskDefinitionRef};

/// What shall be brought about: an application with the documents of one commit.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub application: Application,
    /// The full commit id, or another word for where the documents come from.
    pub commit: String,
    pub manifests: Manifests,
}

impl Deployment {
    /// The blue/green workloads, by name of their BlueGreen.
    pub fn rollouts(&self) -> Vec<Rollout> {
        self.manifests.blue_greens.values().filter_map(|blue_green| self.rollout(blue_green)).collect()
    }

    /// `None` only if the reference to the service does not hold, which validation excludes.
    fn rollout(&self, blue_green: &BlueGreen) -> Option<Rollout> {
        let service = self.manifests.services.get(&blue_green.workload_ref.name)?;
        let task_definition = match &service.task_definition {
            TaskDefinitionRef::Document(name) => self.manifests.task_definitions.get(name).cloned(),
            TaskDefinitionRef::External(_) => None,
        };
        Some(Rollout {
            application: self.application.name.clone(),
            commit: self.commit.clone(),
            blue_green: blue_green.clone(),
            service: service.clone(),
            task_definition,
        })
    }
}
