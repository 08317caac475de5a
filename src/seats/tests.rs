//! The seats on an API server that is one function, on tokio's paused clock.

use super::desk::{Act, Closed, Desk, Seen, Step};
use super::moment::Moment;
use super::*;
use crate::controller::Seats;
use crate::engine::TroubleKind;
use crate::kubernetes::fake::{Answer, Asked, cluster, ok, refusal};
use crate::model::{AppKey, Timestamp};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep};

/// The Leases of a namespace.
#[derive(Default)]
struct Store {
    leases: BTreeMap<String, Value>,
    version: u64,
    /// Nobody gets an answer.
    is_away: bool,
}

impl Store {
    fn answer(&mut self, asked: &Asked) -> Answer {
        if self.is_away {
            return None;
        }
        let path = asked.path.split('?').next().unwrap_or_default();
        let name = path.split("/leases/").nth(1).map(ToOwned::to_owned);
        let wanted = asked
            .body
            .pointer("/metadata/resourceVersion")
            .or(asked.body.pointer("/preconditions/resourceVersion"));
        match (asked.method.as_str(), name) {
            ("GET", None) => ok(json!({"items": self.leases.values().collect::<Vec<_>>(), "metadata": {}})),
            ("DELETE", Some(name)) => {
                if self.leases.get(&name).map(|lease| &lease["metadata"]["resourceVersion"]) != wanted {
                    return refusal(409, "Conflict");
                }
                self.leases.remove(&name);
                ok(json!({}))
            }
            (_, name) => {
                let name = name
                    .unwrap_or_else(|| asked.body["metadata"]["name"].as_str().expect("a name").to_owned());
                let before = self.leases.get(&name);
                if before.map(|lease| &lease["metadata"]["resourceVersion"]) != wanted {
                    return refusal(409, "Conflict");
                }
                let uid = before
                    .map_or(json!(format!("uid-{}", self.version)), |lease| lease["metadata"]["uid"].clone());
                self.version += 1;
                let mut lease = asked.body.clone();
                lease["metadata"]["resourceVersion"] = self.version.to_string().into();
                lease["metadata"]["uid"] = uid;
                self.leases.insert(name, lease.clone());
                ok(lease)
            }
        }
    }
}

#[derive(Clone, Default)]
struct World(Arc<Mutex<Store>>);

impl World {
    fn replica(&self, host: &str, count: u32) -> LeasedSeats {
        let store = Arc::clone(&self.0);
        let cluster =
            cluster(move |asked| std::future::ready(store.lock().expect("the store").answer(&asked)).boxed());
        LeasedSeats::keep(cluster, "cutover", host, count)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().expect("the store"))
    }

    /// Names of the Leases, with the host that has each.
    fn leases(&self) -> Vec<(String, String)> {
        let host = |lease: &Value| {
            let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
            holder.split('_').next().unwrap_or_default().to_owned()
        };
        let kind = |name: &str| name.split("replica").next().unwrap_or_default().to_owned();
        self.with(|store| store.leases.iter().map(|(name, lease)| (kind(name), host(lease))).collect())
    }
}

