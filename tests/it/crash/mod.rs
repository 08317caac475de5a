//! Every write of every scenario disturbed in every way: the end is the undisturbed one, nothing is doubled, and no
//! request through the load balancer fails or reaches a revision that failed its gate.
//!
//! A process that dies leaves nothing but the account. So the undisturbed run keeps a copy of the account before and
//! after each write, and from each copy another process goes to the end; that this is what a killed process leaves is
//! shown by killing some for real.
//!
//! `CUTOVER_CRASH='update/4/After'` plays one point and tells its story, `CUTOVER_CRASH='update'` the undisturbed
//! scenario.

pub mod end_state;
mod play;
mod scenario;
mod traffic;

use crate::account::{Disturbance, Fork, Mode};
use end_state::difference;
use play::{Played, Start, play};
use scenario::{Scenario, scenarios};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A process dies at a write, with or without its answer: the account is the same.
const DEATHS: [Mode; 2] = [Mode::Before, Mode::After];
/// A process lives on, without an answer. It can't tell the two apart, so each write gets one of them.
const LOSSES: [Mode; 2] = [Mode::AnswerLost, Mode::RequestLost];

/// Two moments nearer than this, without a write between them, are one.
const SAME_MOMENT_MS: u64 = 500;

/// One way to disturb one scenario.
struct Point {
    scenario: usize,
    disturbance: Disturbance,
}

#[test]
fn every_crash_point_ends_as_the_undisturbed_run_and_no_request_fails() {
    let scenarios = scenarios();
    if let Ok(wanted) = std::env::var("CUTOVER_CRASH") {
        return replay(scenarios, &wanted);
    }
    let calm = in_parallel(scenarios, |scenario| play(scenario, Start::Calm));
    let mut wrong: Vec<String> = vec![];
    for (scenario, played) in scenarios.iter().zip(&calm) {
        wrong.extend(judge_calm(scenario, played).map(|what| report(scenario, None, played, &what)));
    }
    let points: Vec<Point> =
        calm.iter().enumerate().flat_map(|(index, played)| points(index, played)).collect();
    let (requests, processes) = (AtomicU64::new(0), AtomicU64::new(0));
    let found = in_parallel(&points, |point| {
        let (scenario, calm) = (&scenarios[point.scenario], &calm[point.scenario]);
        let played = play(scenario, start(calm, point.disturbance));
        requests.fetch_add(played.requests, Ordering::Relaxed);
        processes.fetch_add(played.processes as u64 + 1, Ordering::Relaxed);
        judge(scenario, calm, &played).map(|what| report(scenario, Some(point.disturbance), &played, &what))
    });
    wrong.extend(found.into_iter().flatten());
    let writes = calm.iter().map(|played| played.writes.len()).sum::<usize>();
    println!(
        "crash enumeration: {} scenarios, {writes} writes, {} crash points (dead before, after, after without the answer; \
         alive without the answer) in {} plays, {} processes, {} requests, {} wrong",
        scenarios.len(),
        writes * 4,
        points.len(),
        processes.into_inner(),
        requests.into_inner(),
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

#[test]
fn a_killed_process_leaves_what_is_enumerated() {
    let all = scenarios();
    let scenario = all.iter().find(|scenario| scenario.name == "update").expect("the scenario");
    let calm = play(scenario, Start::Calm);
    for write in 1..=calm.writes.len() {
        for mode in [Mode::Before, Mode::After, Mode::Unanswered] {
            let disturbance = Disturbance { write, mode };
            let killed = play(scenario, Start::Disturbed(disturbance));
            assert_eq!(judge(scenario, &calm, &killed), None, "{disturbance:?}");
            let forked = play(scenario, start(&calm, disturbance));
            // The lock's tags carry a random owner; what they are put on is the same.
            let made = usize::from(mode != Mode::Before) + write - 1;
            let kept =
                killed.writes.iter().enumerate().filter(|(at, _)| mode != Mode::Before || *at != write - 1);
            let kept: Vec<&String> = kept.map(|(_, write)| write).collect();
            let (before, after) = kept.split_at(made);
            let same = |a: &String, b: &String| without_numbers(a) == without_numbers(b);
            assert!(before.iter().zip(&calm.writes).all(|(a, b)| same(a, b)), "{disturbance:?}: {before:?}");
            let alike = after.len() == forked.writes.len()
                && after.iter().zip(&forked.writes).all(|(a, b)| same(a, b));
            assert!(alike, "{disturbance:?}: killed {after:?}, forked {:?}", forked.writes);
        }
    }
}

fn without_numbers(text: &str) -> String {
    text.split(' ')
        .filter(|word| !word.contains("started=") && !word.contains("baking=") && !word.contains("done="))
        .collect()
}

fn points(scenario: usize, calm: &Played) -> impl Iterator<Item = Point> + '_ {
    let point = move |write, mode| Point { scenario, disturbance: Disturbance { write, mode } };
    let at = |write: usize, mode: Mode| {
        calm.forks.iter().find(|fork| fork.write == write && fork.mode == mode).map_or(0, |fork| fork.at)
    };
    (1..=calm.writes.len()).flat_map(move |write| {
        // Right after a write is right before the next one.
        let same = write > 1 && at(write, Mode::Before) < at(write - 1, Mode::After) + SAME_MOMENT_MS;
        let loss = LOSSES[(scenario + write) % LOSSES.len()];
        let modes = DEATHS.into_iter().filter(move |mode| *mode != Mode::Before || !same);
        modes.chain([loss]).map(move |mode| point(write, mode))
    })
}

fn start(calm: &Played, disturbance: Disturbance) -> Start<'_> {
    let mode = match disturbance.mode {
        Mode::AnswerLost | Mode::RequestLost => return Start::Disturbed(disturbance),
        Mode::Before => Mode::Before,
        Mode::After | Mode::Unanswered => Mode::After,
    };
    let wanted = |fork: &&Fork| fork.write == disturbance.write && fork.mode == mode;
    Start::Fork(calm.forks.iter().find(wanted).expect("a fork"), calm.served_since)
}

