//! The loop of one workload: observe → decide → act → observe again.

mod act;
mod last;
mod memory;
mod observe;
mod silence;
mod stop;
mod trail;

pub(super) use act::hold;
pub use stop::StopSignal;

use super::clock::Begun;
use super::events::{Event, Watcher};
use super::ports::{
    Gating, Guard, Registered, Rollout, TimeSource, Traffic, Trouble, TroubleKind, Workloads,
};
use super::spans::failed;
use super::write_guard::on_the_way_back;
use crate::model::{BySlot, Seconds, Slot, Timestamp};
use crate::rollout::{
    Action, Decision, Desired, Observation, Outcome, Phase, Progress, Remedy, RuleObservation,
    SlotObservation, decide, is_failing,
};
use act::Care;
use futures_util::FutureExt;
use last::Last;
use memory::Memory;
use silence::Silence;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::Instrument;
use trail::Trail;

/// The adapters of one run.
pub struct Ports<'a, A> {
    pub adapter: &'a A,
    pub watcher: &'a dyn Watcher,
}

/// How a run of one workload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    Outcome(Outcome),
    /// The time given to the run is over; the sentence says what was awaited.
    TimedOut {
        waiting_on: String,
    },
    /// The caller asked to stop; the sentence says how production stands.
    Stopped {
        state: String,
    },
    /// A read or write that won't succeed by trying again.
    Trouble(Trouble),
}

/// Everything one workload's run needs; implemented by the adapters together.
pub trait Adapter: Workloads + Traffic + Gating + Guard + TimeSource {}
impl<T: Workloads + Traffic + Gating + Guard + TimeSource> Adapter for T {}

/// One workload's rollout under way.
pub struct Run<'a, A> {
    ports: Ports<'a, A>,
    rollout: &'a Rollout,
    memory: Memory,
    stickiness: BTreeMap<String, Seconds>,
    others: BTreeMap<String, Vec<(String, u32)>>,
    notices: Vec<String>,
    /// As last read.
    registered: Registered,
    /// The slots as last seen, while users are on a candidate or on their way back from one.
    known: Option<BySlot<SlotObservation>>,
    /// Why they could not be read this time.
    unread: Option<Trouble>,
    alarms: Silence,
    http: Silence,
    /// True if it was read while this run had the lease.
    read_alone: bool,
    /// When that was.
    read_at: Option<Begun>,
    /// True once this run has seen a candidate with users, or a return.
    has_begun: bool,
    phase: Option<Phase>,
    waiting: Option<String>,
    /// The rollout under way and the weights, as last read.
    last: Option<Last>,
    trail: Trail,
}

impl<'a, A: Adapter> Run<'a, A> {
    /// A run that has seen nothing yet.
    pub fn new(ports: Ports<'a, A>, rollout: &'a Rollout) -> Self {
        Run {
            ports,
            rollout,
            memory: Memory::default(),
            stickiness: BTreeMap::new(),
            others: BTreeMap::new(),
            notices: vec![],
            registered: Registered::default(),
            known: None,
            unread: None,
            alarms: Silence::default(),
            http: Silence::default(),
            read_alone: false,
            read_at: None,
            has_begun: false,
            phase: None,
            waiting: None,
            last: None,
            trail: Trail::default(),
        }
    }

    /// Goes on until the workload is done, failed, blocked or waits for people, `timeout` is over, or `stop` says so.
    /// It stops between two writes only, so production is always in a state that the next run continues from.
    pub async fn to_the_end(&mut self, timeout: Duration, stop: &StopSignal) -> RunEnd {
        self.go_on(timeout, stop, Scope::Whole).await.unwrap_or(RunEnd::Outcome(Outcome::Done))
    }

    /// Goes on as [`Run::to_the_end`], but only as long as requests are on a candidate or on their way back from one.
    /// `None` if none are, or not any more. Unless it is known that there are some, what can't be read before anything was
    /// read ends it.
    pub async fn carry_on(&mut self, timeout: Duration, stop: &StopSignal, is_known: bool) -> Option<RunEnd> {
        self.go_on(timeout, stop, Scope::Begun { is_known }).await
    }

