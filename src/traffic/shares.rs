//! Divides the slots' part of a rule and leaves every other group's share exactly as it is. Pure.

use crate::model::{Step, Weights};

/// Weights of a rule in which each group that is no slot's keeps its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    pub slots: Weights,
    /// In their order.
    pub others: Vec<u32>,
}

/// Divides `part`, the slots' weight so far, as `split` says. All weights are multiplied by one factor where that is
/// needed to divide without a remainder; where that makes one larger than `limit`, they are made as small as they can be
/// first. `None` if it can't be done exactly.
pub fn divide(part: u32, others: &[u32], split: Weights, limit: u32) -> Option<Division> {
    let sum = split.blue + split.green;
    if part == 0 || sum == 0 {
        return None;
    }
    let common = others.iter().fold(part, |common, other| greatest_divisor(common, *other));
    let scaled = |by: u32| -> Option<Division> {
        let part = (part / by, others.iter().map(|other| other / by).collect::<Vec<u32>>());
        (1..=sum).find_map(|factor| {
            let product = u64::from(part.0) * u64::from(factor);
            let of = |share: u32| {
                let product = product * u64::from(share);
                let whole = product.is_multiple_of(u64::from(sum)).then(|| product / u64::from(sum))?;
                u32::try_from(whole).ok().filter(|weight| *weight <= limit)
            };
            let others = part.1.iter().map(|other| other.checked_mul(factor).filter(|w| *w <= limit));
            let others = others.collect::<Option<Vec<u32>>>()?;
            Some(Division { slots: Weights { blue: of(split.blue)?, green: of(split.green)? }, others })
        })
    };
    scaled(1).or_else(|| scaled(common))
}

/// Of the named groups those that are not ours and have weight, each with its percent of all requests.
pub fn shares_of_others<'a>(named: impl Iterator<Item = (&'a str, u64, bool)> + Clone) -> Vec<(String, u32)> {
    let sum: u64 = named.clone().map(|(_, weight, _)| weight).sum();
    let others = named.filter(|(_, weight, is_ours)| *weight > 0 && !is_ours);
    let percent =
        |weight: u64| u32::try_from((weight * 200 + sum) / (sum * 2)).map_or(100, |share| share.max(1));
    others.map(|(name, weight, _)| (name.to_owned(), percent(weight))).collect()
}

/// The part nearest to `part` that can be divided by each of `steps`; `None` if `part` itself can.
pub fn divisible(part: u32, others: &[u32], steps: &[Step], limit: u32) -> Option<u32> {
    let split = |step: &Step| Weights { blue: 100 - step.weight.min(100), green: step.weight.min(100) };
    if steps.iter().all(|step| divide(part, others, split(step), limit).is_some()) {
        return None;
    }
    let unit = 100 / steps.iter().fold(100, |common, step| greatest_divisor(common, step.weight.min(100)));
    let nearest = (part + unit / 2) / unit * unit;
    Some(nearest.clamp(unit, limit / unit * unit))
}

fn greatest_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(weights: &[u32]) -> Vec<Step> {
        weights.iter().map(|weight| Step { weight: *weight, hold: 0 }).collect()
    }

    /// A sequence of numbers that looks random and is the same each time.
    fn numbers(mut seed: u64) -> impl FnMut(u32) -> u32 {
        move |below| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((seed >> 33) % u64::from(below)).unwrap()
        }
    }

    #[test]
    fn one_factor_for_all_makes_room_for_a_step() {
        let ten = Weights { blue: 90, green: 10 };
        assert_eq!(
            divide(1, &[1], ten, 999),
            Some(Division { slots: Weights { blue: 9, green: 1 }, others: vec![10] })
        );
        let half = Weights { blue: 50, green: 50 };
        assert_eq!(divide(10, &[10], half, 999).unwrap().others, [10], "nothing was multiplied again");
        assert_eq!(divide(999, &[1], ten, 999), None);
        assert_eq!(divisible(999, &[1], &steps(&[10, 100]), 999), Some(990));
        assert_eq!(divisible(1, &[999], &steps(&[25, 100]), 999), Some(4));
        assert_eq!(divisible(999, &[1], &steps(&[100]), 999), None);
    }

    #[test]
    fn through_any_rollout_every_other_share_stays_exactly_and_weights_do_not_grow_again() {
        let mut number = numbers(7);
        for _ in 0..20_000 {
            let first = 1 + number(200);
            let others: Vec<u32> = (0..1 + number(3)).map(|_| number(300)).collect();
            if others.iter().all(|other| *other == 0) {
                continue;
            }
            let mut shares: Vec<u32> = (0..number(4)).map(|_| 1 + number(99)).collect();
            shares.sort_unstable();
            shares.dedup();
            shares.push(100);
            let possible = divisible(first, &others, &steps(&shares), 999);
            let first = possible.unwrap_or(first);
            let (mut part, mut now, mut ends) = (first, others.clone(), vec![]);
            for _ in 0..4 {
                for share in &shares {
                    let split = Weights { blue: 100 - share, green: *share };
                    let divided =
                        divide(part, &now, split, 999).unwrap_or_else(|| panic!("{part} {now:?} {split}"));
                    assert!(divided.slots.same_split(split), "{divided:?} is not {split}");
                    part = divided.slots.blue + divided.slots.green;
                    now = divided.others;
                    let before: u64 = u64::from(first) + others.iter().map(|w| u64::from(*w)).sum::<u64>();
                    let after: u64 = u64::from(part) + now.iter().map(|w| u64::from(*w)).sum::<u64>();
                    for (was, is) in others.iter().zip(&now) {
                        assert_eq!(
                            u64::from(*was) * after,
                            u64::from(*is) * before,
                            "{others:?} became {now:?}"
                        );
                    }
                }
                ends.push((part, now.clone()));
            }
            assert!(ends[1..].windows(2).all(|pair| pair[0] == pair[1]), "{ends:?}");
        }
    }
}
