//! A world of one workload in memory: two slots, one or two rules, tasks that come up, fail or flap, and a check of the
//! invariants at every write and every second. It knows nothing of how the machine decides.

use super::platform::Platform;
use super::random::Random;
use super::state::{Faults, Kind, Rule, Service, State, Task};
use cutover::engine::{TimeSource, Trouble, TroubleKind};
use cutover::model::{BySlot, Seconds, Slot, Timestamp, Weights};
use cutover::rollout::{Action, Record, RuleSplit, Signals};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::task::Poll;
use std::time::Duration;

pub const START: u64 = 1_800_000_000;
pub const SETTLE: Seconds = 10;
/// How old an answer may be.
const STALE_FOR: Seconds = 5;

pub struct World {
    pub platform: Platform,
    pub state: RefCell<State>,
    history: RefCell<VecDeque<(u64, State)>>,
    pub kinds: Vec<Kind>,
    pub wanted: Cell<usize>,
    pub faults: Cell<Faults>,
    pub percent: u32,
    pub random: RefCell<Random>,
    pub violations: RefCell<Vec<String>>,
    pub log: RefCell<Vec<String>>,
    pub writes: Cell<u64>,
    pub tasks_started: Cell<u64>,
    numbers: Cell<u64>,
    pub weight_writes: Cell<u64>,
    /// Rules changed by a human and not yet put back.
    pub human: RefCell<BTreeSet<usize>>,
    /// Versions that failed and may not get weight again, until somebody retries.
    pub failed: RefCell<BTreeSet<usize>>,
    /// False as long as production is down for a reason that is not ours (first deploy, foreign edits).
    pub must_serve: Cell<bool>,
    /// Milliseconds since [`START`].
    clock: Cell<u64>,
    /// When the run that waits looks again, in milliseconds since [`START`].
    wake: Cell<u64>,
}

impl World {
    pub fn new(seed: u64, platform: Platform, kinds: Vec<Kind>, rules: usize, percent: u32) -> World {
        let split = match platform {
            Platform::Selector => RuleSplit::Both(Weights::percent(Slot::Blue, 100)),
            _ => RuleSplit::Only(Slot::Blue),
        };
        let rule = Rule { split, writes: 0, changed: START };
        World {
            platform,
            state: RefCell::new(State { slots: BySlot::default(), rules: vec![rule; rules] }),
            history: RefCell::default(),
            kinds,
            wanted: Cell::new(0),
            faults: Cell::default(),
            percent,
            random: RefCell::new(Random(seed)),
            violations: RefCell::default(),
            log: RefCell::default(),
            writes: Cell::new(0),
            tasks_started: Cell::new(0),
            numbers: Cell::new(0),
            weight_writes: Cell::new(0),
            human: RefCell::default(),
            failed: RefCell::default(),
            must_serve: Cell::new(false),
            clock: Cell::new(0),
            wake: Cell::new(0),
        }
    }

    pub fn time(&self) -> u64 {
        START + self.clock.get() / 1_000
    }

    pub fn clock_ms(&self) -> u64 {
        self.clock.get()
    }

    pub fn wake_ms(&self) -> u64 {
        self.wake.get()
    }

    /// Lets time pass. Nothing happens in between: tasks only come up, and that is computed when somebody looks.
    pub fn go_to_ms(&self, clock: u64) {
        assert!(clock >= self.clock.get(), "time runs backwards");
        self.clock.set(clock);
    }

    /// A service that has been running `version` for long, in `slot`.
    pub fn install(&self, slot: Slot, version: usize, count: u32, owned: bool, record: Option<Record>) {
        let task =
            |_| Task { number: self.next_number(), started: START - 1_000, ready_after: 0, down_until: 0 };
        let tasks = (0..count).map(task).collect();
        let service =
            Service { version, count, tasks, gone: vec![], record, signals: Signals::default(), owned };
        *self.state.borrow_mut().slots.get_mut(slot) = Some(service);
    }

    pub fn broken(&self, what: String) {
        self.violations.borrow_mut().push(format!("t={} {what}", self.time() - START));
    }

    pub fn note(&self, what: String) {
        self.log.borrow_mut().push(format!("t={} {what}", self.time() - START));
    }

    pub fn healthy(&self, slot: Slot) -> u32 {
        self.platform.healthy(&self.state.borrow(), slot, self.time(), &self.kinds).0
    }

