//! The live state of an application: one list for each kind and namespace, what is not in it asked for one by one, and
//! a dry run only where the managed fields do not tell what an apply would make of an object.

mod autoscalers;
mod compare;
mod definitions;
mod lists;
mod members;
mod owned;
mod quantity;
mod would_be;

pub(super) use autoscalers::Autoscalers;
pub(super) use definitions::defined;
pub(super) use owned::kept;
pub(super) use would_be::{
    awaits_its_role, belongs_to, is_replaced, makes_namespace, refused, without_namespace,
};

use super::applyset::{Parent, group_kind, is_application, parse_group_kind};
use super::desired::{Resolved, Wanted, resolve};
use super::filled::filled;
use super::health::assess;
use super::hooks::{self, Hooks};
use super::inventory::OwnNamespace;
use super::jobs;
use super::slots::AllSlots;
use super::{Kubernetes, Sighting};
use crate::engine::{Deployment, Trouble, TroubleKind};
use crate::kubernetes::{Kinds, Resource};
use crate::model::{Health, HealthReport, Object, ObjectKey, marks};
use crate::plan::{Live, LiveObject, WouldBe};
use crate::platform::withhold::withhold;
use definitions::Definitions;
use futures_util::{StreamExt, TryStreamExt, stream};
use lists::{Lists, Place};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

/// How many objects are looked at side by side; the bound on requests is the client room's.
const CONCURRENCY: usize = 64;
/// How often an object that changes while it is looked at is looked at again.
const NEWER_TRIES: u32 = 5;
/// What all documents of a reading are looked at with.
pub(super) struct Context<'a> {
    pub deployment: &'a Deployment,
    pub autoscalers: &'a Autoscalers,
    pub hooks: &'a Hooks,
    /// What dry runs can't judge yet.
    pub definitions: &'a Definitions,
}

impl Kubernetes {
    pub(super) async fn read(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        match self.read_once(deployment).await {
            // A kind went, or is served in other versions, since the cluster's kinds were asked for.
            Err(trouble) if trouble.kind == TroubleKind::Missing => {
                self.cluster.refresh_kinds().await?;
                self.read_once(deployment).await
            }
            other => other,
        }
    }

