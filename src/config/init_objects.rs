//! Documents from a live Deployment: what `cutover init` writes for Kubernetes. What the API server, controllers and
//! kubectl put there by themselves is left out, so that people see what is theirs, and a plan made from the documents
//! changes nothing.

use super::CUTOVER_API;
use super::init::{LiveTraffic, drop_if, list_mut, remove};
use crate::diff::to_yaml;
use crate::model::marks;
use serde_json::{Map, Value, json};

/// What was read of one Deployment.
#[derive(Clone, Debug)]
pub struct LiveDeployment<'a> {
    pub deployment: &'a Value,
    /// The Service that selects its pods.
    pub service: Option<&'a Value>,
    /// HorizontalPodAutoscalers and PodDisruptionBudgets for it.
    pub carried: Vec<&'a Value>,
    /// How requests reach it through an ELB; `None` without a TargetGroupBinding.
    pub traffic: Option<LiveTraffic>,
}

/// The Deployment with what belongs to it, and the BlueGreen that adopts it as its blue slot: as a comment as long as a
/// second target group is missing. Text in YAML.
pub fn documents_from_deployment(live: &LiveDeployment<'_>) -> String {
    let is_scaled = live.carried.iter().any(|object| object["kind"] == "HorizontalPodAutoscaler");
    let mut deployment = cleaned(live.deployment);
    clean_deployment(&mut deployment, is_scaled);
    let mut documents = vec![to_yaml(&deployment)];
    if let Some(service) = live.service {
        let mut service = cleaned(service);
        clean_service(&mut service);
        documents.push(to_yaml(&service));
    }
    documents.extend(live.carried.iter().map(|object| to_yaml(&cleaned(object))));
    let mut hint = String::new();
    if let Some(spec) = blue_green(live) {
        let name = &live.deployment["metadata"]["name"];
        let document = to_yaml(
            &json!({"apiVersion": CUTOVER_API, "kind": "BlueGreen", "metadata": {"name": name}, "spec": spec}),
        );
        match live.traffic.as_ref().is_some_and(LiveTraffic::is_incomplete) {
            false => documents.push(document),
            true => hint = as_comment(&document),
        }
    }
    documents.join("---\n") + &hint
}

fn as_comment(document: &str) -> String {
    let lines = document.lines().map(|line| format!("# {line}\n"));
    let lead = "# To ship this Deployment by blue/green, create a second target group with the settings of the first one\n\
                # (targets of type ip), name it and the rules below, and remove the comment signs.\n# ---\n";
    std::iter::once(lead.to_owned()).chain(lines).collect()
}

impl LiveTraffic {
    fn is_incomplete(&self) -> bool {
        self.second_target_group.is_none() || self.production.is_empty()
    }
}

/// The BlueGreen's spec; `None` if it can't be told which port requests go to.
fn blue_green(live: &LiveDeployment<'_>) -> Option<Value> {
    let name = live.deployment["metadata"]["name"].as_str()?;
    let service = live.service?;
    let (container, port) = target(live.deployment, service)?;
    let mut spec = json!({
        "workloadRef": {"kind": "Deployment", "name": name},
        "container": {"name": container, "port": port},
    });
    match &live.traffic {
        None => {
            spec["traffic"] = json!({"service": service["metadata"]["name"]});
            spec["slots"] = json!({"blue": {"deployment": name}});
        }
        Some(traffic) => {
            let is_rule = |arn: &&String| arn.contains(":listener-rule/");
            let (rules, listeners): (Vec<&String>, Vec<&String>) =
                traffic.production.iter().partition(is_rule);
            let mut alb = Map::new();
            for (field, arns) in [("productionListenerRule", rules), ("productionListener", listeners)] {
                match arns.as_slice() {
                    [] => {}
                    [arn] => drop(alb.insert(field.into(), json!(arn))),
                    arns => drop(alb.insert(field.into(), json!(arns))),
                }
            }
            if alb.is_empty() {
                alb.insert("productionListenerRule".into(), "ARN-OF-THE-RULE".into());
            }
            if let Some(arn) = &traffic.test {
                let field = if is_rule(&arn) { "testListenerRule" } else { "testListener" };
                alb.insert(field.into(), json!(arn));
            }
            let second = traffic.second_target_group.as_deref().unwrap_or("NAME-OF-A-SECOND-GROUP");
            alb.insert("targetGroups".into(), json!({"blue": traffic.target_group, "green": second}));
            spec["alb"] = Value::Object(alb);
            spec["slots"] = json!({"blue": {"deployment": name, "targetGroup": traffic.target_group}});
        }
    }
    Some(spec)
}

