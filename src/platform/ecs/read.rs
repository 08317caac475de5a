//! Reads services: by name, and all that belong to an application.

use super::live::{items, text};
use super::{Ecs, LiveService};
use crate::aws::{Conduct, EcsOperation};
use crate::engine::{Trouble, TroubleKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// How long a listing may stand in for the first read after it, and the other way round.
const FRESH: Duration = Duration::from_secs(15);
/// ListServices gives 100 a page; a cluster holds 5000 services.
const PAGE_LIMIT: usize = 200;

/// A description kept for one more use.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    at: Instant,
    /// A listing's may answer one read by name; a read's may answer listings only.
    listed: bool,
    service: Option<LiveService>,
}

impl Ecs {
    /// Reads services by name, ten a call, together with whoever else reads at this moment. A name that is not in the
    /// answer does not exist. What [`Ecs::list_owned`] has just read is not read again, once.
    ///
    /// # Errors
    /// Any name that could neither be read nor was said to be missing.
    pub async fn read_services(&self, names: &[String]) -> Result<BTreeMap<String, LiveService>, Trouble> {
        let mut found = BTreeMap::new();
        let mut wanted = BTreeSet::new();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for name in names {
                match seen.get(name) {
                    Some(kept) if kept.listed && kept.at.elapsed() < FRESH => {
                        found.extend(kept.service.clone().map(|service| (name.clone(), service)));
                        seen.remove(name);
                    }
                    _ => {
                        wanted.insert(name.clone());
                    }
                }
            }
        }
        // A name given twice was taken out by its first mention.
        wanted.retain(|name| !found.contains_key(name));
        let described = self.describe(wanted).await?;
        self.keep(&described, false);
        found.extend(described.into_iter().filter_map(|(name, service)| Some((name, service?))));
        Ok(found)
    }

    /// Reads one service; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`Ecs::read_services`].
    pub async fn read_service(&self, name: &str) -> Result<Option<LiveService>, Trouble> {
        Ok(self.read_services(&[name.to_owned()]).await?.remove(name))
    }

    /// Reads all services of the cluster that bear the application's mark, DRAINING ones included. It is complete or
    /// an error.
    ///
    /// # Errors
    /// Any page or description that could not be read.
    pub async fn list_owned(&self, application: &str) -> Result<Vec<LiveService>, Trouble> {
        let all = self.list_all().await?;
        Ok(all.into_values().filter(|service| service.owner() == Some(application)).collect())
    }

    /// Reads all services of the cluster. It is complete or an error.
    ///
    /// # Errors
    /// Any page or description that could not be read.
    pub async fn list_all(&self) -> Result<BTreeMap<String, LiveService>, Trouble> {
        let mut found = BTreeMap::new();
        let mut wanted = BTreeSet::new();
        let names = self.list_names().await?;
        {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            for name in names {
                match seen.get(&name) {
                    Some(kept) if kept.at.elapsed() < FRESH => {
                        found.extend(kept.service.clone().map(|service| (name, service)));
                    }
                    _ => {
                        wanted.insert(name);
                    }
                }
            }
        }
        let described = self.describe(wanted).await?;
        self.keep(&described, true);
        found.extend(described.into_iter().filter_map(|(name, service)| Some((name, service?))));
        Ok(found)
    }

    async fn list_names(&self) -> Result<Vec<String>, Trouble> {
        let mut names = vec![];
        let mut token: Option<String> = None;
        for _ in 0..PAGE_LIMIT {
            let mut body = json!({"cluster": self.cluster, "maxResults": 100});
            if let Some(token) = token.take() {
                body["nextToken"] = token.into();
            }
            let answer =
                self.aws.ecs(EcsOperation::ListServices, Conduct::Read, &self.cluster, &body).await?;
            if !answer.get("serviceArns").is_some_and(Value::is_array) {
                return Err(self.unreadable("ListServices", "the answer has no serviceArns"));
            }
            let arns = items(&answer, "serviceArns").filter_map(Value::as_str);
            names.extend(arns.filter_map(|arn| arn.rsplit('/').next()).map(ToOwned::to_owned));
            token = text(&answer, "nextToken").filter(|t| !t.is_empty()).map(ToOwned::to_owned);
            if token.is_none() {
                return Ok(names);
            }
        }
        Err(self.unreadable("ListServices", "the list does not end"))
    }

    /// Describes up to ten services. The answer has each name that AWS described (`None`: INACTIVE) or called MISSING.
    pub(super) async fn describe_chunk(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Option<LiveService>>, Trouble> {
        let body = json!({"cluster": self.cluster, "services": names, "include": ["TAGS"]});
        let about = names.join(", ");
        let answer = self.aws.ecs(EcsOperation::DescribeServices, Conduct::Read, &about, &body).await?;
        let mut found = HashMap::new();
        for service in items(&answer, "services") {
            let live = LiveService::parse(service)
                .map_err(|sentence| self.unreadable("DescribeServices", &sentence))?;
            if let Some(name) = text(service, "serviceName") {
                found.insert(name.to_owned(), live);
            }
        }
        for failure in items(&answer, "failures") {
            let name = text(failure, "arn").and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
            match text(failure, "reason") {
                Some("MISSING") => {
                    found.entry(name.to_owned()).or_insert(None);
                }
                reason => {
                    let reason = reason.unwrap_or("no reason");
                    return Err(self.unreadable("DescribeServices", &format!("{name}: {reason}")));
                }
            }
        }
        Ok(found)
    }

    fn keep(&self, described: &BTreeMap<String, Option<LiveService>>, listed: bool) {
        let at = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, service) in described {
            seen.insert(name.clone(), Seen { at, listed, service: service.clone() });
        }
    }

    /// After one of our writes nothing kept counts any more.
    pub(super) fn forget_seen(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn unreadable(&self, operation: &str, sentence: &str) -> Trouble {
        Trouble {
            kind: TroubleKind::Transient,
            doing: format!("{operation} in {}", self.cluster),
            message: sentence.to_owned(),
        }
    }
}
