//! The lock on an API server made of one Lease, whose clock is the test's.

use super::held::{Held, Place, Refused};
use crate::engine::TroubleKind;
use crate::kubernetes::fake::{Answer, Asked, cluster, ok, refusal};
use crate::platform::Owner;
use crate::platform::lock_waits::LockWaits;
use crate::platform::owner::tests::Seat;
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The one Lease of a cluster, with a resourceVersion that every write raises.
#[derive(Default)]
struct Store {
    lease: Option<Value>,
    version: u64,
    /// Writes that happen without an answer; requests that are not even carried out.
    lost_answers: u32,
    broken: bool,
    writes: u32,
}

impl Store {
    fn answer(&mut self, asked: Asked) -> Answer {
        if self.broken {
            return None;
        }
        if asked.method == "GET" {
            let missing =
                json!({"kind": "Status", "reason": "NotFound", "details": {"name": "cutover-shop"}});
            return self.lease.clone().map_or(Some((404, vec![], missing)), ok);
        }
        let current = self.lease.as_ref().map(|lease| &lease["metadata"]["resourceVersion"]);
        let is_free = match asked.method.as_str() {
            "POST" => current.is_none(),
            _ => current == Some(&asked.body["metadata"]["resourceVersion"]),
        };
        if !is_free {
            return refusal(409, "Conflict");
        }
        self.writes += 1;
        self.version += 1;
        let mut lease = asked.body;
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.lease = Some(lease.clone());
        if self.lost_answers > 0 {
            self.lost_answers -= 1;
            return None;
        }
        ok(lease)
    }
}

struct World(Arc<Mutex<Store>>);

impl World {
    fn new() -> World {
        World(Arc::default())
    }

    fn place(&self) -> Place {
        let store = Arc::clone(&self.0);
        let cluster =
            cluster(move |asked| std::future::ready(store.lock().expect("the store").answer(asked)).boxed());
        Place { cluster, namespace: "prod".into(), application: "shop".into() }
    }

    async fn acquire(&self, owner: &str) -> Result<Held, String> {
        self.acquire_as(Owner::new(owner, 1)).await
    }

