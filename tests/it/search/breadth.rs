//! The search itself: level by level, so that the first story that ends badly is the shortest.

use super::ends::{self, Wish};
use super::moves::{self, Commits, Move, beginnings};
use super::program::look;
use super::story;
use super::world::{ALARMING, Budget, GOOD, OLD, SICK, STILLBORN, State};
use super::{back as way, check};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

/// How large a search is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub rules: usize,
    pub strangers: u8,
    pub crashes: u8,
    pub commits: u8,
    pub people: u8,
    /// Which documents a commit may choose from; a bit for each.
    pub terms: u8,
    /// Which of the beginnings; a bit for each.
    pub beginnings: u8,
    /// No new states after so many.
    pub states: usize,
    pub threads: usize,
    /// Follow each state to a good end.
    pub liveness: bool,
}

/// What a search found.
pub struct Found {
    pub states: usize,
    pub transitions: u64,
    pub depth: usize,
    pub closed: bool,
    pub proven: usize,
    pub seconds: f64,
    /// The shortest story of each kind of violation.
    pub stories: BTreeMap<String, String>,
}

impl Found {
    /// How far it came, as one sentence.
    pub fn in_words(&self) -> String {
        format!(
            "{} states, {} transitions, depth {}, {}, {} states followed to a good end, {:.1} s, {:.0} states/s, {} kinds of \
             story end badly",
            self.states,
            self.transitions,
            self.depth,
            if self.closed { "closed" } else { "not closed" },
            self.proven,
            self.seconds,
            self.states as f64 / self.seconds,
            self.stories.len()
        )
    }
}

const SHARDS: usize = 64;

/// The prints are hashes already.
#[derive(Default)]
pub struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = u64::try_from(value >> 64).unwrap_or_default();
    }
}

type Prints = HashSet<u128, BuildHasherDefault<Plain>>;

struct Sets(Vec<Mutex<Prints>>);

