//! Progress of a run for people: lines for what happened and, on a terminal, one live line for each workload.

use super::output::{Output, clean};
use super::screen;
use crate::engine::{Event, Watcher};
use crate::model::{BySlot, Slot, Weights};
use crate::plan::{Plan, render_plan};
use crate::rollout::{Hold, Observation, Progress as Stage, Workload};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Live lines at most; a terminal has few rows.
const LIVE_LINES: usize = 10;
/// Cells of a weights bar.
const BAR: u32 = 20;

/// Follows one run.
pub struct Progress {
    output: Output,
    /// False for a plan that is printed in another way.
    plans: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: BTreeMap<String, Line>,
    /// The last line on what each workload waits for.
    waits: BTreeMap<String, String>,
    seen: BTreeMap<String, LastSeen>,
}

#[derive(Default)]
struct Line {
    phase: String,
    waiting: String,
    weights: Option<Weights>,
}

/// What was last seen of a workload that people want to know when it fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastSeen {
    /// The slot that production requests go to.
    pub serving: Option<Slot>,
    /// What says that a rule which the documents do not name sends requests to a slot.
    #[serde(skip)]
    pub held: BySlot<Option<String>>,
    /// The slot that the last rollout goes or went into.
    pub rolled_into: Option<Slot>,
    /// Why tasks of each slot stopped or were not placed, newest first.
    pub troubles: BySlot<Vec<String>>,
}

impl Progress {
    /// Progress of a run whose plan is printed before anything is done.
    pub fn new(output: Output) -> Progress {
        Progress { output, plans: true, state: Mutex::default() }
    }

    /// Progress of a run whose plan is not printed.
    pub fn without_plan(output: Output) -> Progress {
        Progress { plans: false, ..Progress::new(output) }
    }

    /// Takes the live lines off the screen, for good.
    pub fn finish(&self) {
        self.state().live.clear();
        screen::set_live(vec![]);
    }

    /// What was last seen of each BlueGreen.
    pub fn last_seen(&self) -> BTreeMap<String, LastSeen> {
        self.state().seen.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn said(&self, name: &str, text: &str) {
        let bold = self.output.palette().heading;
        stay(&format!("{bold}{}{bold:#}: {}", clean(name), clean(text)));
    }

    fn text_event(&self, event: &Event) {
        let mut state = self.state();
        match event {
            Event::Phase { workload, phase } => {
                let line = state.live.entry(workload.clone()).or_default();
                line.phase = phase.to_string();
                line.waiting.clear();
                state.waits.remove(workload);
                self.draw(&state);
                self.said(workload, &phase.to_string());
            }
            Event::Waiting { workload, text, general, on: _ } => {
                state.live.entry(workload.clone()).or_default().waiting.clone_from(text);
                if self.output.live {
                    self.draw(&state);
                } else {
                    if let Some(text) = general {
                        self.say_once(&mut state, workload, format!("waiting for {text}"));
                    }
                }
            }
            Event::Settling { document, text } => {
                let line = state.live.entry(document.clone()).or_default();
                "rolling".clone_into(&mut line.phase);
                line.waiting.clone_from(text);
                if self.output.live {
                    self.draw(&state);
                } else {
                    self.say_once(&mut state, document, format!("waiting: {text}"));
                }
            }
            Event::Wrote { workload, text, .. } => self.said(workload, text),
            Event::Applied { document, text } => {
                self.said(document, text);
            }
            Event::Trouble { workload, text } => {
                self.said(workload, &format!("not yet: {text}"));
            }
            Event::Notice { workload, text } => {
                // What it was waiting for is over.
                state.live.remove(workload);
                self.draw(&state);
                self.said(workload, text);
            }
        }
    }

    /// False for a wait that was told in the same words the last time.
    fn is_news(&self, event: &Event) -> bool {
        let (Event::Waiting { workload: name, text, .. } | Event::Settling { document: name, text }) = event
        else {
            return true;
        };
        let before = self.state().waits.insert(name.clone(), text.clone());
        before.as_ref() != Some(text)
    }

    /// Says what is awaited, once.
    fn say_once(&self, state: &mut State, name: &str, text: String) {
        if state.waits.get(name) != Some(&text) {
            self.said(name, &text);
            state.waits.insert(name.to_owned(), text);
        }
    }

    /// Draws the live lines as they are now.
    fn draw(&self, state: &State) {
        if !self.output.live {
            return;
        }
        let dim = self.output.palette_of_errors().dim;
        let line = |(name, line): (&String, &Line)| {
            let bar = line.weights.map(render_bar).unwrap_or_default();
            let (phase, waiting) = (clean(&line.phase), clean(&line.waiting));
            format!("{dim}{}  {phase}  {bar}{waiting}{dim:#}", clean(name))
        };
        let mut lines: Vec<String> = state.live.iter().take(LIVE_LINES).map(line).collect();
        let more = state.live.len().saturating_sub(LIVE_LINES);
        if more > 0 {
            lines.push(format!("{dim}and {more} more{dim:#}"));
        }
        screen::set_live(lines);
    }
}

impl Watcher for Progress {
    fn event(&self, event: Event) {
        if self.output.is_json() {
            if self.is_news(&event) {
                self.output.json_line(&event);
            }
        } else {
            self.text_event(&event);
        }
    }

