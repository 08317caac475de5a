//! What is wrong or not allowed is said where people look, and what is secret is said nowhere.

use super::house::{House, condition, is};
use crate::kube_support::Space;
use data_encoding::BASE64;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;

const SETTINGS: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {LOG_LEVEL: info}\n";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_team_may_not_reach_beyond_its_namespace_and_wrong_documents_are_named_with_their_line() {
    let (mut house, _) = House::install("refused").await;
    let team = Space::new("team").await;
    house.run("{}", &[&team.name], &[]).await;
    let first = house.ship("deploy/settings.yaml", SETTINGS, "Right");
    let apply = |name: &str, namespace: &str| {
        let application = house.application(name, "deploy", namespace, "{interval: 1s}");
        house.try_kubectl(&["apply", "-n", &team.name, "-f", "-"], &application)
    };
    assert_eq!(apply("beyond", &house.space.name).code, Some(0));
    let status =
        house.until_in(&team.name, "beyond", "it is refused", |s| is(s, "False", "NotAllowed")).await;
    let told = condition(&status, "Ready")["message"].to_string();
    let told = told.replace(&house.space.name, "[cutover]").replace(&team.name, "[team]");
    insta::assert_snapshot!(
        told,
        @r#""spec.destination.kubernetes.namespace: namespace [cutover] is not allowed (no permission of the operator is for namespace [team], so only this cluster, that namespace and public repositories are)""#
    );
    assert_eq!(condition(&status, "Stalled")["status"], "True", "{status:#}");
    let untouched = house.space.api::<ConfigMap>().get_opt("settings").await.expect("a read");
    assert_eq!(untouched, None);

    let wrong = apply("wrong", "Team A");
    assert_eq!(wrong.code, Some(1), "{}", wrong.whole());
    assert!(wrong.stderr.contains("is not the name of a namespace"), "{}", wrong.whole());

    assert_eq!(apply("within", &team.name).code, Some(0));
    let is_live = |s: &serde_json::Value| is(s, "True", "Synced") && s["revision"] == first;
    house.until_in(&team.name, "within", "it is live", is_live).await;
    house.ship(
        "deploy/web.yaml",
        "apiVersion: cutover.dev/v1alpha1\nkind: BlueGreen\nmetadata: {name: web}\nspec:\n  bakeTme: 1s\n",
        "Wrong",
    );
    let is_wrong = |s: &serde_json::Value| is(s, "False", "InvalidDocuments");
    let status = house.until_in(&team.name, "within", "the documents are refused", is_wrong).await;
    assert_eq!(
        condition(&status, "Ready")["message"].as_str().unwrap_or_default(),
        "deploy/web.yaml:4: BlueGreen/web: the field \"container\" is missing\n\
         deploy/web.yaml:4: BlueGreen/web: the field \"workloadRef\" is missing\n\
         deploy/web.yaml:5: BlueGreen/web: bakeTme: unknown field, did you mean \"bakeTime\"?"
    );
    // What is refused is nothing that the controller may not do for itself.
    let forbidden: Vec<String> =
        house.log().lines().filter(|l| l.contains("forbidden")).map(str::to_owned).collect();
    assert_eq!(forbidden, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_value_of_a_secret_is_told_nowhere() {
    let house = House::start("secret", "{}", &[]).await;
    let shop = Space::new("secret-shop").await;
    let values = ["hunter2-first", "hunter2-second", "hunter2-by-hand", "hunter2-no-base64!"];
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: database}}\nstringData: {{PASSWORD: {value}}}\n"
        )
    };
    let first = house.ship("deploy/database.yaml", &secret(values[0]), "First");
    house.register("shop", "deploy", &shop.name, "{interval: 1s}");
    house.until_ready("shop", &first).await;
    let second = house.ship("deploy/database.yaml", &secret(values[1]), "Second");
    house.until_ready("shop", &second).await;

    house.register("shop", "deploy", &shop.name, "{interval: 1s, mode: observe}");
    // Before that is known, what is changed by hand is put back.
    house.until("shop", "the change is noted", |status| status["observedGeneration"] == 2).await;
    let patch = format!("{{\"stringData\":{{\"PASSWORD\":\"{}\"}}}}", values[2]);
    house.kubectl(&["patch", "secret", "database", "-n", &shop.name, "-p", &patch]);
    let drifted = house.until("shop", "drift is found", |status| is(status, "False", "OutOfSync")).await;
    assert_eq!(drifted["differing"], serde_json::json!(["Secret/database"]), "{drifted:#}");
    let page = house.page("shop");
    assert!(page["diff"].as_str().is_some_and(|diff| diff.contains("PASSWORD")), "{page:#}");

    let broken = secret(values[3]).replace("stringData", "data");
    house.register("shop", "deploy", &shop.name, "{interval: 1s}");
    house.ship("deploy/database.yaml", &broken, "Third");
    let is_refused =
        |s: &serde_json::Value| is(s, "False", "InvalidDocuments") || is(s, "False", "SyncFailed");
    house.until("shop", "it is refused", is_refused).await;
    // Events come after the status, one after the other.
    house.until_event(|reason| matches!(reason, "Refused" | "SyncFailed")).await;

    let kept = Api::<Secret>::namespaced(house.space.client.clone(), &shop.name).get("database").await;
    assert!(kept.expect("the Secret").data.is_some_and(|data| data.contains_key("PASSWORD")));
    let own = ["-n", house.space.name.as_str()];
    let seen = [
        (
            "objects",
            house.kubectl(&[&["get", "applications.cutover.dev", "-o", "yaml"], own.as_slice()].concat()),
        ),
        ("events", house.kubectl(&[&["get", "events", "-o", "yaml"], own.as_slice()].concat())),
        ("events there", house.kubectl(&["get", "events", "-o", "yaml", "-n", &shop.name])),
        ("page", house.page("shop").to_string()),
        ("pages", house.get("web page", "/api/applications").expect("an answer")),
        ("metrics", house.get("metrics", "/metrics").expect("an answer")),
        ("log", house.log()),
    ];
    for (place, text) in &seen {
        assert!(!text.is_empty(), "{place} says nothing");
        for value in values {
            let encoded = BASE64.encode(value.as_bytes());
            assert!(!text.contains(value) && !text.contains(&encoded), "{place} tells {value}:\n{text}");
        }
    }
}