    async fn acquire_as(&self, owner: Owner) -> Result<Held, String> {
        Held::acquire(self.place(), owner, None, |_, _| {}).await.map_err(|refused| match refused {
            Refused::Held(by) => format!("held by {by}"),
            Refused::Awaited(by, left) => format!("awaited: {by} for {left:?}"),
            Refused::Trouble(trouble) => trouble.to_string(),
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.0.lock().expect("the store"))
    }

    fn holder(&self) -> String {
        self.with(|store| {
            let lease = store.lease.as_ref().expect("a Lease");
            lease["spec"]["holderIdentity"]
                .as_str()
                .expect("text")
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_runs_lock_is_taken_over_after_its_time_and_not_before() {
    let world = World::new();
    let dead = world.acquire("dead").await.expect("free");
    let begun = Instant::now();
    let heir = world.acquire("heir").await.expect("taken over");
    assert!(begun.elapsed() >= super::TTL, "{:?}", begun.elapsed());
    assert_eq!(world.holder(), "heir");
    let lost = dead.check().await.expect_err("lost");
    assert_eq!(lost.kind, TroubleKind::Rejected);
    assert!(lost.message.contains("another run on heir"), "{lost}");
    dead.release().await.expect("nothing to release");
    assert_eq!(world.holder(), "heir", "a release hit the new holder");
    assert_eq!(heir.check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_shows_itself_keeps_its_lock() {
    let world = World::new();
    let alive = Arc::new(world.acquire("alive").await.expect("free"));
    let keeper = Arc::clone(&alive);
    let keeping = tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(5)).await;
            keeper.check().await.expect("held");
        }
    });
    let refused = world.acquire("other").await.err().expect("held by another run");
    assert!(refused.contains("held by alive/1/"), "{refused}");
    keeping.abort();
    assert_eq!(alive.check().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_released_lock_is_free_at_once() {
    let world = World::new();
    world.acquire("one").await.expect("free").release().await.expect("released");
    let begun = Instant::now();
    world.acquire("other").await.expect("free");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn freeing_is_tried_until_the_lock_is_free_or_has_expired() {
    let world = World::new();
    let held = world.acquire("one").await.expect("free");
    world.with(|store| store.lost_answers = 1);
    held.release().await.expect("released, though its answer was lost");
    assert_eq!(world.holder(), "");
    let held = world.acquire("one").await.expect("free");
    world.with(|store| store.broken = true);
    let mends = async {
        sleep(Duration::from_secs(10)).await;
        world.with(|store| store.broken = false);
    };
    let (released, ()) = tokio::join!(held.release(), mends);
    released.expect("released once the server answers");
    assert_eq!(world.holder(), "");
    let held = world.acquire("one").await.expect("free");
    world.with(|store| store.broken = true);
    let begun = Instant::now();
    assert_eq!(held.release().await.expect_err("never").kind, TroubleKind::Transient);
    let took = begun.elapsed();
    assert!(took <= super::TTL + Duration::from_secs(30) && took > super::TTL / 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_who_has_the_lock_and_how_long_at_most() {
    let world = World::new();
    let _dead = world.acquire("dead").await.expect("free");
    let waits = LockWaits::new("shop");
    let tell = |holder: &str, at_most| waits.begin(holder, at_most);
    Held::acquire(world.place(), Owner::new("heir", 1), None, tell).await.ok().expect("taken over");
    assert_eq!(
        waits.next().await,
        "the lock of application shop, which another run on dead (process 1) has: 60 s at most, after which a dead run's \
         lock is taken over; a run that is alive shows itself before"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_counts_when_it_is_seen() {
    let world = World::new();
    world.with(|store| store.lost_answers = 1);
    let held = world.acquire("one").await.expect("ours");
    sleep(super::RENEW_AFTER).await;
    world.with(|store| store.lost_answers = 1);
    let _ = held.check().await;
    assert_eq!(held.check().await, Ok(()), "our own renewal was taken for a stranger's");
    assert_eq!(world.holder(), "one");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_before_others_may_take_it() {
    let world = World::new();
    let held = world.acquire("one").await.expect("free");
    world.with(|store| store.broken = true);
    sleep(super::RENEW_AFTER + Duration::from_secs(1)).await;
    assert_eq!(held.check().await, Ok(()), "nobody can have it yet");
    sleep(super::SURE_UNTIL - super::RENEW_AFTER).await;
    assert_eq!(held.check().await.expect_err("too old").kind, TroubleKind::Transient);
    world.with(|store| store.broken = false);
    assert_eq!(held.check().await, Ok(()), "nobody took it, and the compare-and-set proves that");
}

#[tokio::test(start_paused = true)]
async fn of_many_runs_at_once_one_has_the_lock_at_any_time() {
    let world = World::new();
    let runs = (0..8).map(|number| world.acquire(Box::leak(format!("run{number}").into_boxed_str())));
    let (mut held, mut refused) = (vec![], 0);
    for run in futures_util::future::join_all(runs).await {
        match run {
            Ok(run) => held.push(run),
            Err(_) => refused += 1,
        }
    }
    // Nobody renews here, so a second one may follow the first after its time, and so on.
    let valid = futures_util::future::join_all(held.iter().map(Held::check)).await;
    assert_eq!(valid.iter().filter(|valid| valid.is_ok()).count(), 1, "{refused} were refused");
}

#[tokio::test(start_paused = true)]
async fn the_next_on_a_dead_runs_seat_takes_its_lock_over_at_once_and_anybody_else_waits() {
    let world = World::new();
    let seat = Seat::new("seat-a");
    let dead = world.acquire_as(Owner::new("dead", 1).with_fence(Some(seat.clone()))).await.expect("free");
    // Another one has the seat now, so the fence of the dead one does not pass any more.
    seat.close();
    assert_eq!(dead.check().await.expect_err("fenced off").message, "it is closed");
    let begun = Instant::now();
    let heir =
        world.acquire_as(Owner::new("heir", 1).with_fence(Some(Seat::new("seat-a")))).await.expect("ours");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((world.holder().as_str(), heir.check().await), ("heir", Ok(())));
    dead.release().await.expect("nothing to release");
    assert_eq!(world.holder(), "heir", "a late release hit the new holder");
    for other in [Owner::new("stranger", 1), Owner::new("neighbour", 1).with_fence(Some(Seat::new("seat-b")))]
    {
        let begun = Instant::now();
        world.acquire_as(other).await.expect("taken over in the end");
        assert!(begun.elapsed() >= super::TTL, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn whose_fence_is_closed_takes_no_lock() {
    let world = World::new();
    let seat = Seat::new("seat-a");
    seat.close();
    let refused = world.acquire_as(Owner::new("late", 1).with_fence(Some(seat))).await.err();
    assert_eq!(refused.as_deref(), Some("keeping the seat: it is closed"));
    assert_eq!(world.with(|store| store.writes), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_runs_lock_is_not_waited_for_beyond_the_time_given() {
    let world = World::new();
    let _dead = world.acquire("dead").await.expect("free");
    let begun = Instant::now();
    let until = Some(begun + Duration::from_secs(20));
    let refused = Held::acquire(world.place(), Owner::new("heir", 1), until, |_, _| {}).await;
    let Err(Refused::Awaited(by, left)) = refused else { panic!("it is not free before a minute is over") };
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
    let told = LockWaits::new("shop").awaited(&by, left);
    assert_eq!(told.kind, TroubleKind::LockAwaited);
    assert_eq!(
        told.message,
        "the lock of application shop, which another run on dead (process 1) has: 40 s more at most, after which a dead \
         run's lock is taken over"
    );
}
