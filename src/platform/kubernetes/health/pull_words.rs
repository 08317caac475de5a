//! Why an image can't be pulled, in known words. A registry's own message is never repeated: it may hold a signed URL.

use crate::model::Seconds;

/// What is looked for in the message, in this order, what it means, and for how long it may be a passing trouble.
const KNOWN: &[(&[&str], &str, Seconds)] = &[
    (&["toomanyrequests", "too many requests", "429"], "the registry limits how often it is asked", 600),
    (
        &[
            "no such host",
            "i/o timeout",
            "deadline exceeded",
            "connection refused",
            "connection reset",
            "unavailable",
        ],
        "the registry cannot be reached",
        600,
    ),
    (
        // Docker Hub answers the same for what is private and for what does not exist.
        &["denied", "unauthorized", "authorization failed", "forbidden", "no basic auth", "401", "403"],
        "access is denied, or it does not exist",
        120,
    ),
    (
        &["no match for platform", "no matching manifest", "exec format"],
        "it is not built for the node's kind",
        60,
    ),
    (&["not found", "manifest unknown", "name unknown", "does not exist", "404"], "it does not exist", 60),
];

/// The reason in words, empty if it is not known, and after how many seconds waiting is given up.
pub(super) fn why_not_pulled(message: &str) -> (&'static str, Seconds) {
    let message = message.to_ascii_lowercase();
    let found = KNOWN.iter().find(|(words, ..)| words.iter().any(|word| message.contains(word)));
    found.map_or(("", 300), |(_, meaning, seconds)| (meaning, *seconds))
}

#[cfg(test)]
mod tests {
    use super::why_not_pulled;

    #[test]
    fn registries_answers_are_told_apart_without_repeating_them() {
        for (message, want) in [
            (
                "rpc error: code = NotFound desc = failed to pull and unpack image \"docker.io/library/nginx:nope\": \
                 failed to resolve reference: docker.io/library/nginx:nope: not found",
                "it does not exist",
            ),
            (
                "failed to resolve reference \"docker.io/acme/x:1\": pull access denied, repository does not exist or \
                 may require authorization: server message: insufficient_scope: authorization failed",
                "access is denied, or it does not exist",
            ),
            ("dial tcp: lookup registry.local: no such host", "the registry cannot be reached"),
            (
                "429 Too Many Requests - toomanyrequests: You have reached",
                "the registry limits how often it is asked",
            ),
            ("no match for platform in manifest: not found", "it is not built for the node's kind"),
            ("Back-off pulling image \"x\"", ""),
        ] {
            assert_eq!(why_not_pulled(message).0, want, "{message}");
        }
    }
}
