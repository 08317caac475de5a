//! The loop of one workload: observe → decide → act → observe again.

use super::events::{Event, Watcher};
use super::memory::{Memory, Stale};
use super::ports::{
    Gating, Guard, Registered, Rollout, SlotsReading, TimeSource, Traffic, Trouble, TroubleKind, Workloads,
};
use super::spans::failed;
use super::trail::Trail;
use crate::model::{BySlot, ClusterTraffic, Seconds, Slot, Timestamp, Weights};
use crate::rollout::{
    Action, Alarm, Decision, Desired, Hindrance, Hold, HttpAnswer, Observation, Outcome, Phase, Progress,
    Record, Remedy, RuleObservation, SlotObservation, Targets, Workload, decide, http_can_be_asked,
};
use futures_util::future::join;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tracing::Instrument;

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
    /// True if it was read while this run had the lease.
    read_alone: bool,
    phase: Option<Phase>,
    waiting: Option<String>,
    /// The rollout under way and the weights, as last read.
    last: Option<Last>,
    trail: Trail,
}

/// What a run leaves behind when it ends before the rollout does.
struct Last {
    slot: Slot,
    record: Record,
    /// For how long this run has watched it, in seconds.
    watched: Seconds,
    split: Vec<String>,
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
            read_alone: false,
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
    /// `None` if none are, or not any more. What can't be read before anything was read ends it.
    pub async fn carry_on(&mut self, timeout: Duration, stop: &StopSignal) -> Option<RunEnd> {
        self.go_on(timeout, stop, Scope::Begun).await
    }

