//! Many applications on ECS: what their destinations ask of AWS when nothing changes, and who is told when something
//! does.

use super::{Rig, SEED};
use cutover::aws::Connect;
use cutover::config::load;
use cutover::controller::{Place, Site, Sites};
use cutover::engine::{Deployment, NoHistory, NoNeighbours, Silent, StopSignal, Trouble, WriteGuard};
use cutover::kubernetes::Connect as ConnectKubernetes;
use cutover::model::{
    Allowed, AppKey, Application, Destination, Origin, PlatformKind, Source, SourceFile, Sync, SyncMode,
};
use cutover::simulator::{Buckets, Failure, Settings};
use cutover::sites::Destinations;
use futures_util::future::BoxFuture;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

struct Open;

impl WriteGuard for Open {
    fn check(&self) -> BoxFuture<'_, Result<(), Trouble>> {
        Box::pin(async { Ok(()) })
    }
}

/// A service, steered by the rule where one is named.
fn commit(name: &str, rule: Option<&str>) -> Deployment {
    let mut text = format!(
        "
apiVersion: ecs.cutover.dev/v1alpha1
kind: TaskDefinition
metadata: {{name: {name}}}
spec: {{family: {name}, networkMode: awsvpc, requiresCompatibilities: [FARGATE], cpu: '256', memory: '512',
  containerDefinitions: [{{name: app, image: 'web:v1', portMappings: [{{containerPort: 8080}}]}}]}}
---
apiVersion: ecs.cutover.dev/v1alpha1
kind: Service
metadata: {{name: {name}}}
spec: {{taskDefinition: {name}, desiredCount: 0, launchType: FARGATE,
  networkConfiguration: {{awsvpcConfiguration: {{subnets: [subnet-a]}}}}}}
"
    );
    if let Some(rule) = rule {
        text.push_str(&format!(
            "---
apiVersion: cutover.dev/v1alpha1
kind: BlueGreen
metadata: {{name: {name}}}
spec: {{workloadRef: {{kind: Service, name: {name}}}, container: {{name: app, port: 8080}},
  alb: {{productionListenerRule: '{rule}', targetGroups: {{blue: web-blue, green: web-green}}}}}}
"
        ));
    }
    let file = SourceFile { path: "app.yaml".into(), bytes: text.into_bytes() };
    let manifests = load(&[file], Some(PlatformKind::Ecs)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let application = Application {
        name: name.into(),
        origin: Origin::default(),
        source: Source {
            repo_url: String::new(),
            target_revision: String::new(),
            path: ".".into(),
            directory: cutover::model::Directory::default(),
            secret_ref: None,
        },
        destination: Destination::Ecs { region: None, cluster: "prod".into() },
        sync: Sync { mode: SyncMode::Observe, ..Sync::default() },
        ignore_differences: vec![],
        suspend: false,
        deletion: Default::default(),
        depends_on: vec![],
        service_account_name: None,
    };
    Deployment { application, commit: "c0ffee".into(), manifests }
}

struct Yard {
    rig: Rig,
    sites: Vec<Arc<dyn Site>>,
    changes: UnboundedReceiver<AppKey>,
    _destinations: Destinations,
}

impl Yard {
    /// Destinations of applications that were each synced once.
    async fn new(rig: Rig, apps: &[Deployment]) -> Yard {
        let credentials = aws_credential_types::Credentials::new("AKIATEST", "secret", None, None, "test");
        let http = aws_smithy_runtime_api::client::http::SharedHttpClient::new(rig.connector.clone());
        let connect = Connect {
            region: Some("eu-central-1".into()),
            endpoint_url: Some("http://simulator.test".into()),
            http_client: Some(http),
            credentials: Some(credentials),
            ..Connect::default()
        };
        let destinations = Destinations::new(ConnectKubernetes::default(), connect);
        let changes = destinations.changes();
        let mut sites = vec![];
        for app in apps {
            let key = AppKey { namespace: "n".into(), name: app.application.name.clone() };
            let application = app.application.clone();
            let place = Place {
                key,
                application,
                allowed: Allowed::everything(),
                lineage: cutover::model::Lineage::default(),
                fence: Arc::new(Open),
                neighbours: Arc::new(NoNeighbours),
                history: Arc::new(NoHistory),
            };
            let site = destinations.open(place).await.expect("opened");
            site.sync(app, &Silent, &StopSignal::default()).await.expect("a plan");
            sites.push(site);
        }
        let mut yard = Yard { rig, sites, changes, _destinations: destinations };
        yard.rounds(2).await;
        yard
    }

    /// Lets so many rounds pass; who was told.
    async fn rounds(&mut self, count: u32) -> BTreeSet<String> {
        tokio::time::sleep(Duration::from_secs(100) * count).await;
        let mut told = BTreeSet::new();
        while let Ok(key) = self.changes.try_recv() {
            told.insert(key.name);
        }
        told
    }

    fn make_service(&self, name: &str) {
        let mut world = self.rig.connector.world();
        let task_definition = json!({"family": name, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512", "containerDefinitions": [{"name": "app", "image": "web:v1"}]});
        world.call("ecs", "RegisterTaskDefinition", &task_definition).expect("registered");
        let service = json!({"cluster": "prod", "serviceName": name, "taskDefinition": name, "desiredCount": 0,
            "launchType": "FARGATE", "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}});
        world.call("ecs", "CreateService", &service).expect("made");
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_applications_are_looked_at_in_twenty_calls_a_round_and_each_in_every_round() {
    let rig = Rig::with(Settings { buckets: Buckets::Real, ..Settings::default() }, SEED).await;
    let apps: Vec<Deployment> = (0..200).map(|i| commit(&format!("app{i:03}"), None)).collect();
    let mut yard = Yard::new(rig, &apps).await;
    yard.rig.clear_log();
    let begun = yard.rig.connector.now();
    assert_eq!(yard.rounds(4).await, BTreeSet::new(), "nothing changed");
    let minutes = (yard.rig.connector.now() - begun) as f64 / 60_000.0;
    let calls = yard.rig.count("DescribeServices");
    let rounds = calls as f64 / 20.0;
    assert!((minutes * 0.8..=minutes * 1.2).contains(&rounds), "{calls} calls in {minutes} minutes");
    assert_eq!(yard.rig.connector.world().calls().all().len(), calls, "nothing else was asked for");
    assert_eq!(yard.rig.connector.world().calls().throttled(), 0);
    println!("200 applications: 20 calls a round, {rounds} rounds in {minutes} minutes, none throttled");
    for name in ["app000", "app077", "app199"] {
        yard.make_service(name);
    }
    assert_eq!(yard.rounds(1).await, ["app000", "app077", "app199"].map(String::from).into());
    assert_eq!(yard.rounds(2).await, BTreeSet::new(), "told once");
    drop(yard.sites.split_off(1));
    // A round that was under way asks for all that it began with.
    yard.rounds(1).await;
    yard.rig.clear_log();
    yard.rounds(2).await;
    assert!((1..=4).contains(&yard.rig.count("DescribeServices")), "only one application is left");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_somebody_changed_is_told_and_one_that_went_disturbs_no_other() {
    let rig = Rig::new().await;
    let (first, second) = (rig.rule(10), rig.rule(20));
    let apps = [commit("shop", Some(&first)), commit("blog", Some(&second)), commit("log", None)];
    let mut yard = Yard::new(rig, &apps).await;
    let weights = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": [
        {"TargetGroupArn": group(&yard, "web-blue"), "Weight": 50}, {"TargetGroupArn": group(&yard, "web-green"), "Weight": 50}]}}]);
    let change = json!({"RuleArn": first, "Actions": weights});
    yard.rig.connector.world().call("elbv2", "ModifyRule", &change).expect("changed");
    assert_eq!(yard.rounds(1).await, ["shop".to_owned()].into());
    yard.rig.connector.world().call("elbv2", "DeleteRule", &json!({"RuleArn": second})).expect("deleted");
    assert_eq!(yard.rounds(1).await, ["blog".to_owned()].into());
    yard.rig.inject("DescribeServices", Failure::Internal, 20);
    assert_eq!(yard.rounds(2).await, BTreeSet::new(), "what can't be read has not changed");
}

fn group(yard: &Yard, name: &str) -> String {
    let mut world = yard.rig.connector.world();
    let answer = world.call("elbv2", "DescribeTargetGroups", &json!({"Names": [name]})).expect("there");
    let found: Vec<&str> =
        answer.pointer("/TargetGroups/0/TargetGroupArn").and_then(|arn| arn.as_str()).into_iter().collect();
    found.concat()
}
