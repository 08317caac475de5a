use super::DONE;
use super::rig::{Rig, web};
use cutover::engine::RunEnd;
use cutover::model::marks;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

const SLOTS: &str = "slots: {blue: {deployment: web}}";

async fn standing(rig: &Rig) {
    rig.space
        .apply(&format!(
            "{}---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: elbv2.k8s.aws/v1beta1
kind: TargetGroupBinding
metadata: {{name: by-hand}}
spec: {{serviceRef: {{name: web, port: http}}, targetGroupName: web-blue, targetType: ip}}
",
            web("shop/web:v1")
        ))
        .await;
    rig.until("both pods are healthy targets", async || rig.healthy("web-blue") == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_running_deployment_is_adopted_without_a_restart_and_without_a_lost_request() {
    let rig = Rig::start("adopt-slot").await;
    standing(&rig).await;
    let requests = rig.requests();
    let pods = rig.pods("app=web").await;
    let v1 = rig.commit("shop/web:v1", SLOTS, "");
    assert_eq!(rig.run(&v1).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
    assert_eq!(rig.pods("app=web").await, pods);
    let adopted = rig.space.api::<Deployment>().get("web").await.expect("there");
    assert_eq!(adopted.labels()[marks::SLOT], "blue");
    assert_eq!(rig.pods("app=web-green").await.len(), 0, "no second version for the same content");
    let process = rig.process().await;
    assert_eq!(process.run(&v1).await, DONE);
    assert_eq!(process.writes(), 0);

    assert_eq!(rig.run(&rig.commit("shop/web:v2", SLOTS, "")).await, DONE);
    assert_eq!(rig.weights(), [0, 100]);
    assert_eq!(rig.pods("app=web").await, pods, "the adopted side stays warm as it was");
    let green = rig.space.api::<Deployment>().get("web-green").await.expect("there").spec.expect("spec");
    let selector = green.selector.match_labels.expect("labels");
    assert_eq!((selector["app"].as_str(), selector[marks::SLOT].as_str()), ("web-green", "green"));

    // Back into the adopted Deployment, whose selector stays.
    assert_eq!(rig.run(&rig.commit("shop/web:v3", SLOTS, "")).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
    let blue = rig.space.api::<Deployment>().get("web").await.expect("there").spec.expect("spec");
    assert_eq!(blue.selector.match_labels.expect("labels").len(), 1);
    let report = requests.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));
    assert!(["v1", "v2", "v3"].iter().all(|release| report.by_release()[*release] > 0));
    assert!(rig.space.api::<Service>().get_opt("web-blue").await.expect("read").is_none(), "theirs is used");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_belongs_to_somebody_else_is_not_made_a_slot() {
    let rig = Rig::start("foreign").await;
    standing(&rig).await;
    let end = rig.run(&rig.commit("shop/web:v1", "", "")).await;
    let RunEnd::Trouble(trouble) = &end else { panic!("{end:?}") };
    assert!(trouble.message.contains("filled by TargetGroupBinding by-hand already"), "{trouble}");
    let labels = "{applyset.kubernetes.io/part-of: applyset-x-v1, cutover.dev/application: blog}";
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web-green, labels: {labels}}}\nspec: {{ports: [{{port: 80}}]}}"
    );
    rig.space.apply(&service).await;
    let end = rig.run(&rig.commit("shop/web:v1", SLOTS, "")).await;
    let RunEnd::Trouble(trouble) = &end else { panic!("{end:?}") };
    assert!(trouble.message.contains("it belongs to application blog"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn what_kubectl_left_in_an_adopted_deployment_goes_by_a_rollout_and_not_under_its_pods() {
    let rig = Rig::start("leftover").await;
    standing(&rig).await;
    let requests = rig.requests();
    let deployments = rig.space.api::<Deployment>();
    // Declared by another tool, and not in Git.
    let extra = serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template":
        {"spec": {"containers": [{"name": "app", "env": [{"name": "DEBUG", "value": "1"}]}]}}}});
    let params = kube::api::PatchParams::apply("kubectl-client-side-apply").force();
    deployments.patch("web", &params, &kube::api::Patch::Apply(&extra)).await.expect("applied");
    let available = |deployment: &Deployment| {
        let status = deployment.status.clone().unwrap_or_default();
        status.observed_generation >= deployment.metadata.generation
            && (status.replicas, status.updated_replicas, status.available_replicas)
                == (Some(2), Some(2), Some(2))
    };
    rig.space.wait_for("web", "the variable is rolled out", available).await;
    let pods = rig.pods("app=web").await;
    let v1 = rig.commit("shop/web:v1", SLOTS, "");
    assert_eq!(rig.run(&v1).await, DONE);
    assert_eq!(rig.weights(), [0, 100], "a version as Git has it took over");
    assert_eq!(rig.pods("app=web").await, pods, "nothing happened under the adopted pods");
    let env = async |name: &str| {
        let spec = deployments.get(name).await.expect("there").spec.expect("spec");
        let env = spec.template.spec.expect("pods").containers[0].env.clone().unwrap_or_default();
        env.into_iter().map(|one| one.name).collect::<Vec<String>>()
    };
    assert!(!env("web-green").await.contains(&"DEBUG".to_owned()));
    assert!(env("web").await.contains(&"DEBUG".to_owned()), "it is warm as it was");
    assert_eq!(rig.run(&rig.commit("shop/web:v2", SLOTS, "")).await, DONE);
    assert_eq!(rig.weights(), [100, 0]);
    assert!(!env("web").await.contains(&"DEBUG".to_owned()), "it is taken over with its next version");
    let report = requests.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));
}
