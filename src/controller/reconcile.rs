//! One look at one application, from the files of its commit to what came of the sync.

use super::ending::{Ending, end, guard};
use super::follower::Follower;
use super::look::{Again, Look};
use super::ports::{
    Applications, Found, Place, Repositories, RepositoryKey, Request, Site, Sites, SourceTrouble, Synced,
};
use super::run::Permits;
use crate::config;
use crate::engine::{
    Deployment, ItemResult, RequestVerb, StopSignal, Trouble, TroubleKind, Verdict, failed, traced, work_span,
};
use crate::model::{
    AppKey, Application, Destination, HandledRequest, Kind, Manifests, Object, Problem, Seconds, SyncMode,
    is_commit_id,
};
use crate::plan::UnderWay;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A sync that was given at least so many seconds is followed by the next one at once if a rollout needs more.
const WATCHED_ON: Seconds = 60;

/// Everything that a look needs.
pub(super) struct Task {
    pub repositories: Arc<dyn Repositories>,
    pub sites: Arc<dyn Sites>,
    pub permits: Permits,
    pub found: Found,
    /// What is looked after if the documents of `found` can't be brought about.
    pub in_hand: Option<InHand>,
    /// True if neither this process nor a status knows what was brought about last: the live slots are asked instead.
    pub is_unknown: bool,
    /// Why nothing is to be brought about, if that is known without a look.
    pub instead: Option<Look>,
    /// Set if the Application is going.
    pub ending: Option<Ending>,
    pub applications: Arc<dyn Applications>,
    pub uid: String,
    /// True if the Application has our finalizer.
    pub is_guarded: bool,
    /// With `suspend` set where an annotation says so.
    pub place: Place,
    /// The connection of an earlier look.
    pub site: Option<Arc<dyn Site>>,
    pub request: Option<Request>,
    pub follower: Follower,
    pub stop: StopSignal,
}

/// A state that was brought about, or begun, before.
pub(super) struct InHand {
    /// With the spec of then.
    pub place: Place,
    pub commit: String,
    /// True if all of it is kept, and not only the rollouts that are under way.
    pub is_whole: bool,
    /// The workloads that are looked after, by name of their document; `None`: all.
    pub only: Option<BTreeSet<String>>,
}

/// What came of it.
pub(super) struct Outcome {
    pub look: Look,
    /// When to look again, if a rollout was looked after and is not at rest yet.
    pub again: Option<Again>,
    /// What is, or may be, under way and could not be looked after: a sentence.
    pub unwatched: Option<String>,
    /// Why the Application's finalizer is not as `spec.deletion` says, and what that means: a sentence.
    pub unguarded: Option<String>,
    pub site: Option<Arc<dyn Site>>,
}

impl Outcome {
    /// One of a look that looked after nothing.
    pub fn of(look: Look, site: Option<Arc<dyn Site>>) -> Outcome {
        Outcome { look, again: None, unwatched: None, unguarded: None, site }
    }

    /// Tells of a rollout that is not looked after.
    fn leaves_unwatched(&mut self, why: String) {
        tracing::warn!("{why}");
        let before = self.unwatched.take().map(|before| format!("{before}; "));
        self.unwatched = Some(format!("{}{why}", before.unwrap_or_default()));
    }
}

/// Looks and, where that is wanted, acts.
pub(super) async fn reconcile(task: Task) -> Outcome {
    let mut outcome = Outcome::of(Look::Broken("nothing was done".into()), task.site.clone());
    if let Some(ending) = &task.ending {
        let look = end(&task, ending, &mut outcome).await;
        return Outcome { look, ..outcome };
    }
    outcome.unguarded = guard(&task).await.err();
    let manifests = match task.instead.clone() {
        Some(look) => Err(look),
        None => documents(&task, &task.place, &task.found.commit).await,
    };
    let manifests = manifests.and_then(|(manifests, skipped)| {
        let refused = children_refused(&task.place, &task.permits, &manifests);
        if refused.is_empty() { Ok((manifests, skipped)) } else { Err(Look::NotAllowed(refused)) }
    });
    let (manifests, skipped) = match manifests {
        Ok(read) => read,
        Err(look) => {
            look_after(&task, &look, &mut outcome).await;
            return Outcome { look, ..outcome };
        }
    };
    let application = task.place.application.clone();
    let deployment = Deployment { application, commit: task.found.commit.clone(), manifests };
    let synced = act(&task, &deployment, &mut outcome).await;
    let look = match synced {
        Ok(mut synced) => {
            synced.status.notices.extend(skipped);
            Look::Synced(Box::new(synced))
        }
        Err(trouble) => Look::NoPlan(trouble),
    };
    Outcome { look, ..outcome }
}

