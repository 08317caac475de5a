//! The lock's register: a tag on the ECS cluster.

use super::Register;
use crate::aws::{Aws, Conduct, EcsOperation};
use crate::engine::{Trouble, TroubleKind};
use crate::model::marks;
use crate::platform::ecs::live::{items, tags_of, text};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// A tag's key may have this many characters.
const KEY_LIMIT: usize = 128;

/// The tag of one application on one cluster.
#[derive(Clone)]
pub(in crate::platform::ecs) struct ClusterTag {
    aws: Aws,
    cluster: String,
    key: String,
    arn: std::sync::Arc<Mutex<Option<String>>>,
}

impl std::fmt::Debug for ClusterTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place())
    }
}

impl ClusterTag {
    /// The lock's own writes are not guarded by the lock.
    pub(in crate::platform::ecs) fn new(aws: &Aws, cluster: &str, application: &str) -> ClusterTag {
        ClusterTag {
            aws: aws.without_guard(),
            cluster: cluster.to_owned(),
            key: key(application),
            arn: std::sync::Arc::default(),
        }
    }

    async fn read_tag(&self) -> Result<Option<String>, Trouble> {
        let body = json!({"clusters": [self.cluster], "include": ["TAGS"]});
        let answer =
            self.aws.ecs(EcsOperation::DescribeClusters, Conduct::Read, &self.cluster, &body).await?;
        let trouble = |kind, message: String| Trouble {
            kind,
            doing: format!("DescribeClusters {}", self.cluster),
            message,
        };
        let cluster = items(&answer, "clusters").find(|c| text(c, "status") != Some("INACTIVE"));
        let Some(cluster) = cluster else {
            let missing = "there is no such cluster; check destination.ecs.cluster and the region";
            return Err(match items(&answer, "failures").find_map(|f| text(f, "reason")) {
                Some(reason) if reason != "MISSING" => trouble(TroubleKind::Transient, reason.to_owned()),
                _ => trouble(TroubleKind::Missing, missing.into()),
            });
        };
        let arn = text(cluster, "clusterArn")
            .ok_or_else(|| trouble(TroubleKind::Transient, "the answer has no clusterArn".into()))?;
        *self.arn.lock().unwrap_or_else(PoisonError::into_inner) = Some(arn.to_owned());
        Ok(tags_of(cluster).remove(&self.key))
    }

    fn arn(&self) -> String {
        // Every write comes after a read.
        let known = self.arn.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.unwrap_or_else(|| self.cluster.clone())
    }

    async fn send(&self, operation: EcsOperation, body: Value) -> Result<(), Trouble> {
        self.aws.ecs(operation, Conduct::WriteNow, &self.place(), &body).await.map(drop)
    }
}

impl Register for ClusterTag {
    fn read(&self) -> impl Future<Output = Result<Option<String>, Trouble>> + Send {
        self.read_tag()
    }

    async fn write(&self, value: &str) -> Result<(), Trouble> {
        let tag = json!({"key": self.key, "value": value});
        self.send(EcsOperation::TagResource, json!({"resourceArn": self.arn(), "tags": [tag]})).await
    }

    async fn clear(&self) -> Result<(), Trouble> {
        self.send(EcsOperation::UntagResource, json!({"resourceArn": self.arn(), "tagKeys": [self.key]}))
            .await
    }

    fn place(&self) -> String {
        format!("{} of cluster {}", self.key, self.cluster)
    }
}

/// `cutover.dev/lock/<application>`; the end of a name too long for a tag's key is replaced by its hash.
fn key(application: &str) -> String {
    let whole = format!("{}/{application}", marks::LOCK);
    if whole.len() <= KEY_LIMIT {
        return whole;
    }
    let hash: String =
        Sha256::digest(application).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}{hash}", whole.chars().take(KEY_LIMIT - hash.len()).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_application_name_still_has_a_key_of_its_own() {
        assert_eq!(key("shop"), "cutover.dev/lock/shop");
        let (one, other) = (key(&"a".repeat(200)), key(&format!("{}b", "a".repeat(199))));
        assert_eq!(one.len(), KEY_LIMIT);
        assert_ne!(one, other);
    }
}
