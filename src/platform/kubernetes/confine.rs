//! Keeps an application where its operator allows it to be.

use super::Kubernetes;
use super::applyset::group_kind;
use super::desired::Resolved;
use super::live::makes_namespace;
use super::slot::Steered;
use crate::engine::{Deployment, Rollout, Trouble, TroubleKind};
use crate::model::{BlueGreen, Object, ObjectKey, Slot};

impl Kubernetes {
    /// Passes if all documents stay within what is allowed.
    ///
    /// # Errors
    /// One that names every document that does not, with file and line.
    pub(super) fn confine(
        &self,
        deployment: &Deployment,
        resolved: &[(&Object, Resolved<'_>)],
    ) -> Result<(), Trouble> {
        let own = self.identity.namespace();
        let mut wrong = vec![];
        if !self.allowed.has_namespace(own) {
            wrong
                .push(format!("destination: namespace {own} is not among those that it may have objects in"));
        }
        if makes_namespace(deployment, own) && !self.allowed.has_cluster_kind("", "Namespace") {
            wrong.push(
                "sync.createNamespace: Namespace is not among the cluster-scoped kinds that it may have"
                    .into(),
            );
        }
        for (object, resolved) in resolved {
            let beyond = match resolved {
                Resolved::Known(wanted) => self.beyond(&wanted.key),
                Resolved::Coming(key) => self.beyond(key),
                // Neither is written.
                Resolved::Unknown(..) | Resolved::Unclear(..) => None,
            };
            wrong.extend(beyond.map(|why| format!("{}: {}: {why}", object.origin, object.label())));
        }
        for key in deployment.manifests.steered_objects().into_keys() {
            let namespace = key.namespace.clone().unwrap_or_else(|| own.to_owned());
            let beyond = self.beyond(&ObjectKey { namespace: Some(namespace), ..key.clone() });
            let object = deployment.manifests.objects.get(key);
            if let (Some(why), Some(object)) = (beyond, object) {
                wrong.push(format!("{}: {}: {why}", object.origin, object.label()));
            }
        }
        for blue_green in deployment.manifests.blue_greens.values() {
            let beyond = self.beyond_balancers(blue_green);
            let label = format!("BlueGreen/{}", blue_green.name);
            wrong.extend(beyond.map(|why| format!("{}: {label}: {why}", blue_green.origin)));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let doing = format!("checking what application {} may touch", self.identity.application());
        Err(Trouble { kind: TroubleKind::Rejected, doing, message: wrong.join("; ") })
    }

    /// Why an object is out of bounds, if it is.
    pub(super) fn beyond(&self, key: &ObjectKey) -> Option<String> {
        match &key.namespace {
            Some(namespace) if !self.allowed.has_namespace(namespace) => {
                Some(format!("namespace {namespace} is not among those that it may have objects in"))
            }
            None if !self.allowed.has_cluster_kind(&key.group, &key.kind) => {
                Some(format!("{} is not among the cluster-scoped kinds that it may have", group_kind(key)))
            }
            _ => None,
        }
    }

    /// A workload behind an ELB moves the weights of rules with the program's own rights on AWS, which no namespace
    /// bounds.
    fn beyond_balancers(&self, blue_green: &BlueGreen) -> Option<String> {
        let is_beyond = blue_green.traffic.is_none() && !self.allowed.has_aws();
        let why = "`alb` steers a load balancer of AWS, which it may not; `traffic` needs none";
        is_beyond.then(|| why.to_owned())
    }

    /// A workload with what its slots are made from.
    ///
    /// # Errors
    /// If it is out of bounds.
    pub(super) fn steered<'a>(&'a self, rollout: &'a Rollout) -> Result<Steered<'a>, Trouble> {
        let steered = Steered::new(rollout, &self.identity)?;
        let beyond = self.beyond(&steered.deployment_key(Slot::Blue));
        match beyond.or_else(|| self.beyond_balancers(&rollout.blue_green)) {
            None => Ok(steered),
            Some(message) => {
                let doing = format!("BlueGreen/{}", rollout.blue_green.name);
                Err(Trouble { kind: TroubleKind::Rejected, doing, message })
            }
        }
    }
}
