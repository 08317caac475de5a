//! Asking a controller: an annotation on the Application says what, its status says what came of it.

use super::error::{CliError, ErrorKind, Exit};
use super::kubernetes_flags::ClusterFlags;
use super::output::{Output, clean};
use crate::engine::{RequestVerb, TroubleKind};
use crate::kubernetes::Cluster;
use crate::model::{AppKey, ApplicationStatus, HealthState, marks, parse_duration};
use crate::registry::{applications, request_text};
use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How often the status is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// Which Application is meant, and how long its controller has.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Controller")]
pub struct AskFlags {
    /// The Application's namespace [default: that of the kubeconfig's context]
    #[arg(long, value_name = "NAMESPACE", requires = "app")]
    pub app_namespace: Option<String>,
    /// How long to wait for the controller's answer
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1m", requires = "app")]
    pub timeout: u64,
    /// Ask, and do not wait for the answer
    #[arg(long, requires = "app")]
    pub no_wait: bool,
}

/// What suspend and resume are told.
#[derive(Args, Clone, Debug)]
pub struct SuspensionArgs {
    /// The name of the Application in its cluster
    #[arg(long, value_name = "NAME", help_heading = "Controller")]
    app: String,
    #[command(flatten)]
    ask: AskFlags,
    #[command(flatten)]
    cluster: ClusterFlags,
}

/// One Application in its cluster.
struct Asked {
    cluster: Cluster,
    key: AppKey,
    deadline: Instant,
}

/// Asks for a promotion, an abort or a retry, and waits until that is handled.
///
/// # Errors
/// If there is no such Application, if it can't be written to, or if the controller refuses.
pub async fn request(
    app: &str,
    flags: &AskFlags,
    cluster: &ClusterFlags,
    verb: RequestVerb,
    workload: Option<&str>,
    output: Output,
) -> Result<Exit, CliError> {
    let asked = Asked::new(app, flags, cluster).await?;
    asked.within(asked.read()).await?;
    let text = request_text(verb, workload, asked.cluster.clock().now(), &random()?);
    asked.within(asked.annotate(marks::REQUEST, Some(&text))).await?;
    let answer = asked
        .wait(flags, output, |object, status| {
            if let Some(handled) = status.handled_request.as_ref().filter(|handled| handled.request == text) {
                return Some(Ok(handled.clone()));
            }
            let now = object["metadata"]["annotations"][marks::REQUEST].as_str();
            (now != Some(text.as_str()))
                .then(|| Err(CliError::refused("somebody asked for something else before this was handled")))
        })
        .await?;
    let handled = match answer {
        Answer::Is(handled) => Some(handled?),
        Answer::TimedOut => return Ok(Exit::TimedOut),
        Answer::NotAwaited => None,
    };
    if let Some(handled) = handled.as_ref().filter(|handled| !handled.done) {
        return Err(CliError::refused(format!("{}: {}", asked.key, handled.message)));
    }
    if output.is_json() {
        output.json(&json!({"application": asked.key, "request": text, "handled": handled}))?;
    } else {
        let told = handled.map_or_else(|| "asked".into(), |handled| handled.message);
        output.text(&format!("{}: {}\n", asked.key, clean(&told)))?;
    }
    Ok(Exit::Done)
}

/// Suspends or resumes, and waits until the controller has taken note of it.
///
/// # Errors
/// If there is no such Application, if it can't be written to, or if its own `spec.suspend` stands against it.
pub async fn set_suspended(args: &SuspensionArgs, suspended: bool, output: Output) -> Result<Exit, CliError> {
    let asked = Asked::new(&args.app, &args.ask, &args.cluster).await?;
    let object = asked.within(asked.read()).await?;
    if !suspended && object["spec"]["suspend"] == true {
        return Err(CliError::refused(format!("{} has spec.suspend: true", asked.key))
            .hint("set it to false where the Application is written"));
    }
    asked.within(asked.annotate(marks::SUSPEND, suspended.then_some("true"))).await?;
    let is_seen = |_: &Value, status: &ApplicationStatus| {
        ((status.health == HealthState::Suspended) == suspended).then_some(())
    };
    if let Answer::TimedOut = asked.wait(&args.ask, output, is_seen).await? {
        return Ok(Exit::TimedOut);
    }
    let word = if suspended { "suspended" } else { "resumed" };
    if output.is_json() {
        output.json(&json!({"application": asked.key, "suspended": suspended}))?;
    } else {
        output.text(&format!("{}: {word}\n", asked.key))?;
    }
    Ok(Exit::Done)
}