/// What is wrong with an undisturbed play.
fn judge_calm(scenario: &Scenario, played: &Played) -> Option<String> {
    if played.verdict.as_ref().ok() != Some(&scenario.verdict) {
        return Some(format!("it ended with {:?}, not {:?}", played.verdict, scenario.verdict));
    }
    let none = played.writes.is_empty();
    played.wrong.first().cloned().or_else(|| none.then(|| "it wrote nothing, so nothing is shown".into()))
}

/// What is wrong with a disturbed play.
fn judge(scenario: &Scenario, calm: &Played, played: &Played) -> Option<String> {
    if let Some(first) = played.wrong.first() {
        return Some(format!("{} things wrong, first: {first}", played.wrong.len()));
    }
    if played.verdict.as_ref().ok() != Some(&scenario.verdict) {
        return Some(format!("it ended with {:?}, not {:?}", played.verdict, scenario.verdict));
    }
    (played.end_state != calm.end_state)
        .then(|| format!("the end is another one:\n{}", difference(&calm.end_state, &played.end_state)))
}

fn report(scenario: &Scenario, disturbance: Option<Disturbance>, played: &Played, what: &str) -> String {
    let (point, replay) = match disturbance {
        Some(Disturbance { write, mode }) => {
            (format!("write {write}, {mode:?}"), format!("{}/{write}/{mode:?}", scenario.name))
        }
        None => ("undisturbed".into(), scenario.name.clone()),
    };
    format!(
        "* {}: {point}: {what}\n  writes: {}\n  replay: CUTOVER_CRASH='{replay}'",
        scenario.name,
        played.writes.join("; ")
    )
}

fn replay(scenarios: &[Scenario], wanted: &str) {
    let mut parts = wanted.split('/');
    let name = parts.next().unwrap_or_default();
    let scenario = scenarios.iter().find(|scenario| scenario.name == name);
    let names = || scenarios.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join("\n");
    let scenario = scenario.unwrap_or_else(|| panic!("no scenario `{name}`; there are\n{}", names()));
    let calm = play(scenario, Start::Calm);
    let disturbance = parts.next().map(|write| {
        let mode = parts.next().unwrap_or_default();
        let modes = [Mode::Before, Mode::After, Mode::Unanswered, Mode::AnswerLost, Mode::RequestLost];
        let mode = modes.into_iter().find(|m| format!("{m:?}") == mode).expect("a mode");
        Disturbance { write: write.parse().expect("a number"), mode }
    });
    let (played, what) = match disturbance {
        None => {
            let what = judge_calm(scenario, &calm);
            (calm, what)
        }
        Some(disturbance) => {
            println!("{}\n--- the undisturbed writes: {}\n", calm.story.join("\n"), calm.writes.join("; "));
            let played = play(scenario, start(&calm, disturbance));
            let what = judge(scenario, &calm, &played);
            (played, what)
        }
    };
    println!("{}\nwrites: {}", played.story.join("\n"), played.writes.join("\n        "));
    println!(
        "{} requests; complaints: {:#?}",
        played.requests,
        played.wrong.iter().take(20).collect::<Vec<_>>()
    );
    if disturbance.is_none() {
        println!("{}", played.end_state);
    }
    if let Some(what) = what {
        panic!("{what}");
    }
}

/// Does `work` on every item, on as many threads as there are cores; the answers are in the items' order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
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