    async fn read_once(&self, deployment: &Deployment) -> Result<Live, Trouble> {
        let (kinds, parent) =
            tokio::try_join!(self.cluster.kinds(), self.inventory.read(&self.cluster, &self.identity))?;
        let (kinds, resolved) = self.resolve(deployment, kinds).await?;
        self.confine(deployment, &resolved)?;
        self.refuse_bookkeeping(deployment, &resolved)?;
        let wanted: Vec<&Wanted<'_>> = resolved
            .iter()
            .filter_map(|resolved| match resolved {
                (_, Resolved::Known(wanted)) => Some(wanted),
                _ => None,
            })
            .collect();
        let mut lists = self.lists(&kinds, &parent, &wanted).await?;
        self.doubt(&kinds, &parent, &mut lists).await;
        // Before slots are read: what a watch tells of them in between is then a look too many, and not one too few.
        let set = self.identity.id();
        let sighting = Sighting::of(lists.iter().map(|(_, live)| live).filter(|live| is_of_set(live, set)));
        let autoscalers = Autoscalers::find(&wanted, &lists);
        let hooks = Hooks::new(&deployment.manifests, &parent);
        let definitions = Definitions::changing(
            wanted.iter().map(|wanted| (*wanted, lists.get(&wanted.key))),
            &self.identity,
        );
        let context =
            Context { deployment, autoscalers: &autoscalers, hooks: &hooks, definitions: &definitions };
        let mut live = Live { incomplete: lists.incomplete(), beyond: lists.beyond(), ..Live::default() };
        let slots = self.plan_all_slots(deployment).await?;
        live.incomplete = live.incomplete.or(slots.unread.clone());
        let declared = wanted.iter().map(|wanted| &wanted.key).collect();
        let declared_now: BTreeSet<String> =
            wanted.iter().map(|wanted| &wanted.key).chain(&slots.keys).map(ToString::to_string).collect();
        live.owned = self.owned(deployment, &lists, &slots, &declared).await;
        if live.incomplete.is_none() && parent.uncertain.is_none() {
            live.owned.extend(self.noted_only(&parent.data, &declared).await?);
        }
        if deployment.application.sync.prune {
            withhold(&*self.neighbours, &mut live.owned, |name| declared_now.contains(name)).await;
        }
        self.note(deployment, &wanted, &resolved, &lists, &slots);
        live.slots = slots.objects;
        let found: Vec<(&Object, &Resolved<'_>, Option<Value>)> = resolved
            .iter()
            .map(|(object, resolved)| match resolved {
                Resolved::Known(wanted) => (*object, resolved, lists.take(&wanted.key, &object.api_version)),
                _ => (*object, resolved, None),
            })
            .collect();
        let unnoted: BTreeSet<ObjectKey> = found
            .iter()
            .filter_map(|(_, resolved, live)| match (resolved, live) {
                (Resolved::Known(wanted), Some(live)) => Some((wanted, live)),
                _ => None,
            })
            .filter(|(wanted, live)| jobs::is_unnoted(hooks.noted(), wanted, live))
            .map(|(wanted, _)| wanted.key.clone())
            .collect();
        let objects: Vec<(ObjectKey, LiveObject)> = stream::iter(found)
            .map(|(object, resolved, listed)| self.look_at(&context, object, resolved, listed))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        for (key, object) in objects {
            self.planned.note(&object);
            let is_running = hooks.is_unfinished(&object) || unnoted.contains(&object.key);
            if object.health.health == Health::Progressing && object.live.is_some() || is_running {
                live.moving.insert(object.key.to_string());
            }
            live.objects.insert(key, object);
        }
        live.notices.extend(self.told_of_namespace(deployment, &live).await);
        *self.sighting.lock().unwrap_or_else(PoisonError::into_inner) = sighting;
        Ok(live)
    }

    /// Documents by what discovery says of them, asked anew if a kind is not known; one whose kind can't be told is out of
    /// reach for itself. Those that BlueGreens make slots of
    /// are not among them.
    async fn resolve<'a>(
        &self,
        deployment: &'a Deployment,
        kinds: Arc<Kinds>,
    ) -> Result<(Arc<Kinds>, Vec<(&'a Object, Resolved<'a>)>), Trouble> {
        let manifests = &deployment.manifests;
        let steered = manifests.steered_objects();
        let look = |kinds: &Kinds| -> Vec<(&'a Object, Resolved<'a>)> {
            let objects = manifests.objects.values().filter(|object| !steered.contains_key(&object.key));
            objects.map(|object| (object, resolve(object, manifests, kinds, &self.identity))).collect()
        };
        let mut kinds = kinds;
        let mut resolved = look(&kinds);
        if resolved.iter().any(|(_, resolved)| !matches!(resolved, Resolved::Known(_))) {
            kinds = self.cluster.refresh_kinds().await?;
            resolved = look(&kinds);
        }
        Ok((kinds, resolved))
    }