/// What came of waiting.
enum Answer<T> {
    Is(T),
    TimedOut,
    NotAwaited,
}

impl Asked {
    async fn new(app: &str, flags: &AskFlags, cluster: &ClusterFlags) -> Result<Asked, CliError> {
        let deadline = Instant::now() + Duration::from_secs(flags.timeout);
        let connected = timeout_at(deadline, cluster.connect(cluster.context.clone()));
        let cluster = connected.await.map_err(|_| unanswered())??;
        let namespace = flags.app_namespace.clone().unwrap_or_else(|| cluster.default_namespace().to_owned());
        let key = AppKey { namespace, name: app.to_owned() };
        Ok(Asked { cluster, key, deadline })
    }

    /// Does one request in the time given.
    async fn within<T>(&self, request: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
        timeout_at(self.deadline, request).await.unwrap_or_else(|_| Err(unanswered()))
    }

    async fn read(&self) -> Result<Value, CliError> {
        let AppKey { namespace, name } = &self.key;
        match self.cluster.get(&applications(), Some(namespace), name).await {
            Ok(Some(object)) => Ok(object),
            Ok(None) => Err(CliError::refused(format!("there is no Application {}", self.key))
                .hint("`kubectl get applications.cutover.dev -A` lists all; name its namespace with --app-namespace")),
            Err(trouble) if trouble.kind == TroubleKind::Missing => {
                Err(CliError::new(ErrorKind::Destination, "this cluster does not know the kind Application")
                    .hint("is it the right one (--context)? `cutover install` prints what it needs"))
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    async fn annotate(&self, name: &str, value: Option<&str>) -> Result<(), CliError> {
        let patch = json!({"metadata": {"annotations": {name: value}}});
        let AppKey { namespace, name } = &self.key;
        self.cluster.merge_patch(&applications(), Some(namespace), name, &patch).await?;
        Ok(())
    }

    /// Waits until `test` has an answer for the object and its status.
    async fn wait<T>(
        &self,
        flags: &AskFlags,
        output: Output,
        test: impl Fn(&Value, &ApplicationStatus) -> Option<T>,
    ) -> Result<Answer<T>, CliError> {
        if flags.no_wait {
            return Ok(Answer::NotAwaited);
        }
        let look = async {
            loop {
                let object = self.read().await?;
                let status = serde_json::from_value(object["status"].clone()).unwrap_or_default();
                if let Some(answer) = test(&object, &status) {
                    return Ok(Answer::Is(answer));
                }
                sleep(INTERVAL).await;
            }
        };
        match timeout_at(self.deadline, look).await {
            Ok(answer) => answer,
            Err(_) => {
                output.note(&format!(
                    "the controller has not answered for {} in {} seconds; does it run, and does it work for that \
                     namespace? What was asked for stays asked",
                    self.key, flags.timeout
                ));
                Ok(Answer::TimedOut)
            }
        }
    }
}

fn unanswered() -> CliError {
    CliError::new(ErrorKind::Destination, "the API server has not answered in the time given (--timeout)")
        .hint("if the request arrived all the same, the controller will handle it")
}

fn random() -> Result<String, CliError> {
    let mut bytes = [0; 4];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| CliError::new(ErrorKind::Local, "this machine gives no random numbers"))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}
