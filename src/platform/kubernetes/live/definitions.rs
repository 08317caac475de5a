//! CustomResourceDefinitions that change in this sync. What a dry run says of their objects is about the old ones.

use super::compare::is_as_applied;
use crate::model::ObjectKey;
use crate::platform::kubernetes::applyset::Identity;
use crate::platform::kubernetes::desired::Wanted;
use serde_json::Value;
use std::collections::BTreeSet;

/// Group and kind of what may be defined otherwise after the sync.
#[derive(Default)]
pub(in crate::platform::kubernetes) struct Definitions(BTreeSet<(String, String)>);

impl Definitions {
    /// Of documents with what is live under their keys. One whose managed fields do not tell counts as changing.
    pub(super) fn changing<'a>(
        documents: impl Iterator<Item = (&'a Wanted<'a>, Option<&'a Value>)>,
        identity: &Identity,
    ) -> Definitions {
        let definitions = documents
            .filter(|(wanted, _)| wanted.key.is("apiextensions.k8s.io", "CustomResourceDefinition"))
            .filter(|(wanted, live)| live.is_none_or(|live| !is_as_applied(&wanted.body(identity), live)));
        Definitions(definitions.filter_map(|(wanted, _)| defined(&wanted.object.body)).collect())
    }

    /// True for an object of such a kind.
    pub(super) fn changes(&self, key: &ObjectKey) -> bool {
        self.0.contains(&(key.group.clone(), key.kind.clone()))
    }
}

/// Group and kind of what a CustomResourceDefinition defines.
pub(in crate::platform::kubernetes) fn defined(definition: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    Some((text("/spec/group")?, text("/spec/names/kind")?))
}

#[cfg(test)]
mod tests {
    use super::super::super::desired::tests::object;
    use super::*;
    use crate::kubernetes::Resource;
    use serde_json::json;

    #[test]
    fn what_a_changed_definition_defines_is_not_judged_by_the_old_one() {
        let identity = Identity::new("shop", "prod");
        let definition =
            object(json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.e.dev"}, "spec": {"group": "e.dev", "names": {"kind": "Thing"}}}));
        let resource =
            Resource::known("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "crds", false);
        let wanted = Wanted { object: &definition, resource, key: definition.key.clone() };
        let thing = ObjectKey { group: "e.dev".into(), kind: "Thing".into(), ..ObjectKey::default() };
        let other = ObjectKey { group: "f.dev".into(), ..thing.clone() };
        let found = |live: Option<&Value>| Definitions::changing([(&wanted, live)].into_iter(), &identity);
        assert!(found(None).changes(&thing) && !found(None).changes(&other));
        let mut live = wanted.body(&identity);
        live["metadata"]["managedFields"] = json!([{"manager": "cutover", "operation": "Apply",
            "apiVersion": "apiextensions.k8s.io/v1", "fieldsType": "FieldsV1", "fieldsV1": {
                "f:metadata": {"f:labels": {"f:applyset.kubernetes.io/part-of": {}, "f:cutover.dev/application": {}}},
                "f:spec": {"f:group": {}, "f:names": {"f:kind": {}}}}}]);
        assert!(!found(Some(&live)).changes(&thing), "it is as it was applied");
        live["spec"]["names"]["kind"] = "Other".into();
        assert!(found(Some(&live)).changes(&thing));
    }
}