    async fn go_on(&mut self, timeout: Duration, stop: &StopSignal, scope: Scope) -> Option<RunEnd> {
        let end = tokio::time::Instant::now() + timeout;
        let mut failures: u32 = 0;
        let mut has_seen = scope != Scope::Begun { is_known: false };
        self.trail = Trail::begin();
        self.memory.watch();
        loop {
            let stage = self.trail.stage().clone();
            let pause = match self.step(stop, scope).boxed_local().instrument(stage).await {
                Ok(Step::Ended(outcome)) => return Some(RunEnd::Outcome(outcome)),
                Ok(Step::OutOfScope) => return None,
                Ok(Step::Again { after }) => {
                    failures = 0;
                    has_seen = true;
                    after
                }
                Err(trouble) if trouble.kind == TroubleKind::LookAgain => {
                    // Another run may have worked until now; what it did is no stranger's change.
                    self.memory.begin_anew();
                    Duration::ZERO
                }
                Err(trouble) if trouble.kind.is_passing() && has_seen => {
                    failures = failures.saturating_add(1);
                    self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
                    backoff(failures)
                }
                Err(Trouble {
                    kind: TroubleKind::Crowded | TroubleKind::LockAwaited, message: text, ..
                }) => {
                    failures = failures.saturating_add(1);
                    self.waiting = Some(text.clone());
                    self.tell(Event::Settling { document: format!("BlueGreen/{}", self.name()), text });
                    backoff(failures)
                }
                Err(trouble) => return Some(RunEnd::Trouble(trouble)),
            };
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if !stop.is_set() && !left.is_zero() {
                tokio::select! {
                    () = self.ports.adapter.pause(pause.min(left)) => continue,
                    () = stop.wait() => {}
                }
            }
            self.note_watched().await;
            return Some(match stop.is_set() {
                true => RunEnd::Stopped { state: self.describe() },
                false => RunEnd::TimedOut { waiting_on: self.describe() },
            });
        }
    }

    /// One round. Errors other than transient ones end the run.
    async fn step(&mut self, stop: &StopSignal, scope: Scope) -> Result<Step, Trouble> {
        let want = self.desired().await?;
        let Some(mut seen) = self.observe(&want).boxed_local().await? else {
            return Ok(Step::Again { after: Duration::from_secs(1) });
        };
        if seen.changed_by_others.is_some() {
            // A run that had nothing to write so far may have seen another one at work: only the lock tells. If that one
            // has ended by now, what is there is compared with its notes instead. What a person asks to be taken back is
            // taken from a changed rule, too, and then needs no lock either.
            if let Err(trouble) = on_the_way_back(self.ports.adapter.check_lease()).await {
                return self.watch_on(trouble, &seen);
            }
        }
        if let Some((slot, record)) = self.memory.unsaved_record(&seen, self.now()) {
            // It is of a return that went on without it.
            let note = Action::WriteRecord { slot, record };
            on_the_way_back(self.act(&note, &[], Care::AsFarAsPossible)).await?;
        }
        let mut decision = decide(&want, &seen, self.now());
        if let Some(trouble) = self.unread.take().filter(|_| !is_urgent(&decision, &want, &seen, self.now()))
        {
            self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
            return Ok(Step::Again { after: Duration::from_secs(5) });
        }
        while let Some(slot) = decision.asks_to_touch(&seen) {
            match hold(self.ports.adapter, self.rollout, &seen, slot).await {
                Ok(hold) => seen.slots.get_mut(slot).hold = hold,
                Err(trouble) => {
                    self.ports.watcher.observed(&self.name(), &seen);
                    return self.watch_on(trouble, &seen);
                }
            }
            decision = decide(&want, &seen, self.now());
        }
        self.ports.watcher.observed(&self.name(), &seen);
        if let Some(Outcome::Blocked { remedies, .. }) = decision.outcome()
            && remedies.iter().any(|remedy| matches!(remedy, Remedy::SetRule { .. }))
        {
            // Without the lock what was read may be another run's work, half done: nobody is blamed for that.
            if let Err(trouble) = self.ports.adapter.check_lease().await {
                return self.watch_on(trouble, &seen);
            }
        }
        let is_begun = is_begun(&decision, &seen);
        self.has_begun |= is_begun;
        let is_over = scope != Scope::Whole && !is_begun;
        // What begins in its turn is told then.
        if !is_over || decision.outcome().is_some() {
            self.announce(&decision);
        }
        match decision.outcome() {
            // What failed under this run's eyes is its to tell.
            Some(failed @ Outcome::Failed { .. }) if is_over && self.has_begun => {
                return Ok(Step::Ended(failed));
            }
            _ if is_over => {
                let failed = failure(&want, &seen).filter(|_| self.has_begun);
                return Ok(failed.map_or(Step::OutOfScope, Step::Ended));
            }
            Some(outcome) => return Ok(Step::Ended(outcome)),
            None => {}
        }
        let care = match decision.phase {
            // A way back must not wait for a note.
            Phase::RollingBack => Care::AsFarAsPossible,
            _ => Care::Exactly,
        };
        let mut after = decision.check_after.unwrap_or(5);
        let mut left = vec![];
        for action in &decision.actions {
            if stop.is_set() {
                break;
            }
            let span = self.trail.write(&action.in_words(self.rollout.terms()));
            let rules = rules_of(&seen);
            let write = self.act(action, &rules, care).instrument(span.clone());
            let done = match care {
                Care::AsFarAsPossible => on_the_way_back(write).await,
                Care::Exactly => write.await,
            };
            if let Some(trouble) =
                done.as_ref().err().filter(|trouble| trouble.kind != TroubleKind::LookAgain)
            {
                failed(&span, trouble);
            }
            match done {
                Ok(None) => {}
                Ok(Some(trouble)) => left.push(trouble),
                Err(trouble) => return self.watch_on(trouble, &seen),
            }
        }
        // Traffic is where it belongs, and nothing but what is denied is left to do.
        let is_vain = decision.phase == Phase::Live && left.len() == decision.actions.len();
        if is_vain
            && left.iter().all(is_lasting)
            && let Some(trouble) = left.pop()
        {
            return Err(trouble);
        }
        if !left.is_empty() {
            after = after.max(5);
        }
        Ok(Step::Again { after: Duration::from_secs(after) })
    }

