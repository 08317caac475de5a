//! The lock under every small schedule of two and three runs whose reads and writes take their time.

use super::*;
use crate::platform::owner::tests::Seat;
use std::sync::{Arc, Mutex as StdMutex};

/// A tag whose every operation takes as long as the schedule says, and takes effect even if its caller gave up.
#[derive(Clone)]
struct Slow {
    tag: Arc<StdMutex<Option<String>>>,
    /// Delays of this run's operations before they take effect; afterwards there are none.
    delays: Arc<StdMutex<std::vec::IntoIter<Duration>>>,
}

impl Slow {
    async fn operate<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&mut Option<String>) -> T + Send + 'static,
    ) -> T {
        let delay = self.delays.lock().unwrap().next().unwrap_or_default();
        let tag = Arc::clone(&self.tag);
        let operation = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            effect(&mut tag.lock().unwrap())
        });
        operation.await.unwrap()
    }
}

impl Register for Slow {
    async fn read(&self) -> Result<Option<String>, Trouble> {
        Ok(self.operate(|tag| tag.clone()).await)
    }

    async fn write(&self, value: &str) -> Result<(), Trouble> {
        let value = value.to_owned();
        self.operate(move |tag| *tag = Some(value)).await;
        Ok(())
    }

    async fn clear(&self) -> Result<(), Trouble> {
        self.operate(|tag| *tag = None).await;
        Ok(())
    }

    async fn make_room(&self, _has_lock: bool) {}

    fn place(&self) -> String {
        "the tag".into()
    }
}

/// What one run does: starts after a while, and once it has the lock makes writes with pauses between them.
struct Plan {
    start: Duration,
    delays: Vec<Duration>,
    writes: usize,
    pause: Duration,
    /// After the first write.
    freeze: Duration,
    seat: Option<&'static str>,
    /// From then on, counted from the beginning, its seat is another one's.
    loses_seat: Option<Duration>,
}

impl Plan {
    /// Starts after so many milliseconds and makes one write.
    fn at(start: u64) -> Plan {
        Plan {
            start: ms(start),
            delays: vec![],
            writes: 1,
            pause: ms(3_000),
            freeze: Duration::ZERO,
            seat: None,
            loses_seat: None,
        }
    }
}

struct Played {
    /// Which run made each protected write, in the order of time.
    writers: Vec<usize>,
    got: Vec<bool>,
    left: Option<String>,
    took: Duration,
}

fn play(first: Option<&str>, plans: &[Plan]) -> Played {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let tag = Arc::new(StdMutex::new(first.map(ToOwned::to_owned)));
        let writers = Arc::new(StdMutex::new(vec![]));
        let runs = plans.iter().enumerate().map(|(number, plan)| {
            let delays = Arc::new(StdMutex::new(plan.delays.clone().into_iter()));
            let register = Slow { tag: Arc::clone(&tag), delays };
            let writers = Arc::clone(&writers);
            async move {
                tokio::time::sleep(plan.start).await;
                let mut owner = Owner::with_number("host", 1, number as u64);
                if let Some(seat) = plan.seat {
                    let seat = Seat::new(seat);
                    owner = owner.with_fence(Some(seat.clone()));
                    if let Some(after) = plan.loses_seat {
                        tokio::spawn(async move {
                            tokio::time::sleep_until(begun + after).await;
                            seat.close();
                        });
                    }
                }
                let Ok(held) = Held::acquire(register, owner, None, |_, _| {}).await else { return false };
                for write in 0..plan.writes {
                    if held.check().await.is_err() {
                        return true;
                    }
                    writers.lock().unwrap().push(number);
                    let freeze = if write == 0 { plan.freeze } else { Duration::ZERO };
                    tokio::time::sleep(plan.pause + freeze).await;
                }
                held.release().await.unwrap();
                true
            }
        });
        let got = futures_util::future::join_all(runs).await;
        let (writers, left) = (writers.lock().unwrap().clone(), tag.lock().unwrap().clone());
        Played { writers, got, left, took: begun.elapsed() }
    })
}

