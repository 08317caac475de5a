//! One application at one commit.

use super::ports::{EcsDocuments, KubernetesDocuments, Rollout, WorkloadDocuments};
use crate::model::{Application, BlueGreen, Destination, Manifests, TaskDefinitionRef, Turn};

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

    /// The namespace of documents that name none.
    pub fn namespace(&self) -> Option<&str> {
        match &self.application.destination {
            Destination::Kubernetes { namespace, .. } => Some(namespace),
            Destination::Ecs { .. } => None,
        }
    }

    /// `None` only if the reference to the workload does not hold, which validation excludes.
    fn rollout(&self, blue_green: &BlueGreen) -> Option<Rollout> {
        let (workload, turn) = match self.ecs_documents(blue_green) {
            Some(documents) => (WorkloadDocuments::Ecs(documents), Turn::default()),
            None => {
                let documents = self.kubernetes_documents(blue_green)?;
                let turn = documents.deployment.turn;
                (WorkloadDocuments::Kubernetes(documents), turn)
            }
        };
        Some(Rollout {
            application: self.application.name.clone(),
            commit: self.commit.clone(),
            blue_green: blue_green.clone(),
            workload,
            turn,
        })
    }

    fn ecs_documents(&self, blue_green: &BlueGreen) -> Option<EcsDocuments> {
        let service = self.manifests.services.get(&blue_green.workload_ref.name)?;
        let task_definition = match &service.task_definition {
            TaskDefinitionRef::Document(name) => self.manifests.task_definitions.get(name).cloned(),
            TaskDefinitionRef::External(_) => None,
        };
        Some(EcsDocuments { service: service.clone(), task_definition })
    }

    fn kubernetes_documents(&self, blue_green: &BlueGreen) -> Option<KubernetesDocuments> {
        let deployment = self.manifests.steered_deployment(blue_green)?;
        Some(KubernetesDocuments {
            deployment: deployment.clone(),
            service: self.manifests.pattern_service(blue_green, deployment).cloned(),
            carried: self.manifests.carried_with(deployment).cloned().collect(),
            ignore_differences: self.application.ignore_differences.clone(),
            force_conflicts: self.application.sync.force_conflicts,
        })
    }
}