    /// Whoever has users on a candidate goes on watching it, whatever is denied: a way back may be possible all the same.
    fn watch_on(&self, trouble: Trouble, seen: &Observation) -> Result<Step, Trouble> {
        let is_needed = users_are_on_a_candidate(seen) || users_are_on_their_way_back(seen);
        if !is_lasting(&trouble) || !is_needed {
            return Err(trouble);
        }
        self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
        Ok(Step::Again { after: Duration::from_secs(5) })
    }

    fn now(&self) -> crate::model::Timestamp {
        self.ports.adapter.now()
    }

    fn name(&self) -> String {
        self.rollout.blue_green.name.clone()
    }

    fn tell(&self, event: Event) {
        self.ports.watcher.event(event);
    }

    /// Tells what changed since the last decision.
    fn announce(&mut self, decision: &Decision) {
        let terms = self.rollout.terms();
        if self.phase != Some(decision.phase) {
            self.phase = Some(decision.phase);
            self.trail.enter(decision.phase);
            self.tell(Event::Phase { workload: self.name(), phase: decision.phase });
        }
        self.waiting = decision.waiting_on.as_ref().map(|on| on.in_words(terms));
        let general = decision.waiting_on.as_ref().and_then(|on| on.in_general(terms));
        self.trail.wait(general.as_deref());
        if let (Some(on), Some(text)) = (decision.waiting_on.clone(), self.waiting.clone()) {
            self.tell(Event::Waiting { workload: self.name(), on, text, general });
        }
    }
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Whole,
    /// As long as requests are on a candidate or on their way back.
    Begun {
        is_known: bool,
    },
}

enum Step {
    Ended(Outcome),
    OutOfScope,
    Again { after: Duration },
}

/// True for what trying again does not help, but for a lost lock.
fn is_lasting(trouble: &Trouble) -> bool {
    matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Missing)
}

/// How the wanted revision failed, by the note on it.
fn failure(want: &Desired, seen: &Observation) -> Option<Outcome> {
    let noted = Slot::BOTH.into_iter().filter_map(|slot| seen.slots.get(slot).record.as_ref());
    noted.filter(|record| record.revision == want.revision).find_map(|record| match &record.progress {
        Progress::Failed(reason) => Some(Outcome::Failed { reason: reason.clone() }),
        _ => None,
    })
}

/// True for a way back from a version that failed, or is asked to be taken back: it is no worse to go by what was known.
fn is_urgent(decision: &Decision, want: &Desired, seen: &Observation, now: Timestamp) -> bool {
    let left = seen.current_record().and_then(|(slot, record)| match record.progress {
        Progress::Returning { .. } => record.from,
        _ => Some(slot),
    });
    let fails = |slot: Slot| has_weight(seen, slot) && is_failing(want, seen, now, slot);
    let is_failure = |action: &Action| match action {
        Action::WriteRecord { record, .. } => matches!(record.progress, Progress::Failed(_)),
        _ => false,
    };
    decision.phase == Phase::RollingBack
        && (left.is_some_and(fails) || decision.actions.iter().any(is_failure))
}

/// True if requests are on a candidate, or on their way back from one.
pub(super) fn is_begun(decision: &Decision, seen: &Observation) -> bool {
    decision.phase == Phase::RollingBack || users_are_on_a_candidate(seen)
}

/// True if a version that may have to be taken back has weight.
fn users_are_on_a_candidate(seen: &Observation) -> bool {
    seen.current_record().is_some_and(|(slot, record)| {
        let is_watched = record.progress.is_under_way() || matches!(record.progress, Progress::Baking(_));
        is_watched && has_weight(seen, slot) && record.from.is_some()
    })
}

/// True if requests are noted to be on their way back, and are not all there.
fn users_are_on_their_way_back(seen: &Observation) -> bool {
    seen.current_record().is_some_and(|(slot, record)| {
        matches!(record.progress, Progress::Returning { .. }) && has_weight(seen, slot.other())
    })
}

fn has_weight(seen: &Observation, slot: Slot) -> bool {
    seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0)
}

/// The production rules, then the test rule.
fn rules_of(seen: &Observation) -> Vec<RuleObservation> {
    seen.rules.iter().chain(&seen.test_rule).cloned().collect()
}

/// 1, 2, 4 … 30 seconds.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(30).clamp(1, 30))
}
