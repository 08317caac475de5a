//! One row: a cluster that runs what the documents say, and a fresh run that finds nothing to do.

use super::repository::Bare;
use cutover::aws::{Aws, Connect};
use cutover::engine::{Deployment, Silent, StopSignal, Verdict, read_live, sync};
use cutover::model::{Destination, PlatformKind, SourceFile};
use cutover::simulator::{Connector, Settings, World};
use cutover::sites::EcsTarget;
use cutover::source::{Auth, GitOptions};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const START: u64 = 1_800_000_000_000;
const A_FILE: usize = 10;

pub fn heading() {
    println!("Plan and no-op sync of N documents (half task definitions, half services):");
    println!(
        "{:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>9}",
        "documents",
        "git ms",
        "parse ms",
        "read ms",
        "diff ms",
        "total ms",
        "API calls",
        "writes",
        "peak MiB"
    );
}

pub fn row(count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deploy.git");
    Bare::new(&path).commit(&files(count));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(measure(count, path.to_str().expect("a plain path")));
}

async fn measure(count: usize, url: &str) {
    let mut world = World::new(Settings { task_capacity: 1 << 20, ..Settings::default() }, START);
    world.load_seed("clusters: [{clusterName: prod}]").expect("a seed");
    let world = Arc::new(Mutex::new(world));
    let connector = Connector::new(world, START);
    let deployment = load(url).2;
    let first = run(&connector, &deployment).await;
    assert_eq!(first, Verdict::Done, "the first sync");
    connector.world().calls_mut().clear();
    reset_peak();

    let (git, parse, deployment) = load(url);
    let target = target(&connector, &deployment).await;
    let began = Instant::now();
    let live = read_live(&target, &deployment).await.expect("the live state");
    let read = began.elapsed();
    let began = Instant::now();
    let plan =
        cutover::plan::assemble(&deployment.application, &deployment.commit, &deployment.manifests, &live);
    let diff = began.elapsed();
    assert!(!plan.has_changes(), "a second sync has nothing to do: {}", plan.summary());
    let world = connector.world();
    let (calls, writes) = (world.calls().all().len(), world.calls().writes().count());
    let total = git + parse + read + diff;
    println!(
        "{count:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {calls:>9} {writes:>7} {:>9}",
        git.as_millis(),
        parse.as_millis(),
        read.as_millis(),
        diff.as_millis(),
        total.as_millis(),
        peak_mebibytes(),
    );
}

fn load(url: &str) -> (Duration, Duration, Deployment) {
    let began = Instant::now();
    let options = GitOptions::new(std::env::temp_dir(), Auth::default());
    let mut repository = cutover::source::open(url, &options).expect("the repository");
    let commit = repository.resolve("main").expect("the branch");
    let tree = repository.tree(&commit, "apps").expect("the documents");
    let git = began.elapsed();
    let began = Instant::now();
    let manifests = cutover::config::load(&tree.files, Some(PlatformKind::Ecs)).expect("valid documents");
    let parse = began.elapsed();
    let application = SourceFile { path: "app.yaml".into(), bytes: APPLICATION.into() };
    let mut application = cutover::config::load_application(&application).expect("a valid application");
    application.sync.prune = true;
    (git, parse, Deployment { application, commit: commit.id, manifests })
}

async fn target(connector: &Connector, deployment: &Deployment) -> EcsTarget {
    use aws_smithy_runtime_api::client::http::SharedHttpClient;
    let connect = Connect {
        region: Some("eu-central-1".into()),
        endpoint_url: Some("http://aws.simulated".into()),
        http_client: Some(SharedHttpClient::new(connector.clone())),
        credentials: Some(aws_credential_types::Credentials::new("id", "secret", None, None, "bench")),
        ..Connect::default()
    };
    let Destination::Ecs { cluster, .. } = &deployment.application.destination else {
        panic!("an ECS cluster")
    };
    EcsTarget::new(Aws::connect(connect).await.expect("clients"), &deployment.application, cluster, 1)
}

async fn run(connector: &Connector, deployment: &Deployment) -> Verdict {
    let target = target(connector, deployment).await;
    let report = sync(&target, deployment, &Silent, &StopSignal::default()).await.expect("a sync");
    report.verdict
}

fn files(count: usize) -> Vec<(String, Vec<u8>)> {
    let names: Vec<usize> = (0..count / 2).collect();
    names
        .chunks(A_FILE / 2)
        .map(|chunk| {
            let text: String = chunk.iter().map(|n| pair(*n)).collect();
            (format!("apps/team-{:02}/services-{:04}.yaml", chunk[0] % 20, chunk[0]), text.into_bytes())
        })
        .collect()
}

fn pair(number: usize) -> String {
    format!(
        "---\napiVersion: ecs.cutover.dev/v1alpha1\nkind: TaskDefinition\nmetadata: {{name: s{number}}}\nspec:\n  \
         family: s{number}\n  requiresCompatibilities: [FARGATE]\n  networkMode: awsvpc\n  cpu: \"256\"\n  \
         memory: \"512\"\n  containerDefinitions:\n    - name: app\n      image: registry.example/s{number}:v1\n      \
         portMappings: [{{containerPort: 8080}}]\n      environment:\n        - {{name: LOG_LEVEL, value: info}}\n        \
         - {{name: REGION, value: eu-central-1}}\n---\napiVersion: ecs.cutover.dev/v1alpha1\nkind: Service\nmetadata: \
         {{name: s{number}}}\nspec:\n  taskDefinition: s{number}\n  desiredCount: 1\n  launchType: FARGATE\n  \
         networkConfiguration:\n    awsvpcConfiguration: {{subnets: [subnet-a, subnet-b], securityGroups: [sg-a]}}\n"
    )
}

const APPLICATION: &str = "apiVersion: cutover.dev/v1alpha1\nkind: Application\nmetadata: {name: bench}\nspec:\n  \
    source: {repoURL: 'https://git.example/deploy.git', path: apps}\n  destination: {ecs: {cluster: prod}}\n  \
    sync: {timeout: 12h}\n";

/// Makes the kernel forget the peak so far.
fn reset_peak() {
    // Where this is not Linux the peak is that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mebibytes() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.map_or_else(|| "?".into(), |kib| (kib / 1024).to_string())
}