/// Why Applications among the documents may not do what they ask for. Sentences with file and line.
fn children_refused(place: &Place, permits: &Permits, manifests: &Manifests) -> Vec<String> {
    let Destination::Kubernetes { namespace: own, .. } = &place.application.destination else {
        return vec![];
    };
    let is_child = |object: &&Object| object.key.is("cutover.dev", Kind::Application.name());
    let mut children = manifests.objects.values().filter(is_child).peekable();
    if children.peek().is_none() {
        return vec![];
    }
    let lineage = match place.lineage_of_children() {
        Ok(Some(lineage)) => lineage,
        Ok(None) => return vec![],
        Err(why) => return vec![why],
    };
    let refused = children.flat_map(|object| {
        let namespace = object.key.namespace.as_ref().unwrap_or(own).clone();
        let key = AppKey { namespace, name: object.key.name.clone() };
        let why = match manifests.children.get(&object.key) {
            Some(child) => permits(&lineage, &key, child).err().unwrap_or_default(),
            None => vec!["what it asks for can't be told".to_owned()],
        };
        why.into_iter().map(move |why| format!("{}: {}: {why}", object.origin, object.label()))
    });
    refused.collect()
}

async fn act(task: &Task, deployment: &Deployment, outcome: &mut Outcome) -> Result<Synced, Trouble> {
    let site = prepare(task, &task.place, deployment, outcome).await?;
    let synced = site.sync(deployment, &task.follower, &task.stop).await?;
    let is_out_of_time = |result: &ItemResult| {
        result.verdict == Verdict::TimedOut && result.document.starts_with("BlueGreen/")
    };
    // Only its time was over: a rollout is not left to itself until a retry is due.
    if deployment.application.sync.timeout >= WATCHED_ON && synced.report.results.iter().any(is_out_of_time) {
        outcome.again = Some(Again::Now);
    }
    // Beside a worse verdict of something else nothing tells of them.
    if synced.report.verdict > Verdict::Failed {
        task.follower.failures(&synced.report.results);
    }
    Ok(synced)
}

/// Looks after what the documents of the commit before began: a rollout under way goes on, or back, as if those that can't
/// be brought about were not there. Where it is only the source that is away, everything is kept as it is known.
async fn look_after(task: &Task, look: &Look, outcome: &mut Outcome) {
    let refuse = |why: &str| {
        if let Some(request) = &task.request {
            answer(task, request, false, why);
        }
    };
    let found;
    let in_hand = match &task.in_hand {
        Some(in_hand) => Some(in_hand),
        None => {
            found = said_live(task, outcome).await;
            found.as_ref()
        }
    };
    let Some(InHand { place, commit, is_whole, only }) = in_hand else {
        return refuse("the documents can't be read");
    };
    task.follower.refused(look);
    let mut manifests = match documents(task, place, commit).await {
        Ok((manifests, _)) => manifests,
        Err(look) => {
            let why = look.failure().unwrap_or_default();
            outcome.leaves_unwatched(format!(
                "what commit {commit} began is watched by nobody, since its documents can't be read either: {why}; make \
                 the repository readable or, where a copy of it holds that commit, run `cutover sync --revision {commit}` \
                 or `cutover abort --revision {commit}` there"
            ));
            return refuse("neither the new documents nor those under way can be read");
        }
    };
    if let Some(only) = only {
        manifests.blue_greens.retain(|_, blue_green| only.contains(&blue_green.workload_ref.name));
    }
    let application = place.application.clone();
    let is_active = !is_still(&application);
    let deployment = Deployment { application, commit: commit.clone(), manifests };
    let results = match prepare(task, place, &deployment, outcome).await {
        Err(trouble) => {
            outcome.again = Some(Again::Retry);
            tracing::warn!("what is under way can't be looked after: {trouble}");
            return refuse(&trouble.to_string());
        }
        Ok(_) if !is_active => return,
        Ok(site) if *is_whole => match site.sync(&deployment, &task.follower, &task.stop).await {
            Ok(synced) => synced.report.results,
            Err(trouble) => {
                outcome.again = Some(Again::Retry);
                return tracing::warn!("what is known can't be kept: {trouble}");
            }
        },
        Ok(site) => site.carry_on(&deployment, &task.follower, &task.stop).await,
    };
    let has = |verdict| results.iter().any(|result| result.verdict == verdict);
    outcome.again = match (has(Verdict::TimedOut), has(Verdict::Error)) {
        // Only its time was over.
        (true, _) => Some(Again::Now),
        (false, true) => Some(Again::Retry),
        (false, false) => None,
    };
    task.follower.failures(&results);
    for result in results.iter().filter(|result| result.verdict == Verdict::Error && !is_whole) {
        outcome.leaves_unwatched(format!("{}: {}", result.document, result.message));
    }
}

