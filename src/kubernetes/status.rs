//! From the API server's `Status` to [`Trouble`]: what happened, and what the caller can make of it.

use super::calls::Verb;
use super::fields::{InvalidField, invalid_fields};
use super::send::Call;
use crate::engine::{Trouble, TroubleKind};
use crate::plan::FieldConflict;
use serde_json::Value;
use std::time::Duration;

/// Messages of the other side are cut here.
const MESSAGE_LIMIT: usize = 1_500;

/// Why an apply was refused, or did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Other managers own fields with other values, and force was not used.
    Conflicts(Vec<FieldConflict>),
    /// The API server or one of its admission webhooks refuses the object as it is.
    Invalid {
        message: String,
        fields: Vec<InvalidField>,
    },
    Trouble(Trouble),
}

impl Refusal {
    /// The same as one trouble; `doing` is what was tried.
    pub fn into_trouble(self, doing: &str) -> Trouble {
        let rejected = |message| Trouble { kind: TroubleKind::Rejected, doing: doing.to_owned(), message };
        match self {
            Refusal::Trouble(trouble) => trouble,
            Refusal::Invalid { message, .. } => rejected(message),
            Refusal::Conflicts(conflicts) => {
                let fields: Vec<String> =
                    conflicts.iter().map(|c| format!("{} belongs to {}", c.field, c.manager)).collect();
                rejected(format!(
                    "{}; leave these fields out, or take them with sync.forceConflicts or --force-conflicts",
                    fields.join(", ")
                ))
            }
        }
    }
}

/// A request that did not succeed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server answered.
    Status(Status),
    /// It did not, or nothing was sent.
    Trouble(Trouble),
}

impl Failure {
    /// True if the same request may succeed a little later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            // An expired continuation stays expired; the list has to begin anew.
            Failure::Status(status) => status.kind() == TroubleKind::Transient && status.code != 410,
            Failure::Trouble(trouble) => trouble.kind == TroubleKind::Transient,
        }
    }

    /// True if the server gave up since it took too long.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Failure::Status(status) if status.code == 504)
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Status(status) => status.retry_after,
            Failure::Trouble(_) => None,
        }
    }

    pub(super) fn into_trouble(self, call: &Call) -> Trouble {
        match self {
            Failure::Status(status) => call.trouble(status.kind(), status.told(call)),
            Failure::Trouble(trouble) => trouble,
        }
    }

    /// For applies of `body`.
    pub(super) fn into_refusal(self, call: &Call, body: &Value) -> Refusal {
        let status = match self {
            Failure::Trouble(trouble) => return Refusal::Trouble(trouble),
            Failure::Status(status) => status,
        };
        let conflicts = status.conflicts();
        if !conflicts.is_empty() {
            return Refusal::Conflicts(conflicts);
        }
        if status.kind() == TroubleKind::Rejected {
            let causes: Vec<(&str, &str)> =
                status.causes.iter().map(|cause| (cause.field.as_str(), cause.message.as_str())).collect();
            let mut fields = invalid_fields(&status.message, &causes, body);
            if call.is_about_secrets() {
                fields.iter_mut().for_each(|field| field.message = say_no_value(&field.message).to_owned());
            }
            return Refusal::Invalid { message: status.told(call), fields };
        }
        // A webhook that takes longer than the request may: other requests are answered meanwhile.
        let kind = if status.code == 504 { TroubleKind::Unavailable } else { status.kind() };
        Refusal::Trouble(call.trouble(kind, status.told(call)))
    }
}

/// What the server answered in place of success.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    pub code: u16,
    /// `NotFound`, `Conflict`, `Invalid`; may be empty.
    pub reason: String,
    pub message: String,
    /// What is missing or in conflict: an object's name.
    pub about_name: String,
    pub causes: Vec<Cause>,
    pub retry_after: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Cause {
    pub reason: String,
    pub message: String,
    pub field: String,
}

