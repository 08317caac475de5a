//! Occurrences become Events of the Application.

use super::support::{connect, shop, space};
use crate::kube_support::User;
use cutover::controller::{Occurrence, OccurrenceKind, Voice};
use cutover::model::{AppKey, Timestamp};
use cutover::registry::KubernetesEvents;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use std::time::{Duration, SystemTime};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
async fn an_occurrence_is_an_event_and_the_same_again_counts_it_up() {
    let space = space("events").await;
    space.apply(&shop(&space).to_string()).await;
    let voice = KubernetesEvents::new(&connect(&space, User::Admin).await, "cutover-0");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    let said = |kind, text: &str, later| Occurrence {
        application: AppKey { namespace: space.name.clone(), name: "shop".into() },
        uid: "u1".into(),
        kind,
        workload: String::new(),
        revision: "a".repeat(40),
        repository: "https://git.example/deploy.git".into(),
        text: text.into(),
        time: Timestamp(now + later),
    };
    voice.tell(&said(OccurrenceKind::SyncFailed, "the repository is empty", 0));
    voice.tell(&said(OccurrenceKind::SyncFailed, "the repository is empty", 1));
    voice.tell(&said(OccurrenceKind::Synced, "everything is as Git says", 2));
    let mut folder = said(OccurrenceKind::Synced, "an Application of a folder has no Events", 2);
    folder.application.namespace.clear();
    voice.tell(&folder);
    let events: Api<Event> = space.api();
    let all = async {
        loop {
            let all = events.list(&Default::default()).await.expect("a list").items;
            let ours = all
                .into_iter()
                .filter(|e| e.reporting_controller.as_deref() == Some("cutover.dev/controller"));
            let ours: Vec<Event> = ours.collect();
            if ours.len() == 2 {
                return ours;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut all = tokio::time::timeout(Duration::from_secs(60), all).await.expect("in time");
    all.sort_by_key(|event| event.event_time.clone().map(|time| time.0));
    let told: Vec<String> = all
        .iter()
        .map(|event| {
            format!(
                "{} {} {} x{}: {}",
                event.type_.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default(),
                event.regarding.as_ref().and_then(|r| r.name.as_deref()).unwrap_or_default(),
                event.series.as_ref().map_or(1, |series| series.count),
                event.note.as_deref().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "Warning SyncFailed shop x2: the repository is empty",
            "Normal Synced shop x1: everything is as Git says"
        ]
    );
}
