//! The one way a request is sent: paced, guarded if it writes, counted, and repeated where that is safe.

use super::{Aws, Failure};
use crate::engine::{Trouble, TroubleKind, WRITE_BOUND};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// The AWS service a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceName {
    Ecs,
    Elb,
    CloudWatch,
    Sts,
}

impl ServiceName {
    /// The prefix of its IAM actions.
    pub fn iam_prefix(self) -> &'static str {
        match self {
            ServiceName::Ecs => "ecs",
            ServiceName::Elb => "elasticloadbalancing",
            ServiceName::CloudWatch => "cloudwatch",
            ServiceName::Sts => "sts",
        }
    }
}

/// Which operation is called, and about what, for messages.
#[derive(Clone, Debug)]
pub struct Call {
    pub service: ServiceName,
    pub operation: &'static str,
    /// The resource: a name or an ARN; may be empty.
    pub about: String,
}

impl Call {
    /// A call of `operation` about `about`.
    pub fn new(service: ServiceName, operation: &'static str, about: impl Into<String>) -> Call {
        Call { service, operation, about: about.into() }
    }

    /// `DescribeServices web-blue`.
    pub fn doing(&self) -> String {
        format!("{} {}", self.operation, self.about).trim_end().to_owned()
    }

    /// True for operations that change something.
    pub fn is_write(&self) -> bool {
        !["Describe", "List", "Get"].iter().any(|prefix| self.operation.starts_with(prefix))
    }
}

/// How a call is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Repeated after anything passing.
    Read,
    /// The same for what only keeps a rollout from going forward: bounded by [`EVIDENCE_BOUND`], so that a service that
    /// does not answer does not delay what traffic has to go back for.
    Evidence,
    /// Repeated only after answers that say for certain that nothing was done (throttled, signed with a wrong clock).
    /// After a lost answer the caller has to look.
    Write,
    /// Sent once and at once: something was read just before it that must still be so. The caller has waited with
    /// [`Aws::make_room`] or [`Aws::make_room_first`].
    WriteNow,
}

/// Attempts at most, the first one included.
const ATTEMPTS: u32 = 5;

/// For all attempts of a reading of evidence and the pauses between them. Waiting for the account's rate does not count:
/// where many rollouts take their turns, none is without evidence for that.
pub const EVIDENCE_BOUND: Duration = Duration::from_secs(8);
/// For one of these attempts, so that a request that was lost is sent once more.
const EVIDENCE_ATTEMPT: Duration = Duration::from_secs(4);

impl Aws {
    /// Sends what `request` makes, by the rules of `conduct`.
    ///
    /// # Errors
    /// The last attempt's, as [`Failure`] classifies it, or the write guard's.
    pub async fn send<T, E, F>(
        &self,
        call: &Call,
        conduct: Conduct,
        request: impl Fn() -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut attempt = 1;
        let mut left = EVIDENCE_BOUND;
        loop {
            if conduct != Conduct::WriteNow {
                self.shared.pace.take(call).await;
            }
            if call.is_write() {
                self.check_guard().await?;
            }
            self.shared.calls.note(call, |tally| tally.sent += 1);
            let begun = Instant::now();
            // Getting credentials and connecting count, too: all that comes after the check.
            let bound = match conduct {
                _ if call.is_write() => Some(WRITE_BOUND),
                Conduct::Evidence => Some(left.min(EVIDENCE_ATTEMPT)),
                _ => None,
            };
            let answer = match bound {
                Some(bound) => tokio::time::timeout(bound, request()).await.map_err(|_| late(call, bound)),
                None => Ok(request().await),
            };
            let failure = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Failure::of(call, &error),
                // Nobody knows whether it was done.
                Err(late) if call.is_write() => return Err(late),
                Err(late) => Failure::passing(late),
            };
            self.shared.calls.note(call, |tally| {
                tally.failed += 1;
                tally.throttled += u64::from(failure.throttled);
            });
            if failure.throttled {
                self.shared.pace.drain(call);
            }
            let again = match conduct {
                Conduct::Read | Conduct::Evidence => {
                    failure.trouble.kind == TroubleKind::Transient || (failure.skewed && attempt == 1)
                }
                Conduct::Write => failure.throttled || (failure.skewed && attempt == 1),
                Conduct::WriteNow => false,
            };
            self.shared.names.forget_if_gone(call, &failure.trouble);
            if !again || attempt == ATTEMPTS {
                return Err(failure.trouble);
            }
            let pause = pause(attempt, failure.throttled, self.shared.calls.counts().sent());
            if conduct == Conduct::Evidence {
                left = left.saturating_sub(begun.elapsed() + pause);
                if left.is_zero() {
                    return Err(failure.trouble);
                }
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Waits until the account's rate allows `call`, so that it can follow a read without a pause.
    pub async fn make_room(&self, call: &Call) {
        self.shared.pace.take(call).await;
    }

    /// The same before everybody else, for what keeps or frees a lock.
    pub async fn make_room_first(&self, call: &Call) {
        self.shared.pace.take_first(call).await;
    }
}

fn late(call: &Call, bound: Duration) -> Trouble {
    Trouble {
        kind: TroubleKind::Transient,
        doing: call.doing(),
        message: format!("no answer within {} seconds", bound.as_secs()),
    }
}

/// 0.2 s, 0.4 s, 0.8 s …, after a throttle five times as long, up to half of it taken off so that many waiters do not
/// come back together. `salt` spreads them; no randomness is needed for that.
fn pause(attempt: u32, throttled: bool, salt: u64) -> Duration {
    let base = if throttled { 1_000 } else { 200 } << (attempt - 1).min(4);
    let spread = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Duration::from_millis(base - spread % (base / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_never_vanish() {
        for salt in 0..1_000 {
            for attempt in 1..ATTEMPTS {
                let whole = 200 << (attempt - 1);
                let got = pause(attempt, false, salt).as_millis();
                assert!(got > whole / 2 && got <= whole, "{attempt} {salt}: {got}");
            }
        }
    }

    #[test]
    fn what_describes_lists_or_gets_is_a_read_and_all_else_a_write() {
        let write = |operation| Call::new(ServiceName::Ecs, operation, "").is_write();
        assert!(!write("DescribeServices") && !write("ListTasks") && !write("GetCallerIdentity"));
        assert!(write("ModifyRule") && write("TagResource") && write("CreateService"));
    }
}