/// Takes the traffic of rollouts under way back to the side that served, with the documents that they began with; the error
/// says why that could not be done.
pub(super) async fn give_up_rollouts(task: &Task, outcome: &mut Outcome) -> Result<(), String> {
    let found;
    let in_hand = match &task.in_hand {
        Some(in_hand) => Some(in_hand),
        None => {
            found = said_live(task, outcome).await;
            found.as_ref()
        }
    };
    let Some(InHand { place, commit, .. }) = in_hand else {
        return outcome.unwatched.take().map_or(Ok(()), Err);
    };
    let read = documents(task, place, commit).await;
    let (manifests, _) = read.map_err(|look| look.failure().unwrap_or_default())?;
    let application = place.application.clone();
    let deployment = Deployment { application, commit: commit.clone(), manifests };
    let site = connect(task, place, outcome).await.map_err(|trouble| trouble.to_string())?;
    let names = deployment.manifests.blue_greens.keys();
    let mut is_any = false;
    for name in names {
        let (text, verb) = (format!("abort {name}"), RequestVerb::Abort);
        match site.handle(&deployment, &Request { text, verb, workload: Some(name.clone()) }).await {
            Ok(_) => is_any = true,
            // Nothing of it is under way, or there is no side to go back to.
            Err(trouble) if trouble.kind == TroubleKind::Rejected => {}
            Err(trouble) => return Err(trouble.to_string()),
        }
    }
    if !is_any {
        return Ok(());
    }
    let results = site.carry_on(&deployment, &task.follower, &task.stop).await;
    // A rollout that was given up has failed, and is back.
    let is_left = |verdict| !matches!(verdict, Verdict::Done | Verdict::Failed);
    match results.iter().find(|result| is_left(result.verdict)) {
        Some(result) => Err(format!("{}: {}", result.document, result.message)),
        None => Ok(()),
    }
}

/// What the live slots say is under way: the rollouts of the commit that began last, beside which those of other commits
/// are looked after with their own documents. What can't be looked after that way is told.
async fn said_live(task: &Task, outcome: &mut Outcome) -> Option<InHand> {
    if !task.is_unknown {
        return None;
    }
    let found = match connect(task, &task.place, outcome).await {
        Ok(site) => site.under_way().await,
        Err(trouble) => Err(trouble),
    };
    let found = match found {
        Ok(found) => found,
        Err(trouble) => {
            outcome.again = Some(Again::Retry);
            outcome.leaves_unwatched(format!("nobody can tell whether a rollout is under way: {trouble}"));
            return None;
        }
    };
    let commit_of =
        |one: &UnderWay| one.commit.as_deref().filter(|commit| is_commit_id(commit)).map(ToOwned::to_owned);
    let commit =
        found.iter().filter(|one| commit_of(one).is_some()).max_by_key(|one| one.started).and_then(commit_of);
    let (named, others): (Vec<&UnderWay>, Vec<&UnderWay>) =
        found.iter().partition(|one| commit.is_some() && commit_of(one) == commit);
    if commit.is_none() && !others.is_empty() {
        let others: Vec<String> = others.into_iter().map(UnderWay::in_words).collect();
        outcome.leaves_unwatched(format!(
            "rollouts are under way that nobody watches, since their slots name no commit: {}; make the repository readable, or \
             run `cutover sync --revision COMMIT` or `cutover abort` with documents that declare them",
            others.join(", ")
        ));
    }
    let commit = commit?;
    let told: Vec<String> = named.iter().map(|one| one.in_words()).collect();
    tracing::info!("under way, by what the live slots say: {}", told.join(", "));
    let only = Some(named.iter().map(|one| one.name().to_owned()).collect());
    Some(InHand { place: task.place.clone(), commit, is_whole: false, only })
}