    async fn go_on(&mut self, timeout: Duration, stop: &StopSignal, scope: Scope) -> Option<RunEnd> {
        let end = tokio::time::Instant::now() + timeout;
        let mut failures: u32 = 0;
        let mut has_seen = false;
        self.trail = Trail::begin();
        self.memory.watch();
        loop {
            let stage = self.trail.stage().clone();
            let pause = match self.step(stop, scope).instrument(stage).await {
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
                Err(trouble)
                    if trouble.kind == TroubleKind::Transient && (has_seen || scope == Scope::Whole) =>
                {
                    failures = failures.saturating_add(1);
                    self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
                    backoff(failures)
                }
                Err(Trouble { kind: TroubleKind::Crowded, message: text, .. }) => {
                    failures = failures.saturating_add(1);
                    self.waiting = Some(text.clone());
                    self.tell(Event::Settling { document: format!("BlueGreen/{}", self.name()), text });
                    backoff(failures)
                }
                Err(trouble) => return Some(RunEnd::Trouble(trouble)),
            };
            let is_over = tokio::time::Instant::now() + pause >= end;
            if !stop.is_set() && !is_over {
                tokio::select! {
                    () = self.ports.adapter.pause(pause) => continue,
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
        let Some(mut seen) = self.observe(&want).await? else {
            return Ok(Step::Again { after: Duration::from_secs(1) });
        };
        if seen.changed_by_others.is_some() {
            // A run that had nothing to write so far may have seen another one at work: only the lock tells. If that one
            // has ended by now, what is there is compared with its notes instead.
            self.ports.adapter.check_lease().await?;
        }
        if let Some((slot, record)) = self.memory.unsaved_record(&seen, self.now()) {
            self.act(&Action::WriteRecord { slot, record }, &[], Care::AsFarAsPossible).await?;
        }
        let mut decision = decide(&want, &seen, self.now());
        while let Some(slot) = decision.asks_to_touch(&seen) {
            seen.slots.get_mut(slot).hold = hold(self.ports.adapter, self.rollout, &seen, slot).await?;
            decision = decide(&want, &seen, self.now());
        }
        if let Some(Outcome::Blocked { remedies, .. }) = decision.outcome()
            && remedies.iter().any(|remedy| matches!(remedy, Remedy::SetRule { .. }))
        {
            // Without the lock what was read may be another run's work, half done: nobody is blamed for that.
            self.ports.adapter.check_lease().await?;
        }
        let is_over = scope == Scope::Begun && !is_begun(&decision, &seen);
        // What begins in its turn is told then.
        if !is_over || decision.outcome().is_some() {
            self.announce(&decision);
        }
        if is_over {
            return Ok(Step::OutOfScope);
        }
        if let Some(outcome) = decision.outcome() {
            return Ok(Step::Ended(outcome));
        }
        let care = match decision.phase {
            // A way back must not wait for a note.
            Phase::RollingBack => Care::AsFarAsPossible,
            _ => Care::Exactly,
        };
        let mut after = decision.check_after.unwrap_or(5);
        for action in &decision.actions {
            if stop.is_set() {
                break;
            }
            let span = self.trail.write(&action.in_words(self.rollout.terms()));
            let rules = rules_of(&seen);
            let done = self.act(action, &rules, care).instrument(span.clone()).await;
            if let Some(trouble) =
                done.as_ref().err().filter(|trouble| trouble.kind != TroubleKind::LookAgain)
            {
                failed(&span, trouble);
            }
            match done {
                Ok(true) => {}
                Ok(false) => after = after.max(5),
                // Whoever has users on a candidate goes on watching it: a way back may be possible all the same.
                Err(trouble) if is_lasting(&trouble) && users_are_on_a_candidate(&seen) => {
                    self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
                    return Ok(Step::Again { after: Duration::from_secs(5) });
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Step::Again { after: Duration::from_secs(after) })
    }

    /// What the documents want.
    ///
    /// # Errors
    /// Those of the adapter.
    pub async fn desired(&self) -> Result<Desired, Trouble> {
        let revision = self.ports.adapter.desired_revision(self.rollout).await?;
        Ok(desired(self.rollout, revision))
    }

    /// Reads everything once. `None` if an answer was older than our last write.
    ///
    /// # Errors
    /// A read that failed and without which there is no way back either; the others are named holes.
    pub async fn observe(&mut self, want: &Desired) -> Result<Option<Observation>, Trouble> {
        let adapter = self.ports.adapter;
        self.read_alone = adapter.is_held();
        let SlotsReading { mut slots, mut hindrances } = adapter.observe_slots(self.rollout).await?;
        self.registered = BySlot::from_fn(|slot| slots.get(slot).groups.clone());
        let traffic = adapter.observe_traffic(self.rollout, &self.registered).await?;
        if self.memory.check_rules(&traffic, self.now()) == Err(Stale) {
            return Ok(None);
        }
        hindrances.extend(traffic.hindrances);
        self.stickiness = traffic.stickiness;
        self.others = traffic.others;
        let is_production = |rule: &String| traffic.rules.iter().any(|read| read.id == *rule);
        let sticky = self.stickiness.iter().filter(|(rule, _)| is_production(rule));
        let sticky = sticky.map(|(_, seconds)| *seconds).max().unwrap_or(0);
        let members = |slot| self.members(slot, slots.get(slot), traffic.healthy.get(slot));
        let (blue, green) = join(members(Slot::Blue), members(Slot::Green)).await;
        for (slot, members) in [(Slot::Blue, blue), (Slot::Green, green)] {
            let (targets, healthy) = (traffic.targets.get(slot), traffic.healthy.get(slot));
            let has_weight = traffic.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
            let seen = slots.get_mut(slot);
            seen.unread.clone_from(traffic.unread.get(slot));
            count_targets(seen, targets, healthy, members);
            if seen.workload == Workload::Absent && has_weight && !targets.is_empty() {
                // That they are somebody else's is known without a name.
                match adapter.strangers(self.rollout, slot).await {
                    Ok(strangers) => seen.strangers = strangers,
                    Err(trouble) => seen.strangers_unread = Some(trouble.to_string()),
                }
            }
        }
        let mut seen = Observation {
            slots,
            rules: traffic.rules,
            test_rule: traffic.test_rule,
            alarms: vec![],
            http: vec![],
            changed_by_others: None,
            hindrances,
            gate_held_since: None,
            settle: traffic.settle,
            weights_since: None,
            ill_since: BTreeMap::new(),
            watched_since: None,
            sticky,
        };
        self.memory.recall_notes(&mut seen, self.now());
        if rollout_is_near(&seen) {
            // What can't be read closes the way forward. A return asks for none of it.
            match adapter.observe_obstacles(self.rollout, &self.registered).await {
                Ok(obstacles) => {
                    seen.hindrances.extend(obstacles.hindrances);
                    self.notices = obstacles.notices;
                }
                Err(trouble) if trouble.kind == TroubleKind::Transient && !may_return(&seen) => {
                    return Err(trouble);
                }
                Err(trouble) => {
                    let restore = Remedy::Restore { what: trouble.doing.clone() };
                    seen.hindrances.push(Hindrance::new(trouble.to_string(), vec![restore]));
                }
            }
        }
        let baking = seen.current_record().is_some_and(|(_, r)| matches!(r.progress, Progress::Baking(_)));
        let candidate = seen.candidate();
        let pointed = self.memory.test_rule_pointed_for(seen.test_rule.as_ref(), self.now());
        let alarms = async {
            match candidate.is_some() || baking {
                true => self.read_alarms(want).await,
                false => vec![],
            }
        };
        let http = async {
            let asked = candidate.filter(|slot| http_can_be_asked(want, &seen, *slot));
            let Some(slot) = asked else { return vec![] };
            // Until the load balancer follows the test rule, the old version would answer. A version that has weight was
            // asked before.
            let has_weight = seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
            let left = match pointed {
                Some(pointed) if !has_weight => traffic.test_settle.saturating_sub(pointed),
                _ => 0,
            };
            self.ask_http(want, left).await
        };
        // Side by side: neither waits for what the other one asks.
        let (alarms, http) = join(alarms, http).await;
        (seen.alarms, seen.http) = (alarms, http);
        self.memory.recall_times(want, &mut seen, &traffic.healthy, self.now());
        self.keep_last(&seen);
        self.ports.watcher.observed(&self.rollout.blue_green.name, &seen);
        Ok(Some(seen))
    }

    /// The gate's alarms; what can't be read is a named hole.
    async fn read_alarms(&self, want: &Desired) -> Vec<Alarm> {
        let names = &want.gates.alarms;
        match self.ports.adapter.read_alarms(names).await {
            Ok(alarms) => alarms,
            Err(trouble) => names.iter().map(|name| Alarm::unread(name, &trouble)).collect(),
        }
    }

    /// Asks the HTTP gate, unless the test rule takes another `left` seconds to reach the load balancer.
    async fn ask_http(&self, want: &Desired, left: Seconds) -> Vec<HttpAnswer> {
        let why = match left {
            0 => match self.ports.adapter.ask_http(self.rollout).await {
                Ok(answers) => return answers,
                Err(trouble) => trouble.to_string(),
            },
            _ => format!("the test rule takes another {left} s to reach the load balancer"),
        };
        want.gates.http.iter().map(|gate| HttpAnswer::unasked(gate, &why)).collect()
    }

    /// Those of a slot's healthy targets that are its own members. `None`: the load balancer's word is enough.
    async fn members(
        &self,
        slot: Slot,
        seen: &SlotObservation,
        healthy: &BTreeSet<String>,
    ) -> Result<Option<BTreeSet<String>>, Trouble> {
        match seen.addresses.clone() {
            Some(ready) => Ok(Some(ready)),
            None => self.ports.adapter.own_targets(self.rollout, slot, healthy).await,
        }
    }

    /// For how long clients stick to a target group, by rule, as last read.
    pub fn stickiness(&self) -> &BTreeMap<String, Seconds> {
        &self.stickiness
    }

    /// The shares of groups that are no slot's, by rule, as last read.
    pub fn others(&self) -> &BTreeMap<String, Vec<(String, u32)>> {
        &self.others
    }

    /// What could not be found out and stops nothing, as last read.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Makes one write, after the lease was checked. False if it could not be made and need not be.
    async fn act(&mut self, action: &Action, rules: &[RuleObservation], care: Care) -> Result<bool, Trouble> {
        let adapter = self.ports.adapter;
        adapter.check_lease().await?;
        if !self.read_alone {
            // One of several rollouts took the lease for all. What the others decided on may be older than that.
            return Err(Trouble {
                kind: TroubleKind::LookAgain,
                doing: format!("writing to BlueGreen/{}", self.name()),
                message: "it was observed before this run had the lock".into(),
            });
        }
        let done = match action {
            Action::NameGroup { .. } | Action::PointTestRule { .. } | Action::SetWeights { .. } => {
                self.write_rule(action, rules).await
            }
            _ => adapter.apply_workload(self.rollout, action).await.map(|()| true),
        };
        let now = self.now();
        if let Some(trouble) = done.as_ref().err().filter(|trouble| care.may_do_without(action, trouble)) {
            if let Action::WriteRecord { slot, record } = action {
                self.memory.record_noted(*slot, record.clone(), false, now);
                self.keep_record(*slot, record);
            }
            let text = format!("could not {}, going on: {trouble}", action.in_words(self.rollout.terms()));
            self.tell(Event::Trouble { workload: self.name(), text });
            return Ok(false);
        }
        if !done? {
            return Ok(true);
        }
        match action {
            Action::WriteRecord { slot, record } => {
                self.memory.record_noted(*slot, record.clone(), true, now);
                self.keep_record(*slot, record);
            }
            Action::CreateSlot { .. } => self.last = None,
            Action::SetWeights { rule, weights } => {
                if let (Some(last), Some(rule)) = (&mut self.last, rules.get(*rule)) {
                    last.split.retain(|known| !known.starts_with(&rule.id));
                    last.split.extend(in_two(&rule.id, *weights));
                }
            }
            _ => {}
        }
        let text = action.in_words(self.rollout.terms());
        self.tell(Event::Wrote { workload: self.name(), action: action.clone(), text });
        Ok(true)
    }

    /// Writes a rule if it is still as it was observed; false if it is not.
    async fn write_rule(&mut self, action: &Action, rules: &[RuleObservation]) -> Result<bool, Trouble> {
        let index = match action {
            Action::NameGroup { rule, .. } | Action::SetWeights { rule, .. } => Some(*rule),
            _ => None,
        };
        let observed = match index {
            Some(index) => rules.get(index),
            None => rules.last(),
        };
        let Some(observed) = observed else {
            return Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: action.to_string(),
                message: "the rule was not observed".into(),
            });
        };
        let written =
            self.ports.adapter.apply_traffic(self.rollout, &self.registered, observed, action).await;
        let now = self.now();
        match (&written, index) {
            (Ok(after), Some(index)) => self.memory.rule_written(index, after, now),
            (Err(trouble), Some(index)) if trouble.kind == TroubleKind::Transient => {
                let attempted = match action {
                    Action::SetWeights { weights, .. } => *weights,
                    _ => observed.split.weights(),
                };
                self.memory.rule_uncertain(index, attempted, now);
            }
            (Err(trouble), index) if trouble.kind == TroubleKind::ChangedByOthers => {
                // Right after our own write it may be the observation that was old, not the rule that is new. Where the
                // test rule points is asked again anyway.
                if index.is_some_and(|index| !self.memory.rule_in_motion(index, now)) {
                    self.memory.found_changed(&observed.id, trouble.to_string());
                }
                return Ok(false);
            }
            _ => {}
        }
        written.map(|_| true)
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

    /// Where the workload stands, and how requests are split if they go to both sides.
    fn describe(&self) -> String {
        let phase = self.phase.map_or_else(|| "nothing was decided yet".into(), |phase| phase.to_string());
        let mut state = match &self.waiting {
            Some(waiting) => format!("{phase}, waiting for {waiting}"),
            None => phase,
        };
        if let Some(last) = self.last.as_ref().filter(|last| !last.split.is_empty()) {
            state.push_str("; requests are split: ");
            state.push_str(&last.split.join(", "));
        }
        state
    }

    /// What is noted when this run ends goes on from the last note, and not from one that was read before it.
    fn keep_record(&mut self, slot: Slot, record: &Record) {
        match &mut self.last {
            Some(last) if last.slot == slot => last.record = record.clone(),
            last => *last = None,
        }
    }

    /// Keeps what is needed when this run ends before the rollout does.
    fn keep_last(&mut self, seen: &Observation) {
        let now = self.now();
        self.last = seen.current_record().map(|(slot, record)| {
            let split = seen.rules.iter().filter_map(|rule| in_two(&rule.id, rule.split.weights()));
            Last {
                slot,
                record: record.clone(),
                watched: seen.watched_since.map_or(0, |since| now.since(since.max(begun(record)))),
                split: split.collect(),
            }
        });
    }

    /// Adds to the record for how long this run has watched a candidate come up, or bake, so that its deadline and its bake
    /// are the sum of what all runs have watched. What can't be written is watched once more.
    async fn note_watched(&mut self) {
        let Some(Last { slot, record, watched, .. }) = &self.last else { return };
        let is_watched = matches!(record.progress, Progress::Rolling | Progress::Baking(_));
        if !is_watched || *watched < WORTH_A_NOTE {
            return;
        }
        let (slot, mut record) = (*slot, record.clone());
        record.intent.watched = record.intent.watched.saturating_add(*watched);
        if let Err(trouble) =
            self.act(&Action::WriteRecord { slot, record }, &[], Care::AsFarAsPossible).await
        {
            self.tell(Event::Trouble { workload: self.name(), text: trouble.to_string() });
        }
    }
}

/// Counts the slot's targets: where it is known who its members are, only those are healthy.
fn count_targets(
    seen: &mut SlotObservation,
    targets: &Targets,
    healthy: &BTreeSet<String>,
    members: Result<Option<BTreeSet<String>>, Trouble>,
) {
    let own = members.unwrap_or_else(|trouble| {
        // The load balancer's word is enough for a return, and for nothing else.
        seen.unread.get_or_insert_with(|| trouble.to_string());
        None
    });
    seen.targets = own.map_or(*targets, |own| targets.of_these(&own, healthy));
}

/// How a rule splits requests, if it gives some to both sides.
fn in_two(rule: &str, weights: Weights) -> Option<String> {
    (weights.blue > 0 && weights.green > 0).then(|| format!("{rule} has {weights}"))
}

/// When what is being watched began.
fn begun(record: &Record) -> Timestamp {
    match record.progress {
        Progress::Baking(since) => since,
        _ => record.started,
    }
}

/// Seconds of watching that a note is worth.
const WORTH_A_NOTE: Seconds = 10;

/// What becomes of a write that can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// Nothing that comes after it is done.
    Exactly,
    /// Notes, marks and counts are left out, and the rest is done.
    AsFarAsPossible,
}

impl Care {
    fn may_do_without(self, action: &Action, trouble: &Trouble) -> bool {
        let is_aside = match action {
            // The gate stays closed without it; what else is done does not depend on it.
            Action::PointTestRule { .. } => true,
            Action::WriteRecord { .. } | Action::AdoptSlot { .. } | Action::ScaleSlot { .. } => {
                self == Care::AsFarAsPossible
            }
            _ => false,
        };
        let is_of_the_lock = matches!(trouble.kind, TroubleKind::LookAgain | TroubleKind::Crowded);
        is_aside && !is_of_the_lock
    }
}

/// Asks whether requests may still reach the live service of a slot by a rule that the documents do not name. Its test
/// rule is no such rule.
///
/// # Errors
/// Any read that failed: then it may.
pub async fn hold<A: Traffic>(
    adapter: &A,
    rollout: &Rollout,
    seen: &Observation,
    slot: Slot,
) -> Result<Hold, Trouble> {
    let mut groups = seen.slots.get(slot).groups.clone();
    // Where it is going to be registered, somebody else's rule would send requests to it at once.
    groups.extend(Some(rollout.blue_green.target_group(slot).to_owned()).filter(|group| !group.is_empty()));
    if groups.is_empty() {
        return Ok(Hold::Free);
    }
    // The weights of the documents' own rules are known.
    let except: Vec<String> = seen.rules.iter().chain(&seen.test_rule).map(|rule| rule.id.clone()).collect();
    let behind = adapter.traffic_behind(&groups, &except).await?;
    Ok(behind.map_or(Hold::Free, Hold::Held))
}

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Whole,
    /// As long as requests are on a candidate or on their way back.
    Begun,
}

enum Step {
    Ended(Outcome),
    OutOfScope,
    Again { after: Duration },
}

/// A way to ask a run to stop at its next safe point.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(std::sync::Arc<(std::sync::atomic::AtomicBool, tokio::sync::Notify)>);

impl StopSignal {
    /// Asks to stop.
    pub fn set(&self) {
        self.0.0.store(true, std::sync::atomic::Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// True once asked.
    pub fn is_set(&self) -> bool {
        self.0.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Returns once asked.
    pub async fn wait(&self) {
        let asked = self.0.1.notified();
        if !self.is_set() {
            asked.await;
        }
    }
}

/// What `rollout`'s documents ask for, with the revision that the platform computed.
pub fn desired(rollout: &Rollout, revision: crate::model::RevisionId) -> Desired {
    let bg = &rollout.blue_green;
    Desired {
        revision,
        count: rollout.desired_count(),
        most: rollout.most_count(),
        steps: bg.steps.clone(),
        gates: bg.gates.clone(),
        bake_time: bg.bake_time,
        keep_previous: bg.keep_previous,
        deadline: bg.deadline,
        whole_only: matches!(bg.traffic, Some(ClusterTraffic::Service(_))),
        terms: rollout.terms(),
    }
}

/// True for what trying again does not help, but for a lost lock.
fn is_lasting(trouble: &Trouble) -> bool {
    matches!(trouble.kind, TroubleKind::Denied | TroubleKind::Missing)
}

/// True if requests are on a candidate, or on their way back from one.
pub(super) fn is_begun(decision: &Decision, seen: &Observation) -> bool {
    decision.phase == Phase::RollingBack || users_are_on_a_candidate(seen)
}

/// True if a version that may have to be taken back has weight.
fn users_are_on_a_candidate(seen: &Observation) -> bool {
    seen.current_record().is_some_and(|(slot, record)| {
        let is_watched = record.progress.is_under_way() || matches!(record.progress, Progress::Baking(_));
        let has_weight = seen.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
        is_watched && has_weight && record.from.is_some()
    })
}

/// True if the idle slot has what Git wants: traffic may be about to return to it.
fn may_return(seen: &Observation) -> bool {
    seen.unanimous_slot().is_some_and(|serving| seen.slots.get(serving.other()).is_desired())
}

/// True if nothing is wanted of the rules yet, and what serves is not what the documents want.
fn rollout_is_near(seen: &Observation) -> bool {
    match seen.unanimous_slot() {
        Some(serving) => !seen.slots.get(serving).is_desired(),
        None => seen.current_record().is_none(),
    }
}

/// The production rules, then the test rule.
fn rules_of(seen: &Observation) -> Vec<RuleObservation> {
    seen.rules.iter().chain(&seen.test_rule).cloned().collect()
}

/// 1, 2, 4 … 30 seconds.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1u64.checked_shl(failures.saturating_sub(1)).unwrap_or(30).clamp(1, 30))
}
