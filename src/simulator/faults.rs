//! What can be made to go wrong.

use super::{Millis, TaskId};

/// One thing that goes wrong, put into the world by [`World::inject`](super::World::inject).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// API calls fail.
    Call {
        /// An operation (`ModifyRule`), `*` for all, `*write` for all that change something, `*read` for the others.
        operation: String,
        /// How many matching calls are let through first.
        after: u32,
        /// How many fail then; `u32::MAX` for ever.
        times: u32,
        failure: Failure,
    },
    /// The caller dies at its `write`-th write (1 = the next): that call and every later one get no answer until
    /// [`World::revive`](super::World::revive).
    Halt { write: u32, point: HaltPoint },
    /// All targets of a group (name or ARN) behave so, until `Targets` is injected again with `TargetFault::None`.
    Targets { target_group: String, fault: TargetFault },
    /// From now on there is room for this many tasks in all; running ones stay.
    Capacity { tasks: usize },
    /// A task ends by itself.
    StopTask { task: TaskId, reason: String },
    /// Fargate takes the oldest running task of a service away with two minutes' notice, as it does with Spot tasks.
    SpotInterruption { service: String },
    /// Somebody else changes a service's desired count, once.
    DesiredCount { service: String, count: usize },
    /// Somebody else's autoscaler looks after a service's desired count, every so often: `max` while a load balancer gives
    /// weight to one of its target groups, else `min`. As with the other faults that name a service, it must be there.
    Autoscaler { service: String, min: usize, max: usize, every_ms: Millis },
    /// Somebody else tags every resource so long after it was made; a key of AWS's own (`aws:…`) may be given.
    AutoTag { key: String, value: String, delay_ms: Millis },
    /// An alarm changes its state (`OK`, `ALARM`, `INSUFFICIENT_DATA`); it is made if there is none of the name.
    Alarm { name: String, state: String },
}

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Status 400 with this code and message.
    Error { code: String, message: String },
    /// Status 500 and no effect.
    Internal,
    /// The call takes effect, the connection is cut before the answer.
    LostAnswer,
    /// The connection is cut before the request arrives.
    CutBefore,
    /// The caller has not the right to it, in the service's own words.
    Denied,
    /// The rate of calls is exceeded, in the service's own words.
    Throttled,
    /// Nothing that the call names is there: the service's own error, or `failures` and empty lists where it answers
    /// so.
    NotFound,
    /// The call takes effect; half of its answer arrives, with status 200.
    Unreadable,
    /// A read sees the account as it was so long ago, or, where that was before the fault was injected, as it was
    /// then; with [`Settings::history_ms`](super::Settings::history_ms) the past is known further back. Writes are
    /// not concerned.
    Stale { age_ms: Millis },
    /// The call is answered as it should be, with a `Date` header so far ahead (or, if negative, behind).
    Skewed { seconds: i64 },
    /// The call is answered as it should be, with this text as `Date` header.
    Dated(String),
    /// A proxy that can't reach the service answers 502 with a page of its own, whose clock is so far ahead. The
    /// request never arrives.
    Proxy { seconds: i64 },
}

/// Where in a write the caller dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltPoint {
    /// Before the request is sent: the write has no effect.
    Before,
    /// The write takes effect, its answer never arrives.
    AnswerLost,
    /// The write takes effect and is answered; the caller's next call, whatever it is, is never sent.
    After,
}

/// How the targets of a group behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFault {
    None,
    /// Every health check fails; requests are answered with 503.
    Unhealthy,
    /// Health checks fail in every other stretch of this length.
    Flapping(Millis),
    /// DescribeTargetHealth answers `unavailable` with `Elb.InternalError`; requests are not concerned.
    Unavailable,
}

