//! Many syncs on one cluster, whose locks are tags of which AWS allows fifty.

use super::{Rig, seconds};
use crate::account::Worker;
use cutover::aws::LOCKS_ON_A_CLUSTER;
use cutover::engine::{Deployment, Event, StopSignal, SyncReport, Verdict, Watcher, sync};
use cutover::model::{Application, Destination, Origin, PlatformKind, Source, SourceFile, Sync};
use cutover::plan::Plan;
use cutover::simulator::{Buckets, Settings};
use cutover::sites::EcsTarget;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::Arc;
use tokio::time::Instant;

const CLUSTER: &str = "arn:aws:ecs:eu-central-1:000000000000:cluster/prod";
const WAITS: &str = "Application/a00: its turn on cluster prod: 40 other syncs have their locks in its tags, of which AWS \
                     allows 50";
const FULL: &str = "Application/a00: cluster prod has the 50 tags that AWS allows, and each sync under way has its lock in one; it \
                    goes on when another one has ended";

/// An application of one worker.
pub(super) fn deployment(number: usize) -> Deployment {
    let name = format!("a{number:02}");
    let worker = Worker { name: name.clone().leak(), image: "v1" };
    let file = SourceFile { path: "worker.yaml".into(), bytes: worker.text().into_bytes() };
    let application = Application {
        name,
        origin: Origin::default(),
        source: Source {
            repo_url: "file:///repository".into(),
            target_revision: "main".into(),
            path: ".".into(),
            directory: cutover::model::Directory::default(),
            secret_ref: None,
        },
        destination: Destination::Ecs { region: None, cluster: "prod".into() },
        sync: Sync::default(),
        suspend: false,
        deletion: Default::default(),
        depends_on: vec![],
        service_account_name: None,
        ignore_differences: vec![],
    };
    let manifests = cutover::config::load(&[file], Some(PlatformKind::Ecs)).expect("documents");
    Deployment { application, commit: "c0ffee".into(), manifests }
}

/// What a sync said that it waits for, each sentence once, its plans, and what it told besides.
#[derive(Default)]
struct Said {
    waits: RefCell<Vec<String>>,
    plans: RefCell<Vec<Plan>>,
    notices: RefCell<Vec<String>>,
}

impl Watcher for Said {
    fn event(&self, event: Event) {
        match event {
            Event::Settling { document, text } if text.contains("AWS") => {
                let line = format!("{document}: {text}");
                let mut said = self.waits.borrow_mut();
                if !said.contains(&line) {
                    said.push(line);
                }
            }
            Event::Notice { workload, text } => self.notices.borrow_mut().push(format!("{workload}: {text}")),
            _ => {}
        }
    }

    fn planned(&self, plan: &Plan) {
        self.plans.borrow_mut().push(plan.clone());
    }
}

pub(super) struct Played {
    pub report: SyncReport,
    waited_for: Vec<String>,
    notices: Vec<String>,
}

/// One sync of a process whose syncs share their connection, as a controller's do.
pub(super) async fn play(rig: &Rig, deployment: &Deployment, stop: &StopSignal) -> Played {
    let target = EcsTarget::new(rig.aws.without_guard(), &deployment.application, "prod", 1);
    let said = Said::default();
    let report = sync(&target, deployment, &said, stop).await.expect("a plan");
    target.release().await.expect("the lock is freed");
    assert_eq!(said.plans.borrow().last(), Some(&report.plan), "the plan that is carried out was not shown");
    Played { report, waited_for: said.waits.into_inner(), notices: said.notices.into_inner() }
}

fn tags(rig: &Rig) -> Vec<String> {
    let input = json!({"clusters": ["prod"], "include": ["TAGS"]});
    let answer = rig.connector.world().call("ecs", "DescribeClusters", &input).unwrap();
    let tags = answer["clusters"][0]["tags"].as_array().cloned().unwrap_or_default();
    tags.iter().filter_map(|tag| Some(tag["key"].as_str()?.to_owned())).collect()
}

fn change_tags(rig: &Rig, operation: &str, rest: (&str, Value)) {
    let input = json!({"resourceArn": CLUSTER, rest.0: rest.1});
    rig.connector.world().call("ecs", operation, &input).unwrap();
}

fn fill(rig: &Rig, count: usize) {
    let tags: Vec<Value> =
        (0..count).map(|number| json!({"key": format!("of-others-{number}"), "value": "x"})).collect();
    change_tags(rig, "TagResource", ("tags", tags.into()));
}

