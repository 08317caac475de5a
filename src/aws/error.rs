//! From the SDK's errors to [`Trouble`]: what happened, and what the caller can make of it.

use super::{Call, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;

/// A failed call, classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub trouble: Trouble,
    /// AWS refused for its rate limit; nothing was done.
    pub throttled: bool,
    /// The signature's time was refused; nothing was done, and the SDK has learned the right time from the answer.
    pub skewed: bool,
}

/// Messages of the other side are cut here.
const MESSAGE_LIMIT: usize = 600;

const THROTTLED: [&str; 10] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
];
const PASSING: [&str; 8] = [
    "ServerException",
    "InternalFailure",
    "InternalServerError",
    "InternalError",
    "InternalServiceError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "UpdateInProgressException",
];
const SKEWED: [&str; 4] =
    ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"];
const DENIED: [&str; 14] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

impl Failure {
    /// Classifies `error`, which `call` ended with.
    pub fn of<E>(call: &Call, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                match service.err().code().filter(|code| is_code(code)) {
                    Some(code) => Failure::answered(call, code, service.err().message(), status),
                    None => Failure::unreadable(call, status, service.raw().headers().get("content-type")),
                }
            }
            SdkError::ResponseError(response) => {
                // What the parser says of it quotes the answer: a proxy's page, or worse.
                let raw = response.raw();
                Failure::unreadable(call, raw.status().as_u16(), raw.headers().get("content-type"))
            }
            _ if mentions_credentials(error) => Failure::credentials(call, error),
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => {
                Failure::plain(call, TroubleKind::Transient, format!("no answer: {}", chain(error)))
            }
            _ => Failure::plain(call, TroubleKind::Rejected, chain(error)),
        }
    }

    /// A failure that says nothing but that the same may work later.
    pub fn passing(trouble: Trouble) -> Failure {
        Failure { trouble, throttled: false, skewed: false }
    }

    /// Without a code of AWS's: what refused is a proxy or a load balancer on the way, or the answer was cut off. It says
    /// nothing about what was asked for, whatever its status.
    fn unreadable(call: &Call, status: u16, content_type: Option<&str>) -> Failure {
        let form = content_type.map(|form| format!(", {}", cut(form))).unwrap_or_default();
        let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let reason = reason.map(|reason| format!(" {reason}")).unwrap_or_default();
        let message = format!(
            "the answer (HTTP {status}{reason}{form}) is not one of AWS's; if it stays so, look for a proxy or firewall on the \
             way ({})",
            call.service.iam_prefix()
        );
        Failure::plain(call, TroubleKind::Transient, message)
    }

    /// Classifies AWS's own error code.
    fn answered(call: &Call, code: &str, message: Option<&str>, status: u16) -> Failure {
        // CBOR and some JSON services prefix the shape's namespace.
        let code = code.rsplit('#').next().unwrap_or(code);
        let said = cut(message.unwrap_or("no message"));
        let throttled =
            THROTTLED.contains(&code) || status == 429 || (said.starts_with("Rate exceeded") && status < 500);
        let skewed = SKEWED.contains(&code);
        let text = format!("{code}: {said}");
        let kind = if throttled || status >= 500 || PASSING.contains(&code) {
            TroubleKind::Transient
        } else if skewed || DENIED.contains(&code) {
            TroubleKind::Denied
        } else if is_missing(call, code, &said) {
            TroubleKind::Missing
        } else {
            TroubleKind::Rejected
        };
        let text = match kind {
            TroubleKind::Denied => with_way_out(call, code, &text),
            _ => text,
        };
        Failure { throttled, skewed, ..Failure::plain(call, kind, text) }
    }

    fn credentials<E: Error + 'static>(call: &Call, error: &E) -> Failure {
        let timed_out = sources(error).any(|e| {
            matches!(e.downcast_ref::<CredentialsError>(), Some(CredentialsError::ProviderTimedOut(_)))
        });
        let kind = if timed_out { TroubleKind::Transient } else { TroubleKind::Denied };
        let message = format!(
            "no AWS credentials: {}; set AWS_PROFILE, run `aws sso login`, or give the task, pod or runner a role",
            chain(error)
        );
        Failure::plain(call, kind, message)
    }

    fn plain(call: &Call, kind: TroubleKind, message: String) -> Failure {
        let trouble = Trouble { kind, doing: call.doing(), message };
        Failure { trouble, throttled: false, skewed: false }
    }
}

/// True for the form of AWS's error codes; a proxy's own JSON may have a `code` as well.
fn is_code(code: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-#:/".contains(c);
    code.starts_with(|c: char| c.is_ascii_alphabetic()) && code.len() <= 128 && code.chars().all(fits)
}