    fn next_number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// No request may fail, none may reach a version that never passed a gate. Called after whatever changes the world;
    /// until the next change tasks only come up, so what holds then holds in each second up to it.
    pub fn check_traffic(&self) {
        let (now, state) = (self.time(), self.state.borrow());
        for rule in &state.rules {
            for slot in Slot::BOTH {
                if rule.split.weights().of(slot) == 0 || !self.must_serve.get() {
                    continue;
                }
                if self.platform.healthy(&state, slot, now, &self.kinds).1 == 0 {
                    self.broken(format!("requests to {slot} fail: no task runs"));
                }
                let kind = state.slots.get(slot).as_ref().map(|service| self.kinds[service.version]);
                if matches!(kind, Some(Kind::NeverHealthy | Kind::CrashLoop)) {
                    self.broken(format!("{slot} serves a version that can't pass its gate"));
                }
            }
        }
    }

    /// Keeps the state that is about to change, for reads that answer what was true a few seconds ago.
    pub fn remember(&self) {
        if self.faults.get().stale == 0 {
            return;
        }
        let mut history = self.history.borrow_mut();
        history.push_back((self.time(), self.state.borrow().clone()));
        while history.front().is_some_and(|(at, _)| self.time() - at > STALE_FOR) {
            history.pop_front();
        }
    }

    /// A run writes only after it has taken the lock and looked again, and taking it takes longer than answers are old: what
    /// a run before it has written is seen.
    pub fn settle(&self) {
        self.history.borrow_mut().clear();
    }

    fn chance(&self, percent: u64) -> bool {
        percent > 0 && self.random.borrow_mut().below(100) < percent
    }

    /// The state a read answers: now's, or one of a few seconds ago.
    pub fn read(&self, doing: &str) -> Result<State, Trouble> {
        if self.chance(self.faults.get().read_fails) {
            return Err(transient(doing));
        }
        if self.chance(self.faults.get().flap) {
            self.flap();
        }
        if self.chance(self.faults.get().stale) {
            let history = self.history.borrow();
            let recent: Vec<_> = history.iter().filter(|(at, _)| self.time() - at <= STALE_FOR).collect();
            if !recent.is_empty() {
                let pick = self.random.borrow_mut().below(recent.len() as u64);
                return Ok(recent[usize::try_from(pick).unwrap_or(0)].1.clone());
            }
        }
        Ok(self.state.borrow().clone())
    }

    fn flap(&self) {
        let now = self.time();
        let mut random = self.random.borrow_mut();
        let slot = if random.below(2) == 0 { Slot::Blue } else { Slot::Green };
        // Never a slot with weight: losing production targets is not something a deploy tool can prevent.
        if self.state.borrow().rules.iter().any(|rule| rule.split.weights().of(slot) > 0) {
            return;
        }
        if let Some(service) = self.state.borrow_mut().slots.get_mut(slot)
            && let Some(task) = service.tasks.first_mut()
        {
            task.down_until = now + 1 + random.below(20);
        }
    }

    /// Runs one write with its faults: it may fail before its effect, or its answer may be lost after it.
    pub fn write<T>(&self, doing: &str, effect: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.remember();
        let number = self.writes.get() + 1;
        self.writes.set(number);
        if self.chance(self.faults.get().write_fails) {
            return Err(transient(doing));
        }
        self.note(format!("write {number}: {doing}"));
        let done = effect()?;
        if self.chance(self.faults.get().answer_lost) {
            return Err(transient(doing));
        }
        Ok(done)
    }

    fn start_tasks(&self, service: &mut Service, count: u32) {
        while service.tasks.len() < count as usize {
            let ready_after = 2 + self.random.borrow_mut().below(20);
            let number = self.next_number();
            service.tasks.push(Task { number, started: self.time(), ready_after, down_until: 0 });
            self.tasks_started.set(self.tasks_started.get() + 1);
        }
        service.keep(count as usize, self.time());
        service.count = count;
    }

    /// Invariant 3: what has weight, or had it a moment ago, or is the way back of a bake, stays as it is.
    fn must_be_idle(&self, slot: Slot, doing: &str) {
        if self.faults.get().stale > 0 && !self.human.borrow().is_empty() {
            return; // what a human did a moment ago may not show in any answer yet
        }
        let state = self.state.borrow();
        for rule in &state.rules {
            if rule.split.weights().of(slot) > 0 {
                self.broken(format!("{doing}: {slot} has weight"));
            } else if self.time() - rule.changed < SETTLE && rule.writes > 0 {
                self.broken(format!("{doing}: {slot} lost its weight {}s ago", self.time() - rule.changed));
            }
        }
        let records =
            Slot::BOTH.map(|s| state.slots.get(s).as_ref().and_then(|service| service.record.clone()));
        let current = records.iter().flatten().max_by_key(|record| record.sequence);
        if current.is_some_and(|r| {
            matches!(r.progress, cutover::rollout::Progress::Baking(_)) && r.from == Some(slot)
        }) {
            self.broken(format!("{doing}: {slot} is the way back of a bake"));
        }
    }

