//! `cutover init`: documents from a live service.

use super::destination_flags::AwsFlags;
use super::error::{CliError, ErrorKind, Exit};
use super::output::{Output, clean};
use crate::config::{self, LiveTraffic};
use crate::diff::to_yaml;
use crate::engine::{Trouble, TroubleKind};
use crate::model::{PlatformKind, SourceFile};
use crate::platform::ecs::{Ecs, LiveService};
use crate::traffic::alb::Alb;
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

Then commit, and `cutover plan -f apps/shop.yaml` finds nothing to change.";

/// Write documents from a live service, ready to plan as unchanged
///
/// Reads the service, its task definition and the load balancer's rules that send to it. Existing files are never
/// overwritten. Nothing is changed in AWS.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// The ECS cluster (name or ARN)
    #[arg(long, value_name = "CLUSTER")]
    cluster: String,
    /// The service's name
    #[arg(long, value_name = "SERVICE")]
    service: String,
    /// Write files into this folder, and an Application beside it [default: print to stdout]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Leave the number of tasks out: something else sets it (auto scaling)
    #[arg(long)]
    autoscaled: bool,
    /// A target group for the other slot, with the settings of the service's own; makes the service blue/green
    #[arg(long, value_name = "NAME")]
    second_target_group: Option<String>,
    /// A listener or rule (ARN) through which the candidate is asked before it gets traffic
    #[arg(long, value_name = "ARN", requires = "second_target_group")]
    test_listener: Option<String>,
    #[command(flatten)]
    aws: AwsFlags,
}

/// Reads the service and writes the documents.
///
/// # Errors
/// If the service can't be read, or a file is there already.
pub async fn run(args: &InitArgs, output: Output) -> Result<Exit, CliError> {
    let aws = args.aws.connect(None).await?;
    let ecs = Ecs::new(aws.clone(), args.cluster.clone());
    let service = ecs.read_service(&args.service).await?.ok_or_else(|| Trouble {
        kind: TroubleKind::Missing,
        doing: format!("DescribeServices {}", args.service),
        message: format!("there is no such service in cluster {}", args.cluster),
    })?;
    let task_definition = ecs.read_task_definition(service.task_definition()).await?;
    let traffic = read_traffic(&Alb::new(aws.clone()), &service, args).await?;
    let documents = config::documents_from_live(&config::LiveService {
        service: &service.json,
        task_definition: &task_definition.json,
        task_definition_tags: task_definition.json.get("tags").unwrap_or(&Value::Null),
        is_scaled: args.autoscaled,
        traffic,
    });
    check(&documents, output);
    match &args.dir {
        None if output.is_json() => output.json(&json!({"documents": documents}))?,
        None => output.text(&documents)?,
        Some(dir) => write_files(dir, args, aws.region(), &documents, output)?,
    }
    Ok(Exit::Done)
}

/// The rules that send to the service's first target group; `None` without one.
async fn read_traffic(
    alb: &Alb,
    service: &LiveService,
    args: &InitArgs,
) -> Result<Option<LiveTraffic>, CliError> {
    let balancers = service.json.get("loadBalancers").and_then(Value::as_array).into_iter().flatten();
    let group = balancers.filter_map(|b| b.get("targetGroupArn").and_then(Value::as_str)).next();
    let Some(group) = group else { return Ok(None) };
    let uses = alb.uses_of(&[group]).await?;
    let is_test = |rule: &String| args.test_listener.as_ref() == Some(rule);
    let serving = uses.into_iter().filter(|found| found.weight > 0).map(|found| found.rule);
    let mut production: Vec<String> = serving.filter(|rule| !is_test(rule)).collect();
    production.dedup();
    Ok(Some(LiveTraffic {
        production,
        test: args.test_listener.clone(),
        target_group: group_name(group).to_owned(),
        second_target_group: args.second_target_group.clone(),
    }))
}

/// `web` of `arn:…:targetgroup/web/0123`.
fn group_name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

/// Documents that the program would refuse are written all the same, with a word on what has to be looked at.
fn check(documents: &str, output: Output) {
    let file = SourceFile { path: "documents.yaml".into(), bytes: documents.as_bytes().to_vec() };
    if let Err(problems) = config::load(&[file], Some(PlatformKind::Ecs)) {
        for problem in problems {
            output.note(&format!("look at this before the first plan: {problem}"));
        }
    }
}

fn write_files(
    dir: &Path,
    args: &InitArgs,
    region: &str,
    documents: &str,
    output: Output,
) -> Result<(), CliError> {
    let local = |path: &Path, error: std::io::Error| {
        CliError::new(ErrorKind::Local, format!("{} can't be written: {error}", path.display()))
    };
    std::fs::create_dir_all(dir).map_err(|error| local(dir, error))?;
    let file = dir.join(format!("{}.yaml", file_name(&args.service)));
    let create = |path: &Path, text: &str| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    create(&file, documents).map_err(|error| match error.kind() {
        IoErrorKind::AlreadyExists => {
            CliError::refused(format!("{} is there already and is not overwritten", file.display()))
                .hint("move it away, or give another --dir")
        }
        _ => local(&file, error),
    })?;
    let mut written = vec![file.display().to_string()];
    let application = dir.with_extension("yaml");
    match create(&application, &application_text(dir, args, region)) {
        Ok(()) => written.push(application.display().to_string()),
        Err(error) if error.kind() == IoErrorKind::AlreadyExists => {
            output.note(&format!("{} is there already and stays as it is", application.display()));
        }
        Err(error) => return Err(local(&application, error)),
    }
    if output.is_json() {
        return output.json(&json!({"written": written}));
    }
    let written = written.iter().map(|path| format!("wrote {}\n", clean(path))).collect::<String>();
    output.text(&format!(
        "{written}Commit, then: cutover plan -f {}\n",
        clean(&application.display().to_string())
    ))
}

/// An AWS name as a file's name; AWS allows no separators in names of services.
fn file_name(service: &str) -> String {
    service.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The Application for the folder; its path is seen from the top of the checkout around it.
fn application_text(dir: &Path, args: &InitArgs, region: &str) -> String {
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
            "destination": {"ecs": {"region": region, "cluster": args.cluster}},
        },
    });
    to_yaml(&document)
}
