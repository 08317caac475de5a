//! Plays a scenario once, undisturbed or disturbed at one write.

use super::end_state::end_state;
use super::scenario::Scenario;
use crate::kube_support::{Fault, Process, Proxy, Space, User, Which};
use cutover::engine::{Deployment, SyncReport, Trouble, Verdict};

/// What came of it.
pub struct Played {
    /// Every object at the end.
    pub end_state: String,
    /// All writes of all processes, in order.
    pub writes: Vec<String>,
    /// What should not have been.
    pub wrong: Vec<String>,
    /// What the processes said, for people.
    pub story: Vec<String>,
}

/// A process that died or met a passing trouble is started again, so often in all.
const PROCESSES: usize = 4;

/// Plays `scenario` in a namespace of its own.
pub fn play(scenario: &Scenario, disturbed: Option<(usize, Fault)>) -> Played {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let space = Space::new("crash").await;
        let mut played = Played { end_state: String::new(), writes: vec![], wrong: vec![], story: vec![] };
        for before in &scenario.before {
            let proxy = Proxy::start(space.cluster, User::Admin).await;
            let ended = run(&proxy, &scenario.deployment(&space, before), &mut played).await;
            if verdict(&ended) != Some(Verdict::Done) {
                played.wrong.push(format!("what was before could not be synced: {ended:?}"));
            }
        }
        played.writes.clear();
        let deployment = scenario.deployment(&space, &scenario.after);
        let mut ended = None;
        for number in 0..PROCESSES {
            let proxy = Proxy::start(space.cluster, User::Admin).await;
            if let Some((write, fault)) = disturbed.filter(|_| number == 0) {
                proxy.disturb(Which::Write(write), fault);
            }
            ended = run(&proxy, &deployment, &mut played).await;
            match verdict(&ended) {
                Some(Verdict::Done) => break,
                None | Some(Verdict::Error | Verdict::TimedOut) if disturbed.is_some() => {}
                _ => break,
            }
        }
        if verdict(&ended) != Some(Verdict::Done) {
            played.wrong.push(format!("it ended with {ended:?}"));
        }
        played.end_state = end_state(&space).await;
        let proxy = Proxy::start(space.cluster, User::Admin).await;
        let made = played.writes.len();
        played.story.push("--- once more".into());
        let again = run(&proxy, &deployment, &mut played).await;
        let unneeded = played.writes.split_off(made);
        let dry_runs = proxy.counts().into_iter().filter(|(what, _)| what.starts_with("dry-run"));
        if !unneeded.is_empty() || verdict(&again) != Some(Verdict::Done) {
            played
                .wrong
                .push(format!("a sync with nothing to do wrote {unneeded:?} and ended with {again:?}"));
        }
        played.wrong.extend(
            dry_runs.map(|(what, count)| format!("a sync with nothing to do asked {what} ({count})")),
        );
        played
    })
}

fn verdict(ended: &Option<Result<SyncReport, Trouble>>) -> Option<Verdict> {
    match ended {
        None => None,
        Some(Ok(report)) => Some(report.verdict),
        Some(Err(_)) => Some(Verdict::Error),
    }
}

/// One process: a new connection, new adapters, nothing known but what it reads. `None` if it was killed.
async fn run(
    proxy: &Proxy,
    deployment: &Deployment,
    played: &mut Played,
) -> Option<Result<SyncReport, Trouble>> {
    let process = Process::new(proxy.kubeconfig(), deployment).await;
    let ended = tokio::select! {
        biased;
        () = proxy.dead() => None,
        ended = process.run(deployment) => Some(ended),
    };
    played.story.append(&mut process.said.borrow_mut());
    played.writes.extend(proxy.writes().iter().map(ToString::to_string));
    played.wrong.extend(proxy.complaints());
    played.story.push(match &ended {
        None => "--- killed".into(),
        Some(Ok(report)) => format!("--- {:?} {:?}", report.verdict, report.results),
        Some(Err(trouble)) => format!("--- ended: {trouble}"),
    });
    ended
}
