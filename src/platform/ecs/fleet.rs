//! An application as a whole: what the plan needs to know, and the plan's items carried out.

use super::backoff::Refusal;
use super::live::{short_revision, text};
use super::read::Purpose;
use super::rolling::content;
use super::slots::notes;
use super::steady::stage;
use super::{Ecs, LiveService, ServiceStatus, Stamp};
use crate::diff::compare_service;
use crate::engine::{Deployment, Platform, Settled, Trouble, TroubleKind, declared_services};
use crate::model::{Application, Kind, Service, TaskDefinition, TaskDefinitionRef, marks};
use crate::plan::{Change, Live, LiveRevision, Owned, PlanItem, SlotMark, under_way};
use crate::platform::withhold::withhold;
use crate::rollout::{Stage, Terms};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many revisions are read at the same time; the account's rate limit is kept elsewhere.
const CONCURRENCY: usize = 16;

impl Platform for Ecs {
    async fn read_live(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        let application = &deployment.application.name;
        // A folder without documents is no application without services.
        let prunes = deployment.application.sync.prune || deployment.manifests.is_empty();
        let names: Vec<String> = declared_services(deployment).into_iter().collect();
        let mut services = self.read_services(&names).await?;
        if self.note_passing(deployment, &services).await {
            self.forget_seen();
            services = self.read_services(&names).await?;
        }
        let (mut owned, unlisted) = match prunes {
            true => (inventory(&self.list_owned(application).await?), None),
            false => self.of_rollouts(application).await?,
        };
        if deployment.application.sync.prune {
            withhold(&*self.neighbours, &mut owned, |name| names.iter().any(|one| one == name)).await;
        }
        let moving = services.values().filter(|s| stage(&s.json) != Stage::Steady).map(|s| s.name.clone());
        Ok(Live {
            moving: moving.collect(),
            revisions: self.known_revisions(deployment, &services).await?,
            refused: self.refused(deployment, &services),
            taken: self.taken(deployment, &services).await?,
            owned,
            unlisted,
            services: services.into_iter().map(|(name, service)| (name, service.json)).collect(),
            ..Live::default()
        })
    }

    async fn read_slots(&self, application: &Application) -> Result<Vec<Owned>, Trouble> {
        let owned = inventory(&self.list_owned(&application.name).await?);
        Ok(owned.into_iter().filter(|owned| owned.slot.is_some()).collect())
    }

    async fn apply_item(&self, deployment: &Deployment, item: &PlanItem) -> Result<(), Trouble> {
        let stamp =
            Stamp { application: deployment.application.name.clone(), commit: deployment.commit.clone() };
        let manifests = &deployment.manifests;
        if item.change == Change::Prune {
            return self.apply_service_delete(&stamp.application, &item.resource).await;
        }
        if item.is(Kind::TaskDefinition) {
            let Some(document) = manifests.task_definitions.get(&item.name) else {
                return Err(unknown(item));
            };
            return self.register(&stamp, document, &[]).await.map(drop);
        }
        let Some(service) = manifests.services.get(&item.name) else { return Err(unknown(item)) };
        let tasks = tasks_of(deployment, service);
        match item.change {
            Change::Create => self.apply_service_create(&stamp, service, tasks).await,
            Change::Replace => self.replace(&stamp, service, tasks, &item.resource).await,
            Change::Adopt => {
                self.apply_service_adopt(&stamp, service).await?;
                self.apply_service_update(&stamp, service, tasks).await.map(drop)
            }
            Change::Update => self.apply_service_update(&stamp, service, tasks).await.map(drop),
            Change::Unchanged | Change::Blocked | Change::Prune => Ok(()),
        }
    }

    async fn settled(&self, deployment: &Deployment, item: &PlanItem) -> Result<Settled, Trouble> {
        self.item_settled(deployment, item, true).await
    }

    async fn read_owned(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        let owned = self.list_owned(&deployment.application.name).await?;
        let mut owned = inventory(&owned);
        withhold(&*self.neighbours, &mut owned, |_| false).await;
        Ok(Live { owned, ..Live::default() })
    }

    /// Marks are all that there is, and the lock, which goes when it is freed.
    async fn has_bookkeeping(&self) -> Result<bool, Trouble> {
        Ok(false)
    }

    async fn remove_bookkeeping(&self) -> Result<(), Trouble> {
        Ok(())
    }
}

