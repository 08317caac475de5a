//! The small record kept on a slot's service: what no API can tell. Losing it is safe: a gate is passed once more, a
//! bake starts anew, a quarantined revision is tried once more.

use crate::model::{RevisionId, Seconds, Slot, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The last rollout into the slot that carries it. Of the two slots' records, the one with the higher `sequence`
/// speaks; it also says what the rules' weights should be, so that a change by someone else is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub sequence: u64,
    pub revision: RevisionId,
    /// The slot that served when this rollout began; traffic goes back to it on failure. `None` on a first deploy.
    pub from: Option<Slot>,
    pub started: Timestamp,
    pub progress: Progress,
    /// What is about to be done, and what came before. Kept beside the rest, so that an older program reads the rest.
    pub intent: Intent,
}

/// The part of a record that says what is intended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// The share (percent) that the rules are about to be given: in the record before it is in the first rule.
    pub next: Option<u32>,
    /// For how long runs have watched this rollout come up, until this record was written.
    pub watched: Seconds,
    /// The rules that this rollout moves, each as [`RuleObservation::mark`](super::RuleObservation::mark) names it; empty
    /// if they do not fit.
    pub rules: Vec<String>,
}

/// How far a rollout has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Coming up or at the gate; no weight was given yet.
    Rolling,
    /// All gates but approval are open; the deadline no longer runs.
    Ready,
    /// This share (percent) was reached at this time on every rule.
    Shifting { share: u32, since: Timestamp },
    /// All weight was given at this time; the bake runs.
    Baking(Timestamp),
    /// Traffic goes (back) to this slot at once: a proven, warm revision needs no gate but healthy targets. The
    /// smallest and the largest share (percent) that the rules gave it when the return began.
    Returning { least: u32, most: u32 },
    /// The bake ended at this time; the other slot stays warm for `keepPrevious` from here.
    Done(Timestamp),
    /// It failed or was aborted; the revision is quarantined. The sentence says why.
    Failed(String),
}

impl Progress {
    /// True from the first note of a rollout until all weight was given.
    pub fn is_under_way(&self) -> bool {
        matches!(self, Progress::Rolling | Progress::Ready | Progress::Shifting { .. })
    }
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Progress::Rolling => f.write_str("rolling out"),
            Progress::Ready => f.write_str("ready, awaiting approval"),
            Progress::Shifting { share, .. } => write!(f, "{share}% reached"),
            Progress::Baking(_) => f.write_str("bake began"),
            Progress::Returning { .. } => f.write_str("traffic returns"),
            Progress::Done(_) => f.write_str("done"),
            Progress::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// What people asked for with `promote` and `abort`; each names the `sequence` of the record it speaks of, so that it
/// never counts for a later rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    pub promote: Option<u64>,
    pub abort: Option<u64>,
}

/// AWS allows 256 characters in a tag's value; the reason gets what the rest leaves.
const REASON_LIMIT: usize = 120;

impl Record {
    /// True for a rule that this rollout does not move yet: a commit has added it since.
    pub fn joins(&self, rule: &super::RuleObservation) -> bool {
        !self.intent.rules.is_empty() && !self.intent.rules.contains(&rule.mark())
    }

    /// The record as one tag value (letters, digits, spaces and `+-=._:/@` only, at most 256 characters):
    /// `7 rev=0123456789abcdef from=blue started=1700000000 failed=why`.
    pub fn to_tag(&self) -> String {
        let from = self.from.map_or("none", Slot::name);
        let progress = match &self.progress {
            Progress::Rolling => "rolling".to_owned(),
            Progress::Ready => "ready".to_owned(),
            Progress::Returning { least, most } => format!("returning={least}@{most}"),
            Progress::Shifting { share, since } => format!("shifting={share}@{}", since.0),
            Progress::Baking(at) => format!("baking={}", at.0),
            Progress::Done(at) => format!("done={}", at.0),
            Progress::Failed(why) => format!("failed={}", tag_text(why)),
        };
        format!("{} rev={} from={from} started={} {progress}", self.sequence, self.revision.0, self.started.0)
    }

    /// Reads what [`Record::to_tag`] wrote; `None` for anything else, which is treated as a lost record.
    pub fn from_tag(text: &str) -> Option<Record> {
        let mut parts = text.splitn(5, ' ');
        let sequence = parts.next()?.parse().ok()?;
        let revision = RevisionId(parts.next()?.strip_prefix("rev=")?.to_owned());
        let from = match parts.next()?.strip_prefix("from=")? {
            "blue" => Some(Slot::Blue),
            "green" => Some(Slot::Green),
            "none" => None,
            _ => return None,
        };
        let started = Timestamp(parts.next()?.strip_prefix("started=")?.parse().ok()?);
        let rest = parts.next()?;
        let progress = match rest.split_once('=') {
            None if rest == "rolling" => Progress::Rolling,
            None if rest == "ready" => Progress::Ready,
            Some(("shifting", at)) => {
                let (share, since) = at.split_once('@')?;
                Progress::Shifting { share: share.parse().ok()?, since: Timestamp(since.parse().ok()?) }
            }
            Some(("returning", shares)) => {
                let (least, most) = shares.split_once('@')?;
                Progress::Returning { least: least.parse().ok()?, most: most.parse().ok()? }
            }
            Some(("baking", at)) => Progress::Baking(Timestamp(at.parse().ok()?)),
            Some(("done", at)) => Progress::Done(Timestamp(at.parse().ok()?)),
            Some(("failed", why)) => Progress::Failed(why.to_owned()),
            _ => return None,
        };
        Some(Record { sequence, revision, from, started, progress, intent: Intent::default() })
    }