fn is_missing(call: &Call, code: &str, message: &str) -> bool {
    code.contains("NotFound")
        // Nor for a service's target group that is gone.
        || (call.service == ServiceName::Ecs && message.contains("target group") && message.contains("does not exist"))
        || code == "ServiceNotActiveException"
        // ECS has no code of its own for an unknown task definition.
        || (call.service == ServiceName::Ecs
            && call.operation == "DescribeTaskDefinition"
            && message.starts_with("Unable to describe task definition"))
}

/// AWS's own message names the action only sometimes; the other reasons have their own way out.
fn with_way_out(call: &Call, code: &str, text: &str) -> String {
    let action = format!("{}:{}", call.service.iam_prefix(), call.operation);
    if code.starts_with("ExpiredToken") {
        return format!("{text}; renew the credentials (`aws sso login`, or a new session)");
    }
    if SKEWED.contains(&code) {
        return format!("{text}; check this machine's clock and the credentials");
    }
    if text.contains("not authorized to perform") || !code.starts_with("AccessDenied") {
        return format!("{text} (calling {action})");
    }
    format!("{text}; allow {action}")
}

fn mentions_credentials<E: Error + 'static>(error: &E) -> bool {
    sources(error).any(|e| e.is::<CredentialsError>())
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = current.source();
        Some(current)
    })
}

/// The whole chain in one line, each layer once.
fn chain<E: Error + 'static>(error: &E) -> String {
    let mut parts: Vec<String> = vec![];
    for layer in sources(error) {
        let text = layer.to_string();
        if !parts.iter().any(|p| p.contains(&text)) {
            parts.push(text);
        }
    }
    cut(&parts.join(": "))
}

fn cut(text: &str) -> String {
    let mut clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((end, _)) = clean.char_indices().nth(MESSAGE_LIMIT) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(operation: &'static str, code: &str, message: &str, status: u16) -> TroubleKind {
        let call = Call::new(ServiceName::Ecs, operation, "web");
        Failure::answered(&call, code, Some(message), status).trouble.kind
    }

    #[test]
    fn errors_are_told_apart_by_what_the_caller_can_do() {
        use TroubleKind::{Denied, Missing, Rejected, Transient};
        for (code, message, status, want) in [
            ("ThrottlingException", "Rate exceeded", 400, Transient),
            ("ClientException", "Rate exceeded", 400, Transient),
            ("ServerException", "oops", 500, Transient),
            ("Anything", "gateway", 503, Transient),
            ("AccessDeniedException", "no", 400, Denied),
            ("ExpiredTokenException", "old", 400, Denied),
            ("com.amazonaws.ecs#ClusterNotFoundException", "no cluster", 400, Missing),
            ("ClusterNotFoundException", "no cluster", 400, Missing),
            ("RuleNotFound", "no rule", 400, Missing),
            ("InvalidParameterException", "bad", 400, Rejected),
            ("LimitExceededException", "quota", 400, Rejected),
            ("InvalidParameterException", "The target group arn:x does not exist.", 400, Missing),
        ] {
            assert_eq!(kind_of("DescribeServices", code, message, status), want, "{code}");
        }
        let unknown = "Unable to describe task definition.";
        assert_eq!(kind_of("DescribeTaskDefinition", "ClientException", unknown, 400), Missing);
        assert_eq!(kind_of("RegisterTaskDefinition", "ClientException", unknown, 400), Rejected);
    }

    #[test]
    fn what_has_the_form_of_a_code_is_told_from_a_proxys_words() {
        for code in ["AccessDenied", "com.amazonaws.ecs#ServerException", "Sender.X", "ValidationError"] {
            assert!(is_code(code), "{code}");
        }
        for text in ["", "403", "access denied by policy", "<html>", "Zugriff_verweigert\u{e4}"] {
            assert!(!is_code(text), "{text}");
        }
    }

    #[test]
    fn a_denial_names_the_action() {
        let call = Call::new(ServiceName::Elb, "ModifyRule", "arn:x");
        let failure = Failure::answered(&call, "AccessDenied", Some("User is not allowed"), 403);
        assert!(
            failure.trouble.to_string().contains("elasticloadbalancing:ModifyRule"),
            "{}",
            failure.trouble
        );
    }

    #[test]
    fn messages_are_one_bounded_line() {
        let call = Call::new(ServiceName::Ecs, "CreateService", "web");
        let failure = Failure::answered(&call, "X", Some(&"a\n\u{1b}".repeat(9_000)), 400);
        assert!(failure.trouble.message.chars().count() < MESSAGE_LIMIT + 10);
        assert!(!failure.trouble.message.contains(['\n', '\u{1b}']));
    }
}
