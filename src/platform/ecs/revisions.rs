//! Task definitions: each revision is read once a run, and a new one is registered only where none has the content.
//!
//! AWS lists revisions by name alone and describes one a call, so to find a content is to read the family from its
//! newest revision back: 20 a second, stopping at the first that fits. A revert finds its revision within the first
//! few; only a content that is truly new costs the whole family, once. Nothing that AWS lists could tell it sooner: the
//! names are people's, and an index kept in tags would be one more state to repair.

use super::live::{items, short_revision, text};
use super::write::{Stamp, with_tags};
use super::{Ecs, LiveService, LiveTaskDefinition};
use crate::aws::{Conduct, EcsOperation};
use crate::diff::content_hash;
use crate::engine::{Trouble, TroubleKind};
use crate::model::{Kind, TaskDefinition, marks};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Revisions read at the same time while looking for a content; so many are read in vain at the most when it is found.
const READ_AT_ONCE: usize = 8;
/// AWS keeps at most a million revisions a family and lists a hundred at a time.
const PAGE_LIMIT: usize = 10_000;

/// Registrations under way, by family, the ARN of every content found or registered in this run, and the content of
/// the revisions that were looked through (`None`: gone, or not ACTIVE).
#[derive(Default)]
pub(super) struct Registering {
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    found: Mutex<HashMap<String, String>>,
    contents: Mutex<HashMap<String, Option<String>>>,
}

impl Ecs {
    /// Reads a revision by ARN or `family:revision`, at most once a run: it never changes.
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

    /// The content hash of the revision that a service runs: from the service's mark if that speaks of this revision,
    /// from the revision itself otherwise.
    ///
    /// # Errors
    /// Those of [`Ecs::read_task_definition`].
    pub async fn content_of(&self, service: &LiveService) -> Result<String, Trouble> {
        if let Some(hash) = service.marked_content() {
            return Ok(hash.to_owned());
        }
        let live = self.read_task_definition(service.task_definition()).await?;
        Ok(content_hash(&live.json))
    }

    /// True if the service runs a revision with the document's content. A mark that says so is believed; one that
    /// denies it is checked, since another version of this program may have written it.
    ///
    /// # Errors
    /// Those of [`Ecs::read_task_definition`].
    pub async fn runs(&self, service: &LiveService, document: &TaskDefinition) -> Result<bool, Trouble> {
        let wanted = content_hash(&document.spec);
        if service.marked_content() == Some(&wanted) {
            return Ok(true);
        }
        match self.read_task_definition(service.task_definition()).await {
            Ok(live) => Ok(content_hash(&live.json) == wanted),
            // What it runs was deleted: AWS no longer tells it from anything, and nothing can be started from it.
            Err(trouble) if trouble.kind == TroubleKind::Missing => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// The ARN of an ACTIVE revision with the document's content: one that `hints` run, or the family's newest with
    /// it, or a newly registered one.
    ///
    /// # Errors
    /// Those of the calls. After a registration whose answer was lost, the next call finds the revision.
    pub async fn register(
        &self,
        stamp: &Stamp,
        document: &TaskDefinition,
        hints: &[&LiveService],
    ) -> Result<String, Trouble> {
        let wanted = content_hash(&document.spec);
        let family = family_of(document);
        let key = content_key(document);
        let turn = {
            let mut turns = self.registering.turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(family.to_owned()).or_default())
        };
        // Two services of one task definition must not register it twice.
        let _turn = turn.lock().await;
        let known = self.registering.found.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(arn) = known {
            return Ok(arn);
        }
        let arn = match self.find_revision(family, &wanted, hints).await? {
            Some(arn) => arn,
            None => self.register_new(stamp, document, family, &wanted).await?,
        };
        let mut found = self.registering.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(key, arn.clone());
        Ok(arn)
    }

    /// The revision that this run found or registered for the document's content, if it has done so.
    pub(super) fn known_revision(&self, document: &TaskDefinition) -> Option<String> {
        let found = self.registering.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&content_key(document)).cloned()
    }

