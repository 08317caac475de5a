//! Reads services: by name, and all that belong to an application.

use super::live::{items, text};
use super::members::Members;
use super::revisions::SeenRevisions;
use super::strangers::Listed;
use super::{Ecs, LiveService};
use crate::aws::{Conduct, EcsOperation};
use crate::engine::{Trouble, TroubleKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a description may be used once more.
const FRESH: Duration = Duration::from_secs(15);
/// ListServices gives 100 a page; a cluster holds 5000 services.
const PAGE_LIMIT: usize = 200;

/// Descriptions of the last seconds. A write of ours and the taking of the lock empty it.
pub(super) type SeenServices = Arc<Mutex<SeenByName>>;

/// Everything that is kept of what was read. The contents of revisions that were looked through are not among it: they
/// never change, and one that is not ACTIVE any more is told by whoever uses it.
#[derive(Clone)]
pub(super) struct Kept {
    seen: SeenServices,
    revisions: SeenRevisions,
    members: Arc<Members>,
    others: Listed,
}

impl Kept {
    /// Forgets it: taking the lock ends what counted before this run was the only writer.
    pub(super) fn forget(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).forget();
        self.revisions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.members.forget();
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Descriptions by name, and how often they were forgotten: what was asked for before the last time is not kept.
#[derive(Debug, Default)]
pub(super) struct SeenByName {
    services: HashMap<String, Seen>,
    forgotten: u64,
}

impl SeenByName {
    /// From now on nothing that was read, or is being read, counts any more.
    pub(super) fn forget(&mut self) {
        self.services.clear();
        self.forgotten += 1;
    }
}

/// A description kept for those who have not used it yet, so that a run's listing, plan and first observation cost one
/// reading of each service.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    at: Instant,
    for_plan: bool,
    for_observation: bool,
    service: Option<LiveService>,
}

/// What a description is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To list or to guess by: any description of the last seconds will do.
    Hint,
    /// To plan by: one that no plan was made from yet.
    Plan,
    /// To decide by: one that nothing was decided by yet.
    Observation,
    /// To write by: as it is now.
    Write,
}

impl Purpose {
    /// Takes the right to use `kept`, if there is one.
    fn may_use(self, kept: &mut Seen) -> bool {
        kept.at.elapsed() < FRESH
            && match self {
                Purpose::Hint => true,
                Purpose::Plan => std::mem::take(&mut kept.for_plan),
                Purpose::Observation => std::mem::take(&mut kept.for_observation),
                Purpose::Write => false,
            }
    }
}

impl Ecs {
    /// Reads services by name to plan by, ten a call, together with whoever else reads at this moment. A name that is
    /// not in the answer does not exist. What was just listed is not read again.
    ///
    /// # Errors
    /// Any name that could neither be read nor was said to be missing.
    pub async fn read_services(&self, names: &[String]) -> Result<BTreeMap<String, LiveService>, Trouble> {
        self.read_for(Purpose::Plan, names.iter().cloned()).await
    }

    /// Reads one service as it is now; `None` if there is none.
    ///
    /// # Errors
    /// Those of [`Ecs::read_services`].
    pub async fn read_service(&self, name: &str) -> Result<Option<LiveService>, Trouble> {
        Ok(self.read_for(Purpose::Write, [name.to_owned()]).await?.remove(name))
    }

    pub(super) async fn read_for(
        &self,
        purpose: Purpose,
        names: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, LiveService>, Trouble> {
        let mut found = BTreeMap::new();
        let mut wanted: BTreeSet<String> = names.into_iter().collect();
        let forgotten = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.retain(|name| {
                let Some(kept) = seen.services.get_mut(name) else { return true };
                let usable = purpose.may_use(kept);
                if usable {
                    found.extend(kept.service.clone().map(|service| (name.clone(), service)));
                }
                !usable
            });
            seen.forgotten
        };
        let described = self.describe(wanted).await?;
        let at = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, service) in described {
            let service = service.map(|service| self.passing.read(service));
            let for_plan = purpose == Purpose::Hint;
            let for_observation = for_plan || purpose == Purpose::Plan;
            found.extend(service.clone().map(|service| (name.clone(), service)));
            if seen.forgotten == forgotten {
                seen.services.insert(name, Seen { at, for_plan, for_observation, service });
            }
        }
        Ok(found)
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
        let names = self.list_names().await?;
        self.read_for(Purpose::Hint, names).await
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
        described(&answer).map_err(|sentence| self.unreadable("DescribeServices", &sentence))
    }

    /// What was read so far and may be used once more.
    pub(super) fn kept(&self) -> Kept {
        Kept {
            seen: Arc::clone(&self.seen),
            revisions: Arc::clone(&self.revisions),
            members: Arc::clone(&self.members),
            others: Arc::clone(&self.others),
        }
    }

    /// After one of our writes no description kept counts any more.
    pub(super) fn forget_seen(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).forget();
        self.members.forget();
    }

    pub(super) fn unreadable(&self, operation: &str, sentence: &str) -> Trouble {
        Trouble {
            kind: TroubleKind::Transient,
            doing: format!("{operation} in {}", self.cluster),
            message: sentence.to_owned(),
        }
    }
}

/// Each name that an answer of DescribeServices describes (`None`: INACTIVE) or calls MISSING.
///
/// # Errors
/// A sentence if a service could not be read for any other reason: that is not absence.
fn described(answer: &Value) -> Result<HashMap<String, Option<LiveService>>, String> {
    let mut found = HashMap::new();
    for service in items(answer, "services") {
        let live = LiveService::parse(service)?;
        if let Some(live) = &live {
            // AWS tells empty lists as such. Without them a service would seem to be behind no load balancer, or at rest.
            for field in ["deployments", "loadBalancers"] {
                if !service.get(field).is_some_and(Value::is_array) && service.get("taskSets").is_none() {
                    return Err(format!("{}: the answer has no {field}", live.name));
                }
            }
        }
        if let Some(name) = text(service, "serviceName") {
            found.insert(name.to_owned(), live);
        }
    }
    for failure in items(answer, "failures") {
        let name = text(failure, "arn").and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
        match text(failure, "reason") {
            Some("MISSING") => {
                found.entry(name.to_owned()).or_insert(None);
            }
            reason => return Err(format!("{name}: {}", reason.unwrap_or("no reason"))),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_that_aws_calls_missing_is_absent() {
        let answer = |reason| json!({"services": [], "failures": [{"arn": "arn:aws:ecs:r:1:service/c/web", "reason": reason}]});
        assert_eq!(described(&answer("MISSING")), Ok([("web".to_owned(), None)].into()));
        assert_eq!(described(&answer("ACCESS_DENIED")), Err("web: ACCESS_DENIED".into()));
        assert!(described(&json!({"failures": [{"arn": "x"}]})).is_err());
    }

    #[test]
    fn a_service_told_without_its_load_balancers_is_unreadable_and_not_behind_none() {
        let mut service = json!({"serviceName": "web", "serviceArn": "arn:s", "status": "ACTIVE",
            "taskDefinition": "web:3", "deployments": [], "loadBalancers": []});
        assert!(described(&json!({"services": [service]})).is_ok());
        service.as_object_mut().unwrap().remove("loadBalancers");
        assert_eq!(
            described(&json!({"services": [service]})),
            Err("web: the answer has no loadBalancers".into())
        );
    }
}