    async fn lists(&self, kinds: &Kinds, parent: &Parent, wanted: &[&Wanted<'_>]) -> Result<Lists, Trouble> {
        let mut lists = Lists::default();
        let mut resources: BTreeSet<Resource> = wanted.iter().map(|wanted| wanted.resource.clone()).collect();
        let declared: BTreeSet<String> = wanted.iter().map(|wanted| group_kind(&wanted.key)).collect();
        for kind in parent.group_kinds.iter().filter(|kind| !declared.contains(*kind)) {
            let (group, name) = parse_group_kind(kind);
            match kinds.preferred(group, name) {
                Some(resource) if !resource.namespaced && !self.allowed.has_cluster_kind(group, name) => {
                    lists
                        .pass_over(format!("it had objects of {kind}, a kind that it may not have any more"));
                }
                Some(resource) => drop(resources.insert(resource.clone())),
                // Without the kind there is no object of it, unless its own API server is only down.
                None => kinds.uncertainty(group).into_iter().for_each(|why| lists.miss(&why)),
            }
        }
        let mut namespaces: BTreeSet<&str> = parent.namespaces.iter().map(String::as_str).collect();
        namespaces.insert(self.identity.namespace());
        namespaces.extend(wanted.iter().filter_map(|wanted| wanted.namespace()));
        namespaces.retain(|namespace| {
            let is_allowed = self.allowed.has_namespace(namespace);
            if !is_allowed {
                lists.pass_over(format!(
                    "it had objects in namespace {namespace}, where it may have none any more"
                ));
            }
            is_allowed
        });
        let mut places: BTreeSet<Place> = BTreeSet::new();
        for resource in resources {
            match resource.namespaced {
                true => places.extend(namespaces.iter().map(|n| Place::members(&resource, Some(n)))),
                false => drop(places.insert(Place::members(&resource, None))),
            }
        }
        Autoscalers::places(&mut places, wanted, kinds);
        let declared =
            wanted.iter().map(|wanted| Place::members(&wanted.resource, wanted.namespace())).collect();
        self.list_all(lists, places, &declared).await
    }

    async fn look_at(
        &self,
        context: &Context<'_>,
        object: &Object,
        resolved: &Resolved<'_>,
        listed: Option<Value>,
    ) -> Result<(ObjectKey, LiveObject), Trouble> {
        let absent = |key: &ObjectKey, would_be: WouldBe| LiveObject {
            key: key.clone(),
            live: None,
            would_be,
            health: HealthReport { health: Health::Missing, ..HealthReport::default() },
            filled: vec![],
        };
        // Whether it is there is not known.
        let out_of_reach = |key: &ObjectKey, why: &str| LiveObject {
            health: HealthReport { health: Health::Unknown, message: why.to_owned(), is_final: false },
            ..absent(key, WouldBe::OutOfReach(why.to_owned()))
        };
        let found = match resolved {
            Resolved::Known(wanted) => match self.look_at_known(context, wanted, listed).await {
                Err(trouble) if trouble.kind == TroubleKind::Unavailable => {
                    out_of_reach(&wanted.key, &trouble.to_string())
                }
                found => found?,
            },
            Resolved::Coming(key) => absent(key, WouldBe::Unasked),
            // Nobody brings the kind by himself.
            Resolved::Unknown(key, message) if is_application(&object.body) => {
                absent(key, WouldBe::Refused { message: message.clone(), field: None })
            }
            Resolved::Unknown(key, message) => out_of_reach(key, message),
            Resolved::Unclear(key, why) => out_of_reach(key, why),
        };
        Ok((object.key.clone(), found))
    }

    async fn look_at_known(
        &self,
        context: &Context<'_>,
        wanted: &Wanted<'_>,
        listed: Option<Value>,
    ) -> Result<LiveObject, Trouble> {
        let is_hook = hooks::is_hook(wanted.object);
        let missing = || HealthReport { health: Health::Missing, ..HealthReport::default() };
        let found = |live: Option<Value>, would_be| {
            let health = live.as_ref().map_or_else(missing, assess);
            let filled = filled(&wanted.object.body, live.as_ref()).into_iter().filter_map(|(_, by)| by);
            LiveObject { key: wanted.key.clone(), filled: filled.collect(), live, would_be, health }
        };
        if jobs::is_plain_job(wanted.object)
            && listed.is_none()
            && let Some(end) = jobs::end_of(context.hooks.noted(), wanted)
            && self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?.is_none()
        {
            let health = jobs::report_of(end);
            let key = wanted.key.clone();
            return Ok(LiveObject { key, live: None, would_be: WouldBe::Same, health, filled: vec![] });
        }
        // What is not among the members is most often new, and the dry run that a plan needs then tells that as well.
        if listed.is_none() && !is_hook {
            let would_be = self.would_be(context, wanted, None).await?;
            if would_be::is_creation(&would_be) {
                return Ok(found(None, would_be));
            }
        }
        let mut live = match listed {
            Some(live) => Some(live),
            // It may be there without our label: to be adopted, or somebody else's.
            None => self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?,
        };
        if is_hook {
            let would_be = context.hooks.would_be(wanted.object, live.as_ref());
            let is_gone_failed = live.is_none() && context.hooks.has_failed(wanted.object);
            let object = found(live, would_be);
            return Ok(match is_gone_failed {
                true => LiveObject { health: jobs::report_of(jobs::End::Failed), ..object },
                false => object,
            });
        }
        let mut would_be = self.would_be(context, wanted, live.as_ref()).await?;
        // Controllers write in between: an answer about a newer object says nothing about the one that was read.
        for _ in 0..NEWER_TRIES {
            if !would_be::is_of_another(&would_be, live.as_ref()) {
                break;
            }
            live = self.cluster.get(&wanted.resource, wanted.namespace(), &wanted.key.name).await?;
            would_be = self.would_be(context, wanted, live.as_ref()).await?;
        }
        Ok(found(live, would_be))
    }

    /// Says that the namespace is going to be made, where it is.
    async fn told_of_namespace(&self, deployment: &Deployment, live: &Live) -> Option<String> {
        let own = self.identity.namespace();
        let may_lack = |object: &LiveObject| {
            object.would_be == WouldBe::Unasked && object.key.namespace.as_deref() == Some(own)
        };
        if !makes_namespace(deployment, own) || !live.objects.values().any(may_lack) {
            return None;
        }
        // Who may not read it is told by whatever comes of making it.
        let found = self.cluster.get(&Resource::namespaces(), None, own).await.ok()?;
        found.is_none().then(|| {
            format!(
                "namespace {own} is not there and is made before everything else (sync.createNamespace); it is no part of \
                 the application, and is never changed or deleted with it"
            )
        })
    }

    fn note(
        &self,
        deployment: &Deployment,
        wanted: &[&Wanted<'_>],
        resolved: &[(&Object, Resolved<'_>)],
        lists: &Lists,
        slots: &AllSlots,
    ) {
        let own = wanted
            .iter()
            .find(|wanted| wanted.key.is("", "Namespace") && wanted.key.name == self.identity.namespace());
        let own =
            own.map(|wanted| OwnNamespace::Declared(wanted.resource.clone(), wanted.body(&self.identity)));
        let is_made = makes_namespace(deployment, self.identity.namespace());
        let own = own.or_else(|| is_made.then_some(OwnNamespace::Made));
        let declared = resolved.iter().filter_map(|(_, resolved)| match resolved {
            Resolved::Known(wanted) => Some(wanted.key.clone()),
            Resolved::Coming(key) => Some(key.clone()),
            // It may be among the members all the same.
            Resolved::Unclear(key, _) => Some(key.clone()),
            Resolved::Unknown(..) => None,
        });
        let declared = declared.chain(slots.keys.iter().cloned()).collect();
        self.inventory.note(lists.led_to(&self.identity), declared, lists.incomplete().is_none(), own);
    }
}

/// True if it bears the set's label, as watches ask for.
fn is_of_set(live: &Value, set: &str) -> bool {
    live["metadata"]["labels"].get(marks::MEMBER).and_then(Value::as_str) == Some(set)
}

impl Hooks {
    /// True for a hook whose run has not come to its end, or whose end is not written down yet.
    fn is_unfinished(&self, object: &LiveObject) -> bool {
        object.live.as_ref().is_some_and(|live| hooks::is_of_hook(live) && self.awaits(live))
    }
}
