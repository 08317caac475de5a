//! The common ground of all AWS adapters: credentials and endpoint, pace, AWS's clock, errors, and the two raw routes (ECS's
//! JSON, ELBv2's XML) on which AWS's own answers pass unchanged through the program.

mod calls;
mod clock;
mod conditions;
mod connect;
mod ecs;
mod elb;
mod error;
mod guard;
mod names;
mod pace;
mod places;
mod query;
mod requests;
mod send;
mod shadows;
mod target_groups;
mod wire;

pub use calls::{CallCounts, CallTally};
pub use conditions::USER_AGENT;
pub use connect::Connect;
pub use ecs::EcsOperation;
pub use elb::{ListenerFacts, LoadBalancerKind, listener_of_rule};
pub use error::Failure;
pub use places::LOCKS_ON_A_CLUSTER;
pub use query::Node;
pub use requests::Stray;
pub use send::{Call, Conduct, EVIDENCE_BOUND, ServiceName};
pub use shadows::Shadow;

pub use crate::engine::{Clock, WriteGuard};

use calls::Calls;
use names::Names;
use pace::Pace;
use places::LockPlaces;
use std::sync::{Arc, Mutex};

/// The clients of one account and region, shared by all adapters of a run. Cheap to clone; clones share clients, pace,
/// places for locks, clock, call counts and the write guard.
#[derive(Clone)]
pub struct Aws {
    shared: Arc<Shared>,
    guard: Arc<Mutex<Option<Arc<dyn WriteGuard>>>>,
    fence: Option<Arc<dyn WriteGuard>>,
}

struct Shared {
    ecs: aws_sdk_ecs::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    sts: aws_sdk_sts::Client,
    region: String,
    clock: Arc<Clock>,
    pace: Pace,
    calls: Calls,
    lock_places: LockPlaces,
    names: Names,
}

impl Aws {
    /// AWS's time.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The region all calls go to.
    pub fn region(&self) -> &str {
        &self.shared.region
    }

    /// What has been called so far in this run.
    pub fn call_counts(&self) -> CallCounts {
        self.shared.calls.counts()
    }

    /// The ELBv2 client; send through [`Aws::send`] only.
    pub fn elb(&self) -> &aws_sdk_elasticloadbalancingv2::Client {
        &self.shared.elb
    }

    /// The CloudWatch client; send through [`Aws::send`] only.
    pub fn cloudwatch(&self) -> &aws_sdk_cloudwatch::Client {
        &self.shared.cloudwatch
    }

    /// Asks STS who we are: account id and principal ARN. Needs no permission.
    ///
    /// # Errors
    /// Those of [`Aws::send`].
    pub async fn identity(&self) -> Result<(String, String), crate::engine::Trouble> {
        let call = Call::new(ServiceName::Sts, "GetCallerIdentity", String::new());
        let answer = self.send(&call, Conduct::Read, || self.shared.sts.get_caller_identity().send()).await?;
        Ok((answer.account.unwrap_or_default(), answer.arn.unwrap_or_default()))
    }
}
