//! Plays a scenario once: undisturbed, from a fork, or disturbed at one write.

use super::end_state::end_state;
use super::scenario::Scenario;
use super::traffic::Clients;
use crate::account::{Disturbance, Fork, Process, Wire, connect, paused};
use cutover::engine::{SyncReport, Trouble, Verdict};
use cutover::simulator::{Millis, TaskId, World};
use std::collections::BTreeSet;
use std::time::Duration;

/// What a play begins with.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// One process that nothing happens to.
    Calm,
    /// A process has just died and left this; another one begins.
    Fork(&'a Fork, Option<Millis>),
    /// One write of the first process is disturbed.
    Disturbed(Disturbance),
}

/// What came of it.
pub struct Played {
    /// The account at the end.
    pub end_state: String,
    pub verdict: Result<Verdict, Trouble>,
    /// All writes, in order.
    pub writes: Vec<String>,
    pub forks: Vec<Fork>,
    /// When every host had been answered once.
    pub served_since: Option<Millis>,
    pub processes: usize,
    pub requests: u64,
    /// What the clients complained of, and what was written though nothing had to be.
    pub wrong: Vec<String>,
    /// What the processes said, for people.
    pub story: Vec<String>,
}

/// How long all comes to rest after the last process has ended: tasks stop, targets drain.
const REST: Duration = Duration::from_secs(60);
/// A process that died or met a passing trouble is started again, so often in all.
const PROCESSES: usize = 4;

/// Plays `scenario` to its end.
pub fn play(scenario: &Scenario, start: Start) -> Played {
    paused(async {
        let (world, served) = match start {
            Start::Fork(fork, served_since) => {
                (fork.world.clone(), scenario.served || served_since.is_some_and(|since| since < fork.at))
            }
            Start::Calm | Start::Disturbed(_) => (scenario.world.clone(), scenario.served),
        };
        let wire = Wire::new(connect(world));
        match start {
            Start::Disturbed(disturbance) => wire.disturb(disturbance),
            Start::Calm => wire.keep_forks(),
            Start::Fork(..) => {}
        }
        let mut clients =
            Clients::new(wire.connector.clone(), &scenario.hosts, served, scenario.forbidden, scenario.rings);
        let mut played = tokio::select! {
            biased;
            played = processes(scenario, &wire) => played,
            () = clients.send() => unreachable!("clients never end"),
        };
        played.requests = clients.requests;
        played.served_since = clients.served_since();
        played.wrong.append(&mut clients.wrong);
        if let Some(release) = scenario.warm {
            let (before, after) =
                (tasks_of(&scenario.world, release), tasks_of(&wire.connector.world(), release));
            if before != after {
                played.wrong.push(format!("{release} was warm in {before:?} and now runs in {after:?}"));
            }
        }
        played
    })
}

fn tasks_of(world: &World, release: &str) -> BTreeSet<TaskId> {
    world.tasks().into_iter().filter(|task| task.release == release).map(|task| task.id).collect()
}

async fn processes(scenario: &Scenario, wire: &Wire) -> Played {
    let mut story = vec![];
    let mut count = 0;
    let verdict = loop {
        count += 1;
        let ended = run(scenario, wire, &mut story).await;
        wire.revive();
        match ended {
            None => story.push("--- killed".into()),
            Some(Err(trouble)) if count < PROCESSES => story.push(format!("--- ended: {trouble}")),
            Some(ended) => break ended.map(|report| report.verdict),
        }
        assert!(count < PROCESSES, "dead again and again:\n{}", story.join("\n"));
    };
    tokio::time::sleep(REST).await;
    let (writes, forks) = (wire.writes(), wire.take_forks());
    let end_state = end_state(&mut wire.connector.world(), scenario.counts_tasks);
    let mut wrong = vec![];
    if scenario.comes_to_rest {
        story.push("--- once more".into());
        let again = run(scenario, wire, &mut story).await;
        let unneeded = wire.writes().split_off(writes.len());
        if !unneeded.is_empty() {
            wrong.push(format!("a sync with nothing to do wrote {unneeded:?}"));
        }
        if again.and_then(Result::ok).map(|report| report.verdict) != verdict.as_ref().ok().copied() {
            wrong.push("a sync with nothing to do ended in another way".into());
        }
    }
    Played {
        end_state,
        verdict,
        writes,
        forks,
        served_since: None,
        processes: count,
        requests: 0,
        wrong,
        story,
    }
}

/// One process: new clients, new adapters, nothing known but what it reads. `None` if it was killed.
async fn run(
    scenario: &Scenario,
    wire: &Wire,
    story: &mut Vec<String>,
) -> Option<Result<SyncReport, Trouble>> {
    let process = Process::new(wire, None);
    let ended = tokio::select! {
        biased;
        () = wire.killed() => None,
        ended = process.run(&scenario.deployment) => Some(ended),
    };
    story.append(&mut process.said.borrow_mut());
    if let Some(Ok(report)) = &ended {
        story.push(format!("--- {:?} {:?}", report.verdict, report.results));
    }
    ended
}
