//! A Deployment, read with what belongs to it.

use super::ecs::{group_name, production};
use super::{InitArgs, Written};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::config::{self, LiveDeployment, LiveTraffic};
use crate::engine::{Trouble, TroubleKind};
use crate::kubernetes::{Cluster, Kinds, Resource};
use crate::model::{PlatformKind, selects};
use crate::traffic::alb::Alb;
use serde_json::{Map, Value, json};

/// Reads the Deployment, the Service that selects its pods, what scales and guards it, and how requests reach it.
///
/// # Errors
/// Those of the reads. If AWS can't be asked for the rules, that is said, and they are left for people to fill in.
pub(super) async fn read(
    args: &InitArgs,
    namespace: &str,
    name: &str,
    output: Output,
) -> Result<Written, CliError> {
    let cluster = args.kubernetes.cluster.connect(args.kubernetes.cluster.context.clone()).await?;
    let deployments = Resource::known("apps", "v1", "Deployment", "deployments", true);
    let found = cluster.get(&deployments, Some(namespace), name).await?;
    let deployment = found.ok_or_else(|| Trouble {
        kind: TroubleKind::Missing,
        doing: format!("get Deployment/{namespace}/{name}"),
        message: "there is no such Deployment".into(),
    })?;
    let kinds = cluster.kinds().await?;
    let all = async |group: &str, kind: &str| list(&cluster, &kinds, namespace, group, kind).await;
    let labels = deployment.pointer("/spec/template/metadata/labels");
    let selected = |object: &Value, pointer: &str| selects(object.pointer(pointer), labels);
    let service = all("", "Service").await?.into_iter().find(|service| selected(service, "/spec/selector"));
    let scalers = all("autoscaling", "HorizontalPodAutoscaler").await?.into_iter();
    let mut carried: Vec<Value> = scalers
        .filter(|scaler| {
            let target = &scaler["spec"]["scaleTargetRef"];
            target["kind"] == "Deployment" && target["name"] == name
        })
        .collect();
    let budgets = all("policy", "PodDisruptionBudget").await?.into_iter();
    carried.extend(budgets.filter(|budget| selected(budget, "/spec/selector/matchLabels")));
    let bindings = all("elbv2.k8s.aws", "TargetGroupBinding").await?;
    let service_name = service.as_ref().map(|service| service["metadata"]["name"].clone());
    let binding = bindings.into_iter().find(|binding| {
        let bound = binding.pointer("/spec/serviceRef/name");
        bound.is_some() && bound == service_name.as_ref()
    });
    let (traffic, region) = match &binding {
        Some(binding) => read_traffic(args, binding, output).await?,
        None => (None, None),
    };
    let mut deployment = deployment;
    if args.autoscaled
        && let Some(spec) = deployment.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.shift_remove("replicas");
    }
    let documents = config::documents_from_deployment(&LiveDeployment {
        deployment: &deployment,
        service: service.as_ref(),
        carried: carried.iter().collect(),
        traffic,
    });
    let mut destination = Map::new();
    destination.insert("namespace".into(), namespace.into());
    destination.extend(
        args.kubernetes.cluster.context.as_ref().map(|context| ("context".to_owned(), json!(context))),
    );
    destination.extend(region.map(|region| ("region".to_owned(), json!(region))));
    Ok(Written {
        documents,
        name: name.to_owned(),
        destination: json!({"kubernetes": destination}),
        platform: PlatformKind::Kubernetes,
    })
}

/// The objects of a kind in the namespace; none where the cluster has no such kind.
async fn list(
    cluster: &Cluster,
    kinds: &Kinds,
    namespace: &str,
    group: &str,
    kind: &str,
) -> Result<Vec<Value>, Trouble> {
    match kinds.preferred(group, kind) {
        Some(resource) => cluster.list(resource, Some(namespace), "").await,
        None => Ok(vec![]),
    }
}

/// The binding's target group and, if AWS answers, the rules that send to it, and the region.
async fn read_traffic(
    args: &InitArgs,
    binding: &Value,
    output: Output,
) -> Result<(Option<LiveTraffic>, Option<String>), CliError> {
    let text =
        |field: &str| binding["spec"].get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(group) = text("targetGroupARN").or_else(|| text("targetGroupName")) else {
        return Ok((None, None));
    };
    let rules = async {
        let aws = args.aws.connect(None).await?;
        let rules = production(&Alb::new(aws.clone()), group, args).await?;
        Ok::<_, CliError>((rules, Some(aws.region().to_owned())))
    };
    let (production, region) = rules.await.unwrap_or_else(|error| {
        output
            .note(&format!("the load balancer's rules could not be read ({}); fill them in", error.message));
        (vec![], None)
    });
    let traffic = LiveTraffic {
        production,
        test: args.test_listener.clone(),
        target_group: group_name(group).to_owned(),
        second_target_group: args.second_target_group.clone(),
    };
    Ok((Some(traffic), region))
}
