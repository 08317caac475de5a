//! Rollouts whose documents a commit removes in the midst of them: they are looked after with those that they began with.

use super::begun::{at_a_tenth_of, share, shop};
use super::undeclared::without_web;
use super::{Rig, seconds};
use cutover::engine::{
    Deployment, Guard, History, ItemResult, RequestVerb, Silent, StopSignal, SyncReport, Verdict, carry_on,
    handle, sync,
};
use cutover::model::Manifests;
use cutover::simulator::{Failure, Fault, TargetFault};
use cutover::sites::EcsTarget;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// What Git has at that commit, if it can be read.
struct Past(String, Option<Manifests>);

impl History for Past {
    fn documents<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, Result<Manifests, String>> {
        assert_eq!(commit, self.0);
        Box::pin(async { self.1.clone().ok_or_else(|| "the server is away".to_owned()) })
    }
}

/// v2, a tenth of whose requests are there, by a commit that tells its id.
fn v2() -> Deployment {
    Deployment { commit: "c0ffee".repeat(7)[..40].to_owned(), ..shop().at("v2").deployment() }
}

/// A new process with these documents; `is_readable` is said of the commit before.
async fn target(rig: &Rig, deployment: &Deployment, is_readable: bool) -> EcsTarget {
    let rig = rig.another().await;
    let past = Past(v2().commit, is_readable.then(|| v2().manifests));
    let target = EcsTarget::new(rig.aws.clone(), &deployment.application, "prod", 1);
    target.remembering(Arc::new(past))
}

async fn synced(rig: &Rig, is_readable: bool) -> SyncReport {
    let without = without_web(&shop().at("v2"));
    let target = target(rig, &without, is_readable).await;
    let report = sync(&target, &without, &Silent, &StopSignal::default()).await.unwrap();
    target.release().await.unwrap();
    report
}

fn of_web(results: &[ItemResult]) -> Vec<(Verdict, &str)> {
    let of_web = results.iter().filter(|result| result.document == "BlueGreen/web");
    of_web.map(|result| (result.verdict, result.message.as_str())).collect()
}

/// The candidate's targets fail after a minute.
async fn fail_later(rig: &Rig) {
    seconds(60).await;
    assert_eq!(share(rig), 10);
    let fault = Fault::Targets { target_group: "web-blue".into(), fault: TargetFault::Unhealthy };
    rig.connector.world().inject(fault);
}

#[tokio::test(start_paused = true)]
async fn a_candidate_whose_documents_are_removed_is_taken_back_when_it_fails() {
    for denied in [None, Some("ListServices")] {
        let rig = at_a_tenth_of(&shop().deployment(), &v2()).await;
        let without = without_web(&shop().at("v2"));
        let target = target(&rig, &without, true).await;
        if let Some(operation) = denied {
            rig.inject(operation, Failure::Internal, 8);
        }
        let stop = StopSignal::default();
        let (ended, ()) = tokio::join!(sync(&target, &without, &Silent, &stop), fail_later(&rig));
        assert_eq!(share(&rig), 0, "{denied:?}: {ended:?}");
        let Ok(report) = ended else { continue };
        let said = of_web(&report.results);
        assert_eq!(report.verdict, Verdict::Error, "{report:?}");
        let blocked = said.iter().find(|(verdict, _)| *verdict == Verdict::Error).expect("it is blocked");
        assert!(
            blocked.1.contains("no BlueGreen declares it any more; while requests are on it"),
            "{said:?}"
        );
        assert!(blocked.1.contains("by the documents of commit c0ffeec"), "{said:?}");
        assert!(blocked.1.contains("restore Service/web and its BlueGreen in Git"), "{said:?}");
        assert!(said.iter().any(|(verdict, _)| *verdict == Verdict::Failed), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_whose_documents_are_removed_is_brought_to_its_end_and_then_no_longer_blocks() {
    let rig = at_a_tenth_of(&shop().deployment(), &v2()).await;
    assert_eq!(synced(&rig, true).await.verdict, Verdict::Error);
    assert_eq!(share(&rig), 100);
    let report = synced(&rig, true).await;
    assert_eq!((report.verdict, share(&rig)), (Verdict::Done, 100), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_look_after_is_told_with_the_reason() {
    let rig = at_a_tenth_of(&shop().deployment(), &v2()).await;
    let report = synced(&rig, false).await;
    let said = of_web(&report.results);
    let [(Verdict::Error, message)] = said.as_slice() else { panic!("{said:?}") };
    let why =
        "and nobody watches it: the documents of commit c0ffeec can't be read: the server is away; restore";
    assert!(message.contains(why), "{message}");
    assert_eq!(share(&rig), 10);
}

#[tokio::test(start_paused = true)]
async fn it_is_looked_after_also_while_the_documents_that_removed_it_are_not_to_be_brought_about() {
    let rig = at_a_tenth_of(&shop().deployment(), &v2()).await;
    let without = without_web(&shop().at("v2"));
    let target = target(&rig, &without, true).await;
    let stop = StopSignal::default();
    let (results, ()) = tokio::join!(carry_on(&target, &without, &Silent, &stop), fail_later(&rig));
    assert_eq!(share(&rig), 0, "{results:?}");
    assert!(of_web(&results).iter().any(|(verdict, _)| *verdict == Verdict::Failed), "{results:?}");
    assert!(target.is_held());
}

#[tokio::test(start_paused = true)]
async fn an_abort_finds_a_rollout_whose_documents_are_removed() {
    let rig = at_a_tenth_of(&shop().deployment(), &v2()).await;
    let without = without_web(&shop().at("v2"));
    let aborting = target(&rig, &without, true).await;
    let said = handle(&aborting, &without, RequestVerb::Abort, None).await.unwrap();
    assert!(said.starts_with("aborted BlueGreen/web"), "{said}");
    let report = synced(&rig, true).await;
    assert_eq!(share(&rig), 0, "{report:?}");
    let unread = target(&rig, &without, false).await;
    let refused = handle(&unread, &without, RequestVerb::Promote, None).await.unwrap_err().to_string();
    assert!(refused.contains("there is no") || refused.contains("nothing to promote"), "{refused}");
}
