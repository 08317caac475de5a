//! Declarations of the Applications of one controller, for those of them that go to the same place.

use super::apps::{App, Sight};
use super::claims::place;
use super::ports::{Repositories, RepositoryKey, SourceTrouble};
use super::reconcile::load;
use crate::engine::{Deployment, Elsewhere, Neighbours, declared_services};
use crate::model::{Allowed, AppKey, Application, Destination, Slot};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The names of everything that an application's documents declare at a folder's id.
type Declared = Arc<BTreeSet<String>>;

/// All Applications, as far as others need to know them.
pub(super) struct Directory {
    repositories: Arc<dyn Repositories>,
    known: Mutex<BTreeMap<AppKey, Neighbour>>,
    /// What was last read of each, and at which folder's id.
    read: Mutex<BTreeMap<AppKey, (String, Declared)>>,
}

#[derive(Clone)]
struct Neighbour {
    key: AppKey,
    application: Application,
    allowed: Allowed,
    sight: Option<Result<Sight, SourceTrouble>>,
    is_going: bool,
    /// True if this process works for it: its repository is looked at from here.
    is_held: bool,
}

impl Neighbour {
    fn repository(&self) -> RepositoryKey {
        RepositoryKey::of(&self.key, &self.application)
    }

    /// The same with what `own` has seen of their common branch, if nobody here looks at it for its own sake.
    fn seen_by(&self, own: &Neighbour) -> Neighbour {
        let revision = |of: &Neighbour| of.application.source.target_revision.clone();
        let is_common = self.repository() == own.repository() && revision(self) == revision(own);
        let sight = match (&self.sight, &own.sight) {
            (None, Some(Ok(sight))) if is_common => {
                Some(Ok(Sight { tree: format!("{} at {}", self.key, sight.found.commit), ..sight.clone() }))
            }
            (sight, _) => sight.clone(),
        };
        Neighbour { sight, ..self.clone() }
    }
}

impl Directory {
    pub fn new(repositories: Arc<dyn Repositories>) -> Directory {
        Directory { repositories, known: Mutex::default(), read: Mutex::default() }
    }

    /// Notes how an application is now. One that is not allowed declares nothing; of one that is not valid it stays as it
    /// was known: a typing error in a spec gives up nothing.
    pub fn note(&self, key: &AppKey, app: &App) {
        let Ok(application) = &app.registered.application else { return };
        let Ok(allowed) = &app.allowed else { return self.forget(key) };
        let neighbour = Neighbour {
            key: key.clone(),
            application: application.clone(),
            allowed: allowed.clone(),
            sight: app.sight.clone(),
            is_going: app.registered.is_going,
            is_held: app.is_held(),
        };
        lock(&self.known).insert(key.clone(), neighbour);
    }

    /// Forgets one that is gone.
    pub fn forget(&self, key: &AppKey) {
        lock(&self.known).remove(key);
        lock(&self.read).remove(key);
    }

    /// What an application has around it.
    pub fn around(self: &Arc<Directory>, key: &AppKey) -> Arc<dyn Neighbours> {
        Arc::new(Around { directory: Arc::clone(self), key: key.clone() })
    }

    fn others(&self, key: &AppKey) -> (Option<Neighbour>, Vec<Neighbour>) {
        let known = lock(&self.known);
        let own = known.get(key).cloned();
        let at = own.as_ref().map(|own| place(&own.key, &own.application));
        let is_near =
            |other: &&Neighbour| other.key != *key && at == Some(place(&other.key, &other.application));
        let near = known.values().filter(is_near);
        let near = near.map(|other| own.as_ref().map_or_else(|| other.clone(), |own| other.seen_by(own)));
        (own.clone(), near.collect())
    }

    /// What the present documents of an application declare.
    async fn declared(self: &Arc<Directory>, of: &Neighbour) -> Result<Declared, String> {
        let sight = match &of.sight {
            Some(Ok(sight)) => sight.clone(),
            Some(Err(trouble)) => return Err(trouble.to_string()),
            None => return Err("its repository has not been looked at yet".to_owned()),
        };
        // Which files are read, and where what they declare goes, is the Application's to say.
        let (source, destination) = (&of.application.source, &of.application.destination);
        let read_from = format!("{} {:?} {destination:?}", sight.tree, source.directory);
        if let Some((known, declared)) = lock(&self.read).get(&of.key)
            && *known == read_from
        {
            return Ok(Arc::clone(declared));
        }
        let (directory, of) = (Arc::clone(self), of.clone());
        let read = move || {
            let repository = RepositoryKey::of(&of.key, &of.application);
            let source = &of.application.source;
            let documents = directory.repositories.documents(&repository, &sight.found.commit, source);
            let files = documents.map_err(|trouble| trouble.to_string())?.files;
            let manifests = load(&files, &of.application.destination)
                .map_err(|problems| problems.first().map(ToString::to_string).unwrap_or_default())?;
            let deployment =
                Deployment { application: of.application.clone(), commit: sight.found.commit, manifests };
            let declared = Arc::new(names(&deployment));
            lock(&directory.read).insert(of.key.clone(), (read_from, Arc::clone(&declared)));
            Ok(declared)
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err("reading them broke down".to_owned()))
    }

