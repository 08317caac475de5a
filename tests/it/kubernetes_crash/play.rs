//! Plays a scenario once, undisturbed or disturbed at one write.

use super::end_state::end_state;
use super::invariants;
use super::scenario::Scenario;
use crate::kube_support::{Fault, Process, Proxy, Space, User, Which};
use cutover::aws::Connect;
use cutover::engine::{Deployment, SyncReport, Trouble, Verdict};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};

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
            let ended = run(&proxy, &scenario.deployment(&space, before), false, &mut played).await;
            if verdict(&ended) != Some(Verdict::Done) {
                played.wrong.push(format!("what was before could not be synced: {ended:?}"));
            }
        }
        played.writes.clear();
        let deployment = scenario.deployment(&space, &scenario.after);
        let mut ended = None;
        for number in 0..PROCESSES {
            let proxy = Proxy::start(space.cluster, User::Admin).await;
            proxy.check_writes(invariants::of(&space));
            if let Some((write, fault)) = disturbed.filter(|_| number == 0) {
                proxy.disturb(Which::Write(write), fault);
            }
            ended = run(&proxy, &deployment, scenario.ends, &mut played).await;
            if ended.is_none() {
                a_minute_passes(&space).await;
            }
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
        let again = run(&proxy, &deployment, scenario.ends, &mut played).await;
        let mut unneeded = played.writes.split_off(made);
        if scenario.ends && disturbed.is_some() {
            // A Lease whose deletion was disturbed is left, and goes with the next call.
            unneeded.retain(|write| !write.contains("leases.coordination.k8s.io"));
        }
        if !unneeded.is_empty() || verdict(&again) != Some(Verdict::Done) {
            played
                .wrong
                .push(format!("a sync with nothing to do wrote {unneeded:?} and ended with {again:?}"));
        }
        played
    })
}

/// What a minute does to the lock of a dead process: nobody has it. That it is taken over then, and not before, is shown
/// where the lock is tested.
async fn a_minute_passes(space: &Space) {
    let leases = space.api::<Lease>();
    if leases.get_opt("cutover-shop").await.expect("read").is_some() {
        let free = serde_json::json!({"spec": {"holderIdentity": ""}});
        leases.patch("cutover-shop", &PatchParams::default(), &Patch::Merge(&free)).await.expect("freed");
    }
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
    ends: bool,
    played: &mut Played,
) -> Option<Result<SyncReport, Trouble>> {
    let process = Process::new(proxy.kubeconfig(), deployment, Connect::default()).await;
    let ended = tokio::select! {
        biased;
        () = proxy.dead() => None,
        ended = async {
            match ends {
                true => process.delete(deployment).await,
                false => process.run(deployment).await,
            }
        } => Some(ended),
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
