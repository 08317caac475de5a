//! The lock's register: a tag on the ECS cluster.

use super::Register;
use crate::aws::{Aws, Call, Conduct, EcsOperation, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use crate::model::marks;
use crate::platform::ecs::live::{items, tags_of, text};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A tag's key may have this many characters.
const KEY_LIMIT: usize = 128;
/// A resource may have this many tags; AWS's own (`aws:`) do not count.
const TAGS_LIMIT: usize = 50;

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

    async fn read_tags(&self) -> Result<BTreeMap<String, String>, Trouble> {
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
            let is_described = items(&answer, "clusters").next().is_some();
            return Err(match items(&answer, "failures").find_map(|f| text(f, "reason")) {
                Some("MISSING") => trouble(TroubleKind::Missing, missing.into()),
                Some(reason) => trouble(TroubleKind::Transient, reason.to_owned()),
                None if is_described => trouble(TroubleKind::Missing, missing.into()),
                None => trouble(
                    TroubleKind::Transient,
                    "the answer neither describes it nor says that it is missing".into(),
                ),
            });
        };
        let arn = text(cluster, "clusterArn")
            .ok_or_else(|| trouble(TroubleKind::Transient, "the answer has no clusterArn".into()))?;
        *self.arn.lock().unwrap_or_else(PoisonError::into_inner) = Some(arn.to_owned());
        // AWS tells an empty list as such: without one nobody knows whether the lock is free.
        if !cluster.get("tags").is_some_and(Value::is_array) {
            return Err(trouble(TroubleKind::Transient, "the answer has no tags".into()));
        }
        Ok(tags_of(cluster))
    }

    /// AWS has no code of its own for a resource that is full of tags: its words tell it, or that it is full.
    async fn or_crowded(&self, refused: Trouble) -> Trouble {
        let words = refused.message.to_ascii_lowercase();
        let says = |word: &str| words.contains(word);
        let is_full = says("tag") && ["maximum", "limit", "exceed", "too many"].into_iter().any(says);
        let is_full = is_full
            || self.read_tags().await.is_ok_and(|tags| {
                let counted = tags.keys().filter(|key| !key.starts_with("aws:")).count();
                counted >= TAGS_LIMIT && !tags.contains_key(&self.key)
            });
        if !is_full {
            return refused;
        }
        let message = format!(
            "cluster {} has the {TAGS_LIMIT} tags that AWS allows, and each sync under way has its lock in one; it goes on \
             when another one has ended",
            self.cluster
        );
        Trouble { kind: TroubleKind::Crowded, doing: "taking the application's lock".into(), message }
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
    async fn read(&self) -> Result<Option<String>, Trouble> {
        Ok(self.read_tags().await?.remove(&self.key))
    }

    async fn write(&self, value: &str) -> Result<(), Trouble> {
        let tag = json!({"key": self.key, "value": value});
        let body = json!({"resourceArn": self.arn(), "tags": [tag]});
        match self.send(EcsOperation::TagResource, body).await {
            Err(refused) if refused.kind == TroubleKind::Rejected => Err(self.or_crowded(refused).await),
            other => other,
        }
    }

    async fn clear(&self) -> Result<(), Trouble> {
        self.send(EcsOperation::UntagResource, json!({"resourceArn": self.arn(), "tagKeys": [self.key]}))
            .await
    }

    async fn make_room(&self, has_lock: bool) {
        let call = Call::new(ServiceName::Ecs, EcsOperation::TagResource.name(), &self.cluster);
        if has_lock {
            self.aws.make_room_first(&call).await;
        } else {
            self.aws.make_room(&call).await;
        }
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