    /// What was last read of it, at whichever commit.
    fn last(&self, key: &AppKey) -> Option<Declared> {
        lock(&self.read).get(key).map(|(_, declared)| Arc::clone(declared))
    }
}

/// The directory as one application sees it.
struct Around {
    directory: Arc<Directory>,
    key: AppKey,
}

impl Neighbours for Around {
    /// Documents that can't be read count as those that were last read. Where they are of the same repository, a commit may
    /// just have moved something there, so that any of it may be declared; so it may be where they were never read.
    fn declared<'a>(&'a self, resources: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Elsewhere>> {
        Box::pin(async move {
            let mut found = BTreeMap::new();
            let (Some(own), others) = self.directory.others(&self.key) else { return found };
            for other in others.iter().filter(|other| !other.is_going) {
                let name = &other.application.name;
                let declared = self.directory.declared(other).await;
                let may = |resource: &&String| other.may_have(resource);
                let is_certain = declared.is_ok();
                let elsewhere = |why: String| {
                    move |one: &String| (one.clone(), Elsewhere { why: why.clone(), is_certain })
                };
                match declared {
                    Ok(declared) => {
                        let those = resources.iter().filter(may).filter(|one| declared.contains(*one));
                        found.extend(those.map(elsewhere(format!("application {name} declares it"))));
                    }
                    Err(why)
                        if other.repository() == own.repository()
                            || other.is_held && self.directory.last(&other.key).is_none() =>
                    {
                        let why = format!(
                            "application {name} may declare it, whose documents can't be read: {why}"
                        );
                        found.extend(resources.iter().filter(may).map(elsewhere(why)));
                    }
                    Err(_) => {
                        let last = self.directory.last(&other.key).unwrap_or_default();
                        let those = resources.iter().filter(may).filter(|one| last.contains(*one));
                        let why = format!("application {name} declared it when its documents were last read");
                        found.extend(those.map(elsewhere(why)));
                    }
                }
            }
            found
        })
    }

    fn gave_up<'a>(
        &'a self,
        is_owner: &'a (dyn Fn(&Application) -> bool + Send + Sync),
        resource: &'a str,
    ) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move {
            let (_, others) = self.directory.others(&self.key);
            let mut owners = others.into_iter().filter(|other| is_owner(&other.application)).peekable();
            owners.peek()?;
            for owner in owners {
                let has_it = !owner.is_going
                    && self.directory.declared(&owner).await.map_or(true, |names| names.contains(resource));
                if has_it {
                    return Some(false);
                }
            }
            Some(true)
        })
    }
}

impl Neighbour {
    /// True if it may have such a thing at all: what it only writes down keeps nothing of others.
    fn may_have(&self, resource: &str) -> bool {
        match resource.split('/').collect::<Vec<_>>().as_slice() {
            [_, namespace, _] => self.allowed.has_namespace(namespace),
            [kind, _] => {
                let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
                self.allowed.has_cluster_kind(group, kind)
            }
            _ => true,
        }
    }
}

/// The names of all that the documents declare. A document without a namespace may lie in the application's or, if its kind
/// has none, in no namespace.
fn names(deployment: &Deployment) -> BTreeSet<String> {
    let mut names = declared_services(deployment);
    let Destination::Kubernetes { namespace: own, .. } = &deployment.application.destination else {
        return names;
    };
    for key in deployment.manifests.objects.keys() {
        names.insert(key.to_string());
        let namespace = key.namespace.clone().or_else(|| Some(own.clone()));
        names.insert(crate::model::ObjectKey { namespace, ..key.clone() }.to_string());
    }
    for rollout in deployment.rollouts() {
        let namespace = rollout.namespace().unwrap_or(own);
        for slot in Slot::BOTH {
            let (workload, service) = (rollout.slot_name(slot), rollout.slot_service(slot));
            names.insert(format!("Deployment.apps/{namespace}/{workload}"));
            names.insert(format!("Service/{namespace}/{service}"));
            names.insert(format!("TargetGroupBinding.elbv2.k8s.aws/{namespace}/{service}"));
        }
    }
    let manifests = &deployment.manifests;
    for blue_green in manifests.blue_greens.values() {
        let Some(workload) = manifests.steered_deployment(blue_green) else { continue };
        for (carried, slot) in
            manifests.carried_with(workload).flat_map(|one| Slot::BOTH.map(|slot| (one, slot)))
        {
            let name = blue_green.slot_carried(slot, &workload.key.name, &carried.key.name);
            let namespace = workload.key.namespace.clone().or_else(|| Some(own.clone()));
            names.insert(crate::model::ObjectKey { namespace, name, ..carried.key.clone() }.to_string());
        }
    }
    names
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
