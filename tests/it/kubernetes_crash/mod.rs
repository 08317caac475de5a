//! Every write of every scenario on a real API server, disturbed in every way: the end is the undisturbed one, nothing
//! is doubled, and a sync after it writes nothing.
//!
//! Each play has a namespace of its own and a proxy for each of its processes, in which they die. A restart is a new
//! connection and new adapters that know nothing but what they read. Of the writes of one turn, which are under way
//! together, the n-th is whichever comes as the n-th.
//!
//! `CUTOVER_CRASH='update/4/AnswerLost'` plays one point and tells its story, `CUTOVER_CRASH='update'` the undisturbed
//! scenario. `CUTOVER_CRASH_SHARE=3` plays every third point.

mod end_state;
mod invariants;
mod play;
mod scenario;

use crate::kube_support::Fault;
use play::{Played, play};
use scenario::{Scenario, scenarios};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// A process that dies at a write, or lives on without its answer, and a write that is made twice.
const EACH: [Fault; 5] =
    [Fault::DeadBefore, Fault::DeadAfter, Fault::DeadUnanswered, Fault::AnswerLost, Fault::Twice];
/// What leaves nothing behind: each write gets one of them.
const IN_TURN: [Fault; 5] =
    [Fault::RequestLost, Fault::Refused(500), Fault::Refused(503), Fault::Refused(429), Fault::Refused(409)];
/// Plays wait most of the time: for the API server's controllers, for gates and for traffic to follow.
const AT_A_TIME: usize = 16;

/// One way to disturb one scenario.
#[derive(Clone, Copy)]
struct Point {
    scenario: usize,
    write: usize,
    fault: Fault,
}

#[test]
#[ignore = "needs kube-apiserver: tests/kubernetes/run"]
fn every_crash_point_ends_as_the_undisturbed_run() {
    let scenarios = scenarios();
    if let Ok(wanted) = std::env::var("CUTOVER_CRASH") {
        return replay(&scenarios, &wanted);
    }
    let begun = Instant::now();
    let calm = in_parallel(&scenarios, |scenario| play(scenario, None));
    let mut wrong: Vec<String> = vec![];
    for (scenario, played) in scenarios.iter().zip(&calm) {
        wrong.extend(judge_calm(played).map(|what| report(scenario, None, played, &what)));
    }
    let all: Vec<Point> =
        calm.iter().enumerate().flat_map(|(at, played)| points(at, scenarios[at].slow, played)).collect();
    let share = std::env::var("CUTOVER_CRASH_SHARE").ok().and_then(|share| share.parse().ok()).unwrap_or(1);
    let points: Vec<Point> = all.iter().copied().step_by(share).collect();
    let found = in_parallel(&points, |point| {
        let (scenario, calm) = (&scenarios[point.scenario], &calm[point.scenario]);
        let played = play(scenario, Some((point.write, point.fault)));
        let what = judge(calm, &played);
        what.map(|what| report(scenario, Some(point), &played, &what))
    });
    wrong.extend(found.into_iter().flatten());
    println!(
        "crash enumeration on Kubernetes: {} scenarios, {} of {} crash points played in {:.0} s, {} wrong",
        scenarios.len(),
        points.len(),
        all.len(),
        begun.elapsed().as_secs_f64(),
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} crash points are wrong:\n{}\n\n{}",
        wrong.len(),
        wrong.iter().filter_map(|text| text.lines().next()).collect::<Vec<_>>().join("\n"),
        wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
}

fn points(scenario: usize, slow: bool, calm: &Played) -> impl Iterator<Item = Point> {
    (1..=calm.writes.len()).flat_map(move |write| {
        let one = IN_TURN[(scenario + write) % IN_TURN.len()];
        let faults = match slow {
            false => EACH.into_iter().chain([one]).collect(),
            true => vec![
                Fault::DeadUnanswered,
                Fault::AnswerLost,
                if write % 2 == 0 { Fault::Twice } else { one },
            ],
        };
        faults.into_iter().map(move |fault| Point { scenario, write, fault })
    })
}

/// What is wrong with an undisturbed play.
fn judge_calm(played: &Played) -> Option<String> {
    let none = played.writes.is_empty();
    played.wrong.first().cloned().or_else(|| none.then(|| "it wrote nothing, so nothing is shown".into()))
}

/// What is wrong with a disturbed play.
fn judge(calm: &Played, played: &Played) -> Option<String> {
    if let Some(first) = played.wrong.first() {
        return Some(format!("{} things wrong, first: {first}", played.wrong.len()));
    }
    let difference = || end_state::difference(&calm.end_state, &played.end_state);
    (played.end_state != calm.end_state).then(|| format!("the end is another one:\n{}", difference()))
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:?}", self.write, self.fault)
    }
}

fn report(scenario: &Scenario, point: Option<&Point>, played: &Played, what: &str) -> String {
    let point = point.map_or_else(|| scenario.name.to_owned(), |point| format!("{}/{point}", scenario.name));
    format!("* {point}: {what}\n  writes: {}\n  replay: CUTOVER_CRASH='{point}'", played.writes.join("; "))
}

fn replay(scenarios: &[Scenario], wanted: &str) {
    let mut parts = wanted.split('/');
    let name = parts.next().unwrap_or_default();
    let scenario = scenarios.iter().find(|scenario| scenario.name == name);
    let names = || scenarios.iter().map(|s| s.name).collect::<Vec<_>>().join("\n");
    let scenario = scenario.unwrap_or_else(|| panic!("no scenario `{name}`; there are\n{}", names()));
    let calm = play(scenario, None);
    println!("{}\nwrites: {}", calm.story.join("\n"), calm.writes.join("\n        "));
    let what = match parts.next() {
        None => {
            println!("{}", calm.end_state);
            judge_calm(&calm)
        }
        Some(write) => {
            let fault = parts.next().unwrap_or_default();
            let fault = EACH.into_iter().chain(IN_TURN).find(|f| format!("{f:?}") == fault).expect("a fault");
            let played = play(scenario, Some((write.parse().expect("a number"), fault)));
            println!(
                "--- disturbed\n{}\nwrites: {}",
                played.story.join("\n"),
                played.writes.join("\n        ")
            );
            judge(&calm, &played)
        }
    };
    if let Some(what) = what {
        panic!("{what}");
    }
}

/// Does `work` on every item, some at a time; the answers are in the items' order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = vec![];
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else { return done };
                        done.push((index, work(item)));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