#[tokio::test(start_paused = true)]
async fn more_syncs_than_a_cluster_has_tags_for_take_turns_and_keep_to_the_rates() {
    let settings = Settings { buckets: Buckets::Real, task_capacity: 400, ..Settings::default() };
    let rig = Rig::with(settings, super::SEED).await;
    fill(&rig, 10);
    let deployments: Vec<Deployment> = (0..90).map(deployment).collect();
    let (stop, begun) = (StopSignal::default(), Instant::now());
    let all = join_all(deployments.iter().map(|deployment| play(&rig, deployment, &stop)));
    tokio::pin!(all);
    let mut most = 0;
    let played = loop {
        tokio::select! {
            played = &mut all => break played,
            () = seconds(1) => most = most.max(tags(&rig).len()),
        }
    };
    let verdicts: Vec<Verdict> = played.iter().map(|played| played.report.verdict).collect();
    assert_eq!(verdicts, [Verdict::Done; 90]);
    let waited = played.iter().filter(|played| !played.waited_for.is_empty()).count();
    assert_eq!((waited, most), (90 - LOCKS_ON_A_CLUSTER, 10 + LOCKS_ON_A_CLUSTER));
    let world = rig.connector.world();
    let throttled: Vec<&str> = world
        .calls()
        .all()
        .iter()
        .filter(|call| call.throttled())
        .map(|call| call.operation.as_str())
        .collect();
    assert_eq!(throttled, [] as [&str; 0]);
    // Task definitions are registered at one a second after the first twenty; the rest are the last ones' rollouts.
    assert!((70..150).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_waits_for_its_turn_says_so_and_stops_at_once_without_a_write() {
    let rig = Rig::new().await;
    let places = rig.aws.lock_places(CLUSTER);
    let _all = Arc::clone(&places).acquire_many_owned(LOCKS_ON_A_CLUSTER as u32).await.unwrap();
    let (stop, begun) = (StopSignal::default(), Instant::now());
    let deployment = deployment(0);
    let asked = async {
        // The time that is given to a sync does not run while it waits for its turn.
        seconds(3_600).await;
        stop.set();
    };
    let (played, ()) = tokio::join!(play(&rig, &deployment, &stop), asked);
    assert_eq!(begun.elapsed().as_secs(), 3_600);
    assert_eq!((played.report.verdict, played.waited_for), (Verdict::Stopped, vec![WAITS.to_owned()]));
    assert_eq!(rig.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_changed_while_a_sync_waited_for_its_turn_is_seen_and_told() {
    let rig = Rig::new().await;
    let deployment = deployment(0);
    let all = rig.aws.lock_places("prod").acquire_many_owned(LOCKS_ON_A_CLUSTER as u32).await.unwrap();
    let stop = StopSignal::default();
    let other = async {
        seconds(60).await;
        // Another process, whose places are its own.
        let other = play(&rig.another().await, &deployment, &stop).await;
        assert_eq!(other.report.verdict, Verdict::Done);
        rig.clear_log();
        drop(all);
    };
    let (played, ()) = tokio::join!(play(&rig, &deployment, &stop), other);
    assert_eq!((played.report.verdict, played.report.plan.has_changes()), (Verdict::Done, false));
    let told = "Application/a00: its turn has come, and what is live has changed meanwhile. Plan: 0 to create, 0 to \
                update, 0 to replace, 0 to prune, 2 unchanged; no traffic moves.";
    assert_eq!((rig.writes(), played.notices), (0, vec![told.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_stayed_the_same_while_a_sync_waited_for_its_turn_is_carried_out() {
    let rig = Rig::new().await;
    let all = rig.aws.lock_places("prod").acquire_many_owned(LOCKS_ON_A_CLUSTER as u32).await.unwrap();
    let deployment = deployment(0);
    let freed = async {
        seconds(60).await;
        drop(all);
    };
    let stop = StopSignal::default();
    let (played, ()) = tokio::join!(play(&rig, &deployment, &stop), freed);
    let told = "Application/a00: its turn has come; the plan is as it was";
    assert_eq!((played.report.verdict, played.notices), (Verdict::Done, vec![told.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_others_filled_with_tags_is_waited_for() {
    let rig = Rig::new().await;
    fill(&rig, 50);
    let (stop, begun) = (StopSignal::default(), Instant::now());
    let deployment = deployment(0);
    let freed = async {
        seconds(100).await;
        change_tags(&rig, "UntagResource", ("tagKeys", json!(["of-others-7"])));
    };
    let (played, ()) = tokio::join!(play(&rig, &deployment, &stop), freed);
    assert_eq!((played.report.verdict, played.waited_for), (Verdict::Done, vec![FULL.to_owned()]));
    assert!((100..160).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(tags(&rig).len(), 49);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_stays_full_of_tags_is_named_when_the_time_is_over() {
    let rig = Rig::new().await;
    fill(&rig, 50);
    let played = play(&rig, &deployment(0), &StopSignal::default()).await;
    let (_, full) = FULL.split_once(": ").expect("a document");
    let result = &played.report.results[0];
    let why =
        format!("the time given to the sync is over; the next one goes on (it waited for this: {full})");
    assert_eq!((result.verdict, &result.message), (Verdict::TimedOut, &why));
    assert_eq!(rig.connector.world().services().len(), 0);
}