    fn planned(&self, plan: &Plan) {
        if !self.plans {
            return;
        }
        if self.output.is_json() {
            self.output.json_line(&json!({"event": "plan", "plan": plan, "summary": plan.summary()}));
        } else if plan.has_changes() {
            stay(&render_plan(plan, self.output.palette()));
        }
    }

    fn observed(&self, workload: &str, seen: &Observation) {
        let mut state = self.state();
        let last = state.seen.entry(workload.to_owned()).or_default();
        last.serving = seen.serving_slot();
        last.rolled_into = rolled_into(seen).or(last.rolled_into);
        for slot in Slot::BOTH {
            *last.held.get_mut(slot) = match &seen.slots.get(slot).hold {
                Hold::Held(hindrance) => Some(hindrance.why.clone()),
                Hold::Free | Hold::Unasked => None,
            };
            if let Workload::Present { troubles, .. } = &seen.slots.get(slot).workload
                && !troubles.is_empty()
            {
                last.troubles.get_mut(slot).clone_from(troubles);
            }
        }
        if let Some(line) = state.live.get_mut(workload) {
            line.weights = seen.rules.first().map(|rule| rule.split.weights());
            if self.output.live {
                self.draw(&state);
            }
        }
    }
}

/// Prints a line that stays.
fn stay(text: &str) {
    screen::above(|| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}").and_then(|()| stdout.flush())
    });
}

/// The slot of a rollout that is under way or has failed.
fn rolled_into(seen: &Observation) -> Option<Slot> {
    let current = seen
        .current_record()
        .filter(|(_, record)| !matches!(record.progress, Stage::Done(_) | Stage::Returning { .. }));
    let failed = |slot: &Slot| {
        let record = seen.slots.get(*slot).record.as_ref();
        record.is_some_and(|record| matches!(record.progress, Stage::Failed(_)))
    };
    current.map(|(slot, _)| slot).or_else(|| Slot::BOTH.into_iter().find(failed))
}

/// `blue ██████░░ green 25%  `
fn render_bar(weights: Weights) -> String {
    let share = weights.share_percent(Slot::Green);
    let green = (share * BAR).div_ceil(100).min(BAR);
    let cells = |cell: &str, count: u32| cell.repeat(count as usize);
    format!("blue {}{} green {share}%  ", cells("█", BAR - green), cells("░", green))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_both_shares() {
        let bar = |blue, green| render_bar(Weights { blue, green });
        assert_eq!(bar(100, 0), format!("blue {} green 0%  ", "█".repeat(20)));
        assert_eq!(bar(90, 10), format!("blue {}{} green 10%  ", "█".repeat(18), "░".repeat(2)));
        assert_eq!(bar(0, 1), format!("blue {} green 100%  ", "░".repeat(20)));
    }
}
