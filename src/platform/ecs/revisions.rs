//! Task definitions as they are: each revision is read once a run, and a content is looked for in its family.
//!
//! AWS lists revisions by name alone and describes one a call, so to find a content is to read the family from its
//! newest revision back: 20 a second, stopping at the first that fits. A revert finds its revision within the first
//! few; only a content that is truly new costs the whole family, once. Nothing that AWS lists could tell it sooner: the
//! names are people's, and an index kept in tags would be one more state to repair.

use super::live::{items, short_revision, text};
use super::register::number;
use super::{Ecs, LiveService, LiveTaskDefinition};
use crate::aws::{Conduct, EcsOperation};
use crate::diff::TaskContent;
use crate::engine::{Trouble, TroubleKind};
use crate::model::TaskDefinition;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Revisions read at the same time while looking for a content; so many are read in vain at the most when it is found.
const READ_AT_ONCE: usize = 8;
/// AWS keeps at most a million revisions a family and lists a hundred at a time.
const PAGE_LIMIT: usize = 10_000;

/// What came of looking for a content in a family.
pub(super) enum Search {
    /// The ARN of a revision that has it.
    Found(String),
    /// None has it. The number of the newest one; 0 if there is none.
    Missed { newest: u64 },
}

impl Ecs {
    /// Reads a revision by ARN or `family:revision`, at most once before the lock and once under it.
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if there is none; otherwise those of the call.
    pub async fn read_task_definition(&self, id: &str) -> Result<Arc<LiveTaskDefinition>, Trouble> {
        let cell = {
            let mut revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(revisions.entry(short_revision(id).to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.describe_revision(id)).await.cloned()
    }

    /// True if the service runs a revision with the document's content. A mark that says so is believed; one that
    /// denies it is checked, since another version of this program may have written it.
    ///
    /// # Errors
    /// Those of [`Ecs::read_task_definition`].
    pub async fn runs(&self, service: &LiveService, document: &TaskDefinition) -> Result<bool, Trouble> {
        let wanted = TaskContent::of(&document.spec);
        if service.marked_content() == Some(wanted.hash()) {
            return Ok(true);
        }
        match self.read_task_definition(service.task_definition()).await {
            Ok(live) => Ok(wanted.is_had_by(&TaskContent::of(&live.json))),
            // What it runs was deleted: AWS no longer tells it from anything, and nothing can be started from it.
            Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Looks for an ACTIVE revision of the family with this content: of several one that `hints` run, or the newest.
    pub(super) async fn find_revision(
        &self,
        family: &str,
        wanted: &TaskContent,
        hints: &[&LiveService],
    ) -> Result<Search, Trouble> {
        let fits = |live: &LiveTaskDefinition| {
            live.active && live.family == family && wanted.is_had_by(&TaskContent::of(&live.json))
        };
        for hint in hints {
            let live = match self.read_task_definition(hint.task_definition()).await {
                Ok(live) => live,
                // A service may run a revision that was deleted since.
                Err(trouble) if trouble.kind == TroubleKind::Missing => continue,
                Err(trouble) => return Err(trouble),
            };
            if fits(&live) {
                return Ok(Search::Found(live.arn.clone()));
            }
        }
        let Some(newest) = self.newest(family).await? else { return Ok(Search::Missed { newest: 0 }) };
        if fits(&newest) {
            return Ok(Search::Found(newest.arn.clone()));
        }
        let found = self.look_through(family, wanted, None).await?;
        Ok(found.map_or(Search::Missed { newest: number(&newest.arn) }, Search::Found))
    }

    /// The newest ACTIVE revision of the family, `but` this one, that has the content.
    pub(super) async fn look_through(
        &self,
        family: &str,
        wanted: &TaskContent,
        but: Option<&str>,
    ) -> Result<Option<String>, Trouble> {
        let mut token = None;
        for _ in 0..PAGE_LIMIT {
            let (arns, next) = self.list_revisions(family, token).await?;
            let mut contents = stream::iter(arns.into_iter().filter(|arn| Some(arn.as_str()) != but))
                .map(|arn| async move { self.content_at(&arn).await.map(|content| (arn, content)) })
                .buffered(READ_AT_ONCE);
            while let Some((arn, content)) = contents.try_next().await? {
                if content.is_some_and(|content| wanted.is_had_by(&content)) {
                    return Ok(Some(arn));
                }
            }
            token = next;
            if token.is_none() {
                return Ok(None);
            }
        }
        Err(self.unreadable("ListTaskDefinitions", "the list does not end"))
    }

    /// The content of a revision; `None` if it is gone or not ACTIVE. Only its hashes and tags are kept: families are long.
    async fn content_at(&self, arn: &str) -> Result<Option<TaskContent>, Trouble> {
        let key = short_revision(arn);
        let known =
            self.registering.contents.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(content) = known {
            return Ok(content);
        }
        let read = {
            let revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
            revisions.get(key).and_then(|cell| cell.get().cloned())
        };
        let live = match read {
            Some(live) => Ok(live),
            None => self.describe_revision(arn).await,
        };
        let content = match live {
            Ok(live) => live.active.then(|| TaskContent::of(&live.json)),
            Err(trouble) if trouble.kind == TroubleKind::Missing => None,
            Err(trouble) => return Err(trouble),
        };
        let mut contents = self.registering.contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.insert(key.to_owned(), content.clone());
        Ok(content)
    }

    /// The newest ACTIVE revision of a family; `None` if it has none. Never from the cache.
    pub(super) async fn newest(&self, family: &str) -> Result<Option<Arc<LiveTaskDefinition>>, Trouble> {
        match self.describe_revision(family).await {
            Ok(live) => {
                let mut revisions = self.revisions.lock().unwrap_or_else(PoisonError::into_inner);
                let cell = OnceCellOf::new_with(Some(Arc::clone(&live)));
                revisions.entry(short_revision(&live.arn).to_owned()).or_insert(Arc::new(cell));
                Ok(Some(live))
            }
            Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// A page of the ARNs of a family's ACTIVE revisions, newest first, and the token of the next page.
    async fn list_revisions(
        &self,
        family: &str,
        token: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), Trouble> {
        let mut body = json!({"familyPrefix": family, "status": "ACTIVE", "sort": "DESC", "maxResults": 100});
        if let Some(token) = token {
            body["nextToken"] = token.into();
        }
        let operation = EcsOperation::ListTaskDefinitions;
        let answer = self.aws.ecs(operation, Conduct::Read, family, &body).await?;
        if !answer.get("taskDefinitionArns").is_some_and(Value::is_array) {
            return Err(self.unreadable(operation.name(), "the answer has no taskDefinitionArns"));
        }
        let arns = items(&answer, "taskDefinitionArns").filter_map(Value::as_str);
        // `familyPrefix` is a full family name by AWS's documentation; this does not rely on it.
        let same_family =
            |arn: &&str| short_revision(arn).rsplit_once(':').is_some_and(|(name, _)| name == family);
        let next = text(&answer, "nextToken").filter(|token| !token.is_empty()).map(ToOwned::to_owned);
        Ok((arns.filter(same_family).map(ToOwned::to_owned).collect(), next))
    }

    async fn describe_revision(&self, id: &str) -> Result<Arc<LiveTaskDefinition>, Trouble> {
        let body = json!({"taskDefinition": id, "include": ["TAGS"]});
        let operation = EcsOperation::DescribeTaskDefinition;
        let answer = self.aws.ecs(operation, Conduct::Read, id, &body).await?;
        LiveTaskDefinition::parse(&answer)
            .map(Arc::new)
            .map_err(|sentence| self.unreadable(operation.name(), &sentence))
    }
}

type OnceCellOf = tokio::sync::OnceCell<Arc<LiveTaskDefinition>>;
/// Revisions that were read, by `family:revision`. The taking of the lock empties it: until then one may have been
/// deregistered.
pub(super) type SeenRevisions = Arc<Mutex<HashMap<String, Arc<OnceCellOf>>>>;
