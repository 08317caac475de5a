//! What people begin with: one service under an autoscaler, and a shop of a dozen services in one file.

use super::repository::{Drift, Repository, object};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn the_count_of_a_service_without_one_is_its_autoscalers_also_after_that_left_git_and_came_back() {
    let greeter = Repository::new("greeter", "greeter").await;
    let first = greeter.first_sync(4).await;
    let deployment = object("apps/v1", "greeter/deployments/greeter");
    let scale = |count: u32| json!({"spec": {"replicas": count}});
    assert_eq!(greeter.read(&deployment).await["spec"]["replicas"], 2, "the autoscaler's least");
    greeter.patch_as("kubectl-scale", &format!("{deployment}/scale"), scale(3)).await;
    greeter.has_nothing_to_do().await;
    greeter.patch_as("kubectl-scale", &format!("{deployment}/scale"), scale(2)).await;
    greeter
        .repairs(
            &[
                Drift::Patch(
                    object("autoscaling/v2", "greeter/horizontalpodautoscalers/greeter"),
                    json!({"spec": {"maxReplicas": 9}}),
                ),
                Drift::Patch(deployment.clone(), json!({"spec": {"progressDeadlineSeconds": 700}})),
            ],
            &first,
        )
        .await;
    greeter.change("greeter.yaml", |text| {
        let mut documents: Vec<&str> = text.split("\n---\n").collect();
        documents.retain(|document| !document.contains("kind: HorizontalPodAutoscaler"));
        documents.join("\n---\n")
    });
    greeter.commit("Nobody scales it");
    greeter.prunes(&first, &["HorizontalPodAutoscaler/greeter/greeter"]).await;
    assert_eq!(greeter.read(&deployment).await["spec"]["replicas"], 2, "it stays as it was scaled");
    greeter.reverts_to(&first).await;
    greeter.end(&["greeter"]).await;
}

/// Name and port of the services, each a Deployment, a Service and an account. Who has no port only asks others.
const SERVICES: [(&str, u16); 12] = [
    ("banners", 9555),
    ("cart", 7070),
    ("cart-store", 6379),
    ("catalogue", 3550),
    ("hints", 8081),
    ("mails", 5000),
    ("money", 7000),
    ("parcels", 50051),
    ("payments", 50052),
    ("storefront", 8080),
    ("tills", 5050),
    ("visitors", 0),
];

/// The shop's one file, with the services that are kept.
fn release(is_kept: impl Fn(&str) -> bool) -> String {
    let kept = SERVICES.iter().filter(|(name, _)| is_kept(name));
    kept.flat_map(|(name, port)| documents(name, *port)).collect::<Vec<_>>().join("---\n")
}

fn documents(name: &str, port: u16) -> Vec<String> {
    let account = format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n");
    if port == 0 {
        return vec![deployment(name, "", ""), account];
    }
    let probe = format!("{{periodSeconds: 5, grpc: {{port: {port}}}}}");
    let serving = format!(
        "          ports: [{{containerPort: {port}}}]\n          readinessProbe: {probe}\n          livenessProbe: {probe}\n"
    );
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  type: ClusterIP\n  \
         selector: {{app: {name}}}\n  ports: [{{name: grpc, port: {port}, targetPort: {port}}}]\n"
    );
    vec![deployment(name, &format!("{{name: PORT, value: \"{port}\"}}, "), &serving), service, account]
}

fn deployment(name: &str, environment: &str, serving: &str) -> String {
    format!(
        "\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}, annotations: {{mesh.example.com/rewrite-probes: \"true\"}}}}
    spec:
      serviceAccountName: {name}
      terminationGracePeriodSeconds: 5
      restartPolicy: Always
      securityContext: {{fsGroup: 1000, runAsGroup: 1000, runAsNonRoot: true, runAsUser: 1000}}
      containers:
        - name: server
          image: registry.example/bazaar/{name}:v0.10.3
          env: [{environment}{{name: CATALOGUE, value: 'catalogue:3550'}}, {{name: DISABLE_PROFILER, value: \"1\"}}]
{serving}          resources: {{requests: {{cpu: 100m, memory: 64Mi}}, limits: {{cpu: 200m, memory: 128Mi}}}}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {{drop: [ALL]}}
            privileged: false
            readOnlyRootFilesystem: true
          volumeMounts: [{{mountPath: /data, name: data}}]
      volumes: [{{name: data, emptyDir: {{}}}}]
"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn a_dozen_services_in_one_file_come_and_go_and_an_address_that_nobody_gives_holds_none_of_them_up() {
    let files = [("release/all.yaml", release(|_| true))];
    let bazaar = Repository::with("bazaar", "bazaar", &files).await;
    let first = bazaar.first_sync(37).await;
    bazaar
        .repairs(
            &[
                Drift::Patch(
                    object("apps/v1", "bazaar/deployments/payments"),
                    json!({"spec": {"template": {"spec": {"securityContext": {"runAsUser": 0, "runAsNonRoot": false}}}}}),
                ),
                Drift::Patch(
                    object("v1", "bazaar/services/storefront-external"),
                    json!({"spec": {"selector": {"app": "somebody-else"}}}),
                ),
                Drift::Delete(object("v1", "bazaar/services/cart")),
                Drift::Delete(object("v1", "bazaar/serviceaccounts/mails")),
            ],
            &first,
        )
        .await;
    bazaar.change("release/all.yaml", |_| release(|name| !["banners", "visitors"].contains(&name)));
    bazaar.commit("Without banners, and without make-believe visitors");
    bazaar
        .prunes(
            &first,
            &[
                "Deployment/bazaar/banners",
                "Deployment/bazaar/visitors",
                "Service/bazaar/banners",
                "ServiceAccount/bazaar/banners",
                "ServiceAccount/bazaar/visitors",
            ],
        )
        .await;
    bazaar.reverts_to(&first).await;
    bazaar.end(&["bazaar"]).await;
}