    /// The ARN of an ACTIVE revision with the document's content, if there is one: of several one that `hints` run, or
    /// the newest.
    pub(super) async fn find_content(
        &self,
        document: &TaskDefinition,
        hints: &[&LiveService],
    ) -> Result<Option<String>, Trouble> {
        self.find_revision(family_of(document), &content_hash(&document.spec), hints).await
    }

    async fn find_revision(
        &self,
        family: &str,
        wanted: &str,
        hints: &[&LiveService],
    ) -> Result<Option<String>, Trouble> {
        let fits = |live: &LiveTaskDefinition| {
            live.active && live.family == family && content_hash(&live.json) == wanted
        };
        for hint in hints {
            let live = match self.read_task_definition(hint.task_definition()).await {
                Ok(live) => live,
                // A service may run a revision that was deleted since.
                Err(trouble) if trouble.kind == TroubleKind::Missing => continue,
                Err(trouble) => return Err(trouble),
            };
            if fits(&live) {
                return Ok(Some(live.arn.clone()));
            }
        }
        let Some(newest) = self.newest(family).await? else { return Ok(None) };
        if fits(&newest) {
            return Ok(Some(newest.arn.clone()));
        }
        self.look_through(family, wanted).await
    }

    /// The newest ACTIVE revision of the family that has the content.
    async fn look_through(&self, family: &str, wanted: &str) -> Result<Option<String>, Trouble> {
        let mut token = None;
        for _ in 0..PAGE_LIMIT {
            let (arns, next) = self.list_revisions(family, token).await?;
            let mut contents = stream::iter(arns)
                .map(|arn| async move { self.content_at(&arn).await.map(|content| (arn, content)) })
                .buffered(READ_AT_ONCE);
            while let Some((arn, content)) = contents.try_next().await? {
                if content.as_deref() == Some(wanted) {
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

    /// The content hash of a revision; `None` if it is gone or not ACTIVE. Only the hash is kept: families are long.
    async fn content_at(&self, arn: &str) -> Result<Option<String>, Trouble> {
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
            Ok(live) => live.active.then(|| content_hash(&live.json)),
            Err(trouble) if trouble.kind == TroubleKind::Missing => None,
            Err(trouble) => return Err(trouble),
        };
        let mut contents = self.registering.contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.insert(key.to_owned(), content.clone());
        Ok(content)
    }

    async fn register_new(
        &self,
        stamp: &Stamp,
        document: &TaskDefinition,
        family: &str,
        wanted: &str,
    ) -> Result<String, Trouble> {
        let body = with_tags(
            document.spec.clone(),
            &[
                (marks::APPLICATION, stamp.application.clone()),
                (marks::DOCUMENT, marks::document(Kind::TaskDefinition, &document.name)),
                (marks::CONTENT, wanted.to_owned()),
                (marks::COMMIT, stamp.commit.clone()),
            ],
        );
        let operation = EcsOperation::RegisterTaskDefinition;
        match self.aws.ecs(operation, Conduct::Write, family, &body).await {
            Ok(answer) => {
                let live = LiveTaskDefinition::parse(&answer)
                    .map_err(|sentence| self.unreadable(operation.name(), &sentence))?;
                Ok(live.arn)
            }
            // RegisterTaskDefinition has no client token: look before anybody registers again.
            Err(trouble) if trouble.kind == TroubleKind::Transient => match self.newest(family).await? {
                Some(live) if content_hash(&live.json) == wanted => Ok(live.arn.clone()),
                _ => Err(trouble),
            },
            Err(trouble) => Err(trouble),
        }
    }

    /// The newest ACTIVE revision of a family; `None` if it has none. Never from the cache.
    async fn newest(&self, family: &str) -> Result<Option<Arc<LiveTaskDefinition>>, Trouble> {
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

fn family_of(document: &TaskDefinition) -> &str {
    document.spec.get("family").and_then(Value::as_str).unwrap_or(&document.name)
}

fn content_key(document: &TaskDefinition) -> String {
    format!("{} {}", family_of(document), content_hash(&document.spec))
}

type OnceCellOf = tokio::sync::OnceCell<Arc<LiveTaskDefinition>>;
