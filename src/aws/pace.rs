//! Keeps below AWS's rate limits: a token bucket for each of its own buckets, waited for before each attempt.

use super::{Call, ServiceName};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Timers are no finer.
const SHORTEST: Duration = Duration::from_millis(1);

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
            (
                ServiceName::Ecs,
                "DescribeServices"
                | "ListServices"
                | "DescribeTasks"
                | "ListTasks"
                | "DescribeContainerInstances",
            ) => Bucket::ServiceAndTaskReads,
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

    /// Calls at once that are left to those who come first: locks are kept by tags, and one that is not renewed in time
    /// is lost, whatever else has to be tagged.
    fn reserve(self) -> f64 {
        if self == Bucket::Tags { 5.0 } else { 0.0 }
    }
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
    /// Whoever has it is next.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The buckets of one account and region, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Bucket, Level>>);

impl Pace {
    /// Waits for a token for `call`. Callers are served in the order they came.
    pub(super) async fn take(&self, call: &Call) {
        let bucket = Bucket::of(call);
        let turn = self.with_level(bucket, |level, _| Arc::clone(&level.turn));
        let _next = turn.lock_owned().await;
        self.wait_for(bucket, bucket.reserve()).await;
    }

    /// Waits for a token before everybody who called [`Pace::take`]: only if so many came first lately that there is none.
    pub(super) async fn take_first(&self, call: &Call) {
        self.wait_for(Bucket::of(call), 0.0).await;
    }

    /// AWS said "slower": its bucket is empty, whatever ours says.
    pub(super) fn drain(&self, call: &Call) {
        self.with_level(Bucket::of(call), |level, _| level.tokens = level.tokens.min(0.0));
    }

    /// Takes a token as soon as so many are left besides.
    async fn wait_for(&self, bucket: Bucket, left: f64) {
        loop {
            let wait = self.with_level(bucket, |level, rate| {
                let missing = 1.0 + left - level.tokens;
                if missing <= 0.0 {
                    level.tokens -= 1.0;
                    return None;
                }
                Some(Duration::from_secs_f64(missing / rate))
            });
            match wait {
                None => return,
                Some(wait) => tokio::time::sleep(wait.max(SHORTEST)).await,
            }
        }
    }

    fn with_level<T>(&self, bucket: Bucket, change: impl FnOnce(&mut Level, f64) -> T) -> T {
        let (burst, rate) = bucket.limits();
        let now = Instant::now();
        let mut levels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = || Level { tokens: burst, at: now, turn: Arc::default() };
        let level = levels.entry(bucket).or_insert_with(full);
        let gained = now.saturating_duration_since(level.at).as_secs_f64() * rate;
        level.tokens = (level.tokens + gained).min(burst);
        level.at = now;
        change(level, rate)
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

    #[tokio::test(start_paused = true)]
    async fn who_comes_first_waits_for_nobody_and_the_others_wait_for_what_was_taken() {
        let pace = Pace::default();
        let start = Instant::now();
        let tag = call("TagResource");
        let many = async {
            futures_util::future::join_all((0..45).map(|_| pace.take(&tag))).await;
            start.elapsed()
        };
        let first = async {
            let mut waited = vec![];
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let begun = Instant::now();
                pace.take_first(&tag).await;
                waited.push(begun.elapsed().as_millis());
            }
            waited
        };
        let (many, waited) = tokio::join!(many, first);
        assert_eq!(waited, [0; 10]);
        // 55 calls, of which 15 were there at the beginning; AWS's own bucket of 20 was never overdrawn.
        assert_eq!((many.as_secs_f64() * 10.0).round() as u64, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_first_keep_to_the_rate_among_themselves() {
        let pace = Pace::default();
        let start = Instant::now();
        let tag = call("UntagResource");
        futures_util::future::join_all((0..60).map(|_| pace.take_first(&tag))).await;
        assert_eq!(start.elapsed().as_secs_f64().round() as u64, 4);
    }
}
