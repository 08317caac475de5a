//! What is awaited, in words that stay the same while it is: a log gets one line, not one for each second.

use crate::rollout::WaitingOn;

/// The wait without the numbers that change while it lasts; `None` if the report that follows says it.
pub fn in_general(on: &WaitingOn) -> Option<String> {
    let what = match on {
        WaitingOn::Tasks { slot, wanted, .. } => format!("{wanted} {slot} tasks to run"),
        WaitingOn::HealthyTargets { slot, required, .. } => format!("{required} healthy {slot} targets"),
        WaitingOn::Stability { .. } => "the gates to hold without a break".into(),
        WaitingOn::Hold { weight, .. } => format!("the pause at {weight}%"),
        WaitingOn::Bake { .. } => "the end of the bake".into(),
        WaitingOn::Settle { .. } => "the load balancer to settle".into(),
        WaitingOn::ReturnTargets { slot, required, .. } => {
            format!("{required} healthy {slot} targets to send traffic back to")
        }
        WaitingOn::NameToBeFree { .. }
        | WaitingOn::HttpGate { .. }
        | WaitingOn::Alarm { .. }
        | WaitingOn::Approval => on.to_string(),
        WaitingOn::KeepPrevious { .. } => return Some("the previous version stays warm".into()),
        WaitingOn::NewRevision { .. } | WaitingOn::Person { .. } => return None,
    };
    Some(format!("waiting for {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slot;

    #[test]
    fn a_wait_reads_the_same_until_it_is_another_one() {
        let tasks = |running| in_general(&WaitingOn::Tasks { slot: Slot::Green, running, wanted: 3 });
        assert_eq!(tasks(0), tasks(2));
        assert_eq!(tasks(0).as_deref(), Some("waiting for 3 green tasks to run"));
        let bake = |remaining| in_general(&WaitingOn::Bake { remaining });
        assert_eq!(bake(600), bake(1));
        assert_ne!(bake(1), tasks(0));
    }
}