impl Ecs {
    /// Whether what the item is about has come to rest. What ECS gave up is noted, if this run `may_write`.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn item_settled(
        &self,
        deployment: &Deployment,
        item: &PlanItem,
        may_write: bool,
    ) -> Result<Settled, Trouble> {
        if !item.is(Kind::Service) || item.change == Change::Prune {
            return Ok(Settled::Steady);
        }
        let service = deployment.manifests.services.get(&item.name).ok_or_else(|| unknown(item))?;
        self.document_settled(service, tasks_of(deployment, service), may_write).await
    }

    /// The groups that the item's live service is registered in, if the item deletes that and it is not yet: read again.
    ///
    /// # Errors
    /// Those of the read.
    pub async fn groups_to_delete(&self, item: &PlanItem) -> Result<Vec<String>, Trouble> {
        if !item.is(Kind::Service) || !matches!(item.change, Change::Replace | Change::Prune) {
            return Ok(vec![]);
        }
        let live = self.read_service(&item.resource).await?;
        Ok(live
            .filter(|live| live.status == ServiceStatus::Active)
            .map(|live| live.groups())
            .unwrap_or_default())
    }

    /// Of the services without blue/green those that a sync would delete and create anew: name and target groups.
    pub fn replaced<'a>(
        &self,
        deployment: &'a Deployment,
        live: &'a Live,
    ) -> impl Iterator<Item = (&'a str, Vec<String>)> {
        rolling(deployment).filter_map(|service| {
            let json = live.services.get(service.live_name())?;
            let read = LiveService::parse(json).ok()??;
            let is_replaced = !compare_service(&service.spec, json).replace_fields().is_empty();
            is_replaced.then(|| (service.live_name(), read.groups()))
        })
    }

    /// The application's services without blue/green that tell of a refusal.
    ///
    /// # Errors
    /// Those of the reads.
    pub async fn refused_services(&self, deployment: &Deployment) -> Result<Vec<LiveService>, Trouble> {
        let names: Vec<String> = rolling(deployment).map(|service| service.live_name().to_owned()).collect();
        let live = self.read_for(Purpose::Write, names).await?;
        let application = Some(deployment.application.name.as_str());
        Ok(live.into_values().filter(|live| live.owner() == application && Refusal::counts(live)).collect())
    }

    /// Lets the content that they refused be sent again. The answer names those services.
    ///
    /// # Errors
    /// Those of the calls.
    pub async fn forget_refused(&self, deployment: &Deployment) -> Result<Vec<String>, Trouble> {
        let services = self.refused_services(deployment).await?;
        for service in &services {
            self.lift_refusal(service).await?;
        }
        Ok(services.into_iter().map(|service| service.name).collect())
    }

    /// By name, what ECS gave up of the services without blue/green and is not to be sent now: a sentence.
    fn refused(
        &self,
        deployment: &Deployment,
        services: &BTreeMap<String, LiveService>,
    ) -> BTreeMap<String, String> {
        let refusal = |service: &Service| {
            let live = services.get(service.live_name())?;
            let content = content(service, tasks_of(deployment, service)).ok()?;
            Some((live.name.clone(), self.foreseen(live, &content)?.in_words()))
        };
        rolling(deployment).filter_map(refusal).collect()
    }

    /// By name, what keeps services without blue/green out of the target groups that they declare: a sentence.
    async fn taken(
        &self,
        deployment: &Deployment,
        services: &BTreeMap<String, LiveService>,
    ) -> Result<BTreeMap<String, String>, Trouble> {
        let mut taken = BTreeMap::new();
        for service in rolling(deployment) {
            let name = service.live_name();
            let found =
                self.groups_of_others(&deployment.application.name, service, services.get(name)).await?;
            taken.extend(found.map(|hindrance| (name.to_owned(), hindrance.in_words(Terms::Ecs))));
        }
        Ok(taken)
    }

    /// The slots of rollouts that are not over, for an application that prunes nothing; or why nobody can tell. It shares
    /// its list with the search for strangers.
    async fn of_rollouts(&self, application: &str) -> Result<(Vec<Owned>, Option<String>), Trouble> {
        let all = match self.listed().await {
            Ok(all) => all,
            Err(trouble) => {
                let why = "nobody can tell whether rollouts are under way that no document declares";
                return Ok((vec![], Some(format!("{why}: {trouble}"))));
            }
        };
        let own: Vec<LiveService> =
            all.iter().filter(|service| service.owner() == Some(application)).cloned().collect();
        let mut owned = inventory(&own);
        let workloads: BTreeSet<String> = under_way(&owned).into_iter().map(|one| one.workload).collect();
        owned.retain(|owned| owned.slot.as_ref().is_some_and(|mark| workloads.contains(&mark.workload)));
        Ok((owned, None))
    }

    /// The revisions that the plan compares with: those that the declared services run and, where none has the wanted
    /// content, one that has it. What a service's mark tells of its revision is not read.
    async fn known_revisions(
        &self,
        deployment: &Deployment,
        services: &BTreeMap<String, LiveService>,
    ) -> Result<Vec<LiveRevision>, Trouble> {
        let mut by_family: HashMap<&str, Vec<&LiveService>> = HashMap::new();
        for service in services.values() {
            let revision = short_revision(service.task_definition());
            let family = revision.rsplit_once(':').map_or(revision, |(family, _)| family);
            by_family.entry(family).or_default().push(service);
        }
        let documents = deployment.manifests.task_definitions.values().map(|document| {
            let family = text(&document.spec, "family").unwrap_or(&document.name);
            (document, by_family.get(family).cloned().unwrap_or_default())
        });
        let found = stream::iter(documents.collect::<Vec<_>>())
            .map(|(document, users)| self.revisions_for(document, users))
            .buffered(CONCURRENCY)
            .try_collect::<Vec<_>>()
            .await?;
        let mut seen = BTreeSet::new();
        Ok(found.into_iter().flatten().filter(|revision| seen.insert(revision.arn.clone())).collect())
    }

    async fn revisions_for(
        &self,
        document: &TaskDefinition,
        users: Vec<&LiveService>,
    ) -> Result<Vec<LiveRevision>, Trouble> {
        for user in &users {
            if self.runs(user, document).await? {
                let content = Some(crate::diff::content_hash(&document.spec));
                let arn = user.task_definition().to_owned();
                return Ok(vec![LiveRevision { arn, content, described: None }]);
            }
        }
        let mut revisions = vec![];
        for user in &users {
            let live = match self.read_task_definition(user.task_definition()).await {
                Ok(live) => live,
                // A service may run a revision that was deleted since.
                Err(trouble) if trouble.kind == TroubleKind::Missing => continue,
                Err(trouble) => return Err(trouble),
            };
            let described = Some(live.json.clone());
            revisions.push(LiveRevision { arn: live.arn.clone(), content: None, described });
        }
        if let Some(arn) = self.find_content(document, &users).await? {
            let content = Some(crate::diff::content_hash(&document.spec));
            revisions.push(LiveRevision { arn, content, described: None });
        }
        Ok(revisions)
    }

    /// Deletes the service, waits until its name is free (each try says that it is not), and creates it anew.
    async fn replace(
        &self,
        stamp: &Stamp,
        service: &Service,
        tasks: Option<&TaskDefinition>,
        name: &str,
    ) -> Result<(), Trouble> {
        match self.read_service(name).await? {
            None => return self.apply_service_create(stamp, service, tasks).await,
            Some(live) if live.status == ServiceStatus::Active => {
                self.apply_service_delete(&stamp.application, name).await?;
            }
            Some(_) => {}
        }
        Err(Trouble {
            kind: TroubleKind::Transient,
            doing: format!("replacing service {name}"),
            message: "the old one is still draining and blocks the name".into(),
        })
    }
}

