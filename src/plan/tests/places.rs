//! The places of a pod that name ConfigMaps and Secrets, held against the Kubernetes API.

use super::super::refers::places;
use super::fields::fields;
use k8s_openapi::api::core::v1::PodSpec;
use std::collections::BTreeSet;

#[test]
fn no_place_of_a_pod_that_names_a_config_map_or_secret_is_missing() {
    let fields = fields::<PodSpec>();
    let names = |holder: &str, field: &str| match field {
        "secretName" => true,
        "name" => {
            holder == "LocalObjectReference" || holder.contains("Secret") || holder.contains("ConfigMap")
        }
        _ => false,
    };
    let found = fields.into_iter().filter(|one| names(one.holder, one.field));
    assert_eq!(found.map(|one| one.path).collect::<BTreeSet<_>>(), places());
}
