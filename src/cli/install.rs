//! `cutover install`: what a cluster needs so that the controller runs in it.

use super::error::{CliError, ErrorKind, Exit};
use super::output::Output;
use crate::config;
use crate::diff::to_yaml;
use clap::Args;
use serde_json::{Value, json};

const EXAMPLES: &str = "\
Examples:
  cutover install --image registry.example/cutover:0.1.0 | kubectl apply --server-side -f -
  cutover install --image registry.example/cutover:0.1.0 --watch-namespace team-a --watch-namespace team-b
  cutover install --replicas 6 --shards 3 > cutover.yaml
  cutover install | kubectl delete -f -           see docs/controller.md, Uninstalling, first

The same command upgrades. `kubectl -n cutover port-forward deploy/cutover 8081` leads to the web page.";

/// The namespace that the templates are written for.
const NAMESPACE: &str = "cutover";
const TEMPLATES: [(&str, &str); 5] = [
    ("namespace.yaml", include_str!("../../manifests/controller/namespace.yaml")),
    ("access.yaml", include_str!("../../manifests/controller/access.yaml")),
    ("configuration.yaml", include_str!("../../manifests/controller/configuration.yaml")),
    ("deployment.yaml", include_str!("../../manifests/controller/deployment.yaml")),
    ("surroundings.yaml", include_str!("../../manifests/controller/surroundings.yaml")),
];
/// What an application needs in its namespace; the controller needs it wherever it has one.
const APPLICATION_RIGHTS: &str = include_str!("../../manifests/rbac/namespace.yaml");

/// Print what a cluster needs so that the controller runs in it
///
/// The kind Application, a namespace, a service account with its rights, and a Deployment with what belongs to it.
/// Nothing is sent to a cluster.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InstallArgs {
    /// The controller's namespace, which is made
    #[arg(long, value_name = "NAMESPACE", default_value = NAMESPACE)]
    namespace: String,
    /// The image, from a registry that the cluster's nodes can reach
    #[arg(long, value_name = "IMAGE", default_value = concat!("cutover:", env!("CARGO_PKG_VERSION")))]
    image: String,
    /// Processes; one of them more than there are shards waits to take over
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    replicas: u32,
    /// Processes that share the Applications between them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    shards: u32,
    /// Look at the Applications of this namespace only, and have rights in it only; may be given again
    #[arg(long = "watch-namespace", value_name = "NAMESPACE")]
    watch_namespaces: Vec<String>,
}

/// Prints the objects: one YAML stream, or one `List` as JSON.
///
/// # Errors
/// If a flag names what can't be.
pub fn run(args: &InstallArgs, output: Output) -> Result<Exit, CliError> {
    let objects = objects(args)?;
    if output.is_json() {
        output.json(&json!({"apiVersion": "v1", "kind": "List", "items": objects}))?;
    } else {
        let documents: Vec<String> = objects.iter().map(to_yaml).collect();
        output.text(&documents.join("---\n"))?;
    }
    Ok(Exit::Done)
}

fn objects(args: &InstallArgs) -> Result<Vec<Value>, CliError> {
    for namespace in [&args.namespace].into_iter().chain(&args.watch_namespaces) {
        if !config::is_label(namespace) {
            return Err(CliError::usage(format!("`{namespace}` is no name for a namespace")));
        }
    }
    if args.image.is_empty() || args.image.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(CliError::usage("--image is no name of an image"));
    }
    if args.replicas < args.shards {
        return Err(CliError::usage(format!(
            "{} shards need as many processes at least, and --replicas is {}",
            args.shards, args.replicas
        )));
    }
    let mut objects = vec![];
    for (file, text) in TEMPLATES {
        objects.extend(parse(file, text)?);
    }
    let rights = parse("rbac/namespace.yaml", APPLICATION_RIGHTS)?;
    let rights = rights.iter().find(|object| object["kind"] == "Role").map(|role| role["rules"].clone());
    // The kind comes after the namespace and before everything that may speak of it.
    objects.insert(1, config::application_definition());
    let mut made = vec![];
    for mut object in objects {
        if object["metadata"]["name"] == "cutover-applications" && object["kind"] == "ClusterRole" {
            let own = object["rules"].as_array().into_iter().flatten();
            let rights = rights.as_ref().and_then(Value::as_array).into_iter().flatten();
            object["rules"] = rights.chain(own).cloned().collect();
        }
        made.extend(adapted(object, args));
    }
    Ok(made)
}

fn parse(file: &str, text: &str) -> Result<Vec<Value>, CliError> {
    let documents = text.split("\n---\n").map(serde_yaml::from_str);
    let parsed: Result<Vec<Value>, _> = documents.collect();
    parsed.map_err(|error| CliError::new(ErrorKind::Local, format!("this is a bug: {file}: {error}")))
}

/// An object of the templates as the flags want it.
fn adapted(mut object: Value, args: &InstallArgs) -> Vec<Value> {
    let is_renamed = args.namespace != NAMESPACE;
    if object["metadata"]["namespace"] == NAMESPACE {
        object["metadata"]["namespace"] = args.namespace.as_str().into();
    }
    for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        subject["namespace"] = args.namespace.as_str().into();
    }
    match object["kind"].as_str().unwrap_or_default() {
        "Namespace" => object["metadata"]["name"] = args.namespace.as_str().into(),
        "ClusterRoleBinding" if !args.watch_namespaces.is_empty() => {
            return args.watch_namespaces.iter().map(|namespace| bound_in(&object, namespace)).collect();
        }
        // Two controllers in one cluster have the same rights, each for its own account.
        "ClusterRoleBinding" if is_renamed => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            object["metadata"]["name"] = format!("{name}-{}", args.namespace).into();
        }
        "Deployment" => adapt_deployment(&mut object, args),
        _ => {}
    }
    vec![object]
}

/// The same rights in one namespace.
fn bound_in(binding: &Value, namespace: &str) -> Value {
    let mut binding = binding.clone();
    binding["kind"] = "RoleBinding".into();
    binding["metadata"]["namespace"] = namespace.into();
    binding
}

fn adapt_deployment(deployment: &mut Value, args: &InstallArgs) {
    deployment["spec"]["replicas"] = args.replicas.into();
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    container["image"] = args.image.as_str().into();
    let shards = (args.shards > 1).then(|| format!("--shards={}", args.shards));
    let namespaces = args.watch_namespaces.iter().map(|namespace| format!("--watch-namespace={namespace}"));
    if let Some(arguments) = container["args"].as_array_mut() {
        arguments.extend(shards.into_iter().chain(namespaces).map(Value::from));
    }
}