/// The connection for a place; one is made of a spec.
pub(super) async fn connect(
    task: &Task,
    place: &Place,
    outcome: &mut Outcome,
) -> Result<Arc<dyn Site>, Trouble> {
    let known = outcome.site.as_ref().filter(|_| place.application == task.place.application);
    let site = match known {
        Some(site) => Arc::clone(site),
        None => traced(work_span!("connect", "planning"), task.sites.open(place.clone())).await?,
    };
    outcome.site = Some(Arc::clone(&site));
    Ok(site)
}

/// Connects, and does what people asked for.
async fn prepare(
    task: &Task,
    place: &Place,
    deployment: &Deployment,
    outcome: &mut Outcome,
) -> Result<Arc<dyn Site>, Trouble> {
    let site = connect(task, place, outcome).await?;
    if let Some(request) = &task.request {
        let span = work_span!("request", "answering", verb = request.verb.name());
        match traced(span, site.handle(deployment, request)).await {
            Ok(sentence) if is_still(&deployment.application) => {
                let text =
                    format!("{sentence}; nothing moves before the Application is resumed, and enforced");
                answer(task, request, true, &text);
            }
            Ok(sentence) => answer(task, request, true, &sentence),
            Err(trouble) => answer(task, request, false, &trouble.to_string()),
        }
    }
    Ok(site)
}

/// True if nothing is changed for it.
fn is_still(application: &Application) -> bool {
    application.suspend || application.sync.mode == SyncMode::Observe
}

/// Answers at once: whoever asked waits for it, and what was asked for may take an hour to come about.
fn answer(task: &Task, request: &Request, done: bool, message: &str) {
    let (time, message) = (task.follower.teller.now(), super::report::cut(message));
    task.follower.answered(HandledRequest { request: request.text.clone(), done, message, time });
}

/// Reads and checks the documents away from the threads that everything else runs on; and says what was skipped.
async fn documents(task: &Task, place: &Place, commit: &str) -> Result<(Manifests, Vec<String>), Look> {
    read_documents(Arc::clone(&task.repositories), &place.key, &place.application, commit).await
}

/// The same for whoever knows the application.
pub(super) async fn read_documents(
    repositories: Arc<dyn Repositories>,
    key: &AppKey,
    application: &Application,
    commit: &str,
) -> Result<(Manifests, Vec<String>), Look> {
    let repository = RepositoryKey::of(key, application);
    let commit = commit.to_owned();
    let (source, destination) = (application.source.clone(), application.destination.clone());
    let read = move || -> Result<(Manifests, Vec<String>), Look> {
        let documents = repositories.documents(&repository, &commit, &source).map_err(Look::NoSource)?;
        let manifests = load(&documents.files, &destination).map_err(Look::WrongDocuments)?;
        documents.notices.iter().for_each(|notice| tracing::info!("{notice}"));
        manifests.left_out.iter().for_each(|document| tracing::info!("{document}"));
        Ok((manifests, documents.notices))
    };
    let span = work_span!("read documents", "reading");
    let part = span.clone();
    let read = tokio::task::spawn_blocking(move || part.in_scope(read)).await;
    if let Ok(Err(look)) = &read {
        failed(&span, &look.failure().unwrap_or_default());
    }
    read.unwrap_or_else(|_| {
        let message = "reading the documents broke down, which is a fault of the program".to_owned();
        Err(Look::NoSource(SourceTrouble { message, is_transient: true }))
    })
}

pub(super) fn load(
    files: &[crate::model::SourceFile],
    destination: &Destination,
) -> Result<Manifests, Vec<Problem>> {
    let mut manifests = config::load(files, Some(destination.platform()))?;
    if let Destination::Kubernetes { namespace, .. } = destination {
        config::check_namespace(&mut manifests, namespace)?;
    }
    Ok(manifests)
}
