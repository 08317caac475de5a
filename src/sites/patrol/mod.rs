//! Looks at what all applications of one region have on ECS and at their listener rules, again and again, in as few
//! calls as possible: AWS tells nobody that something has changed.

mod round;

use super::looked::Looked;
use crate::aws::Aws;
use crate::model::{AppKey, Seconds};
use crate::traffic::alb::Alb;
use round::{Round, looks};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Rounds are no closer together, whatever an application says.
const SHORTEST: Seconds = 30;
/// How often it is asked whether a round is due.
const TICK: Duration = Duration::from_secs(5);
/// Calls of a round are spread over half of the time, at most so far apart: what rollouts ask for goes in between.
const FARTHEST: Duration = Duration::from_secs(1);

/// The rounds through one region. They end with this value.
pub(super) struct Patrol {
    inner: Arc<Inner>,
    task: AbortHandle,
}

struct Inner {
    aws: Aws,
    alb: Alb,
    beats: Mutex<Beats>,
    changed: mpsc::UnboundedSender<AppKey>,
}

#[derive(Default)]
struct Beats {
    by_key: BTreeMap<AppKey, Beat>,
    tickets: u64,
}

/// One application.
struct Beat {
    ticket: u64,
    cluster: String,
    interval: Seconds,
    looked: Looked,
    /// While it is synced it looks at itself; what was read before a sync ended is old.
    is_busy: bool,
    syncs: u64,
}

/// An application is looked at as long as this is kept, and after it was synced once.
pub(super) struct OnBeat {
    inner: Arc<Inner>,
    key: AppKey,
    ticket: u64,
    /// Keeps the rounds going.
    _patrol: Arc<Patrol>,
}

/// A sync under way.
pub(super) struct Busy<'a>(&'a OnBeat);

/// One patrol for each region; it ends when no application uses it any more.
pub(super) struct Patrols {
    by_region: Mutex<BTreeMap<String, Weak<Patrol>>>,
    changed: mpsc::UnboundedSender<AppKey>,
}

impl Patrols {
    /// `changed` is told of applications of which something changed.
    pub fn new(changed: mpsc::UnboundedSender<AppKey>) -> Patrols {
        Patrols { by_region: Mutex::default(), changed }
    }

    /// The one of the region that these clients are for.
    pub fn of(&self, aws: &Aws) -> Arc<Patrol> {
        let mut by_region = self.by_region.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(patrol) = by_region.get(aws.region()).and_then(Weak::upgrade) {
            return patrol;
        }
        let patrol = Arc::new(Patrol::new(aws.without_guard(), self.changed.clone()));
        by_region.insert(aws.region().to_owned(), Arc::downgrade(&patrol));
        patrol
    }
}

impl Patrol {
    /// Through these clients; `changed` is told of applications of which something changed. Needs a tokio runtime.
    fn new(aws: Aws, changed: mpsc::UnboundedSender<AppKey>) -> Patrol {
        let alb = Alb::new(aws.clone());
        let inner = Arc::new(Inner { aws, alb, beats: Mutex::default(), changed });
        let task = tokio::spawn(Arc::clone(&inner).walk()).abort_handle();
        Patrol { inner, task }
    }

    /// Takes an application on; one of the same name is replaced. `cluster` is where its services are, if it has any.
    pub fn follow(self: &Arc<Self>, key: &AppKey, cluster: &str, interval: Seconds) -> OnBeat {
        let mut beats = self.inner.beats();
        beats.tickets += 1;
        let ticket = beats.tickets;
        let looked = Looked::default();
        let cluster = cluster.to_owned();
        beats
            .by_key
            .insert(key.clone(), Beat { ticket, cluster, interval, looked, is_busy: false, syncs: 0 });
        let inner = Arc::clone(&self.inner);
        OnBeat { inner, key: key.clone(), ticket, _patrol: Arc::clone(self) }
    }
}

impl Drop for Patrol {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl OnBeat {
    /// A sync begins: until its end the application is left out.
    pub fn begin(&self) -> Busy<'_> {
        self.with(|beat| beat.is_busy = true);
        Busy(self)
    }

    fn with(&self, change: impl FnOnce(&mut Beat)) {
        let mut beats = self.inner.beats();
        if let Some(beat) = beats.by_key.get_mut(&self.key).filter(|beat| beat.ticket == self.ticket) {
            change(beat);
        }
    }
}

impl Drop for OnBeat {
    fn drop(&mut self) {
        let mut beats = self.inner.beats();
        if beats.by_key.get(&self.key).is_some_and(|beat| beat.ticket == self.ticket) {
            beats.by_key.remove(&self.key);
        }
    }
}

impl Busy<'_> {
    /// How the sync last saw everything: what is different at the next round has changed since.
    pub fn saw(&self, looked: Looked) {
        self.0.with(|beat| beat.looked = looked);
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.with(|beat| {
            beat.is_busy = false;
            beat.syncs += 1;
        });
    }
}

impl Inner {
    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn walk(self: Arc<Self>) {
        // Up to a tenth more or less, so that several controllers do not walk in step.
        let draw = || 900 + u32::try_from(RandomState::new().hash_one(0) % 201).unwrap_or(100);
        let (mut last, mut spread) = (Instant::now(), draw());
        loop {
            self.pause(TICK).await;
            let every = Duration::from_secs(self.interval());
            if last.elapsed() * self.aws.clock().scale().max(1) >= every * spread / 1_000 {
                (last, spread) = (Instant::now(), draw());
                self.round(every).await;
            }
        }
    }

    fn interval(&self) -> Seconds {
        self.beats().by_key.values().map(|beat| beat.interval).min().unwrap_or(SHORTEST).max(SHORTEST)
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration / self.aws.clock().scale().max(1)).await;
    }

    /// Looks at everything once.
    async fn round(&self, every: Duration) {
        let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut rules: BTreeSet<String> = BTreeSet::new();
        let mut syncs: BTreeMap<AppKey, (u64, u64)> = BTreeMap::new();
        for (key, beat) in &self.beats().by_key {
            services.entry(beat.cluster.clone()).or_default().extend(beat.looked.services.keys().cloned());
            rules.extend(beat.looked.rules.keys().cloned());
            syncs.insert(key.clone(), (beat.ticket, beat.syncs));
        }
        let looks = looks(services, rules);
        let apart = every / 2 / u32::try_from(looks.len().max(1)).unwrap_or(u32::MAX);
        let mut round = Round::default();
        for look in looks {
            round.take(&self.aws, &self.alb, &look).await;
            self.pause(apart.min(FARTHEST)).await;
        }
        self.compare(&round, &syncs);
    }

    fn compare(&self, round: &Round, syncs: &BTreeMap<AppKey, (u64, u64)>) {
        for (key, beat) in &mut self.beats().by_key {
            if beat.is_busy || syncs.get(key) != Some(&(beat.ticket, beat.syncs)) {
                continue;
            }
            let cluster = &beat.cluster;
            let services = beat.looked.services.iter_mut();
            let services = services.filter_map(|(name, mark)| {
                Some((mark, round.services.get(&(cluster.clone(), name.clone()))?))
            });
            let rules = beat.looked.rules.iter_mut();
            let rules = rules.filter_map(|(arn, mark)| Some((mark, round.rules.get(arn)?)));
            let mut has_changed = false;
            for (mark, now) in services.chain(rules) {
                has_changed |= *mark != *now;
                *mark = *now;
            }
            if has_changed {
                // Nobody listens any more at the end of the process.
                let _ = self.changed.send(key.clone());
            }
        }
    }
}