/// True if no run writes again after another one has written.
fn one_at_a_time(writers: &[usize]) -> bool {
    let mut blocks = writers.to_vec();
    blocks.dedup();
    let mut once = blocks.clone();
    once.sort_unstable();
    once.dedup();
    once.len() == blocks.len()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// All sequences of `length` delays out of `choices`.
fn sequences(choices: &[u64], length: usize) -> Vec<Vec<Duration>> {
    (0..choices.len().pow(length as u32))
        .map(|mut code| {
            let mut delays = vec![];
            for _ in 0..length {
                delays.push(ms(choices[code % choices.len()]));
                code /= choices.len();
            }
            delays
        })
        .collect()
}

#[test]
fn two_runs_never_write_by_turns_whatever_their_reads_and_writes_take() {
    let mut schedules = 0;
    let mut both_got_it = 0;
    // read, write, read back; what takes longer than 2 s is over the bound: the write counts as failed and arrives
    // later, maybe after the other run has settled.
    for one in sequences(&[0, 1_900, 2_600, 7_000], 3) {
        for other in sequences(&[0, 1_100, 7_000], 3) {
            for start in [0, 700, 4_000] {
                let plan = |start, delays: &Vec<Duration>| Plan {
                    delays: delays.clone(),
                    writes: 4,
                    ..Plan::at(start)
                };
                let played = play(None, &[plan(0, &one), plan(start, &other)]);
                assert!(
                    one_at_a_time(&played.writers),
                    "{one:?} and {other:?} from {start} ms on: {:?}",
                    played.writers
                );
                let in_time = |delays: &[Duration]| delays[0] + delays[1] < WRITE_BOUND;
                if in_time(&one) && in_time(&other) {
                    assert!(played.got.contains(&true), "nobody got a free lock: {one:?} {other:?} {start}");
                }
                schedules += 1;
                both_got_it += usize::from(played.got == [true, true]);
            }
        }
    }
    assert!(schedules > 5_000, "{schedules}");
    assert!(both_got_it > 0, "no schedule let one run follow the other");
}

#[test]
fn a_slow_renewal_never_lets_two_runs_write_by_turns() {
    // The holder is slow or frozen at its renewals while another run watches and takes over.
    for renewal in sequences(&[0, 1_900, 2_600, 30_000, 70_000], 4) {
        for start in [8_000, 15_000, 26_000] {
            let mut delays = vec![ms(0); 3];
            delays.extend(&renewal);
            let holder = Plan { delays, writes: 12, pause: ms(11_000), ..Plan::at(0) };
            let other = Plan { writes: 3, pause: ms(4_000), ..Plan::at(start) };
            let played = play(None, &[holder, other]);
            assert!(one_at_a_time(&played.writers), "{renewal:?} from {start}: {:?}", played.writers);
        }
    }
}

#[test]
fn a_frozen_holder_writes_nothing_after_it_was_replaced() {
    for pause in [25_000, 45_000, 61_000, 90_000, 200_000] {
        let frozen = Plan { writes: 3, pause: ms(pause), ..Plan::at(0) };
        let other = Plan { writes: 5, pause: ms(5_000), ..Plan::at(7_000) };
        let played = play(None, &[frozen, other]);
        assert!(one_at_a_time(&played.writers), "{pause}: {:?}", played.writers);
    }
}

#[test]
fn a_late_renewal_in_the_middle_of_a_takeover_lets_one_of_them_go_on() {
    for freeze in (50_000..75_000).step_by(500) {
        for write in [0, 1_000, 1_900] {
            let late = Plan { writes: 9, freeze: ms(freeze), ..Plan::at(0) };
            // It looks at the tag thirteen times in a minute; what comes then is its write.
            let mut delays = vec![ms(0); 13];
            delays.push(ms(write));
            let other = Plan { delays, writes: 20, ..Plan::at(7_000) };
            let played = play(None, &[late, other]);
            assert!(one_at_a_time(&played.writers), "{freeze} {write}: {:?}", played.writers);
        }
    }
}

#[test]
fn a_dead_runs_lock_is_taken_over_and_a_live_ones_is_not() {
    let plan = |start, writes| Plan { writes, pause: ms(10_000), ..Plan::at(start) };
    let dead = play(Some("gone/1/0 7"), &[plan(0, 1)]);
    assert_eq!((dead.got, dead.left), (vec![true], None));
    // The first run writes, and so renews, for 100 seconds.
    let alive = play(None, &[plan(0, 10), plan(6_000, 1)]);
    assert_eq!(alive.got, [true, false]);
    assert_eq!(alive.writers, [0; 10]);
}

#[test]
fn of_three_that_take_over_a_dead_runs_lock_one_gets_it() {
    for starts in [[0, 0, 0], [0, 100, 2_000], [0, 1_000, 30_000]] {
        let plans =
            starts.map(|start| Plan { delays: vec![ms(start / 10); 20], writes: 30, ..Plan::at(start) });
        let played = play(Some("gone/1/0 7"), &plans);
        assert!(one_at_a_time(&played.writers), "{starts:?}: {:?}", played.writers);
        assert_eq!(played.got.iter().filter(|got| **got).count(), 1, "{starts:?}");
    }
}

#[test]
fn a_released_lock_is_free_at_once() {
    let played = play(None, &[0, 9_000].map(Plan::at));
    assert_eq!(played.got, [true, true]);
    assert_eq!(played.left, None);
}

#[test]
fn the_next_on_a_dead_runs_seat_takes_its_lock_over_at_once_and_anybody_else_waits() {
    for (seat, waits) in [(Some("a"), false), (Some("b"), true), (None, true)] {
        let dead = Plan { seat: Some("a"), loses_seat: Some(ms(6_000)), writes: 9, ..Plan::at(0) };
        let heir = Plan { seat, pause: ms(0), ..Plan::at(7_000) };
        let played = play(None, &[dead, heir]);
        assert_eq!((played.writers.as_slice(), played.left), ([0, 1].as_slice(), None), "{seat:?}");
        assert_eq!(played.took > TTL, waits, "{seat:?}: {:?}", played.took);
    }
}

#[test]
fn a_write_that_comes_late_onto_a_strangers_name_is_no_predecessors() {
    // The first run's attempt to take the lock arrives when it has long given up and another one has the lock.
    for late in (3_000..30_000).step_by(1_500) {
        let gone = Plan {
            seat: Some("a"),
            delays: vec![ms(0), ms(late)],
            writes: 9,
            loses_seat: Some(ms(6_000)),
            ..Plan::at(0)
        };
        let stranger = Plan { writes: 10, pause: ms(4_000), ..Plan::at(2_500) };
        let heir = Plan { seat: Some("a"), writes: 3, ..Plan::at(late + 1_000) };
        let played = play(None, &[gone, stranger, heir]);
        assert!(one_at_a_time(&played.writers), "{late}: {:?}", played.writers);
    }
}
