//! The tags that say what is ours and what no API can tell. Only what bears [`APPLICATION`] is ever pruned.

use super::Kind;

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
/// On a service: `web:42 <content hash>`, so that what revision 42 says need not be read again. Counts only while the
/// service runs that very revision.
pub const TASK_DEFINITION: &str = "cutover.dev/task-definition";
/// The commit that was last applied, for people; never compared.
pub const COMMIT: &str = "cutover.dev/commit";
/// Who works on the application right now.
pub const LOCK: &str = "cutover.dev/lock";

/// On an Application in a cluster: what people ask of the controller (`cutover promote --app`).
pub const REQUEST: &str = "cutover.dev/request";
/// On an Application in a cluster: `true` suspends it, beside `spec.suspend`.
pub const SUSPEND: &str = "cutover.dev/suspend";
/// On the Leases by which controllers share the applications out: the number of a seat, or `replica`.
pub const SEAT: &str = "cutover.dev/seat";

/// On Kubernetes objects: the ApplySet that they are members of. Other tools understand it.
pub const MEMBER: &str = "applyset.kubernetes.io/part-of";

/// What the program itself writes, and no document does.
const MARKS: [&str; 11] =
    [APPLICATION, DOCUMENT, SLOT, RECORD, INTENT, PROMOTE, ABORT, CONTENT, TASK_DEFINITION, COMMIT, LOCK];

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
    fn every_mark_is_ours() {
        assert!(MARKS.into_iter().all(is_ours));
        assert!(!is_ours("team"));
    }
}
