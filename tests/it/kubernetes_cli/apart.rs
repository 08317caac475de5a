//! What concerns one object stops nothing else.

use super::desk::KubeDesk;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;

const GUARDED: &str = "\
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {PASSWORD: first-word}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: first}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NAMESPACE}
webhooks:
  - name: guard.example.dev
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    timeoutSeconds: 2
    clientConfig: {service: {name: nobody, namespace: NAMESPACE, path: /}}
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}
    rules: [{apiGroups: [''], apiVersions: [v1], resources: [secrets], operations: [CREATE, UPDATE]}]
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_webhook_that_is_down_holds_up_what_it_guards_and_nothing_else() {
    let spec = "sync: {prune: true, pruneLimit: 100%, timeout: 3m}";
    let shop = KubeDesk::new("guard", spec, GUARDED).await;
    let namespace = shop.space.name.clone();
    shop.change(&[("NAMESPACE", &namespace)], "Guard");
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0), "what did not change asks nobody");

    shop.change(&[("first-word", "second-word"), ("level: first", "level: second")], "Second");
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(2), "{}", planned.whole());
    assert!(planned.whole().contains("guard.example.dev"), "{}", planned.whole());
    let status = shop.verb("status", &[]);
    assert!(status.stdout.contains("Secret"), "{}", status.whole());
    let synced = shop.verb("sync", &["--timeout", "8s"]);
    assert_eq!(synced.code, Some(4), "{}", synced.whole());
    assert!(synced.whole().contains("guard.example.dev"), "what was left is named: {}", synced.whole());
    let settings = shop.space.api::<ConfigMap>().get("settings").await.expect("there");
    assert_eq!(settings.data.expect("data")["level"], "second");

    // The commit that mends it takes the webhook away, which is a prune.
    let text = shop.desk.read("deploy/shop.yaml");
    let (kept, _) = text.rsplit_once("---").expect("the webhook comes last");
    shop.desk.write("deploy/shop.yaml", kept);
    tokio::task::block_in_place(|| shop.desk.commit("Without the guard"));
    let mended = shop.verb("sync", &["--timeout", "60s"]);
    assert_eq!(mended.code, Some(0), "{}", mended.whole());
    let password = shop.space.api::<Secret>().get("password").await.expect("there");
    assert_eq!(password.data.expect("data")["PASSWORD"].0, b"second-word");
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
}

const DEFINED: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.apart.example.dev}
spec:
  group: apart.example.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: apart.example.dev/v1
kind: Widget
metadata: {name: one}
spec: {size: 1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {level: first}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_new_field_and_its_first_use_come_in_one_commit_and_a_kind_of_others_stops_nothing() {
    let shop = KubeDesk::new("defined", "sync: {timeout: 2m}", DEFINED).await;
    let first = shop.verb("sync", &[]);
    assert_eq!(first.code, Some(0), "{}", first.whole());
    let field = "size: {type: integer}, color: {type: string}";
    shop.change(&[("size: {type: integer}", field), ("{size: 1}", "{size: 1, color: red}")], "Color");
    let planned = shop.verb("plan", &["--detailed-exitcode"]);
    assert_eq!(planned.code, Some(2), "{}", planned.whole());
    assert!(
        planned.stdout.contains("CustomResourceDefinition changes with this sync"),
        "{}",
        planned.whole()
    );
    let second = shop.verb("sync", &[]);
    assert_eq!(second.code, Some(0), "{}", second.whole());
    assert_eq!(shop.verb("plan", &["--detailed-exitcode"]).code, Some(0));
    shop.change(&[("color: red", "colour: red")], "A typo");
    let typo = shop.verb("plan", &["--detailed-exitcode"]);
    assert!(typo.stdout.contains("unknown field"), "{}", typo.whole());

    let gadget = "level: third}\n---\napiVersion: gone.example.dev/v1\nkind: Gadget\nmetadata: {name: g}";
    shop.change(&[("colour: red", "color: red"), ("level: first}", gadget)], "A kind of another application");
    let third = shop.verb("sync", &[]);
    assert_eq!(third.code, Some(1), "{}", third.whole());
    assert!(third.whole().contains("no kind Gadget of gone.example.dev/v1"), "{}", third.whole());
    let settings = shop.space.api::<ConfigMap>().get("settings").await.expect("there");
    assert_eq!(settings.data.expect("data")["level"], "third");
    let definitions: Api<CustomResourceDefinition> = Api::all(shop.space.client.clone());
    definitions.delete("widgets.apart.example.dev", &Default::default()).await.expect("deleted");
}
