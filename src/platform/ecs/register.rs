//! Task definitions are registered only where none of their family has the content.

use super::revisions::Search;
use super::write::{Stamp, with_tags};
use super::{Ecs, LiveService, LiveTaskDefinition};
use crate::aws::{Conduct, EcsOperation};
use crate::diff::{TaskContent, content_hash};
use crate::engine::{Trouble, TroubleKind};
use crate::model::{Kind, TaskDefinition, marks};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Registrations under way, by family, the ARN of every content found or registered in this run, the newest revision's
/// number where a plan looked for a content in vain, and the content of the revisions that were looked through (`None`:
/// gone, or not ACTIVE).
#[derive(Default)]
pub(super) struct Registering {
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    found: Mutex<HashMap<String, String>>,
    missed: Mutex<HashMap<String, u64>>,
    pub(super) contents: Mutex<HashMap<String, Option<TaskContent>>>,
}

impl Ecs {
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
        let wanted = TaskContent::of(&document.spec);
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
        // What the plan looked for in vain is not looked for again, as long as nothing was registered since: that was before
        // this run was the only writer.
        let missed = self.registering.missed.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let search = match missed {
            Some(newest) if newest == self.newest_number(family).await? => Search::Missed { newest },
            _ => self.find_revision(family, &wanted, hints).await?,
        };
        let arn = match search {
            Search::Found(arn) => arn,
            Search::Missed { newest } => {
                let arn = self.register_new(stamp, document, family, &wanted).await?;
                match number(&arn) == newest.saturating_add(1) {
                    true => arn,
                    // Somebody of another application registered meanwhile; if it was the same, theirs came first.
                    false => self.look_through(family, &wanted, Some(&arn)).await?.unwrap_or(arn),
                }
            }
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
        let search = self.find_revision(family_of(document), &TaskContent::of(&document.spec), hints).await?;
        let mut missed = self.registering.missed.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match search {
            Search::Found(arn) => {
                missed.remove(&content_key(document));
                Some(arn)
            }
            Search::Missed { newest } => {
                missed.insert(content_key(document), newest);
                None
            }
        })
    }

    /// The number of the family's newest ACTIVE revision; 0 if there is none.
    async fn newest_number(&self, family: &str) -> Result<u64, Trouble> {
        Ok(self.newest(family).await?.map_or(0, |live| number(&live.arn)))
    }

    /// After AWS said of a revision that it is gone or not ACTIVE any more: forgets all that was found so far, so that it
    /// is looked for again. True if this run had found the revision; one that a document names by itself is not ours to
    /// look for.
    pub(super) fn forget_revision(&self, arn: &str) -> bool {
        let mut found = self.registering.found.lock().unwrap_or_else(PoisonError::into_inner);
        let was_found = found.values().any(|known| known == arn);
        if was_found {
            found.clear();
            self.registering.contents.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.revisions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        was_found
    }

    async fn register_new(
        &self,
        stamp: &Stamp,
        document: &TaskDefinition,
        family: &str,
        wanted: &TaskContent,
    ) -> Result<String, Trouble> {
        let body = with_tags(
            document.spec.clone(),
            &[
                (marks::APPLICATION, stamp.application.clone()),
                (marks::DOCUMENT, marks::document(Kind::TaskDefinition, &document.name)),
                (marks::CONTENT, wanted.hash().to_owned()),
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
                Some(live) if wanted.is_had_by(&TaskContent::of(&live.json)) => Ok(live.arn.clone()),
                _ => Err(trouble),
            },
            Err(trouble) => Err(trouble),
        }
    }
}

fn family_of(document: &TaskDefinition) -> &str {
    document.spec.get("family").and_then(Value::as_str).unwrap_or(&document.name)
}

/// The number of a revision, from its ARN; 0 if that has none, which no revision's is.
pub(super) fn number(arn: &str) -> u64 {
    arn.rsplit_once(':').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

fn content_key(document: &TaskDefinition) -> String {
    format!("{} {}", family_of(document), content_hash(&document.spec))
}