    pub fn do_workload(&self, action: &Action) {
        let wanted = self.wanted.get();
        match action {
            Action::CreateSlot { slot, count, record } => {
                if self.state.borrow().slots.get(*slot).is_some() {
                    return; // the same client token: AWS answers with the service that is there
                }
                let mut service = Service {
                    version: wanted,
                    count: 0,
                    tasks: vec![],
                    gone: vec![],
                    record: Some(record.clone()),
                    signals: Signals::default(),
                    owned: true,
                };
                self.start_tasks(&mut service, *count);
                *self.state.borrow_mut().slots.get_mut(*slot) = Some(service);
            }
            Action::UpdateSlot { slot, count } => {
                self.must_be_idle(*slot, "update");
                let mut state = self.state.borrow_mut();
                let Some(service) = state.slots.get_mut(*slot) else { return };
                if service.version != wanted {
                    service.version = wanted;
                    service.keep(0, self.time());
                }
                self.start_tasks(service, *count);
            }
            Action::ScaleSlot { slot, count } => {
                let before = self.state.borrow().slots.get(*slot).as_ref().map_or(0, |service| service.count);
                if *count < before {
                    self.must_be_idle(*slot, "scale down");
                }
                if let Some(service) = self.state.borrow_mut().slots.get_mut(*slot) {
                    self.start_tasks(service, *count);
                }
            }
            Action::AdoptSlot { slot } => {
                if let Some(service) = self.state.borrow_mut().slots.get_mut(*slot) {
                    service.owned = true;
                }
            }
            Action::WriteRecord { slot, record } => {
                if let Some(service) = self.state.borrow_mut().slots.get_mut(*slot) {
                    let failed = matches!(record.progress, cutover::rollout::Progress::Failed(_));
                    // With nothing to go back to it goes on serving.
                    if failed && record.from.is_some() {
                        self.failed.borrow_mut().insert(service.version);
                    }
                    service.record = Some(record.clone());
                }
            }
            _ => self.broken(format!("not a workload action: {action:?}")),
        }
    }

    /// Invariants 1 and 2, asked of the world as it is and not as it was read.
    pub fn may_get_weight(&self, rule: usize, weights: Weights) {
        let before = self.state.borrow().rules[rule].split.weights();
        for slot in Slot::BOTH {
            if weights.of(slot) <= before.of(slot) {
                continue;
            }
            let (healthy, other) = (self.healthy(slot), self.healthy(slot.other()));
            let count = self.state.borrow().slots.get(slot).as_ref().map_or(0, |service| service.count);
            let asked = (count * self.percent).div_ceil(100).max(1);
            let stale = self.faults.get().stale > 0 || self.faults.get().flap > 0;
            if healthy < asked.min(other.max(1)) && !stale {
                self.broken(format!("{slot} gets weight with {healthy} of {asked} healthy"));
            }
            let version = self.state.borrow().slots.get(slot).as_ref().map(|service| service.version);
            if version.is_some_and(|version| self.failed.borrow().contains(&version)) {
                self.broken(format!("{slot} gets weight with a quarantined version"));
            }
        }
        let loses = Slot::BOTH.into_iter().find(|slot| weights.of(*slot) < before.of(*slot));
        // Nobody answers where there is no service, or one without tasks: taking the weight from there is no harm to whoever gave it.
        let is_gone = loses.is_some_and(|slot| {
            let state = self.state.borrow();
            state
                .slots
                .get(slot)
                .as_ref()
                .is_none_or(|service| service.count == 0 && service.tasks.is_empty())
        });
        // A return may have given any share so far, so what a human gives in the middle of it looks like its own.
        let returns = Slot::BOTH.into_iter().any(|slot| {
            let state = self.state.borrow();
            let record = state.slots.get(slot).as_ref().and_then(|service| service.record.as_ref());
            let is_return =
                |record: &Record| matches!(record.progress, cutover::rollout::Progress::Returning { .. });
            weights.all_to(slot) && record.is_some_and(is_return)
        });
        if is_gone || returns {
            // It is not as the human left it any more.
            self.human.borrow_mut().remove(&rule);
        }
        if self.human.borrow().contains(&rule) {
            self.broken(format!("rule {rule} is overwritten though a human changed it"));
        }
    }
}

impl TimeSource for World {
    fn now(&self) -> Timestamp {
        Timestamp(self.time())
    }

    async fn pause(&self, duration: Duration) {
        let pause = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1);
        let until = self.clock.get().saturating_add(pause);
        std::future::poll_fn(|_| {
            self.wake.set(until);
            if self.clock.get() >= until { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

pub fn transient(doing: &str) -> Trouble {
    Trouble { kind: TroubleKind::Transient, doing: doing.into(), message: "fault".into() }
}