    /// The intent as one tag value, with the number and a digest of the record that it belongs to:
    /// `7-c0ffee00 next=50 watched=120 rules=0a1b2c3d.4e5f6071`.
    pub fn intent_to_tag(&self) -> String {
        let next = self.intent.next.map_or_else(|| "none".into(), |share| share.to_string());
        let rules = self.intent.rules.join(".");
        let rules = if rules.len() > RULES_LIMIT { "" } else { &rules };
        format!("{} next={next} watched={} rules={rules}", self.intent_key(), self.intent.watched)
    }

    /// Ties an intent to the very record that it was written with: an older program changes the record alone.
    fn intent_key(&self) -> String {
        let digest = Sha256::digest(self.to_tag());
        let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{digest}", self.sequence)
    }

    /// Reads a record and its intent. An intent of another record, or one that can't be read, is none.
    pub fn from_tags(record: &str, intent: Option<&str>) -> Option<Record> {
        let record = Record::from_tag(record)?;
        let intent = intent.and_then(|text| read_intent(text, &record.intent_key())).unwrap_or_default();
        Some(Record { intent, ..record })
    }
}

/// Characters of an intent's list of rules: twenty of them fit.
const RULES_LIMIT: usize = 180;

fn read_intent(text: &str, key: &str) -> Option<Intent> {
    let mut parts = text.split(' ');
    if parts.next()? != key {
        return None;
    }
    let next = match parts.next()?.strip_prefix("next=")? {
        "none" => None,
        share => Some(share.parse().ok().filter(|share| *share <= 100)?),
    };
    let watched = parts.next()?.strip_prefix("watched=")?.parse().ok()?;
    let rules = parts.next()?.strip_prefix("rules=")?;
    let rules = rules.split('.').filter(|rule| !rule.is_empty()).map(ToOwned::to_owned).collect();
    Some(Intent { next, watched, rules })
}

fn tag_text(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c);
    let clean: String = text.chars().map(|c| if allowed(c) { c } else { ' ' }).take(REASON_LIMIT).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_tag() {
        for progress in [
            Progress::Rolling,
            Progress::Ready,
            Progress::Returning { least: 0, most: 50 },
            Progress::Shifting { share: 10, since: Timestamp(4) },
            Progress::Baking(Timestamp(5)),
            Progress::Done(Timestamp(6)),
            Progress::Failed("task stopped: exit 1 = bad".into()),
        ] {
            let record = Record {
                sequence: 7,
                revision: RevisionId("0123456789abcdef".into()),
                from: Some(Slot::Blue),
                started: Timestamp(1_700_000_000),
                progress,
                intent: Intent::default(),
            };
            assert_eq!(Record::from_tag(&record.to_tag()), Some(record));
        }
    }

    #[test]
    fn an_intent_counts_for_the_record_that_it_was_written_with_and_no_other() {
        let mut record = Record {
            sequence: 7,
            revision: RevisionId("0123456789abcdef".into()),
            from: Some(Slot::Blue),
            started: Timestamp(1_700_000_000),
            progress: Progress::Shifting { share: 10, since: Timestamp(1_700_000_100) },
            intent: Intent { next: Some(50), watched: 120, rules: vec!["0a1b2c3d".into(); 5] },
        };
        let (tag, intent) = (record.to_tag(), record.intent_to_tag());
        assert!(intent.len() <= 256, "{intent}");
        assert_eq!(Record::from_tags(&tag, Some(&intent)), Some(record.clone()));
        assert_eq!(
            Record::from_tag(&tag).map(|read| read.intent),
            Some(Intent::default()),
            "an older program"
        );
        record.progress = Progress::Shifting { share: 50, since: Timestamp(1_700_000_200) };
        let read = Record::from_tags(&record.to_tag(), Some(&intent)).expect("a record");
        assert_eq!(read.intent, Intent::default(), "what an older program wrote since has no intent");
        assert_eq!(
            Record::from_tags(&tag, Some("nonsense")).map(|read| read.intent),
            Some(Intent::default())
        );
    }

    #[test]
    fn a_record_fits_a_tag_whatever_the_reason() {
        let record = Record {
            sequence: u64::MAX,
            revision: RevisionId("0123456789abcdef".into()),
            from: None,
            started: Timestamp(u64::MAX),
            progress: Progress::Failed("wörld \"(\u{0})\n".repeat(100)),
            intent: Intent::default(),
        };
        let tag = record.to_tag();
        assert!(tag.len() <= 256, "{}", tag.len());
        assert!(tag.chars().all(|c| c.is_ascii_alphanumeric() || " +-=._:/@".contains(c)), "{tag}");
    }

    #[test]
    fn a_foreign_text_is_a_lost_record() {
        for text in ["", "x", "7 rev=a from=red started=1 rolling", "7 rev=a from=blue started=1 flying"] {
            assert_eq!(Record::from_tag(text), None, "{text}");
        }
    }
}