/// The container and port that the Service's first port leads to.
fn target(deployment: &Value, service: &Value) -> Option<(String, u64)> {
    let port = service.pointer("/spec/ports/0")?;
    let wanted = port.get("targetPort").or_else(|| port.get("port"))?;
    let containers = deployment.pointer("/spec/template/spec/containers")?.as_array()?;
    containers.iter().find_map(|container| {
        let ports = container.get("ports")?.as_array()?;
        let found = ports
            .iter()
            .find(|port| port.get("containerPort") == Some(wanted) || port.get("name") == Some(wanted))?;
        Some((container["name"].as_str()?.to_owned(), found["containerPort"].as_u64()?))
    })
}

/// An object without what others have put there.
fn cleaned(live: &Value) -> Value {
    let mut object = live.clone();
    remove(&mut object, "status");
    let metadata = &mut object["metadata"];
    for field in [
        "managedFields",
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "generation",
        "selfLink",
        "ownerReferences",
        "finalizers",
        "namespace",
    ] {
        remove(metadata, field);
    }
    for (field, foreign) in [
        (
            "annotations",
            &["kubectl.kubernetes.io/", "deployment.kubernetes.io/", "autoscaling.alpha.kubernetes.io/"][..],
        ),
        ("labels", &["applyset.kubernetes.io/"]),
    ] {
        if let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) {
            entries.retain(|key, _| {
                !marks::is_ours(key) && !foreign.iter().any(|prefix| key.starts_with(prefix))
            });
        }
        drop_if(metadata, field, &json!({}));
    }
    object
}

fn clean_deployment(deployment: &mut Value, is_scaled: bool) {
    let spec = &mut deployment["spec"];
    if is_scaled {
        remove(spec, "replicas");
    }
    let rolling =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
    for (field, default) in
        [("progressDeadlineSeconds", json!(600)), ("revisionHistoryLimit", json!(10)), ("strategy", rolling)]
    {
        drop_if(spec, field, &default);
    }
    let template = &mut spec["template"];
    if let Some(metadata) = template.get_mut("metadata") {
        remove(metadata, "creationTimestamp");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| key != "kubectl.kubernetes.io/restartedAt" && !marks::is_ours(key));
        }
        drop_if(metadata, "annotations", &json!({}));
    }
    let pod = &mut template["spec"];
    for (field, default) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        drop_if(pod, field, &default);
    }
    for field in ["containers", "initContainers"] {
        list_mut(pod, field).for_each(clean_container);
    }
    for volume in list_mut(pod, "volumes") {
        for source in ["secret", "configMap", "projected", "downwardAPI"] {
            if let Some(source) = volume.get_mut(source) {
                drop_if(source, "defaultMode", &json!(420));
            }
        }
    }
}

fn clean_container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().unwrap_or_default().split_once(':').map(|(_, tag)| tag);
    let is_floating = matches!(tag, None | Some("latest")) && !image.contains('@');
    let pull = if is_floating { "Always" } else { "IfNotPresent" };
    for (field, default) in [
        ("imagePullPolicy", json!(pull)),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("resources", json!({})),
    ] {
        drop_if(container, field, &default);
    }
    list_mut(container, "ports").for_each(|port| drop_if(port, "protocol", &json!("TCP")));
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        for (field, default) in
            [("failureThreshold", 3), ("periodSeconds", 10), ("successThreshold", 1), ("timeoutSeconds", 1)]
        {
            drop_if(probe, field, &json!(default));
        }
        if let Some(http) = probe.get_mut("httpGet") {
            drop_if(http, "scheme", &json!("HTTP"));
        }
    }
    for variable in list_mut(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            drop_if(field, "apiVersion", &json!("v1"));
        }
    }
}