impl Status {
    pub(super) fn parse(code: u16, body: &[u8], retry_after: Option<Duration>) -> Status {
        let Some(json) = serde_json::from_slice::<Value>(body).ok().filter(|json| json["kind"] == "Status")
        else {
            // A proxy's page, or `404 page not found` for a path that the server does not have.
            let message = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            return Status { code, message, retry_after, ..Status::default() };
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let details = &json["details"];
        let causes = details["causes"].as_array().into_iter().flatten().map(|cause| Cause {
            reason: text(&cause["reason"]),
            message: text(&cause["message"]),
            field: text(&cause["field"]),
        });
        Status {
            code,
            reason: text(&json["reason"]),
            message: text(&json["message"]),
            about_name: text(&details["name"]),
            causes: causes.collect(),
            retry_after: retry_after
                .or_else(|| details["retryAfterSeconds"].as_u64().map(Duration::from_secs)),
        }
    }

    /// True if the server has the kind, but not this object.
    pub(super) fn is_absence_of(&self, name: &str) -> bool {
        self.code == 404 && self.reason == "NotFound" && self.about_name == name
    }

    pub(super) fn kind(&self) -> TroubleKind {
        let says = |words: &str| self.message.contains(words);
        match self.code {
            401 => TroubleKind::Denied,
            // The namespace is on its way out; what is sent after that fails with 404, or works if it was made anew.
            403 if self.causes.iter().any(|cause| cause.reason == "NamespaceTerminating") => {
                TroubleKind::Transient
            }
            // Admission answers 403 as well (quotas, webhooks); only authorization names what can't be done.
            403 if says(" cannot ") && says("resource") || self.message.is_empty() => TroubleKind::Denied,
            403 => TroubleKind::Rejected,
            404 => TroubleKind::Missing,
            409 => TroubleKind::LookAgain,
            408 | 410 | 429 => TroubleKind::Transient,
            // Server-side apply reports what does not fit the schema as an internal error, without a reason.
            500 if [
                "failed to create typed patch object",
                "failed to convert new object",
                "failed to create manager",
            ]
            .iter()
            .any(|words| says(words)) =>
            {
                TroubleKind::Rejected
            }
            500.. if self.is_about_one_kind() => TroubleKind::Unavailable,
            500.. => TroubleKind::Transient,
            _ => TroubleKind::Rejected,
        }
    }

    /// True if the server itself is well, and what it calls for this object or kind is not: admission webhooks and
    /// conversion webhooks answer within its `500`, and an aggregated API server that is away is told as plain text.
    fn is_about_one_kind(&self) -> bool {
        let says = |words: &str| self.message.contains(words);
        let is_aggregator = self.code == 503
            && self.reason.is_empty()
            && (self.message.trim() == "service unavailable"
                || self.message.starts_with("error trying to reach service"));
        says("failed calling webhook") || says("conversion webhook for") || is_aggregator
    }

    fn conflicts(&self) -> Vec<FieldConflict> {
        let conflicts = self.causes.iter().filter(|cause| cause.reason == "FieldManagerConflict");
        conflicts
            .map(|cause| FieldConflict { manager: manager(&cause.message), field: cause.field.clone() })
            .collect()
    }

    /// The message for people: one bounded line, and no value of a Secret.
    fn told(&self, call: &Call) -> String {
        let message = match self.message.is_empty() {
            true => self.reason.clone(),
            false => self.message.clone(),
        };
        let text = if call.is_about_secrets() && self.kind() == TroubleKind::Rejected {
            let fields: Vec<String> = self
                .causes
                .iter()
                .map(|cause| format!("{}: {}", cause.field, say_no_value(&cause.message)))
                .collect();
            match fields.is_empty() {
                true => say_no_value(&message).to_owned(),
                false => fields.join("; "),
            }
        } else {
            message
        };
        let text = clean(&text, MESSAGE_LIMIT);
        match self.code {
            401 => format!("{text} (401): the token or certificate is not accepted; it may have expired"),
            404 if self.reason.is_empty() => format!("the server does not serve {}", call.resource),
            429 | 500.. if !matches!(self.kind(), TroubleKind::Rejected) => {
                format!("HTTP {}: {text}", self.code)
            }
            _ => text,
        }
    }
}

impl Call {
    fn is_about_secrets(&self) -> bool {
        self.resource == "secrets" && self.verb != Verb::List
    }
}

/// What is wrong with a Secret, as far as that can be told without any of its values: the server's messages quote them.
fn say_no_value(message: &str) -> &'static str {
    let known = [
        ("illegal base64", "a value under `data` is not base64; plain text belongs under `stringData`"),
        ("field not declared in schema", "a field is not known"),
        ("unknown field", "a field is not known"),
        ("expected string", "a value is no string; put it in quotes"),
        ("a valid config key must", "a key may only have letters, digits, `-`, `_` and `.`"),
        ("immutable", "it can't be changed once it is there"),
        ("Required value", "it is required"),
        ("Too long", "it is too long"),
        ("invalid character", "it is not valid JSON"),
    ];
    let found = known.iter().find(|(words, _)| message.contains(words));
    found.map_or(
        "the server refuses it; its message may quote the Secret's values and is not shown",
        |(_, say)| say,
    )
}

/// `conflict with "kubectl-client-side-apply" using apps/v1` → `kubectl-client-side-apply`
fn manager(message: &str) -> String {
    message.split('"').nth(1).unwrap_or(message).to_owned()
}