impl Fault {
    /// Reads the form used on the command line: `ModifyRule:error=Throttling`, `*write:lost:after=3`,
    /// `DescribeServices:500:times=2`, `CreateService:cut`, `targets=web-green:unhealthy`, `targets=web-blue:flapping=30`,
    /// `capacity=3`, `alarm=web-5xx:ALARM`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Fault, String> {
        let wrong = || {
            format!(
                "`{text}` is not a fault; write it like `ModifyRule:error=Throttling`, `*write:lost:after=3`, \
                 `targets=web-green:unhealthy`, `capacity=3` or `alarm=web-5xx:ALARM`"
            )
        };
        if let Some(tasks) = text.strip_prefix("capacity=") {
            return Ok(Fault::Capacity { tasks: tasks.parse().map_err(|_| wrong())? });
        }
        if let Some(alarm) = text.strip_prefix("alarm=") {
            let (name, state) = alarm.rsplit_once(':').ok_or_else(wrong)?;
            return Ok(Fault::Alarm { name: name.into(), state: state.into() });
        }
        if let Some(service) = text.strip_prefix("spot=") {
            return Ok(Fault::SpotInterruption { service: service.into() });
        }
        if let Some(count) = text.strip_prefix("desired=") {
            let (service, count) = count.rsplit_once(':').ok_or_else(wrong)?;
            return Ok(Fault::DesiredCount {
                service: service.into(),
                count: count.parse().map_err(|_| wrong())?,
            });
        }
        if let Some(scaler) = text.strip_prefix("autoscaler=") {
            return parse_autoscaler(scaler).ok_or_else(wrong);
        }
        if let Some(tag) = text.strip_prefix("autotag=") {
            let (key, value) = tag.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(wrong)?;
            return Ok(Fault::AutoTag { key: key.into(), value: value.into(), delay_ms: 0 });
        }
        if let Some(targets) = text.strip_prefix("targets=") {
            let (group, how) = targets.rsplit_once(':').ok_or_else(wrong)?;
            let fault = match how.split_once('=') {
                None if how == "unhealthy" => TargetFault::Unhealthy,
                None if how == "none" => TargetFault::None,
                None if how == "unavailable" => TargetFault::Unavailable,
                Some(("flapping", s)) => {
                    TargetFault::Flapping(s.parse::<u64>().map_err(|_| wrong())?.max(1) * 1_000)
                }
                _ => return Err(wrong()),
            };
            return Ok(Fault::Targets { target_group: group.into(), fault });
        }
        let mut parts = text.split(':');
        let operation = parts.next().filter(|name| !name.is_empty()).ok_or_else(wrong)?.to_string();
        let failure = match parts.next().ok_or_else(wrong)? {
            "500" => Failure::Internal,
            "lost" => Failure::LostAnswer,
            "cut" => Failure::CutBefore,
            "denied" => Failure::Denied,
            "throttled" => Failure::Throttled,
            "notfound" => Failure::NotFound,
            "unreadable" => Failure::Unreadable,
            "proxy" => Failure::Proxy { seconds: 0 },
            other => parse_valued(other).ok_or_else(wrong)?,
        };
        let (mut after, mut times) = (0, 1);
        for part in parts {
            let (name, number) = part.split_once('=').ok_or_else(wrong)?;
            let number: u32 = number.parse().map_err(|_| wrong())?;
            match name {
                "after" => after = number,
                "times" => times = number,
                _ => return Err(wrong()),
            }
        }
        Ok(Fault::Call { operation, after, times, failure })
    }
}

/// Reads `SERVICE:MIN:MAX`; the autoscaler looks once a minute.
fn parse_autoscaler(text: &str) -> Option<Fault> {
    let mut parts = text.splitn(3, ':');
    let service = parts.next().filter(|name| !name.is_empty())?.into();
    let (min, max) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Fault::Autoscaler { service, min, max, every_ms: 60_000 })
}

/// Reads a failure that says more: `error=CODE`, `stale=SECONDS`, `skewed=SECONDS`, `proxy=SECONDS`, `date=TEXT`.
fn parse_valued(text: &str) -> Option<Failure> {
    let (kind, value) = text.split_once('=').filter(|(_, value)| !value.is_empty())?;
    Some(match kind {
        "error" => Failure::Error { code: value.into(), message: "Injected by the simulator.".into() },
        "stale" => Failure::Stale { age_ms: value.parse::<u64>().ok()?.checked_mul(1_000)? },
        "skewed" => Failure::Skewed { seconds: value.parse().ok()? },
        "proxy" => Failure::Proxy { seconds: value.parse().ok()? },
        "date" => Failure::Dated(value.into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Failure, Fault, TargetFault};

    #[test]
    fn faults_are_read_as_people_write_them() {
        let call = |operation: &str, failure, after, times| Fault::Call {
            operation: operation.into(),
            after,
            times,
            failure,
        };
        for (text, want) in [
            ("*write:lost:after=3", call("*write", Failure::LostAnswer, 3, 1)),
            ("DescribeServices:500:times=2", call("DescribeServices", Failure::Internal, 0, 2)),
            ("CreateService:cut", call("CreateService", Failure::CutBefore, 0, 1)),
            ("ModifyRule:denied", call("ModifyRule", Failure::Denied, 0, 1)),
            ("*read:stale=5:times=2", call("*read", Failure::Stale { age_ms: 5_000 }, 0, 2)),
            ("*:skewed=-3600", call("*", Failure::Skewed { seconds: -3_600 }, 0, 1)),
            ("*:proxy=60", call("*", Failure::Proxy { seconds: 60 }, 0, 1)),
            ("*:date=never", call("*", Failure::Dated("never".into()), 0, 1)),
            ("spot=web", Fault::SpotInterruption { service: "web".into() }),
            ("desired=web:2", Fault::DesiredCount { service: "web".into(), count: 2 }),
            (
                "autoscaler=web:1:20",
                Fault::Autoscaler { service: "web".into(), min: 1, max: 20, every_ms: 60_000 },
            ),
            ("autotag=aws:x=y=z", Fault::AutoTag { key: "aws:x".into(), value: "y=z".into(), delay_ms: 0 }),
            ("capacity=3", Fault::Capacity { tasks: 3 }),
            ("alarm=a:b:ALARM", Fault::Alarm { name: "a:b".into(), state: "ALARM".into() }),
            (
                "targets=web:flapping=30",
                Fault::Targets { target_group: "web".into(), fault: TargetFault::Flapping(30_000) },
            ),
        ] {
            assert_eq!(Fault::parse(text), Ok(want));
        }
        for text in [
            "",
            "*:stale=x",
            "desired=web",
            "autoscaler=web:1",
            "autotag=x",
            "*:date=",
            "ModifyRule",
            "ModifyRule:boom",
            ":cut",
            "capacity=x",
            "targets=web:ill",
            "X:cut:after=y",
        ] {
            assert!(Fault::parse(text).is_err(), "{text}");
        }
    }
}
