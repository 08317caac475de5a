//! Keeps what was looked up by name, until AWS says that something is gone.
//!
//! A name's ARN changes when its bearer is deleted and made anew, and a controller runs for months. So whatever call ends
//! with "there is no such thing", everything kept is dropped, and who used a kept ARN asks once more.

use super::{Aws, Call, ListenerFacts, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A listener keeps its ARN when its port or protocol is changed, and nothing fails then that would tell.
const FACTS_FRESH: Duration = Duration::from_secs(60);

/// The ARNs of names, and the facts of listeners.
#[derive(Default)]
pub(super) struct Names(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By name.
    target_groups: HashMap<String, String>,
    /// By ARN.
    listeners: HashMap<String, (Instant, ListenerFacts)>,
}

impl Names {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn target_group(&self, name: &str) -> Option<String> {
        self.with(|kept| kept.target_groups.get(name).cloned())
    }

    pub(super) fn keep_target_group(&self, name: String, arn: String) {
        self.with(|kept| kept.target_groups.insert(name, arn));
    }

    pub(super) fn listener(&self, arn: &str) -> Option<ListenerFacts> {
        self.with(|kept| {
            let (at, facts) = kept.listeners.get(arn)?;
            (at.elapsed() < FACTS_FRESH).then(|| facts.clone())
        })
    }

    pub(super) fn keep_listener(&self, arn: &str, facts: ListenerFacts) {
        self.with(|kept| kept.listeners.insert(arn.to_owned(), (Instant::now(), facts)));
    }

    /// Drops everything if `trouble`, which `call` ended with, says that something of a load balancer is gone.
    pub(super) fn forget_if_gone(&self, call: &Call, trouble: &Trouble) {
        let is_theirs = call.service == ServiceName::Elb || trouble.message.contains("target group");
        if trouble.kind == TroubleKind::Missing && is_theirs {
            self.with(|kept| *kept = Kept::default());
        }
    }
}

impl Aws {
    /// Does `work` with the ARNs of target groups given by name or ARN, in the same order. If it finds that something is
    /// gone and the names stand for other groups by now, it is done once more, with those.
    ///
    /// # Errors
    /// Those of [`Aws::target_group_arns`] and of `work`.
    pub async fn with_target_groups<T>(
        &self,
        names: &[&str],
        work: impl AsyncFn(Vec<String>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let arns = self.target_group_arns(names).await?;
        match work(arns.clone()).await {
            Err(trouble) if trouble.kind == TroubleKind::Missing => {
                let now = self.target_group_arns(names).await?;
                if now == arns { Err(trouble) } else { work(now).await }
            }
            other => other,
        }
    }
}
