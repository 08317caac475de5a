//! Keeps below AWS's rate limits: a token bucket for each of its own buckets, waited for before each attempt.

use super::{Call, ServiceName};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// One of AWS's buckets: calls it allows at once, and how many come back each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Bucket {
    ClusterReads,
    ServiceAndTaskReads,
    ServiceWrites,
    TaskDefinitionReads,
    Registrations,
    Tags,
    BalancerReads,
    BalancerWrites,
    AlarmReads,
    Other,
}

impl Bucket {
    fn of(call: &Call) -> Bucket {
        match (call.service, call.operation) {
            (ServiceName::Ecs, "DescribeClusters" | "ListClusters") => Bucket::ClusterReads,
            (ServiceName::Ecs, "DescribeServices" | "ListServices" | "DescribeTasks" | "ListTasks") => {
                Bucket::ServiceAndTaskReads
            }
            (ServiceName::Ecs, "DescribeTaskDefinition" | "ListTaskDefinitions") => {
                Bucket::TaskDefinitionReads
            }
            (ServiceName::Ecs, "RegisterTaskDefinition" | "DeregisterTaskDefinition") => {
                Bucket::Registrations
            }
            (ServiceName::Ecs, "TagResource" | "UntagResource" | "ListTagsForResource") => Bucket::Tags,
            (ServiceName::Ecs, _) => Bucket::ServiceWrites,
            (ServiceName::Elb, _) if call.is_write() => Bucket::BalancerWrites,
            (ServiceName::Elb, _) => Bucket::BalancerReads,
            (ServiceName::CloudWatch, _) => Bucket::AlarmReads,
            (ServiceName::Sts, _) => Bucket::Other,
        }
    }

    /// Burst and calls a second: AWS's published figures (Amazon ECS API reference, "Request throttling"; Elastic Load
    /// Balancing API reference, "Throttling"), of the Modify calls the lower one.
    fn limits(self) -> (f64, f64) {
        match self {
            Bucket::ClusterReads => (50.0, 20.0),
            Bucket::TaskDefinitionReads => (50.0, 20.0),
            Bucket::ServiceAndTaskReads => (20.0, 20.0),
            Bucket::ServiceWrites => (50.0, 5.0),
            Bucket::Registrations => (20.0, 1.0),
            Bucket::Tags => (20.0, 10.0),
            Bucket::BalancerReads => (40.0, 10.0),
            Bucket::BalancerWrites => (20.0, 3.0),
            Bucket::AlarmReads => (9.0, 9.0),
            Bucket::Other => (20.0, 20.0),
        }
    }
}

#[derive(Debug)]
struct Level {
    /// Below zero when calls have already been promised a token that is yet to come.
    tokens: f64,
    at: Instant,
}

/// The buckets of one account and region, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Bucket, Level>>);

impl Pace {
    /// Waits for a token for `call`. Callers are served in the order they came.
    pub(super) async fn take(&self, call: &Call) {
        let wait = self.with_level(Bucket::of(call), |level, (_, rate)| {
            level.tokens -= 1.0;
            (level.tokens < 0.0).then(|| Duration::from_secs_f64(-level.tokens / rate))
        });
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
    }

    /// AWS said "slower": its bucket is empty, whatever ours says.
    pub(super) fn drain(&self, call: &Call) {
        self.with_level(Bucket::of(call), |level, _| level.tokens = level.tokens.min(0.0));
    }

    fn with_level<T>(&self, bucket: Bucket, change: impl FnOnce(&mut Level, (f64, f64)) -> T) -> T {
        let (burst, rate) = bucket.limits();
        let now = Instant::now();
        let mut levels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let level = levels.entry(bucket).or_insert(Level { tokens: burst, at: now });
        let gained = now.saturating_duration_since(level.at).as_secs_f64() * rate;
        level.tokens = (level.tokens + gained).min(burst);
        level.at = now;
        change(level, (burst, rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &'static str) -> Call {
        Call::new(ServiceName::Ecs, operation, String::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_comes_at_the_buckets_rate() {
        let pace = Pace::default();
        let start = Instant::now();
        for _ in 0..20 {
            pace.take(&call("RegisterTaskDefinition")).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..30 {
            pace.take(&call("RegisterTaskDefinition")).await;
        }
        assert_eq!(start.elapsed().as_secs_f64().round() as u64, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_share_the_rate() {
        let pace = Pace::default();
        let start = Instant::now();
        let service = call("DescribeServices");
        futures_util::future::join_all((0..120).map(|_| pace.take(&service))).await;
        assert_eq!(start.elapsed().as_secs_f64().round() as u64, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_empties_our_bucket_too() {
        let pace = Pace::default();
        pace.drain(&call("DescribeClusters"));
        let start = Instant::now();
        pace.take(&call("DescribeClusters")).await;
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        pace.take(&call("DescribeServices")).await;
        assert_eq!(start.elapsed(), Duration::from_millis(50), "another bucket was emptied");
    }
}
