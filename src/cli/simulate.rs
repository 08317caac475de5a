//! `cutover simulate`: a simulated AWS to try things on.

use crate::model::{Seconds, parse_duration};
use crate::simulator::load_balancer_controller::ControllerSettings;
use crate::simulator::shell::{Event, Simulator, StartOptions, client_of};
use crate::simulator::{Buckets, Call, Fault, Millis, Settings};
use clap::Args;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const SEED_LIMIT: u64 = 16 * 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  cutover simulate
  cutover simulate --seed-file examples/world.yaml --time-scale 10
  cutover simulate --fault ModifyRule:lost --fault '*read:error=ThrottlingException:times=5'
  cutover simulate --seed-file world.yaml --kubeconfig ~/.kube/config --context kind-test

Then, in another terminal:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_DEFAULT_REGION=eu-central-1
  export AWS_ACCESS_KEY_ID=simulator AWS_SECRET_ACCESS_KEY=simulator
  aws ecs list-clusters

An image's tag says how its tasks behave: web:v2-slow10 (starts slowly), web:v2-unhealthy,
web:v2-crash5, web:v2-errors30, web:v2-flaky60, web:v2-missing. The environment variable
SIM_BEHAVIOUR takes the place of the tag.

Faults:
  OPERATION:error=CODE  OPERATION:500  OPERATION:lost  OPERATION:cut
      the call fails; OPERATION is a name (ModifyRule), `*write`, `*read` or `*`; `:after=N` lets
      N calls through first, `:times=N` fails N of them. lost: it takes effect but the answer never
      arrives. cut: it never arrives
  OPERATION:denied  OPERATION:throttled  OPERATION:notfound
      the call is refused in AWS's own words
  OPERATION:unreadable  OPERATION:stale=SECONDS  OPERATION:skewed=SECONDS  OPERATION:date=TEXT
      the call is answered with half a document, with what was true SECONDS ago, with a clock that
      is SECONDS ahead (or behind, if negative), or with TEXT as its date
  OPERATION:proxy=SECONDS
      a proxy answers 502 with a page of its own; its clock is SECONDS ahead
  targets=GROUP:unhealthy  targets=GROUP:flapping=SECONDS
  capacity=TASKS
  alarm=NAME:ALARM
  desired=SERVICE:COUNT  autoscaler=SERVICE:MIN:MAX  spot=SERVICE  autotag=KEY=VALUE
      what others do: they change the count once, or look every minute and give MAX tasks to a
      service with traffic and MIN to one without; Fargate Spot takes one task away; whatever is
      made from now on gets a tag";

/// Serve a simulated ECS, ELBv2, CloudWatch and STS on this machine
///
/// Every AWS tool works with it once AWS_ENDPOINT_URL names it: the AWS CLI, boto3, Terraform, cutover itself. Load
/// balancers really listen (each on a loopback address of its own, where the system has them), tasks are small HTTP
/// servers that say which image they run, health checks are really sent. Nothing outlives the program.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SimulateArgs {
    /// Where the APIs are served; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4566")]
    pub listen: SocketAddr,
    /// Clusters, load balancers, rules and so on to begin with
    #[arg(long, value_name = "FILE")]
    pub seed_file: Option<PathBuf>,
    /// How many times faster than real time things happen
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub time_scale: u32,
    /// Something that shall go wrong; may be given several times
    #[arg(long = "fault", value_name = "FAULT", value_parser = Fault::parse)]
    pub faults: Vec<Fault>,
    /// Throttle calls as AWS does
    #[arg(long)]
    pub throttle: bool,
    /// Follow a Kubernetes cluster as aws-load-balancer-controller does: the ready pods behind its
    /// TargetGroupBindings become targets. Pods are played by their images' tags, as tasks are; the
    /// real ones are never connected to. A user who logs in by a program is refused
    #[arg(long, value_name = "FILE", help_heading = "Kubernetes")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, instead of its current one
    #[arg(long, value_name = "NAME", requires = "kubeconfig", help_heading = "Kubernetes")]
    pub context: Option<String>,
    /// How long after a pod is ready or gone its target is registered or deregistered, in simulated time
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration, requires = "kubeconfig",
        help_heading = "Kubernetes")]
    pub controller_delay: Seconds,
}

/// Serves until Ctrl-C and prints what happens: every call that changes something, every load balancer port, tasks
/// that come and go. With `json`, one JSON object a line.
///
/// # Errors
/// A sentence, if it can't start.
pub async fn run(args: &SimulateArgs, json: bool) -> Result<(), String> {
    let buckets = if args.throttle { Buckets::Real } else { Buckets::Off };
    let client = match &args.kubeconfig {
        Some(file) => Some(client_of(file, args.context.as_deref()).await?),
        None => None,
    };
    let simulator = Simulator::start(StartOptions {
        listen: args.listen,
        settings: Settings { buckets, ..Settings::default() },
        time_scale: args.time_scale,
        faults: args.faults.clone(),
        seed: args.seed_file.as_deref().map(read_seed).transpose()?,
    });
    let simulator = simulator.map_err(|error| match &args.seed_file {
        Some(file) => format!("{}: {error}", file.display()),
        None => error.to_string(),
    })?;
    let mut events = simulator.watch();
    let delay_ms = args.controller_delay * 1_000;
    let _following = client.map(|client| {
        simulator.follow_cluster(
            client,
            None,
            ControllerSettings { delay_ms, ..ControllerSettings::default() },
        )
    });
    let print = |line: String| writeln!(io::stdout().lock(), "{line}");
    let (account, region) = simulator.with_world(|world| {
        let settings = world.settings();
        (settings.account.clone(), settings.region.clone())
    });
    // Printing fails when the reader has gone; then there is nobody left to simulate for.
    if print(render_start(simulator.endpoint(), &account, &region, json)).is_ok() {
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                event = events.recv() => {
                    let Some(event) = event else { break };
                    let line = if json { json_event(&event) } else { text_event(&event, simulator.now()) };
                    if line.is_some_and(|line| print(line).is_err()) {
                        break;
                    }
                }
            }
        }
    }
    simulator.shutdown().await;
    Ok(())
}