/// The services that ECS rolls out: those that are no BlueGreen's.
fn rolling(deployment: &Deployment) -> impl Iterator<Item = &Service> {
    let manifests = &deployment.manifests;
    manifests.services.values().filter(|service| manifests.blue_green_of(&service.name).is_none())
}

fn tasks_of<'a>(deployment: &'a Deployment, service: &Service) -> Option<&'a TaskDefinition> {
    match &service.task_definition {
        TaskDefinitionRef::Document(name) => deployment.manifests.task_definitions.get(name),
        TaskDefinitionRef::External(_) => None,
    }
}

fn inventory(owned: &[LiveService]) -> Vec<Owned> {
    owned.iter().filter(|service| service.status == ServiceStatus::Active).map(owned_service).collect()
}

fn owned_service(service: &LiveService) -> Owned {
    Owned {
        document: service
            .tags
            .get(marks::DOCUMENT)
            .cloned()
            .unwrap_or_else(|| format!("Service/{}", service.name)),
        resource: service.name.clone(),
        target_groups: service.groups(),
        in_use: service
            .tags
            .get(marks::RELEASE)
            .filter(|heir| Some(heir.as_str()) != service.owner())
            .map(|heir| format!("its tag {} gives it to application {heir}", marks::RELEASE)),
        slot: slot_mark(service),
        ..Owned::default()
    }
}

fn slot_mark(service: &LiveService) -> Option<SlotMark> {
    let slot = service.slot()?;
    let workload = service.tags.get(marks::DOCUMENT)?.clone();
    let commit = service.tags.get(marks::COMMIT).cloned();
    Some(SlotMark { workload, slot, record: notes(service).record, commit, pods: None })
}

fn unknown(item: &PlanItem) -> Trouble {
    Trouble {
        kind: TroubleKind::Rejected,
        doing: item.document(),
        message: "there is no such document".into(),
    }
}
