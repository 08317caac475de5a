//! Applications come, change and go; repositories are looked at.

use super::apps::{App, Folders, Sight, Sights, Stopped, differs, interval};
use super::claims::place;
use super::occurrence::{Occurrence, OccurrenceKind};
use super::pace::{backoff, jittered};
use super::ports::{Registered, RepositoryKey};
use super::run::{Happened, State};
use crate::engine::{failed, work_span};
use crate::model::{AppKey, Application, ApplicationStatus, ConditionStatus, Destination, SyncMode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl State {
    /// Takes what is registered now.
    pub(super) fn registered(&mut self, registered: Registered) {
        // Without our finalizer it is as good as gone, whoever else still holds it.
        if registered.is_going && !registered.is_guarded {
            self.tell_left(&registered.key);
            return self.gone(&registered.key);
        }
        let key = registered.key.clone();
        let known = self.apps.get(&key);
        if known.is_some_and(|app| app.registered.uid != registered.uid) {
            self.gone(&key);
        }
        let is_new = self.apps.get(&key).is_none_or(|app| differs(&app.registered, &registered));
        let was_ready =
            self.apps.get(&key).map(|app| is_ready(app.registered.generation, &app.registered.status));
        let now_ready = is_ready(registered.generation, &registered.status);
        let stored = registered.status.clone();
        match is_new {
            true => self.changed(registered),
            // Its status alone: our own write comes back, or another controller's.
            false => {
                if let Some(app) = self.apps.get_mut(&key) {
                    app.registered = registered;
                }
            }
        }
        let is_held = self.apps.get(&key).is_some_and(|app| app.is_held());
        self.board.change(&key, |entry| {
            if !is_held || is_new && entry.status == Default::default() {
                entry.status.clone_from(&stored);
            }
            entry.stored = stored;
        });
        if was_ready != Some(now_ready) {
            self.wake_dependents(&key);
        }
    }

    fn changed(&mut self, registered: Registered) {
        let now = Instant::now();
        let key = registered.key.clone();
        let others = self.claims.note(&registered);
        let repository = registered.application.as_ref().ok();
        let repository = repository.map(|application| RepositoryKey::of(&key, application));
        let allowed = match (&registered.application, &registered.lineage) {
            (Ok(application), Ok(lineage)) => (self.world.permits)(lineage, &key, application),
            (Ok(_), Err(why)) => Err(vec![why.clone()]),
            (Err(_), _) => Err(vec![]),
        };
        let mut app = self.apps.remove(&key).unwrap_or_else(|| {
            let mut app = App::new(registered.clone());
            app.hold(self.fence(&key));
            app
        });
        let before = app.registered.application.as_ref().ok().map(|application| application.source.clone());
        let source = registered.application.as_ref().ok().map(|application| application.source.clone());
        if before != source {
            app.sight = None;
            app.settled = None;
        }
        // A request is not kept waiting until a rollout has baked: what is under way stops at its next safe point, and
        // the next look handles the request and goes on.
        if registered.request.is_some() && app.registered.request != registered.request {
            app.stop(Stopped::Asked);
        }
        let only_request = app.registered.generation == registered.generation
            && app.registered.lineage == registered.lineage
            && app.registered.is_suspended == registered.is_suspended;
        if !only_request || app.registered.application.is_err() {
            app.site = None;
            app.failures = 0;
            app.stop(Stopped::Superseded);
        }
        let is_resumed = app.is_held() && is_suspended(&app.registered) && !is_suspended(&registered);
        let left = app.repository.take().filter(|left| Some(left) != repository.as_ref());
        app.repository = repository.clone();
        app.allowed = allowed;
        app.registered = registered;
        self.show(&key, &app);
        self.directory.note(&key, &app);
        let (is_held, is_sighted) = (app.is_held(), app.sight.is_some());
        self.apps.insert(key.clone(), app);
        if is_resumed && is_held {
            let (kind, text) = (OccurrenceKind::Resumed, "it is kept as Git says again".to_owned());
            self.teller.tell(Occurrence { kind, text, ..self.occurrence_at_known(&key) });
        }
        if let Some(left) = left {
            self.leave_repository(&left, &key);
        }
        if let Some(repository) = repository {
            self.repositories.entry(repository.clone()).or_default().users.insert(key.clone());
            if !is_sighted {
                self.looks.want(&repository, now);
            }
        }
        if is_held {
            self.queue.want(&key, now);
        }
        for other in others {
            if self.apps.get(&other).is_some_and(|app| app.is_held()) {
                self.queue.want(&other, now);
            }
        }
    }

    /// Puts on the board what the Application says of itself.
    fn show(&self, key: &AppKey, app: &App) {
        let Ok(application) = &app.registered.application else {
            return self.board.change(key, |_| {});
        };
        let suspended = application.suspend || app.registered.is_suspended;
        self.board.change(key, |entry| {
            entry.repository = shown_url(&application.source.repo_url);
            entry.target_revision.clone_from(&application.source.target_revision);
            entry.path.clone_from(&application.source.path);
            entry.destination = shown_destination(application);
            entry.mode = match application.sync.mode {
                SyncMode::Enforce => "enforce".into(),
                SyncMode::Observe => "observe".into(),
            };
            entry.suspended = suspended;
        });
    }

    /// Forgets an application. What it brought about stays; a sync that is under way stops at its next safe point.
    pub(super) fn gone(&mut self, key: &AppKey) {
        let now = Instant::now();
        let Some(mut app) = self.apps.remove(key) else { return };
        self.directory.forget(key);
        app.stop(Stopped::Dropped);
        if app.running.as_ref().is_some_and(|running| running.is_at_work) {
            self.at_work = self.at_work.saturating_sub(1);
        }
        if let Some(repository) = &app.repository {
            self.leave_repository(repository, key);
        }
        for other in self.claims.remove(key) {
            self.queue.want(&other, now);
        }
        // One that is made anew under the same name waits until the old one's sync has ended.
        if app.running.is_none() {
            self.queue.remove(key);
        } else {
            self.queue.drop_due(key);
        }
        self.board.remove(key);
        self.wake_dependents(key);
        self.wake_heirs(key, &app.registered);
    }

    fn leave_repository(&mut self, repository: &RepositoryKey, key: &AppKey) {
        let Some(left) = self.repositories.get_mut(repository) else { return };
        left.users.remove(key);
        if left.users.is_empty() {
            self.repositories.remove(repository);
            self.looks.remove(repository);
        }
    }

    /// Those that wait for an application are looked at again.
    pub(super) fn wake_dependents(&mut self, key: &AppKey) {
        let now = Instant::now();
        let waits = |(other, app): (&AppKey, &App)| {
            let depends = |a: &Application| a.depends_on.contains(&key.name);
            let waits = app.is_held()
                && other.namespace == key.namespace
                && app.registered.application.as_ref().is_ok_and(depends);
            waits.then(|| other.clone())
        };
        for dependent in self.apps.iter().filter_map(waits).collect::<Vec<_>>() {
            if let Some(app) = self.apps.get_mut(&dependent)
                && app.running.as_ref().is_some_and(|running| running.is_care)
            {
                app.stop(Stopped::Superseded);
            }
            self.queue.want(&dependent, now);
        }
    }

    /// Those that go to the same place and do not get on are looked at again: what an application no longer declares, others
    /// may take over.
    fn wake_heirs(&mut self, key: &AppKey, registered: &Registered) {
        let Ok(application) = &registered.application else { return };
        let now = Instant::now();
        let at = place(key, application);
        let waits = |(other, app): &(&AppKey, &App)| {
            let is_near = app.registered.application.as_ref().is_ok_and(|one| place(other, one) == at);
            app.is_held() && app.failures > 0 && *other != key && is_near
        };
        let heirs: Vec<AppKey> = self.apps.iter().filter(waits).map(|(other, _)| other.clone()).collect();
        heirs.iter().for_each(|heir| self.queue.want(heir, now));
    }

    /// Starts the looks at repositories that are due.
    pub(super) fn look_at_repositories(&mut self, now: Instant) {
        while let Some(key) = self.looks.next(now) {
            let held = |app: &&App| app.is_held();
            let users: Vec<&App> = match self.repositories.get(&key) {
                Some(repository) => {
                    repository.users.iter().filter_map(|user| self.apps.get(user)).filter(held).collect()
                }
                None => vec![],
            };
            let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for application in users.iter().filter_map(|app| app.registered.application.as_ref().ok()) {
                let source = &application.source;
                wanted.entry(source.target_revision.clone()).or_default().insert(source.path.clone());
            }
            // Nobody here works for any of its users: whoever does looks.
            if wanted.is_empty() {
                self.looks.ended(&key);
                continue;
            }
            let repositories = Arc::clone(&self.world.repositories);
            let happened = self.happened.clone();
            let repository = key.clone();
            // One thread for each repository that is slow: none waits for another one's server.
            tokio::task::spawn_blocking(move || {
                let url = shown_url(&repository.url);
                let span = work_span!(in None, "look at repository", "reading", repository = url);
                let _within = span.enter();
                let revisions = wanted.keys().cloned().collect();
                let found = repositories.look(&repository, &revisions);
                if let Err(trouble) = &found {
                    failed(&span, trouble);
                }
                let sights: Sights = found.map(|found| {
                    let folders = found.into_iter().map(|(revision, found)| {
                        let paths = wanted.get(&revision).cloned().unwrap_or_default();
                        let folders = found.and_then(|found| {
                            let read = || repositories.tree_ids(&repository, &found.commit, &paths);
                            let trees = work_span!("read folders", "reading").in_scope(read)?;
                            Ok(Folders { found, trees })
                        });
                        (revision, folders)
                    });
                    folders.collect()
                });
                // The controller may have ended meanwhile.
                let _ = happened.send(Happened::Sighted { repository, sights });
            });
        }
    }

    /// Takes what a look at a repository gave: whose folder changed is due.
    pub(super) fn sighted(&mut self, key: &RepositoryKey, sights: Sights) {
        let now = Instant::now();
        self.looks.ended(key);
        let Some(repository) = self.repositories.get_mut(key) else { return };
        repository.rounds = repository.rounds.wrapping_add(1);
        repository.failures = if sights.is_ok() { 0 } else { repository.failures.saturating_add(1) };
        let (rounds, failures) = (repository.rounds, repository.failures);
        let users = repository.users.clone();
        let every = interval(users.iter().filter_map(|user| self.apps.get(user)).filter(|app| app.is_held()));
        let every = jittered(key, rounds, Duration::from_secs(every), 10);
        let pause = if failures == 0 { every } else { every.max(backoff(key, failures)) };
        self.looks.want(key, now + pause);
        let mut changed = vec![];
        for user in users {
            let Some(app) = self.apps.get_mut(&user).filter(|app| app.is_held()) else { continue };
            let Ok(application) = &app.registered.application else { continue };
            let sight = match &sights {
                Err(trouble) => Err(trouble.clone()),
                Ok(by_revision) => match by_revision.get(&application.source.target_revision) {
                    // It changed its source while the repository was looked at.
                    None => {
                        self.looks.want(key, now);
                        continue;
                    }
                    Some(Err(trouble)) => Err(trouble.clone()),
                    Some(Ok(folders)) => match folders.trees.get(&application.source.path) {
                        None => {
                            self.looks.want(key, now);
                            continue;
                        }
                        Some(tree) => tree.clone().map(|tree| Sight { found: folders.found.clone(), tree }),
                    },
                },
            };
            let is_due = match (&app.sight, &sight) {
                (Some(Ok(before)), Ok(now)) => before.tree != now.tree,
                // A server that is away for a while disturbs nobody: what is known is still kept in place.
                (Some(Ok(_)), Err(trouble)) if trouble.is_transient && failures < 3 => continue,
                (Some(Err(before)), Err(now)) => before != now,
                _ => true,
            };
            if is_due {
                app.failures = 0;
                if let (Ok(sight), Some(running)) = (&sight, &app.running)
                    && running.sight.tree != sight.tree
                {
                    app.stop(Stopped::Superseded);
                }
                self.queue.want(&user, now);
                changed.push((user.clone(), app.registered.clone()));
            }
            app.sight = Some(sight);
            self.directory.note(&user, app);
        }
        for (user, registered) in changed {
            self.wake_heirs(&user, &registered);
        }
    }
}

/// True if others that depend on it may go on.
pub(super) fn is_ready(generation: i64, status: &ApplicationStatus) -> bool {
    let ready = status.condition("Ready");
    status.observed_generation == generation
        && ready.is_some_and(|condition| condition.status == ConditionStatus::True)
}

fn is_suspended(registered: &Registered) -> bool {
    registered.is_suspended || registered.application.as_ref().is_ok_and(|application| application.suspend)
}

/// A URL without user and password.
fn shown_url(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}/{path}")
        }
        None => url.to_owned(),
    }
}

fn shown_destination(application: &Application) -> String {
    match &application.destination {
        Destination::Ecs { region, cluster } => match region {
            Some(region) => format!("ecs {cluster} ({region})"),
            None => format!("ecs {cluster}"),
        },
        Destination::Kubernetes { namespace, kubeconfig_secret_ref: Some(secret), .. } => {
            format!("kubernetes {namespace} (cluster of Secret {})", secret.name)
        }
        Destination::Kubernetes { namespace, .. } => format!("kubernetes {namespace}"),
    }
}
