use super::yard::Yard;
use crate::kube_support::User;
use cutover::controller::Site;
use cutover::engine::{Deployment, Silent, StopSignal, Trouble, TroubleKind, Verdict};
use cutover::model::{Allowed, Destination, SecretRef};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const SETTINGS: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: blue}}\n";

async fn try_sync(site: &dyn Site, deployment: &Deployment) -> Result<Verdict, Trouble> {
    let synced = site.sync(deployment, &Silent, &StopSignal::default()).await?;
    Ok(synced.report.verdict)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_application_acts_as_its_service_account_and_can_do_what_that_one_can() {
    let yard = Yard::new("account", User::Admin).await;
    let mut shop = yard.commit("shop", SETTINGS);
    shop.application.service_account_name = Some("deployer".into());
    let site = yard.open(&shop).await;
    let refused = try_sync(&*site, &shop).await.expect_err("it may do nothing yet");
    assert_eq!(refused.kind, TroubleKind::Denied);
    let account = format!("system:serviceaccount:{}:deployer", yard.space.name);
    assert!(refused.message.contains(&account), "{refused}");
    yard.space
        .apply(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: all}}
rules: [{{apiGroups: ['*'], resources: ['*'], verbs: ['*']}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: all}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: all}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:serviceaccounts:{}'}}]
",
            yard.space.name
        ))
        .await;
    // A new binding counts once the API server's authorizer has heard of it.
    let mut allowed = try_sync(&*site, &shop).await;
    for _ in 0..100 {
        if !matches!(&allowed, Err(trouble) if trouble.kind == TroubleKind::Denied) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        allowed = try_sync(&*site, &shop).await;
    }
    assert_eq!(allowed, Ok(Verdict::Done));
    yard.space.api::<ConfigMap>().get("settings").await.expect("made");
}

fn secret(kubeconfig: &[u8]) -> Secret {
    Secret {
        metadata: kube::core::ObjectMeta { name: Some("elsewhere".into()), ..Default::default() },
        data: Some([("value".to_owned(), ByteString(kubeconfig.to_vec()))].into()),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn another_clusters_kubeconfig_comes_from_a_secret_and_is_read_again_when_it_is_refused() {
    let yard = Yard::new("secret", User::Admin).await;
    let mut shop = yard.commit("shop", SETTINGS);
    let Destination::Kubernetes { kubeconfig_secret_ref, .. } = &mut shop.application.destination else {
        panic!("{:?}", shop.application.destination)
    };
    *kubeconfig_secret_ref = Some(SecretRef { name: "elsewhere".into(), key: None });
    let missing = yard.try_open(&shop, Allowed::everything()).await.err().expect("no Secret");
    assert!(missing.message.contains("elsewhere"), "{missing}");
    let file = |user| std::fs::read(yard.space.cluster.kubeconfig(user)).expect("a kubeconfig");
    let secrets = yard.space.api::<Secret>();
    secrets.create(&Default::default(), &secret(&file(User::Restricted))).await.expect("made");
    let site = yard.open(&shop).await;
    let refused = try_sync(&*site, &shop).await.expect_err("it may do nothing");
    assert_eq!(refused.kind, TroubleKind::Denied);
    let patch = Patch::Merge(serde_json::to_value(secret(&file(User::Admin))).expect("JSON"));
    secrets.patch("elsewhere", &PatchParams::default(), &patch).await.expect("changed");
    assert_eq!(try_sync(&*site, &shop).await, Ok(Verdict::Done), "the site was not opened anew");
    let exec: Value = json!({"apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch"}}}]});
    let patch = Patch::Merge(serde_json::to_value(secret(exec.to_string().as_bytes())).expect("JSON"));
    secrets.patch("elsewhere", &PatchParams::default(), &patch).await.expect("changed");
    let refused = yard.try_open(&shop, Allowed::everything()).await.err().expect("it would run something");
    assert!(refused.message.contains("`touch`"), "{refused}");
}
