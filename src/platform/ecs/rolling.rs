//! Services without a BlueGreen: created, changed, adopted and deleted here, rolled out by ECS.

use super::live::{items, short_revision, text};
use super::steady::stage;
use super::write::{Stamp, foreign, update_body, with_tags};
use super::{Ecs, LiveService, ServiceStatus};
use crate::diff::{compare_service, content_hash, revision_id};
use crate::engine::{Settled, Trouble, TroubleKind};
use crate::model::{Kind, Service, TaskDefinition, marks};
use crate::rollout::Stage;
use serde_json::json;
use sha2::{Digest, Sha256};

/// What a rolling service runs.
#[derive(Clone, Copy, Debug)]
enum Revision<'a> {
    Document(&'a TaskDefinition),
    External(&'a str),
}

impl Ecs {
    /// Creates a service. `task_definition` is the document it names; `None` if it names a revision by itself.
    ///
    /// # Errors
    /// Those of the calls. Repeating it is safe.
    pub async fn apply_service_create(
        &self,
        stamp: &Stamp,
        service: &Service,
        task_definition: Option<&TaskDefinition>,
    ) -> Result<(), Trouble> {
        let name = service_name(service);
        let (arn, tags) = self.rolling_revision(stamp, service, task_definition, &[]).await?;
        let mut body = with_tags(service.spec.clone(), &tags);
        body["taskDefinition"] = arn.clone().into();
        let daemon = text(&body, "schedulingStrategy") == Some("DAEMON");
        if body.get("desiredCount").is_none() && !daemon {
            // CreateService wants a number; one is what ECS's own tools take.
            body["desiredCount"] = 1.into();
        }
        let token = Sha256::digest(format!("{}\n{}\n{name}\n{body}", self.cluster, stamp.application));
        body["clientToken"] =
            token.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into();
        self.create(&name, body).await
    }

    /// Brings a service to its document: only fields that differ are sent, tags by TagResource. Returns the revision
    /// that it then is to run. Content that ECS gave up here before is not sent again until its backoff is over; the number
    /// of tasks is.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] if a field differs that only a new service can have, or if the service bears another
    /// application's mark; otherwise those of the calls.
    pub async fn apply_service_update(
        &self,
        stamp: &Stamp,
        service: &Service,
        task_definition: Option<&TaskDefinition>,
    ) -> Result<String, Trouble> {
        let live = self.own_service(stamp, &service_name(service)).await?;
        let content = content(service, task_definition)?;
        if self.held_back(&live, &content).await?.is_some() {
            let count = service.desired_count().filter(|count| *count != live.count("desiredCount"));
            if let Some(count) = count {
                self.update(&live.name, json!({"desiredCount": count})).await?;
            }
            return Ok(live.task_definition().to_owned());
        }
        let (arn, tags) = self.rolling_revision(stamp, service, task_definition, &[&live]).await?;
        let mut spec = service.spec.clone();
        spec["taskDefinition"] = arn.clone().into();
        let comparison = compare_service(&spec, &live.json);
        let replaced: Vec<&str> = comparison.replace_fields().into_iter().collect();
        if !replaced.is_empty() {
            return Err(Trouble {
                kind: TroubleKind::Rejected,
                doing: format!("UpdateService {}", live.name),
                message: format!(
                    "{} cannot be changed on a service; give the document another serviceName, or delete the \
                     service and sync again",
                    replaced.join(", ")
                ),
            });
        }
        let mut body = update_body(&comparison, &spec);
        if let Some(count) = comparison.desired_count {
            body.insert("desiredCount".into(), count.declared.into());
        }
        let declared: Vec<(&str, String)> = items(&spec, "tags")
            .filter_map(|tag| Some((text(tag, "key")?, text(tag, "value").unwrap_or_default().to_owned())))
            .filter(|(key, _)| !tags.iter().any(|(ours, _)| ours == key))
            .collect();
        let all: Vec<(&str, String)> = declared.into_iter().chain(tags.clone()).collect();
        self.tag_service(&live, &all).await?;
        if !body.is_empty() {
            self.update(&live.name, body.into()).await?;
        }
        Ok(arn)
    }

    /// Puts our mark on an existing service that bears none.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] if it bears another application's; otherwise those of the calls.
    pub async fn apply_service_adopt(&self, stamp: &Stamp, service: &Service) -> Result<(), Trouble> {
        let live = self.active_service(stamp, &service_name(service)).await?;
        self.tag_service(&live, &ownership(stamp, service)).await
    }

    /// Deletes a service and its tasks: reads it again first, and only if it bears the application's mark. The caller
    /// has seen that no rule gives weight to its target groups. A service that is gone is no error.
    ///
    /// # Errors
    /// [`TroubleKind::Rejected`] without the mark; otherwise those of the calls.
    pub async fn apply_service_delete(&self, application: &str, name: &str) -> Result<(), Trouble> {
        self.forget_seen();
        match self.read_service(name).await? {
            Some(live) if live.status == ServiceStatus::Active => self.delete(application, &live).await,
            _ => Ok(()),
        }
    }

    /// Whether ECS has brought the service to rest on `task_definition` (an ARN or `family:revision`; `None`: on
    /// whatever it is told to run).
    ///
    /// # Errors
    /// [`TroubleKind::Missing`] if there is no such service; otherwise those of the calls.
    pub async fn service_settled(
        &self,
        name: &str,
        task_definition: Option<&str>,
    ) -> Result<Settled, Trouble> {
        let live = self.read_service(name).await?.ok_or_else(|| missing(name, &self.cluster))?;
        self.judge(&live, task_definition).await
    }

    /// As [`Ecs::service_settled`], for a document: its number of tasks has to run too, and what ECS gave up is noted, if
    /// this run `may_write`.
    pub(super) async fn document_settled(
        &self,
        service: &Service,
        tasks: Option<&TaskDefinition>,
        may_write: bool,
    ) -> Result<Settled, Trouble> {
        let name = service_name(service);
        let live = self.read_service(&name).await?.ok_or_else(|| missing(&name, &self.cluster))?;
        let content = content(service, tasks)?;
        if let Some(refusal) = self.in_force(&live, &content) {
            let troubles = self.troubles_of(&live).await;
            return Ok(Settled::Failed { state: refusal.in_words(), troubles });
        }
        let wanted = match revision(service, tasks)? {
            Revision::External(id) => Some(id.to_owned()),
            Revision::Document(document) => self.known_revision(document),
        };
        let settled = self.judge(&live, wanted.as_deref()).await?;
        match settled {
            Settled::Failed { .. } if may_write => {
                self.held_back(&live, &content).await?;
                Ok(settled)
            }
            Settled::Steady => Ok(short_of(service, &live).unwrap_or(settled)),
            _ => Ok(settled),
        }
    }

    async fn judge(&self, live: &LiveService, task_definition: Option<&str>) -> Result<Settled, Trouble> {
        if self.is_stale(live) {
            let state = "ECS does not show the update yet".into();
            return Ok(Settled::InProgress { state, troubles: vec![] });
        }
        let runs = short_revision(live.task_definition());
        let elsewhere = task_definition.map(short_revision).filter(|wanted| *wanted != runs);
        let stage = stage(&live.json);
        if stage == Stage::Steady && elsewhere.is_none() {
            return Ok(Settled::Steady);
        }
        let troubles = self.troubles_of(live).await;
        let counts = counts(live);
        Ok(match (stage, elsewhere) {
            (Stage::Failed, None) => {
                Settled::Failed { state: format!("the deployment of {runs} failed; {counts}"), troubles }
            }
            (Stage::Failed | Stage::Steady, Some(wanted)) => Settled::Failed {
                state: format!("{wanted} was not kept: the service runs {runs}; {counts}"),
                troubles,
            },
            _ => Settled::InProgress { state: counts, troubles },
        })
    }

    /// The revision that a rolling service is to run, registered where needed, and the service's marks.
    async fn rolling_revision(
        &self,
        stamp: &Stamp,
        service: &Service,
        task_definition: Option<&TaskDefinition>,
        hints: &[&LiveService],
    ) -> Result<(String, Vec<(&'static str, String)>), Trouble> {
        let mut tags = ownership(stamp, service);
        tags.push((marks::COMMIT, stamp.commit.clone()));
        tags.push((marks::CONTENT, content(service, task_definition)?));
        let arn = match revision(service, task_definition)? {
            Revision::External(id) => id.to_owned(),
            Revision::Document(document) => {
                let arn = self.register(stamp, document, hints).await?;
                let hash = content_hash(&document.spec);
                tags.push((marks::TASK_DEFINITION, marks::task_definition(short_revision(&arn), &hash)));
                arn
            }
        };
        Ok((arn, tags))
    }

    async fn active_service(&self, stamp: &Stamp, name: &str) -> Result<LiveService, Trouble> {
        let live = self.read_service(name).await?.filter(|s| s.status == ServiceStatus::Active);
        let live = live.ok_or_else(|| Trouble {
            kind: TroubleKind::Transient,
            doing: format!("changing service {name}"),
            message: "it is not there (any more)".into(),
        })?;
        match live.owner() {
            Some(owner) if owner != stamp.application => Err(foreign(&stamp.application, &live)),
            _ => Ok(live),
        }
    }

    async fn own_service(&self, stamp: &Stamp, name: &str) -> Result<LiveService, Trouble> {
        let live = self.active_service(stamp, name).await?;
        if live.owner().is_some() { Ok(live) } else { Err(foreign(&stamp.application, &live)) }
    }
}

/// The name of what a rolling service's documents want, the number of tasks aside.
pub(super) fn content(service: &Service, tasks: Option<&TaskDefinition>) -> Result<String, Trouble> {
    let id = match revision(service, tasks)? {
        Revision::External(id) => revision_id(id, &service.spec),
        Revision::Document(document) => revision_id(&content_hash(&document.spec), &service.spec),
    };
    Ok(id.0)
}

/// Set if the service does not have the declared number of tasks yet: an answer may be older than our own write.
fn short_of(service: &Service, live: &LiveService) -> Option<Settled> {
    let is_daemon = text(&live.json, "schedulingStrategy") == Some("DAEMON");
    let wanted = service.desired_count().filter(|_| !is_daemon)?;
    if wanted == live.count("desiredCount") && wanted == live.count("runningCount") {
        return None;
    }
    let state = format!("{wanted} tasks are declared; {}", counts(live));
    Some(Settled::InProgress { state, troubles: vec![] })
}

fn counts(live: &LiveService) -> String {
    format!(
        "{} of {} tasks running, {} pending",
        live.count("runningCount"),
        live.count("desiredCount"),
        live.count("pendingCount")
    )
}

fn missing(name: &str, cluster: &str) -> Trouble {
    Trouble {
        kind: TroubleKind::Missing,
        doing: format!("DescribeServices {name}"),
        message: format!("there is no service {name} in {cluster}"),
    }
}

/// The name of a rolling service.
pub(super) fn service_name(service: &Service) -> String {
    text(&service.spec, "serviceName").unwrap_or(&service.name).to_owned()
}

fn ownership(stamp: &Stamp, service: &Service) -> Vec<(&'static str, String)> {
    vec![
        (marks::APPLICATION, stamp.application.clone()),
        (marks::DOCUMENT, marks::document(Kind::Service, &service.name)),
    ]
}

fn revision<'a>(
    service: &'a Service,
    task_definition: Option<&'a TaskDefinition>,
) -> Result<Revision<'a>, Trouble> {
    use crate::model::TaskDefinitionRef;
    match (&service.task_definition, task_definition) {
        (TaskDefinitionRef::External(id), _) => Ok(Revision::External(id)),
        (TaskDefinitionRef::Document(_), Some(document)) => Ok(Revision::Document(document)),
        (TaskDefinitionRef::Document(name), None) => Err(Trouble {
            kind: TroubleKind::Rejected,
            doing: format!("Service/{}", service.name),
            message: format!("its TaskDefinition/{name} is missing"),
        }),
    }
}
