//! Ten objects that nothing has to be waited for, and services for ECS.

use std::fmt::Write;

/// The objects of one application; the version is in one of them. `mark` is a label of that one.
pub fn objects(name: &str, version: usize, mark: &str) -> Vec<u8> {
    let mut text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{bench: {mark}}}}}\n\
         data: {{version: 'v{version}', level: info}}\n"
    );
    for number in 0..3 {
        let line = "a: 1\nb: 2\n".repeat(20).replace('\n', "\\n");
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-{number}}}\ndata: {{settings: \"{line}\"}}\n"
        );
    }
    for number in 0..2 {
        let _ = write!(
            text,
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-{number}}}\ntype: Opaque\n\
             data: {{password: bm90LWEtcmVhbC1wYXNzd29yZA==}}\n"
        );
    }
    let _ = write!(
        text,
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{clusterIP: None, selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
         ---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n\
         ---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: {name}}}\n\
         rules: [{{apiGroups: [''], resources: [configmaps], verbs: [get, list]}}]\n\
         ---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\n\
         spec: {{podSelector: {{matchLabels: {{app: {name}}}}}, policyTypes: [Ingress]}}\n"
    );
    text.into_bytes()
}

/// A service of one task and its task definition.
pub fn service(name: &str, version: usize) -> Vec<u8> {
    format!(
        "apiVersion: ecs.cutover.dev/v1alpha1\nkind: TaskDefinition\nmetadata: {{name: {name}}}\nspec:\n  \
         family: {name}\n  requiresCompatibilities: [FARGATE]\n  networkMode: awsvpc\n  cpu: \"256\"\n  \
         memory: \"512\"\n  executionRoleArn: arn:aws:iam::123456789012:role/ecsTaskExecutionRole\n  \
         containerDefinitions:\n    - {{name: app, image: 'registry.example/{name}:v{version}', essential: true}}\n\
         ---\napiVersion: ecs.cutover.dev/v1alpha1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  \
         taskDefinition: {name}\n  desiredCount: 1\n  launchType: FARGATE\n  networkConfiguration:\n    \
         awsvpcConfiguration: {{subnets: [subnet-0a], securityGroups: [sg-0a]}}\n"
    )
    .into_bytes()
}
