//! One health check: what is asked, what the answer means, and what the model says it would be.

use super::external::{Behind, behind, reach};
use super::health::Target;
use super::target_group::TargetGroup;
use crate::simulator::queue::TargetKey;
use crate::simulator::state::State;
use crate::simulator::{Millis, Probe, TargetFault};
use std::net::SocketAddr;

/// Why a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Failed {
    Status(u16),
    Refused,
    Timeout,
}

/// What a check of the target yields now by the model, and when that may next be different.
pub(in crate::simulator) fn outcome(
    state: &State,
    group: &TargetGroup,
    key: &TargetKey,
    target: &Target,
) -> (Result<(), Failed>, Option<Millis>) {
    let now = state.now;
    let fault_change = match group.fault {
        TargetFault::Flapping(period) => Some((now / period + 1) * period),
        _ => None,
    };
    let failing = match group.fault {
        TargetFault::Unhealthy => true,
        TargetFault::Flapping(period) => (now / period) % 2 == 1,
        TargetFault::None | TargetFault::Unavailable => false,
    };
    if failing {
        return (Err(Failed::Status(503)), fault_change);
    }
    let (behaviour, started_at) = match behind(state, key, target) {
        Behind::Program { behaviour, started_at, .. } => (behaviour, started_at),
        Behind::Unknown => return (Ok(()), fault_change),
        Behind::Nobody => return (Err(Failed::Refused), fault_change),
    };
    let age = now.saturating_sub(started_at);
    let change = behaviour.next_change(age).map(|age| started_at + age);
    let result = match behaviour.answer(age, true) {
        None => Err(Failed::Refused),
        Some(_) if !group.health_check.protocol.starts_with("HTTP") => Ok(()),
        Some(status) if accepts(group.health_check.matcher.as_deref().unwrap_or("200"), status) => Ok(()),
        Some(status) => Err(Failed::Status(status)),
    };
    (result, [change, fault_change].into_iter().flatten().min())
}

/// Judges an answer that someone else got.
pub(in crate::simulator) fn judge(group: &TargetGroup, status: Option<u16>) -> Result<(), Failed> {
    match status {
        None => Err(Failed::Timeout),
        Some(_) if !group.health_check.protocol.starts_with("HTTP") => Ok(()),
        Some(status) if accepts(group.health_check.matcher.as_deref().unwrap_or("200"), status) => Ok(()),
        Some(status) => Err(Failed::Status(status)),
    }
}

/// True if an ELBv2 matcher (`200`, `200-299`, `200,301`) accepts the status.
fn accepts(matcher: &str, status: u16) -> bool {
    matcher.split(',').any(|part| match part.split_once('-') {
        Some((low, high)) => {
            low.trim().parse().is_ok_and(|l: u16| status >= l)
                && high.trim().parse().is_ok_and(|h: u16| status <= h)
        }
        None => part.trim().parse() == Ok(status),
    })
}

/// The port on which the task behind a target answers: that of its container, where the target's is the host's.
pub(super) fn container_port(state: &State, target: &Target, port: u16) -> u16 {
    let task = target.task.and_then(|id| state.tasks.get(&id));
    task.map_or(port, |task| task.container_port(port))
}

/// The check to be made by someone else. What is played for an external target answers on one port only.
pub(super) fn ask(state: &State, group: &TargetGroup, key: &TargetKey, target: &Target) -> Probe {
    let check = &group.health_check;
    let port = check.port.parse().unwrap_or(key.1);
    let address = reach(state, key).filter(|_| target.task.is_none());
    let address = address.map(|address| SocketAddr::new(address.ip(), port));
    let played = state.externals.get(key).filter(|external| !external.gone && target.task.is_none());
    Probe {
        id: 0,
        task: target.task.or(played.map(|external| external.id)),
        port: if played.is_some() { key.1 } else { container_port(state, target, port) },
        address,
        path: check.path.clone().filter(|_| check.protocol.starts_with("HTTP")),
        matcher: check.matcher.clone().unwrap_or_default(),
        timeout_ms: check.timeout_seconds * 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::accepts;

    #[test]
    fn matchers_are_read_as_documented() {
        for (matcher, status, want) in [
            ("200", 200, true),
            ("200", 204, false),
            ("200-299", 204, true),
            ("200,301", 301, true),
            ("x", 200, false),
        ] {
            assert_eq!(accepts(matcher, status), want, "{matcher} {status}");
        }
    }
}