/// Reads the seed file, up to a size that no sensible world reaches.
fn read_seed(file: &Path) -> Result<String, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the seed file {}: {error}", file.display());
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| wrong(&error))?;
    opened.take(SEED_LIMIT + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if text.len() as u64 > SEED_LIMIT {
        return Err(wrong(&"it is larger than 16 MiB"));
    }
    Ok(text)
}

fn render_start(endpoint: &str, account: &str, region: &str, json: bool) -> String {
    if json {
        let start = json!({"event": "start", "endpoint": endpoint, "account": account, "region": region});
        return start.to_string();
    }
    format!(
        "Simulating account {account} in {region} on {endpoint}. In another terminal:\n\n  \
         export AWS_ENDPOINT_URL={endpoint} AWS_REGION={region} AWS_DEFAULT_REGION={region}\n  \
         export AWS_ACCESS_KEY_ID=simulator AWS_SECRET_ACCESS_KEY=simulator\n\n\
         Ctrl-C ends it. What happens:"
    )
}

/// The line for an event, or `None` if it is not worth one.
fn text_event(event: &Event, now: Millis) -> Option<String> {
    let text = match event {
        Event::Call(call) if !call.is_write => return None,
        Event::Call(call) => render_call(call),
        Event::Listening { listener, address, refused: None } => {
            format!("listening on http://{address} ({})", listener.arn)
        }
        Event::Listening { listener, address, refused: Some(reason) } => format!(
            "port {} of {} can't be opened ({reason}); use http://{address} for {} instead",
            listener.port, listener.dns_name, listener.arn
        ),
        Event::TaskStarted(task) => {
            let service = task.service.as_deref().unwrap_or("no service");
            format!("{} started: {} for {service}", task.id, task.image)
        }
        Event::TaskStopped { task } => format!("{task} stopped"),
        Event::TaskCrashed { task } => format!("{task} crashed"),
        Event::Controller(sentence) => format!("controller: {sentence}"),
        Event::Trouble(sentence) => sentence.clone(),
    };
    Some(format!("{}  {text}", clock_time(now)))
}

fn render_call(call: &Call) -> String {
    let outcome = match &call.error {
        Some(code) => format!(": {code}"),
        None if call.unanswered && call.took_effect => ": done, but the answer is lost".into(),
        None if call.unanswered => ": cut off before it arrived".into(),
        None => String::new(),
    };
    format!("{}{outcome}", call.operation)
}

fn json_event(event: &Event) -> Option<String> {
    let value: Value = match event {
        Event::Call(call) if !call.is_write => return None,
        Event::Call(call) => json!({
            "event": "call", "at": call.at, "service": call.service, "operation": call.operation,
            "error": call.error, "tookEffect": call.took_effect, "answered": !call.unanswered,
        }),
        Event::Listening { listener, address, refused } => json!({
            "event": "listening", "listener": listener.arn, "declared": format!("{}:{}", listener.dns_name, listener.port),
            "address": address.to_string(), "refused": refused,
        }),
        Event::TaskStarted(task) => json!({
            "event": "taskStarted", "task": task.id.to_string(), "service": task.service, "image": task.image,
        }),
        Event::TaskStopped { task } => json!({"event": "taskStopped", "task": task.to_string()}),
        Event::TaskCrashed { task } => json!({"event": "taskCrashed", "task": task.to_string()}),
        Event::Controller(sentence) => json!({"event": "controller", "message": sentence}),
        Event::Trouble(sentence) => json!({"event": "trouble", "message": sentence}),
    };
    Some(value.to_string())
}

/// Simulated time of day, UTC.
fn clock_time(now: Millis) -> String {
    let seconds = now / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(is_write: bool, error: Option<&str>) -> Event {
        Event::Call(Call {
            at: 0,
            service: "elbv2",
            operation: "ModifyRule".into(),
            is_write,
            error: error.map(str::to_owned),
            took_effect: error.is_none(),
            unanswered: false,
            request_bytes: 1,
            response_bytes: 1,
        })
    }

    #[test]
    fn only_calls_that_change_something_get_a_line() {
        assert_eq!(text_event(&call(false, None), 0), None);
        assert_eq!(json_event(&call(false, None)), None);
        assert_eq!(text_event(&call(true, None), 3_661_000).as_deref(), Some("01:01:01Z  ModifyRule"));
        let refused = text_event(&call(true, Some("RuleNotFound")), 0);
        assert_eq!(refused.as_deref(), Some("00:00:00Z  ModifyRule: RuleNotFound"));
    }

    #[test]
    fn json_lines_are_one_object_each() {
        let line = json_event(&call(true, None)).expect("a line");
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["operation"], "ModifyRule");
    }
}