impl Sets {
    fn new() -> Sets {
        Sets((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn shard(&self, print: u128) -> std::sync::MutexGuard<'_, Prints> {
        let index = usize::try_from(print % SHARDS as u128).unwrap_or(0);
        self.0[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn add(&self, print: u128) -> bool {
        self.shard(print).insert(print)
    }

    fn has(&self, print: u128) -> bool {
        self.shard(print).contains(&print)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().map_or(0, |set| set.len())).sum()
    }
}

/// How a state was reached: the number of the state before, and of the move.
type Trace = (u32, u16);

/// What one thread makes of its part of a level.
#[derive(Default)]
struct Part {
    next: Vec<(State, Trace)>,
    transitions: u64,
    wrong: Vec<(String, u32, Option<u16>, Vec<String>)>,
}

/// Searches until nothing new is found, or to the plan's limit.
pub fn search(plan: &Plan) -> Found {
    let begun = Instant::now();
    let (visited, proven, back) = (Sets::new(), Sets::new(), Sets::new());
    let mut traces: Vec<Trace> = vec![];
    let mut level: Vec<State> = vec![];
    for (number, state) in first_states(plan).into_iter().enumerate() {
        visited.add(state.print());
        traces.push((u32::MAX, u16::try_from(number).unwrap_or(0)));
        level.push(state);
    }
    let mut found = Found {
        states: level.len(),
        transitions: 0,
        depth: 0,
        closed: false,
        proven: 0,
        seconds: 0.0,
        stories: BTreeMap::new(),
    };
    let known = Mutex::new(HashSet::<String>::new());
    while !level.is_empty() && found.states < plan.states {
        let first = traces.len() - level.len();
        let size = level.len().div_ceil(plan.threads).max(1);
        let parts: Vec<Part> = std::thread::scope(|scope| {
            let handles: Vec<_> = level
                .chunks(size)
                .enumerate()
                .map(|(chunk, states)| {
                    let (visited, proven, back, known) = (&visited, &proven, &back, &known);
                    scope.spawn(move || {
                        expand(plan, states, first + chunk * size, visited, proven, back, known)
                    })
                })
                .collect();
            let join = |handle: ScopedJoinHandle<'_, Part>| match handle.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            handles.into_iter().map(join).collect()
        });
        let mut next = vec![];
        for part in parts {
            found.transitions += part.transitions;
            for (kind, state, last, more) in part.wrong {
                if let Entry::Vacant(story) = found.stories.entry(kind) {
                    let mut path = path_to(&traces, state);
                    path.1.extend(last);
                    let text = tell(plan, &path, story.key(), &more);
                    story.insert(text);
                }
            }
            for (state, trace) in part.next {
                traces.push(trace);
                next.push(state);
            }
        }
        found.states = traces.len();
        found.depth += 1;
        level = next;
    }
    found.closed = level.is_empty();
    found.proven = proven.len();
    found.seconds = begun.elapsed().as_secs_f64();
    found
}

fn first_states(plan: &Plan) -> Vec<State> {
    let Plan { strangers, crashes, commits, people, .. } = *plan;
    let budget = Budget { strangers, crashes, commits, people };
    let all = beginnings(plan.rules).into_iter().enumerate();
    let chosen = all.filter(|(index, _)| plan.beginnings & (1 << index) != 0);
    chosen
        .flat_map(|(_, (_, state))| {
            let terms = (0..4_u8).filter(|terms| plan.terms & (1 << terms) != 0);
            terms.map(move |terms| {
                let mut state = State { budget, terms, ..state };
                state.normalise();
                state
            })
        })
        .collect()
}

fn commits(plan: &Plan) -> Commits {
    const TERMS: [&[u8]; 16] = [
        &[],
        &[0],
        &[1],
        &[0, 1],
        &[2],
        &[0, 2],
        &[1, 2],
        &[0, 1, 2],
        &[3],
        &[0, 3],
        &[1, 3],
        &[0, 1, 3],
        &[2, 3],
        &[0, 2, 3],
        &[1, 2, 3],
        &[0, 1, 2, 3],
    ];
    Commits { revisions: &[OLD, GOOD, SICK, ALARMING, STILLBORN], terms: TERMS[usize::from(plan.terms & 15)] }
}

fn expand(
    plan: &Plan,
    states: &[State],
    first: usize,
    visited: &Sets,
    proven: &Sets,
    back: &Sets,
    known: &Mutex<HashSet<String>>,
) -> Part {
    let mut part = Part::default();
    let commits = commits(plan);
    let mut moves = vec![];
    let report = |part: &mut Part, kind: String, state: u32, last: Option<u16>, more: Vec<String>| {
        let new = known.lock().is_ok_and(|mut known| known.insert(kind.clone()));
        if new {
            part.wrong.push((kind, state, last, more));
        }
    };
    for (offset, state) in states.iter().enumerate() {
        let number = u32::try_from(first + offset).unwrap_or(u32::MAX);
        let seen = look(state);
        let wrong = check::decision(&seen);
        let bad = !wrong.is_empty();
        for kind in wrong {
            report(&mut part, kind, number, Some(0), vec![]);
        }
        if plan.liveness {
            let mut list = vec![];
            match way::goes_back(state, &|print| back.has(print), &mut list) {
                Some(Err(dead)) => {
                    let kind = format!("no way back: {}", ends::kind(&dead));
                    report(&mut part, kind, number, None, dead);
                }
                Some(Ok(())) => list.into_iter().for_each(|print| _ = back.add(print)),
                None => {}
            }
            for wish in [Wish::Fix, Wish::Revert(OLD)] {
                let quiet = ends::quiet(state, wish);
                let mut list = vec![];
                match ends::follow(&quiet, &|print| proven.has(print), &mut list) {
                    Ok(()) => list.into_iter().for_each(|print| _ = proven.add(print)),
                    Err(dead) => {
                        let kind = format!("{wish:?} does not end well: {}", ends::kind(&dead));
                        report(&mut part, kind, number, None, dead);
                    }
                }
            }
        }
        if bad {
            continue;
        }
        moves::all(&seen, state, &commits, &mut moves);
        for (index, (_, next)) in (0_u16..).zip(&moves) {
            part.transitions += 1;
            let mut next = *next;
            next.normalise();
            if visited.add(next.print()) {
                part.next.push((next, (number, index)));
            }
        }
    }
    part
}

/// The beginning and the moves that lead to a state.
fn path_to(traces: &[Trace], state: u32) -> (u16, Vec<u16>) {
    let mut moves = vec![];
    let mut at = state;
    loop {
        let (before, number) = traces[at as usize];
        if before == u32::MAX {
            moves.reverse();
            return (number, moves);
        }
        moves.push(number);
        at = before;
    }
}

fn tell(plan: &Plan, path: &(u16, Vec<u16>), kind: &str, more: &[String]) -> String {
    let mut text = format!("### {kind}\n");
    let states = first_states(plan);
    let mut state = states[usize::from(path.0)];
    let _ = writeln!(text, "    begin: {}", story::state(&state));
    for number in &path.1 {
        let seen = look(&state);
        let mut list = vec![];
        moves::all(&seen, &state, &commits(plan), &mut list);
        let Some((what, next)) = list.get(usize::from(*number)) else { break };
        let _ = writeln!(text, "    {}", story::told(*what, &seen));
        if !matches!(what, Move::Pass(_)) {
            let _ = writeln!(text, "        → {}", story::state(next));
        }
        state = *next;
        state.normalise();
    }
    if !more.is_empty() {
        let _ = writeln!(text, "    then accidents stop and the commit comes:");
        for line in more {
            let _ = writeln!(text, "      {line}");
        }
    }
    let numbers: Vec<String> = std::iter::once(&path.0).chain(&path.1).map(ToString::to_string).collect();
    let _ = writeln!(text, "    CUTOVER_SEARCH='{}'", numbers.join("."));
    text
}

/// Goes a way again, as a story tells it, and says what is wrong at its end.
pub fn replay(plan: &Plan, numbers: &str) -> String {
    let mut numbers = numbers.split('.').filter_map(|number| number.parse().ok());
    let path = (numbers.next().unwrap_or(0), numbers.collect());
    tell(plan, &path, "replayed", &[])
}