/// One line of at most `limit` characters.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let mut clean: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((end, _)) = clean.char_indices().nth(limit) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(resource: &str) -> Call {
        Call { verb: Verb::Apply, resource: resource.into(), about: "X/y".into() }
    }

    fn status(code: u16, reason: &str, message: &str) -> Status {
        let body = json!({"kind": "Status", "reason": reason, "message": message, "code": code});
        Status::parse(code, body.to_string().as_bytes(), None)
    }

    #[test]
    fn answers_are_told_apart_by_what_the_caller_can_do() {
        use TroubleKind::{Denied, LookAgain, Missing, Rejected, Transient, Unavailable};
        for (code, message, kind) in [
            (401, "Unauthorized", Denied),
            (403, r#"pods is forbidden: User "u" cannot list resource "pods" in API group """#, Denied),
            (403, r#"pods "a" is forbidden: exceeded quota: q"#, Rejected),
            (400, r#"admission webhook "w" denied the request: no"#, Rejected),
            (404, "not found", Missing),
            (409, "the object has been modified", LookAgain),
            (422, "is invalid", Rejected),
            (429, "too many", Transient),
            (
                500,
                "failed to create typed patch object (/a; v1, Kind=B): .x: field not declared in schema",
                Rejected,
            ),
            (500, "etcdserver: leader changed", Transient),
            (503, "unavailable", Transient),
            (503, "service unavailable\n", Unavailable),
            (
                503,
                "error trying to reach service: dial tcp 10.0.0.1:443: connect: connection refused",
                Unavailable,
            ),
            (
                500,
                r#"Internal error occurred: failed calling webhook "w": failed to call webhook: Post"#,
                Unavailable,
            ),
            (500, "conversion webhook for e.dev/v1, Kind=Thing failed: Post", Unavailable),
            (413, "too large", Rejected),
        ] {
            assert_eq!(status(code, "", message).kind(), kind, "{code} {message}");
        }
        let body = json!({"kind": "Status", "message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}], "retryAfterSeconds": 3}});
        let going = Status::parse(403, body.to_string().as_bytes(), None);
        assert_eq!((going.kind(), going.retry_after), (Transient, Some(Duration::from_secs(3))));
    }

    #[test]
    fn a_missing_kind_is_not_a_missing_object() {
        assert!(!Status::parse(404, b"404 page not found", None).is_absence_of("web"));
        let kind = json!({"kind": "Status", "reason": "NotFound", "details": {}});
        assert!(!Status::parse(404, kind.to_string().as_bytes(), None).is_absence_of("web"));
        let object = json!({"kind": "Status", "reason": "NotFound", "details": {"name": "web", "kind": "deployments"}});
        assert!(Status::parse(404, object.to_string().as_bytes(), None).is_absence_of("web"));
    }

    #[test]
    fn conflicts_name_manager_and_field() {
        let body = json!({"kind": "Status", "reason": "Conflict", "message": "Apply failed with 1 conflict", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using apps/v1", "field": ".spec.replicas"}]}});
        let failure = Failure::Status(Status::parse(409, body.to_string().as_bytes(), None));
        let refusal = failure.into_refusal(&call("deployments.apps"), &json!({}));
        let conflict = FieldConflict { manager: "kubectl".into(), field: ".spec.replicas".into() };
        assert_eq!(refusal, Refusal::Conflicts(vec![conflict]));
        assert!(refusal.into_trouble("apply X/y").to_string().contains(".spec.replicas belongs to kubectl"));
    }

    #[test]
    fn no_value_of_a_secret_is_told() {
        for (code, message, causes) in [
            (
                500,
                "failed to create typed patch object (/s; /v1, Kind=Secret): .stringData.a: expected string, got &value.valueUnstructured{Value:hunter2}",
                json!([]),
            ),
            (
                422,
                "Secret \"s\" is invalid: data[hunter2]: Invalid value: \"hunter2\"",
                json!([{"reason": "FieldValueInvalid", "field": "data[k]", "message": "Invalid value: \"hunter2\""}]),
            ),
            (400, "admission webhook \"w\" denied the request: hunter2 is weak", json!([])),
        ] {
            let body = json!({"kind": "Status", "message": message, "details": {"causes": causes}});
            let failure = Failure::Status(Status::parse(code, body.to_string().as_bytes(), None));
            let refusal =
                failure.clone().into_refusal(&call("secrets"), &json!({"stringData": {"a": "hunter2"}}));
            assert!(!format!("{refusal:?}").contains("hunter2"), "{refusal:?}");
            let trouble = failure.into_trouble(&call("secrets"));
            assert!(!trouble.to_string().contains("hunter2"), "{trouble}");
        }
    }

    #[test]
    fn messages_are_one_bounded_line() {
        let trouble =
            Failure::Status(status(422, "Invalid", &"a\n\u{1b}".repeat(9_000))).into_trouble(&call("pods"));
        assert!(trouble.message.chars().count() <= MESSAGE_LIMIT + 1);
        assert!(!trouble.message.contains(['\n', '\u{1b}']));
    }
}
