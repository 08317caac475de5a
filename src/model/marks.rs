//! The tags that say what is ours and what no API can tell. Only what bears [`APPLICATION`] is ever pruned.

use super::Kind;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The name under which our fields are kept in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "cutover";
/// What all our tag keys begin with.
pub const PREFIX: &str = "cutover.dev/";
/// The application that owns the resource: our ownership mark.
pub const APPLICATION: &str = "cutover.dev/application";
/// The document it comes from, as [`document`] writes it (`Service/web`).
pub const DOCUMENT: &str = "cutover.dev/document";
/// `blue` or `green`, on the services of a blue/green workload.
pub const SLOT: &str = "cutover.dev/slot";
/// The rollout's record ([`crate::rollout::Record::to_tag`]), on a slot's service.
pub const RECORD: &str = "cutover.dev/record";
/// The intent of that record ([`crate::rollout::Record::intent_to_tag`]), beside it.
pub const INTENT: &str = "cutover.dev/intent";
/// The revision that somebody asked to be promoted.
pub const PROMOTE: &str = "cutover.dev/promote";
/// The revision that somebody asked to be aborted.
pub const ABORT: &str = "cutover.dev/abort";
/// The content hash of a task definition ([`crate::diff::content_hash`]), or the revision id of a service.
pub const CONTENT: &str = "cutover.dev/content";
/// On a service, as [`task_definition`] writes it (`web:42 <content hash>`), so that what revision 42 says need not be read
/// again. Counts only while the service runs that very revision.
pub const TASK_DEFINITION: &str = "cutover.dev/task-definition";
/// The commit that was last applied, for people; never compared.
pub const COMMIT: &str = "cutover.dev/commit";
/// On a service without blue/green: the content that ECS gave up there, when, and how often in a row.
pub const REFUSED: &str = "cutover.dev/refused";
/// Who works on the application right now.
pub const LOCK: &str = "cutover.dev/lock";

/// On an Application in a cluster: what people ask of the controller (`cutover promote --app`).
pub const REQUEST: &str = "cutover.dev/request";
/// On an Application in a cluster: `true` suspends it, beside `spec.suspend`.
pub const SUSPEND: &str = "cutover.dev/suspend";
/// On a live object or service: the application that it is given to. Written by the old owner's document or by hand.
pub const RELEASE: &str = "cutover.dev/release";
/// In a document: the application that it takes the object or service over from.
pub const ADOPT: &str = "cutover.dev/adopt";
/// The finalizer of an Application whose deletion takes along what it owns.
pub const CASCADE: &str = "cutover.dev/cascade";
/// On an Application in a cluster that documents made: the Applications that it comes from ([`crate::model::Lineage`]).
pub const PARENT: &str = "cutover.dev/parent";
/// On the Leases by which controllers share the applications out: the number of a seat, or `replica`.
pub const SEAT: &str = "cutover.dev/seat";

/// On Kubernetes objects: the ApplySet that they are members of. Other tools understand it.
pub const MEMBER: &str = "applyset.kubernetes.io/part-of";

/// What the program itself writes, and no document does.
const MARKS: [&str; 12] = [
    APPLICATION,
    DOCUMENT,
    SLOT,
    RECORD,
    INTENT,
    PROMOTE,
    ABORT,
    CONTENT,
    TASK_DEFINITION,
    COMMIT,
    REFUSED,
    LOCK,
];

/// A tag's value may have this many characters (Amazon ECS Developer Guide, "Tag restrictions").
const VALUE_LIMIT: usize = 256;
/// Digits of a hash that stands for what does not fit.
const DIGITS: usize = 32;

/// The value that is written for a tag of ours. One that fits, as all that names and numbers make do, is kept as it is;
/// otherwise characters that AWS refuses are replaced, and the end of a long one gives way to a hash of the whole. A user's
/// tag is left alone: its value was checked with the documents.
pub fn fit<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    let is_allowed = |c: char| c.is_alphanumeric() || c == ' ' || "+-=._:/@".contains(c);
    let fits = value.chars().count() <= VALUE_LIMIT && value.chars().all(is_allowed);
    if fits || !is_ours(key) {
        return Cow::Borrowed(value);
    }
    let clean: String = value.chars().map(|c| if is_allowed(c) { c } else { '-' }).collect();
    if clean.chars().count() <= VALUE_LIMIT {
        return Cow::Owned(clean);
    }
    let kept: String = clean.chars().take(VALUE_LIMIT - DIGITS - 1).collect();
    Cow::Owned(format!("{kept}.{}", digits(value)))
}

