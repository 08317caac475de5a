//! The APIs' token buckets. Figures are AWS's published ones where there are any: Amazon ECS API reference, "Request
//! throttling"; Elastic Load Balancing API reference, "Throttling".

use super::Millis;
use super::wire::Api;
use std::collections::BTreeMap;

/// A bucket's size in calls and its refill in calls a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    burst: f64,
    per_second: f64,
}

/// Which bucket an operation is taken from.
fn bucket_of(api: Api, operation: &str) -> (&'static str, Rate) {
    let rate =
        |burst: u32, per_second: u32| Rate { burst: f64::from(burst), per_second: f64::from(per_second) };
    let reads = ["Describe", "List", "Get"].iter().any(|verb| operation.starts_with(verb));
    match (api, operation) {
        (Api::Ecs, "DescribeClusters" | "ListClusters") => ("ecs cluster reads", rate(50, 20)),
        (Api::Ecs, "CreateCluster" | "DeleteCluster") => ("ecs cluster writes", rate(20, 1)),
        (Api::Ecs, "RegisterTaskDefinition" | "DeregisterTaskDefinition") => {
            ("ecs task definition writes", rate(20, 1))
        }
        (Api::Ecs, "DescribeTaskDefinition" | "ListTaskDefinitions") => {
            ("ecs task definition reads", rate(50, 20))
        }
        (Api::Ecs, "ListTagsForResource" | "TagResource" | "UntagResource") => ("ecs tags", rate(20, 10)),
        (Api::Ecs, _) if reads => ("ecs service and task reads", rate(20, 20)),
        (Api::Ecs, "StopTask" | "RunTask") => ("ecs task writes", rate(20, 20)),
        (Api::Ecs, _) => ("ecs service writes", rate(50, 5)),
        (Api::Elb, _) if reads => ("elb reads", rate(40, 10)),
        (Api::Elb, "RegisterTargets" | "DeregisterTargets") => ("elb targets", rate(20, 4)),
        (Api::Elb, _) => ("elb writes", rate(20, 3)),
        (Api::CloudWatch, "DescribeAlarms") => ("cloudwatch alarm reads", rate(9, 9)),
        (Api::CloudWatch, _) => ("cloudwatch alarm writes", rate(3, 3)),
        (Api::Sts, _) => ("sts", rate(600, 600)),
    }
}

/// The fill of all buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct TokenBuckets {
    fills: BTreeMap<&'static str, (f64, Millis)>,
}

impl TokenBuckets {
    /// Takes one call out of its bucket; false: there is none left.
    pub fn take(&mut self, now: Millis, api: Api, operation: &str) -> bool {
        let (name, rate) = bucket_of(api, operation);
        let (fill, at) = self.fills.entry(name).or_insert((rate.burst, now));
        let passed_seconds = now.saturating_sub(*at) as f64 / 1_000.0;
        *fill = (*fill + passed_seconds * rate.per_second).min(rate.burst);
        *at = now;
        let enough = *fill >= 1.0;
        if enough {
            *fill -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::TokenBuckets;
    use crate::simulator::wire::Api;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut buckets = TokenBuckets::default();
        let mut let_through =
            |now| (0..100).filter(|_| buckets.take(now, Api::Ecs, "RegisterTaskDefinition")).count();
        assert_eq!(let_through(0), 20);
        assert_eq!(let_through(999), 0);
        assert_eq!(let_through(1_000), 1);
        assert_eq!(let_through(11_000), 10);
        assert_eq!(let_through(1_000_000), 20);
        assert!(TokenBuckets::default().take(0, Api::Elb, "ModifyRule"));
    }
}
