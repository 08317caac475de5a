//! `cutover init`: documents from a live service or Deployment.

mod ecs;
mod kubernetes;
mod secrets;

use super::destination_flags::AwsFlags;
use super::error::{CliError, ErrorKind, Exit};
use super::kubernetes_flags::KubernetesFlags;
use super::output::{Output, clean};
use crate::config;
use crate::diff::to_yaml;
use crate::model::{PlatformKind, SourceFile};
use clap::Args;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  cutover init --cluster prod --service web
      prints the documents
  cutover init --cluster prod --service web --dir apps/shop
      writes apps/shop/web.yaml and apps/shop.yaml
  cutover init --cluster prod --service web --dir apps/shop --second-target-group web-green
      the same, ready to be shipped by blue/green
  cutover init --namespace shop --deployment web --dir apps/shop
      a Deployment with its Service, autoscaler and disruption budget, and the BlueGreen that adopts it

Then commit, and `cutover plan -f apps/shop.yaml` finds nothing to change.";

/// Write documents from a live service or Deployment, ready to plan as unchanged
///
/// Reads the service with its task definition, or the Deployment with its Service, autoscaler and disruption budget, and
/// the load balancer's rules that send to it. Secrets are not exported. Existing files are never overwritten. Nothing is
/// changed in AWS or in the cluster.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// The ECS cluster (name or ARN)
    #[arg(long, value_name = "CLUSTER", requires = "service")]
    cluster: Option<String>,
    /// The ECS service's name
    #[arg(long, value_name = "SERVICE", requires = "cluster")]
    service: Option<String>,
    /// The Deployment's name, in the namespace of --namespace
    #[arg(long, value_name = "DEPLOYMENT", requires = "namespace", conflicts_with = "cluster")]
    deployment: Option<String>,
    /// Write files into this folder, and an Application beside it [default: print to stdout]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Leave the number of tasks or pods out: something else sets it (auto scaling)
    #[arg(long)]
    autoscaled: bool,
    /// A target group for the other slot, with the settings of the service's own; makes the service blue/green
    #[arg(long, value_name = "NAME")]
    second_target_group: Option<String>,
    /// A listener or rule (ARN) through which the candidate is asked before it gets traffic
    #[arg(long, value_name = "ARN", requires = "second_target_group")]
    test_listener: Option<String>,
    #[command(flatten)]
    kubernetes: KubernetesFlags,
    #[command(flatten)]
    aws: AwsFlags,
}

/// What was read, as documents.
struct Written {
    documents: String,
    /// The name of the file.
    name: String,
    /// An Application's `spec.destination`.
    destination: Value,
    platform: PlatformKind,
}

/// Reads what is live and writes the documents.
///
/// # Errors
/// If it can't be read, or a file is there already.
pub async fn run(args: &InitArgs, output: Output) -> Result<Exit, CliError> {
    let written = match (&args.cluster, &args.service, &args.kubernetes.namespace, &args.deployment) {
        (Some(cluster), Some(service), None, None) => ecs::read(args, cluster, service).await?,
        (None, None, Some(namespace), Some(name)) => kubernetes::read(args, namespace, name, output).await?,
        _ => {
            return Err(CliError::usage("it is not said what is meant").hint(
                "give --cluster and --service for ECS, or --namespace and --deployment for Kubernetes",
            ));
        }
    };
    check(&written, output);
    match &args.dir {
        None if output.is_json() => output.json(&json!({"documents": written.documents}))?,
        None => output.text(&written.documents)?,
        Some(dir) => write_files(dir, &written, output)?,
    }
    Ok(Exit::Done)
}

/// Documents that the program would refuse are written all the same, with a word on what has to be looked at; so are those
/// that hold what nobody should commit.
fn check(written: &Written, output: Output) {
    let bytes = written.documents.as_bytes().to_vec();
    let file = SourceFile { path: "documents.yaml".into(), bytes };
    match config::load(&[file], Some(written.platform)) {
        Ok(manifests) => {
            secrets::told(&manifests, written.platform).iter().for_each(|sentence| output.note(sentence));
        }
        Err(problems) => {
            for problem in problems {
                output.note(&format!("look at this before the first plan: {problem}"));
            }
        }
    }
}

fn write_files(dir: &Path, written: &Written, output: Output) -> Result<(), CliError> {
    let local = |path: &Path, error: std::io::Error| {
        CliError::new(ErrorKind::Local, format!("{} can't be written: {error}", path.display()))
    };
    std::fs::create_dir_all(dir).map_err(|error| local(dir, error))?;
    let file = dir.join(format!("{}.yaml", file_name(&written.name)));
    let create = |path: &Path, text: &str| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    create(&file, &written.documents).map_err(|error| match error.kind() {
        IoErrorKind::AlreadyExists => {
            CliError::refused(format!("{} is there already and is not overwritten", file.display()))
                .hint("move it away, or give another --dir")
        }
        _ => local(&file, error),
    })?;
    let mut paths = vec![file.display().to_string()];
    let application = dir.with_extension("yaml");
    match create(&application, &application_text(dir, &written.destination)) {
        Ok(()) => paths.push(application.display().to_string()),
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => {
            output.note(&format!("{} is there already and stays as it is", application.display()));
        }
        Err(error) => return Err(local(&application, error)),
    }
    if output.is_json() {
        return output.json(&json!({"written": paths}));
    }
    let lines = paths.iter().map(|path| format!("wrote {}\n", clean(path))).collect::<String>();
    output.text(&format!(
        "{lines}Commit, then: cutover plan -f {}\n",
        clean(&application.display().to_string())
    ))
}

/// An AWS name as a file's name; AWS allows no separators in names of services.
fn file_name(service: &str) -> String {
    service.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The Application for the folder; its path is seen from the top of the checkout around it.
fn application_text(dir: &Path, destination: &Value) -> String {
    let top = git2::Repository::discover(dir).ok().and_then(|r| r.workdir().map(Path::to_owned));
    let top = top.and_then(|top| top.canonicalize().ok());
    let inside = match (top, dir.canonicalize()) {
        (Some(top), Ok(dir)) => dir.strip_prefix(top).ok().map(Path::to_owned),
        _ => None,
    };
    let path = inside.unwrap_or_else(|| dir.to_owned());
    let path = path.to_string_lossy().into_owned();
    let path = if path.is_empty() { ".".to_owned() } else { path };
    let name = dir.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().map(allowed).collect();
    let name = name.trim_matches('-');
    let document = json!({
        "apiVersion": config::CUTOVER_API,
        "kind": "Application",
        "metadata": {"name": if name.is_empty() { "app" } else { name }},
        "spec": {
            "source": {"repoURL": ".", "path": path},
            "destination": destination,
        },
    });
    to_yaml(&document)
}
