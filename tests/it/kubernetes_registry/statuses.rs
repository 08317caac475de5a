//! A status is written as a whole, comes back, and is what kubectl shows.

use super::support::{applications, shop, space, told, told_of, watch};
use crate::kube_support::{Space, User};
use cutover::controller::{Applications, Registration};
use cutover::model::{
    AppKey, ApplicationStatus, Condition, ConditionStatus, HealthState, LastError, SyncState, Timestamp,
};
use serde_json::Value;

fn status() -> ApplicationStatus {
    ApplicationStatus {
        observed_generation: 1,
        conditions: vec![Condition {
            kind: "Ready".into(),
            status: ConditionStatus::False,
            reason: "AwaitingApproval".into(),
            message: "web: its gates are open".into(),
            last_transition_time: Timestamp(1_764_105_556),
            observed_generation: 1,
        }],
        sync: SyncState::OutOfSync,
        health: HealthState::Progressing,
        revision: "5f2d0c7a9b1e4c3d8f6a7b0c1d2e3f4a5b6c7d8e".into(),
        waiting_for: "approval of web".into(),
        last_error: Some(LastError {
            reason: "SyncFailed".into(),
            message: "no".into(),
            time: Timestamp(1_764_105_556),
        }),
        ..ApplicationStatus::default()
    }
}

/// What `kubectl get applications -o wide` prints, without the age.
async fn table(space: &Space) -> String {
    let request =
        http::Request::get(format!("/apis/cutover.dev/v1alpha1/namespaces/{}/applications", space.name))
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(vec![])
            .expect("a request");
    let table: Value = space.client.request(request).await.expect("a table");
    let columns = table["columnDefinitions"].as_array().expect("columns");
    let shown = |text: String| text.trim_end().to_owned() + "\n";
    let line = |cells: Vec<String>| cells.into_iter().map(|cell| format!("{cell:<18}")).collect::<String>();
    let heads = columns.iter().map(|column| {
        let name = column["name"].as_str().unwrap_or_default().to_uppercase();
        if column["priority"] == 0 { name } else { format!("({name})") }
    });
    let mut text = shown(line(heads.collect()));
    for row in table["rows"].as_array().expect("rows") {
        let cells = row["cells"].as_array().expect("cells").iter().enumerate().map(|(at, cell)| {
            let is_age = columns[at]["name"] == "Age";
            if is_age { "…".into() } else { cell.as_str().unwrap_or("<none>").to_owned() }
        });
        text.push_str(&shown(line(cells.collect())));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_status_is_replaced_as_a_whole_and_shown_in_columns() {
    let space = space("status").await;
    let registry = applications(&space, User::Admin).await;
    let mut news = watch(&registry).await;
    space.apply(&shop(&space).to_string()).await;
    let is = told_of(&mut news, "it is there", |_| true).await;
    assert_eq!((is.generation, is.status == ApplicationStatus::default(), is.created.0 > 0), (1, true, true));
    assert!(is.application.is_ok(), "{:?}", is.application);
    registry.write_status(&is.key, &status()).await.expect("written");
    let now = told_of(&mut news, "its status is told", |is| !is.status.revision.is_empty()).await;
    assert_eq!((now.status, now.generation), (status(), 1));
    insta::assert_snapshot!(table(&space).await);
    let bare = ApplicationStatus { last_error: None, waiting_for: String::new(), ..status() };
    registry.write_status(&is.key, &bare).await.expect("written");
    let now = told_of(&mut news, "its error is gone", |is| is.status.last_error.is_none()).await;
    assert_eq!(now.status, bare);
    let long =
        ApplicationStatus { waiting_for: "x".repeat(20_000), differing: vec!["y".into(); 100], ..status() };
    registry.write_status(&is.key, &long).await.expect("what is too long is cut, not refused");
    let other = AppKey { name: "other".into(), ..is.key.clone() };
    registry.write_status(&other, &status()).await.expect("one that has gone is no trouble");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn every_change_of_an_application_is_told() {
    let space = space("changes").await;
    let registry = applications(&space, User::Admin).await;
    space.apply(&shop(&space).to_string()).await;
    let mut news = registry.watch();
    let is = told_of(&mut news, "it is there at the start", |_| true).await;
    told(&mut news, "all is told", |r| matches!(r, Registration::Listed).then_some(())).await;
    let mut shop = shop(&space);
    shop["spec"]["sync"] = serde_json::json!({"interval": "5m"});
    shop["metadata"]["annotations"] =
        serde_json::json!({"cutover.dev/suspend": "true", "cutover.dev/request": "promote web 2026-1"});
    space.apply(&shop.to_string()).await;
    let now = told_of(&mut news, "it changed", |now| now.generation == is.generation + 1).await;
    assert_eq!(now.application.expect("right").sync.interval, 300);
    assert!(now.is_suspended);
    assert_eq!(now.request.and_then(|request| request.workload).as_deref(), Some("web"));
    let kind = kube::core::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(
        "cutover.dev",
        "v1alpha1",
        "Application",
    ));
    let api: kube::Api<kube::api::DynamicObject> =
        kube::Api::namespaced_with(space.client.clone(), &space.name, &kind);
    api.delete("shop", &Default::default()).await.expect("deleted");
    let gone = told(&mut news, "it is gone", |registration| match registration {
        Registration::Gone(key) => Some(key),
        _ => None,
    });
    assert_eq!(gone.await, is.key);
}
