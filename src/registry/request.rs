//! What people ask of the controller, as the annotation says it: `promote web 2026-11-25T21:19:16Z-3f9a01c2`.

use crate::controller::{Request, RequestVerb};
use crate::model::Timestamp;

/// Longer than any request that this program writes.
const LENGTH: usize = 512;

const VERBS: [(RequestVerb, &str); 3] =
    [(RequestVerb::Promote, "promote"), (RequestVerb::Abort, "abort"), (RequestVerb::Retry, "retry")];

/// The annotation's value. `now` and `random` make it different from every other one.
pub fn request_text(verb: RequestVerb, workload: Option<&str>, now: Timestamp, random: &str) -> String {
    let verb = VERBS.iter().find(|(known, _)| *known == verb).map_or("", |(_, word)| word);
    let workload = workload.map(|name| format!("{name} ")).unwrap_or_default();
    format!("{verb} {workload}{now}-{random}")
}

/// Reads what [`request_text`] wrote; `None` for anything else.
pub(super) fn parse_request(text: &str) -> Option<Request> {
    if text.len() > LENGTH || text.chars().any(char::is_control) {
        return None;
    }
    let mut words = text.split(' ');
    let verb = words.next()?;
    let (verb, _) = VERBS.iter().find(|(_, word)| *word == verb)?;
    let rest: Vec<&str> = words.collect();
    let workload = match rest.as_slice() {
        [nonce] if !nonce.is_empty() => None,
        [workload, nonce] if !workload.is_empty() && !nonce.is_empty() => Some((*workload).to_owned()),
        _ => return None,
    };
    Some(Request { text: text.to_owned(), verb: *verb, workload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written_and_nothing_else_is_one() {
        let now = Timestamp(1_764_105_556);
        for (verb, workload, text) in [
            (RequestVerb::Promote, Some("web"), "promote web 2025-11-25T21:19:16Z-3f9a"),
            (RequestVerb::Abort, None, "abort 2025-11-25T21:19:16Z-3f9a"),
            (RequestVerb::Retry, None, "retry 2025-11-25T21:19:16Z-3f9a"),
        ] {
            assert_eq!(request_text(verb, workload, now, "3f9a"), text);
            let workload = workload.map(str::to_owned);
            assert_eq!(parse_request(text), Some(Request { text: text.into(), verb, workload }));
        }
        for text in
            ["", "promote", "promote ", "delete 1", "promote a b c", "promote  1", "promote\n1", "Promote 1"]
        {
            assert_eq!(parse_request(text), None, "{text}");
        }
        assert_eq!(parse_request(&format!("promote {}", "1".repeat(LENGTH))), None);
    }
}