/// The value of [`TASK_DEFINITION`] for a revision (`web:42`) that has this content. The name of one whose family is long
/// gives way to its hash.
pub fn task_definition(revision: &str, content: &str) -> String {
    let whole = format!("{revision} {content}");
    if whole.chars().count() <= VALUE_LIMIT { whole } else { format!("{} {content}", digits(revision)) }
}

/// The content that a [`TASK_DEFINITION`] speaks of, if it speaks of this revision (`web:42`).
pub fn content_in<'a>(mark: &'a str, revision: &str) -> Option<&'a str> {
    let (named, content) = mark.split_once(' ')?;
    // A revision's name has a colon, its hash has none.
    (named == revision || !named.contains(':') && named == digits(revision)).then_some(content)
}

fn digits(text: &str) -> String {
    Sha256::digest(text).iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// `disabled` in a document: how the object fares is not waited for and says nothing of the application.
pub const WAIT: &str = "cutover.dev/wait";

/// `allowed` on a ConfigMap or Secret: it may be changed under a version that serves and reads it.
pub const IN_PLACE: &str = "cutover.dev/in-place";

/// The word for what is refused unless somebody says otherwise.
pub const ALLOWED: &str = "allowed";

/// True for a mark of ours; false for what documents say to us, such as `cutover.dev/wave`.
pub fn is_a_mark(key: &str) -> bool {
    key == MEMBER || MARKS.contains(&key)
}

/// True for keys that this program writes; they are never part of a comparison.
pub fn is_ours(key: &str) -> bool {
    key.starts_with(PREFIX)
}

/// The value of [`DOCUMENT`]: `Service/web`.
pub fn document(kind: Kind, name: &str) -> String {
    format!("{kind}/{name}")
}

/// Reads what [`document`] wrote; `None` for anything else.
pub fn parse_document(value: &str) -> Option<(Kind, &str)> {
    let (kind, name) = value.split_once('/')?;
    let kind = [Kind::Application, Kind::BlueGreen, Kind::TaskDefinition, Kind::Service]
        .into_iter()
        .find(|k| k.to_string() == kind)?;
    (!name.is_empty()).then_some((kind, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_its_mark() {
        for kind in [Kind::Application, Kind::BlueGreen, Kind::TaskDefinition, Kind::Service] {
            assert_eq!(parse_document(&document(kind, "a/b")), Some((kind, "a/b")));
        }
        for text in ["", "Service", "Service/", "service/web", "Deployment/web"] {
            assert_eq!(parse_document(text), None, "{text}");
        }
    }

    #[test]
    fn a_revisions_mark_fits_and_speaks_of_that_revision_only() {
        let content = "f".repeat(64);
        for length in [1, 3, 100, 180, 181, 182, 190, 191, 192, 254, 255] {
            let family = "f".repeat(length);
            for number in [1, 42, 999_999] {
                let (one, other) = (format!("{family}:{number}"), format!("{family}:{}", number + 1));
                let mark = task_definition(&one, &content);
                assert!(mark.len() <= VALUE_LIMIT, "{length}: {mark}");
                assert_eq!(content_in(&mark, &one), Some(content.as_str()));
                assert_eq!(content_in(&mark, &other), None);
            }
        }
        assert_eq!(task_definition("web:42", "abc"), "web:42 abc", "the form that is read by other versions");
        assert_eq!(content_in("web:42", "web:42"), None);
    }

    #[test]
    fn whatever_is_written_fits_a_tag() {
        let names = ["a", "a-b.c", "f\u{fc}r \u{1f600}", "x\ny", "<>&\"'", "(merge of main)", ""];
        for key in MARKS {
            for name in names {
                for times in [1, 20, 63, 200, 253, 255, 256, 257, 5_000] {
                    let value = name.repeat(times);
                    let written = fit(key, &value);
                    assert!(written.chars().count() <= VALUE_LIMIT, "{key}: {written}");
                    assert!(
                        written.chars().all(|c| c.is_alphanumeric() || " +-=._:/@".contains(c)),
                        "{key}: {written}"
                    );
                    assert_eq!(fit(key, &written), written, "what was written is written the same again");
                    if times > 256 && !name.is_empty() {
                        assert_ne!(fit(key, &format!("{value}1")), written, "two names became one");
                    }
                }
            }
        }
        assert_eq!(fit("team", "(x)"), "(x)");
    }

    #[test]
    fn every_mark_is_ours() {
        assert!(MARKS.into_iter().all(is_ours));
        assert!(!is_ours("team"));
    }
}
