//! What a run of steady traffic saw.

use serde::Serialize;
use std::collections::BTreeMap;

const FAILURES_KEPT: usize = 10;
const RELEASES_KEPT: usize = 32;
const NAME_LIMIT: usize = 64;
const OTHER: &str = "other";

/// The requests of a run, second by second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TrafficReport {
    pub sent: u64,
    /// Requests that were not answered with a 2xx: refused, cut, timed out, or another status.
    pub failed: u64,
    /// The first ten failures, for people.
    pub failures: Vec<String>,
    /// By second since the start, ascending; seconds without an answer are left out.
    pub buckets: Vec<Bucket>,
}

/// One second of a [`TrafficReport`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// Whole seconds since the start, by the time the request was sent.
    pub second: u64,
    pub failed: u64,
    /// Answered requests by what the answer says it runs.
    pub by_release: BTreeMap<String, u64>,
}

impl TrafficReport {
    /// Answered requests by release over the whole run.
    pub fn by_release(&self) -> BTreeMap<String, u64> {
        let mut totals = BTreeMap::new();
        for (release, count) in self.buckets.iter().flat_map(|bucket| &bucket.by_release) {
            *totals.entry(release.clone()).or_default() += count;
        }
        totals
    }

    /// Notes one request: the release that answered, or why it failed. What the other side sent is cut to size.
    pub(super) fn note(&mut self, second: u64, outcome: Result<String, String>) {
        self.sent += 1;
        let index = match self.buckets.binary_search_by_key(&second, |bucket| bucket.second) {
            Ok(index) => index,
            Err(index) => {
                self.buckets.insert(index, Bucket { second, ..Bucket::default() });
                index
            }
        };
        let bucket = &mut self.buckets[index];
        match outcome {
            Ok(release) => {
                let name = printable(&release);
                let known = bucket.by_release.contains_key(&name) || bucket.by_release.len() < RELEASES_KEPT;
                *bucket.by_release.entry(if known { name } else { OTHER.into() }).or_default() += 1;
            }
            Err(reason) => {
                self.failed += 1;
                bucket.failed += 1;
                if self.failures.len() < FAILURES_KEPT {
                    self.failures.push(format!("{second} s after the start: {reason}"));
                }
            }
        }
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_second_and_release() {
        let mut report = TrafficReport::default();
        for (second, outcome) in [(1, Ok("v1")), (0, Ok("v1")), (1, Ok("v2")), (1, Err("502")), (1, Ok("v1"))]
        {
            report.note(second, outcome.map(str::to_owned).map_err(str::to_owned));
        }
        assert_eq!((report.sent, report.failed), (5, 1));
        assert_eq!(report.failures, ["1 s after the start: 502"]);
        assert_eq!(report.buckets.iter().map(|b| b.second).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(report.by_release(), BTreeMap::from([("v1".into(), 3), ("v2".into(), 1)]));
    }

    #[test]
    fn what_a_server_calls_itself_is_bounded() {
        let mut report = TrafficReport::default();
        for n in 0..100 {
            report.note(0, Ok(format!("\u{1b}[31m{n}{}", "x".repeat(1000))));
            report.note(0, Err("cut".into()));
        }
        assert_eq!(report.buckets[0].by_release.len(), RELEASES_KEPT + 1);
        assert!(report.by_release().keys().all(|name| name.len() <= NAME_LIMIT && !name.contains('\u{1b}')));
        assert_eq!(report.failures.len(), FAILURES_KEPT);
    }
}
