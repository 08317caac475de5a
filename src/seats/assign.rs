//! Who has which seat, and which seat an application belongs to. Every replica comes to the same answers by itself.

use crate::model::AppKey;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The seat of an application among `count` (at least 1), from 0: the one whose name and the application's hash highest
/// together, so that with one seat more only the applications move that go there.
pub(super) fn seat_of(key: &AppKey, count: u32) -> u32 {
    let name = format!("{}/{}", key.namespace, key.name);
    (0..count).max_by_key(|seat| (score(&format!("seat-{seat}"), &name), Reverse(*seat))).unwrap_or_default()
}

/// Shares the seats out among the replicas that live, as evenly as can be. A replica keeps what it holds (`holders`) up to
/// its share; the rest goes by hash.
pub(super) fn assign<'a>(
    count: u32,
    live: &BTreeSet<&'a str>,
    holders: &BTreeMap<u32, &str>,
) -> BTreeMap<u32, &'a str> {
    let mut pairs = vec![];
    for seat in 0..count {
        for replica in live {
            let is_there = holders.get(&seat) == Some(replica);
            pairs.push((!is_there, Reverse(score(replica, &format!("seat-{seat}"))), seat, *replica));
        }
    }
    pairs.sort_unstable();
    let replicas = u32::try_from(live.len()).unwrap_or(u32::MAX).max(1);
    let share = count / replicas;
    let mut more_by_one = count % replicas;
    let mut loads: BTreeMap<&str, u32> = BTreeMap::new();
    let mut assigned = BTreeMap::new();
    for (_, _, seat, replica) in pairs {
        let load = loads.entry(replica).or_default();
        let has_room = *load < share || (*load == share && more_by_one > 0);
        if assigned.contains_key(&seat) || !has_room {
            continue;
        }
        more_by_one -= u32::from(*load == share);
        *load += 1;
        assigned.insert(seat, replica);
    }
    assigned
}

/// The same in every version of the program: two of them may run side by side.
fn score(one: &str, other: &str) -> u64 {
    let digest = Sha256::new().chain_update(one).chain_update([0]).chain_update(other).finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> AppKey {
        AppKey { namespace: "team".into(), name: format!("app-{number}") }
    }

    fn shared_out(count: u32, live: &[&'static str], holders: &[(u32, &str)]) -> BTreeMap<u32, &'static str> {
        assign(count, &live.iter().copied().collect(), &holders.iter().copied().collect())
    }

    fn loads(assigned: &BTreeMap<u32, &str>, live: &[&str]) -> Vec<usize> {
        live.iter().map(|replica| assigned.values().filter(|by| *by == replica).count()).collect()
    }

    #[test]
    fn the_seat_of_an_application_is_the_same_in_every_version() {
        let seats: Vec<u32> = (0..12).map(|number| seat_of(&key(number), 4)).collect();
        assert_eq!(seats, SEATS_OF_TWELVE);
        assert_eq!(seat_of(&key(1), 1), 0);
    }

    #[test]
    fn applications_spread_evenly_and_one_seat_more_moves_only_those_that_go_there() {
        for count in 1..8 {
            let mut loads = vec![0; count as usize];
            let (mut moved, mut elsewhere) = (0, 0);
            for number in 0..4_000 {
                let (before, after) = (seat_of(&key(number), count), seat_of(&key(number), count + 1));
                loads[before as usize] += 1;
                moved += u32::from(after == count);
                elsewhere += u32::from(after != before && after != count);
            }
            let even = 4_000 / count;
            assert!(loads.iter().all(|load| load * 10 > even * 8 && load * 10 < even * 12), "{loads:?}");
            assert_eq!(elsewhere, 0);
            assert!(moved * (count + 1) < 4_800, "{moved} moved to seat {count}");
        }
    }

    #[test]
    fn seats_are_shared_out_evenly_and_nobody_gives_up_what_is_within_its_share() {
        let none: &[(u32, &str)] = &[];
        for (count, live, holders, want) in [
            (1, &["a", "b"][..], &[(0, "b")][..], vec![0, 1]),
            (1, &["a", "b"], &[(0, "gone")], vec![1, 0]),
            (4, &["a"], none, vec![4]),
            (4, &["a", "b", "c"], &[(0, "a"), (1, "a"), (2, "b"), (3, "b")], vec![1, 2, 1]),
            (3, &["a", "b"], &[(0, "a"), (1, "a"), (2, "b")], vec![2, 1]),
            (2, &["a", "b", "c"], &[(0, "c")], vec![0, 1, 1]),
            (0, &["a"], none, vec![0]),
        ] {
            let assigned = shared_out(count, live, holders);
            assert_eq!(loads(&assigned, live), want, "{count} seats among {live:?}, held {holders:?}");
            assert_eq!(
                shared_out(count, live, &assigned.iter().map(|(seat, by)| (*seat, *by)).collect::<Vec<_>>()),
                assigned,
                "what is shared out is shared out anew"
            );
        }
        assert!(shared_out(2, &[], none).is_empty());
    }

    #[test]
    fn whoever_held_what_the_shares_differ_by_one_at_most() {
        let names = ["a", "b", "c", "d", "e"];
        for count in 0..12 {
            for replicas in 1..=names.len() {
                for code in 0..200_usize {
                    let live = &names[..replicas];
                    let holder = |seat: u32| names[(code * 31 + seat as usize * (code + 7)) % names.len()];
                    let holders: Vec<(u32, &str)> = (0..count)
                        .filter(|seat| (code >> (seat % 8)) & 1 == 0)
                        .map(|s| (s, holder(s)))
                        .collect();
                    let assigned = shared_out(count, live, &holders);
                    let loads = loads(&assigned, live);
                    let (least, most) = (loads.iter().min(), loads.iter().max());
                    assert_eq!(assigned.len(), count as usize, "a seat was left: {holders:?}");
                    assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{loads:?}");
                }
            }
        }
    }

    const SEATS_OF_TWELVE: [u32; 12] = [0, 1, 1, 1, 2, 3, 2, 3, 2, 0, 0, 3];
}