fn shop() -> AppKey {
    AppKey { namespace: "team".into(), name: "shop".into() }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(300), "never: {what}");
        sleep(Duration::from_millis(100)).await;
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_replica_has_the_only_seat_and_a_graceful_end_frees_it_for_the_next_at_once() {
    let world = World::default();
    let one = world.replica("one", 1);
    until("a first leader", || one.holds(&shop())).await;
    let other = world.replica("other", 1);
    let fence = one.fence(&shop());
    assert_eq!(fence.check().await, Ok(()));
    assert_eq!(fence.seat().as_deref(), Some("uid-1"));
    sleep(LEASE * 2).await;
    assert!(one.holds(&shop()) && !other.holds(&shop()), "a leader that lives was replaced");
    assert_eq!(other.fence(&shop()).check().await.map_err(|t| t.kind), Err(TroubleKind::Rejected));
    let changes = one.changes();
    drop(fence);
    one.leave().await;
    assert!(!one.holds(&shop()) && changes.has_changed().expect("a sender"));
    let took = until("a second leader", || other.holds(&shop())).await;
    assert!(took <= BEAT + Duration::from_millis(200), "{took:?}");
    let name = |name: &str, host: &str| (name.to_owned(), host.to_owned());
    assert_eq!(world.leases(), [name("cutover.", "other"), name("cutover.seat-0", "other")]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_replicas_seat_is_taken_over_after_its_lease_and_its_fence_has_closed_long_before() {
    let world = World::default();
    let dead = world.replica("dead", 1);
    until("a first leader", || dead.holds(&shop())).await;
    let heir = world.replica("heir", 1);
    sleep(BEAT * 3).await;
    let fence = dead.fence(&shop());
    dead.stand_still();
    let begun = Instant::now();
    sleep(SURE_FOR).await;
    assert!(dead.holds(&shop()), "nobody else can have it yet");
    let trouble = fence.check().await.expect_err("too old");
    assert_eq!(trouble.kind, TroubleKind::Transient);
    assert!(trouble.message.contains("nothing is written"), "{trouble}");
    until("an heir", || heir.holds(&shop())).await;
    let took = begun.elapsed();
    assert!(took + BEAT * 2 >= LEASE && took <= LEASE + BEAT * 2, "{took:?}");
    assert_eq!(heir.fence(&shop()).check().await, Ok(()));
    assert_eq!(heir.fence(&shop()).seat(), fence.seat(), "it is not the same seat");
    assert!(fence.check().await.is_err() && !dead.holds(&shop()), "two work for it");
}

#[tokio::test(start_paused = true)]
async fn who_loses_sight_of_the_leases_stops_and_goes_on_if_nobody_took_them() {
    let world = World::default();
    let one = world.replica("one", 3);
    until("all seats", || one.held().len() == 3).await;
    let fence = one.fence(&shop());
    world.with(|store| store.is_away = true);
    sleep(SURE_FOR + BEAT).await;
    assert!(one.holds(&shop()), "it is not lost yet");
    assert_eq!(fence.check().await.map_err(|t| t.kind), Err(TroubleKind::Transient));
    world.with(|store| store.is_away = false);
    until("a renewal", || fence.check().now_or_never() == Some(Ok(()))).await;
    world.with(|store| store.is_away = true);
    until("it is given up", || !one.holds(&shop())).await;
    assert_eq!(fence.check().await.map_err(|t| t.kind), Err(TroubleKind::Rejected));
    world.with(|store| store.is_away = false);
    until("it is back", || one.holds(&shop())).await;
    assert_eq!(
        fence.check().await.map_err(|t| t.kind),
        Err(TroubleKind::Rejected),
        "an old fence passes again"
    );
    assert_eq!(one.fence(&shop()).check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_seat_moves_to_a_new_replica_only_when_nobody_works_from_it_any_more() {
    let world = World::default();
    let old = world.replica("old", 2);
    until("all seats", || old.held().len() == 2).await;
    let keys: Vec<AppKey> =
        (0..20).map(|n| AppKey { namespace: "team".into(), name: format!("app-{n}") }).collect();
    let fences: Vec<_> = keys.iter().map(|key| old.fence(key)).collect();
    let new = world.replica("new", 2);
    until("one is to be given up", || old.held().len() == 1).await;
    sleep(GIVE_UP_WITHIN / 2).await;
    assert!(new.held().is_empty(), "it was given up although somebody works from it");
    for fence in &fences {
        assert_eq!(fence.check().await, Ok(()), "who works from it may end what it has begun");
    }
    drop(fences);
    let took = until("it has moved", || new.held().len() == 1).await;
    assert!(took <= BEAT * 2 + Duration::from_secs(1), "{took:?}");
    for key in &keys {
        assert!(old.holds(key) != new.holds(key), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_let_go_of_a_fence_finds_it_closed_before_the_seat_is_freed() {
    let world = World::default();
    let old = world.replica("old", 1);
    until("a leader", || old.holds(&shop())).await;
    let fence = old.fence(&shop());
    let new = world.replica("new", 1);
    old.begin_to_leave();
    let begun = Instant::now();
    until("the fence closes", || fence.check().now_or_never() != Some(Ok(()))).await;
    let closed = begun.elapsed();
    until("another leader", || new.holds(&shop())).await;
    let freed = begun.elapsed();
    assert!(closed >= GIVE_UP_WITHIN && freed >= closed + WRITE_BOUND, "{closed:?} {freed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_dead_replicas_leave_behind_is_cleared_away() {
    let world = World::default();
    let dead = world.replica("dead", 1);
    until("a leader", || dead.holds(&shop())).await;
    drop(dead);
    let heir = world.replica("heir", 1);
    sleep(FORGET_REPLICA + BEAT * 3).await;
    assert!(heir.holds(&shop()));
    assert_eq!(world.leases().len(), 2, "{:?}", world.leases());
}

#[test]
fn a_wall_clock_that_is_set_closes_fences_and_frees_nothing_that_is_in_use() {
    let at = |seconds: u64, ahead: u64| Moment {
        monotonic: Duration::from_secs(seconds),
        wall: Timestamp(seconds + ahead),
    };
    let mine = [Seen {
        name: "cutover.seat-0".into(),
        seat: Some(0),
        holder: Some("me_1".into()),
        version: "1".into(),
    }];
    let acts = |steps: Vec<Step>| -> Vec<Act> {
        steps.into_iter().filter(|step| step.seat == Some(0)).map(|step| step.act).collect()
    };
    let (nobody, somebody) = (BTreeSet::new(), BTreeSet::from([0]));
    let begun = || {
        let mut desk = Desk::new("me_1".into(), 1);
        let step = desk.look(&[], &BTreeSet::new(), at(0, 0)).pop().expect("a step");
        desk.confirmed(&step, at(0, 0), "uid");
        assert_eq!(desk.check(0, 1, at(1, 0)), Ok(()));
        desk.leave();
        desk
    };
    let mut waits = begun();
    assert_eq!(acts(waits.look(&mine, &somebody, at(2, 0))), [Act::Hold]);
    assert_eq!(acts(waits.look(&mine, &somebody, at(4, 3_600))), [Act::Hold], "an hour has not passed");
    assert_eq!(waits.check(0, 1, at(4, 3_600)), Err(Closed::Lost));
    assert_eq!(acts(waits.look(&mine, &nobody, at(6, 3_600))), [Act::Free]);
    let mut lost = begun();
    lost.expire(at(2, 3_600));
    assert_eq!(lost.check(0, 1, at(2, 3_600)), Err(Closed::Lost));
    assert_eq!(acts(lost.look(&mine, &somebody, at(3, 3_600))), [], "a write may be under way");
    assert_eq!(acts(lost.look(&mine, &nobody, at(5, 3_600))), [Act::Free]);
}
