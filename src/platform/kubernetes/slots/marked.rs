//! Live parts of slots, as their own marks tell: read without the documents that they come from.

use super::read::deployments;
use crate::engine::Trouble;
use crate::model::{ObjectKey, Slot, marks};
use crate::plan::{Owned, SlotMark};
use crate::platform::kubernetes::Kubernetes;
use crate::platform::kubernetes::applyset::label;
use crate::platform::kubernetes::slot::{desired_count, notes};
use futures_util::future::try_join_all;
use serde_json::Value;

impl Kubernetes {
    /// The Deployments of the application's slots, with their notes: one list for each namespace that the inventory names.
    pub(in crate::platform::kubernetes) async fn marked_slots(&self) -> Result<Vec<Owned>, Trouble> {
        let resource = deployments();
        let selector = format!("{},{}", self.identity.selector(), marks::SLOT);
        let mut namespaces = self.inventory.read(&self.cluster, &self.identity).await?.namespaces;
        namespaces.insert(self.identity.namespace().to_owned());
        let lists = namespaces
            .iter()
            .filter(|namespace| self.allowed.has_namespace(namespace))
            .map(|namespace| self.cluster.list(&resource, Some(namespace), &selector));
        let found = try_join_all(lists).await?.concat();
        let owned = found.iter().filter(|live| self.identity.owns(live)).map(|live| {
            let key = resource.key_of(live);
            let slot = slot_mark(&key, live);
            Owned { document: key.label(), resource: key.to_string(), slot, ..Owned::default() }
        });
        Ok(owned.collect())
    }
}

/// What a member of the ApplySet says of the slot that it is a part of; `None` for what is none. The note on a rollout is
/// on the Deployment.
pub(in crate::platform::kubernetes) fn slot_mark(key: &ObjectKey, live: &Value) -> Option<SlotMark> {
    let slot = label(live, marks::SLOT)?;
    let slot = Slot::BOTH.into_iter().find(|one| one.name() == slot)?;
    let annotation = |name: &str| live["metadata"]["annotations"].get(name)?.as_str().map(ToOwned::to_owned);
    // Earlier versions wrote no mark of the document; a slot that has not been adopted is called after it.
    let unmarked = || {
        let name = key.name.strip_suffix(&format!("-{slot}")).unwrap_or(&key.name);
        format!("Deployment/{name}")
    };
    let record = (key.kind == "Deployment").then(|| notes(live).record).flatten();
    let workload = annotation(marks::DOCUMENT).unwrap_or_else(unmarked);
    let runs = key.kind == "Deployment" && desired_count(live) > 0;
    let pods = live.pointer("/spec/template/metadata/labels").filter(|_| runs).cloned();
    Some(SlotMark { workload, slot, record, commit: annotation(marks::COMMIT), pods })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(annotations: &Value) -> (ObjectKey, Value) {
        let namespace = Some("prod".to_owned());
        let key = ObjectKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace,
            name: "web-green".into(),
        };
        (key, json!({"metadata": {"labels": {marks::SLOT: "green"}, "annotations": annotations}}))
    }

    #[test]
    fn a_slot_tells_its_document_its_rollout_and_its_commit() {
        let record = "7 rev=a from=blue started=1 shifting=10@2";
        let (key, live) = deployment(
            &json!({marks::DOCUMENT: "Deployment/shop", marks::RECORD: record, marks::COMMIT: "4f1c2d3"}),
        );
        let mark = slot_mark(&key, &live).expect("a slot");
        assert_eq!((mark.workload.as_str(), mark.slot), ("Deployment/shop", Slot::Green));
        assert_eq!(
            (mark.record.map(|record| record.sequence), mark.commit.as_deref()),
            (Some(7), Some("4f1c2d3"))
        );
        let (_, unmarked) = deployment(&json!({}));
        let mark = slot_mark(&key, &unmarked).expect("a slot of an earlier version");
        assert_eq!((mark.workload.as_str(), mark.record, mark.commit), ("Deployment/web", None, None));
        let service = ObjectKey { group: String::new(), kind: "Service".into(), ..key.clone() };
        let mark = slot_mark(&service, &live).expect("a part of a slot");
        assert_eq!((mark.workload.as_str(), mark.record), ("Deployment/shop", None));
        assert_eq!(slot_mark(&key, &json!({"metadata": {}})), None);
    }
}