fn clean_service(service: &mut Value) {
    let spec = &mut service["spec"];
    if spec["clusterIP"] != "None" {
        remove(spec, "clusterIP");
    }
    for field in ["clusterIPs", "ipFamilies", "healthCheckNodePort"] {
        remove(spec, field);
    }
    for (field, default) in [
        ("ipFamilyPolicy", json!("SingleStack")),
        ("internalTrafficPolicy", json!("Cluster")),
        ("externalTrafficPolicy", json!("Cluster")),
        ("allocateLoadBalancerNodePorts", json!(true)),
        ("sessionAffinity", json!("None")),
        ("type", json!("ClusterIP")),
    ] {
        drop_if(spec, field, &default);
    }
    for port in list_mut(spec, "ports") {
        drop_if(port, "protocol", &json!("TCP"));
        remove(port, "nodePort");
        let same = port["port"].clone();
        drop_if(port, "targetPort", &same);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u", "generation": 3, "labels": {"app": "web"},
                "annotations": {"deployment.kubernetes.io/revision": "3", "kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "spec": {"replicas": 2, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"creationTimestamp": null, "labels": {"app": "web"}}, "spec": {
                    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "securityContext": {},
                    "containers": [{"name": "app", "image": "r.example:5000/web:v1", "imagePullPolicy": "IfNotPresent",
                        "resources": {}, "terminationMessagePath": "/dev/termination-log",
                        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]}}},
            "status": {"replicas": 2}})
    }

    fn service() -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
                "selector": {"app": "web"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": "http"}]}})
    }

    const OBJECTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    app: web
spec:
  replicas: 2
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: app
          image: r.example:5000/web:v1
          ports:
            - name: http
              containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector:
    app: web
  ports:
    - port: 80
      targetPort: http
";

    #[test]
    fn a_deployment_and_its_service_are_written_as_people_write_them() {
        let (deployment, service) = (deployment(), service());
        let live = LiveDeployment {
            deployment: &deployment,
            service: Some(&service),
            carried: vec![],
            traffic: None,
        };
        let expected = format!(
            "{OBJECTS}---\napiVersion: cutover.dev/v1alpha1\nkind: BlueGreen\nmetadata:\n  name: web\nspec:\n  \
             workloadRef:\n    kind: Deployment\n    name: web\n  container:\n    name: app\n    port: 8080\n  \
             traffic:\n    service: web\n  slots:\n    blue:\n      deployment: web\n"
        );
        assert_eq!(documents_from_deployment(&live), expected);
    }

    #[test]
    fn without_a_second_target_group_blue_green_is_a_comment() {
        let (deployment, service) = (deployment(), service());
        let traffic = |second: Option<&str>| LiveTraffic {
            production: vec!["arn:x:listener-rule/app/1".into()],
            test: None,
            target_group: "web-tg".into(),
            second_target_group: second.map(str::to_owned),
        };
        let text = |second| {
            let traffic = Some(traffic(second));
            let live =
                LiveDeployment { deployment: &deployment, service: Some(&service), carried: vec![], traffic };
            documents_from_deployment(&live)
        };
        let comment = text(None);
        assert!(comment.starts_with(OBJECTS) && comment.contains("# kind: BlueGreen"), "{comment}");
        let complete = text(Some("web-tg2"));
        for line in ["kind: BlueGreen", "      targetGroup: web-tg", "      green: web-tg2"] {
            assert!(complete.lines().any(|found| found == line), "{line} in\n{complete}");
        }
    }
}
