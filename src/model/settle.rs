//! How long load balancers take to follow a change of weights.

use super::Seconds;

/// An application load balancer sends by the new weights within seconds of a Modify; twice what was seen by others
/// when they scaled down too early.
const APPLICATION: Seconds = 10;
/// A network load balancer takes minutes; ECS's own blue/green waits ten.
const NETWORK: Seconds = 600;

/// The time after which the slowest of the load balancers of these rules and listeners (ARNs) has followed a change.
pub fn settle_seconds<'a>(arns: impl IntoIterator<Item = &'a String>) -> Seconds {
    let of = |arn: &String| if arn.split('/').nth(1) == Some("net") { NETWORK } else { APPLICATION };
    arns.into_iter().map(of).max().unwrap_or(APPLICATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_load_balancers_get_minutes_to_settle() {
        let arn = |kind: &str| format!("arn:aws:elasticloadbalancing:r:1:listener/{kind}/lb/1/2");
        assert_eq!(settle_seconds(&[arn("app")]), APPLICATION);
        assert_eq!(settle_seconds(&[arn("app"), arn("net")]), NETWORK);
    }
}
