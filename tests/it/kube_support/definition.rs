//! The kind Application, made known to the test cluster.

use super::space::Space;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::await_condition;
use std::time::Duration;

/// Applies the definition, as often as wanted, and waits until the API server serves it.
pub async fn define_applications(space: &Space) {
    let api: Api<CustomResourceDefinition> = Api::all(space.client.clone());
    let definition = cutover::config::application_definition();
    let params = PatchParams::apply("test").force();
    let name = "applications.cutover.dev";
    api.patch(name, &params, &Patch::Apply(&definition)).await.expect("the definition is accepted");
    let served = await_condition(api, name, is_crd_established());
    tokio::time::timeout(Duration::from_secs(60), served).await.expect("in time").expect("established");
}
