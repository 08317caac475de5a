//! What the controller asks of the world around it. Tests put an in-memory world behind these.

pub use crate::engine::Synced;
use crate::engine::{
    Deployment, History, ItemResult, Neighbours, RequestVerb, StopSignal, SyncReport, Trouble, Watcher,
    WriteGuard,
};
use crate::model::{
    Allowed, Ancestor, AppKey, Application, ApplicationStatus, Destination, Lineage, Problem, Source,
    SourceFile, Timestamp,
};
use crate::plan::UnderWay;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// An Application as it is registered.
#[derive(Clone, Debug)]
pub struct Registered {
    pub key: AppKey,
    /// Differs if one of the same name was deleted and made anew.
    pub uid: String,
    /// Grows with each change of `spec`.
    pub generation: i64,
    /// When it was made: of two that claim the same place, the older one has it.
    pub created: Timestamp,
    /// The spec, or everything that is wrong with it.
    pub application: Result<Application, Vec<Problem>>,
    /// True while an annotation suspends it, beside `spec.suspend`.
    pub is_suspended: bool,
    /// The request that people left in an annotation, handled or not.
    pub request: Option<Request>,
    /// What stands in that annotation instead of a request: its beginning, fit to be shown.
    pub no_request: Option<String>,
    /// The Applications whose documents made it; the error says why that can't be told.
    pub lineage: Result<Lineage, String>,
    /// The status as it was last written, by whichever controller.
    pub status: ApplicationStatus,
    /// True once its deletion was asked for.
    pub is_going: bool,
    /// True while our finalizer is on it.
    pub is_guarded: bool,
}

/// What people ask of the controller by `cutover promote|abort|retry --app NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The annotation's whole value: different for each request, so that none is handled twice.
    pub text: String,
    pub verb: RequestVerb,
    /// The BlueGreen that is meant; `None` if there can be only one.
    pub workload: Option<String>,
}

/// What the place where Applications are registered tells.
#[derive(Clone, Debug)]
pub enum Registration {
    /// It is there, and like this.
    Is(Box<Registered>),
    /// It is gone. What it brought about stays.
    Gone(AppKey),
    /// Everything that was there at the start has been told.
    Listed,
}

/// Where Applications are registered: custom resources in a cluster, or files in a folder.
pub trait Applications: Send + Sync {
    /// Everything that is registered, then [`Registration::Listed`], then each change. Called once.
    fn watch(&self) -> mpsc::Receiver<Registration>;

    /// Writes the status, whole. One that has gone meanwhile is no trouble.
    fn write_status<'a>(
        &'a self,
        key: &'a AppKey,
        status: &'a ApplicationStatus,
    ) -> BoxFuture<'a, Result<(), Trouble>>;

    /// Puts our finalizer on the Application of that name and uid, or takes it off. One that has gone meanwhile, and a place
    /// that knows no finalizers, are no trouble.
    fn guard<'a>(&'a self, key: &'a AppKey, uid: &'a str, on: bool) -> BoxFuture<'a, Result<(), Trouble>>;
}

/// A repository as a certain identity sees it: what one identity may read is not shown to another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryKey {
    pub url: String,
    /// Namespace and name of the Secret with the credentials; `None`: the operator's own, if there are any.
    pub secret: Option<(String, String)>,
}

impl RepositoryKey {
    /// The one that `application` reads, with the credentials that it names.
    pub fn of(key: &AppKey, application: &Application) -> RepositoryKey {
        let secret = application.source.secret_ref.as_ref();
        RepositoryKey {
            url: application.source.repo_url.clone(),
            secret: secret.map(|secret| (key.namespace.clone(), secret.name.clone())),
        }
    }
}

/// The commit that a revision is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// 40 hex digits.
    pub commit: String,
    /// The first line of the commit's message.
    pub summary: String,
    /// When it was committed, by its own account.
    pub time: Timestamp,
}

/// The files under an application's path at a commit.
#[derive(Clone, Debug)]
pub struct Documents {
    pub files: Vec<SourceFile>,
    /// What was skipped, for people.
    pub notices: Vec<String>,
}

/// Why a repository could not be read. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrouble {
    pub message: String,
    /// True if trying again may help: the server is away, or slow.
    pub is_transient: bool,
}

impl fmt::Display for SourceTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Git. Every call blocks, and may do so for minutes: callers use `spawn_blocking`.
pub trait Repositories: Send + Sync {
    /// Asks the remote once for its references, and fetches what the revisions need. The outer error concerns the whole
    /// repository, an inner one its revision.
    ///
    /// # Errors
    /// If the remote can't be asked.
    fn look(
        &self,
        repository: &RepositoryKey,
        revisions: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<Found, SourceTrouble>>, SourceTrouble>;

    /// The ids of folders at a commit that was found, by path: as long as one is the same, so is everything in it. Opens
    /// the mirror once, however many paths there are, and asks the remote only if the commit is no longer in it. An inner
    /// error concerns its path.
    ///
    /// # Errors
    /// If the repository can't be read.
    fn tree_ids(
        &self,
        repository: &RepositoryKey,
        commit: &str,
        paths: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Result<String, SourceTrouble>>, SourceTrouble>;

    /// The files of the source's folder that it takes; its URL and revision are not looked at.
    ///
    /// # Errors
    /// If there is no such folder, a limit is exceeded, or the repository can't be read.
    fn documents(
        &self,
        repository: &RepositoryKey,
        commit: &str,
        source: &Source,
    ) -> Result<Documents, SourceTrouble>;
}

/// An Application with what it may do, for those who connect it.
#[derive(Clone)]
pub struct Place {
    pub key: AppKey,
    pub application: Application,
    pub allowed: Allowed,
    /// The Applications whose documents made it.
    pub lineage: Lineage,
    /// Passes while this process may work for the application; asked before each write, beside the application's lock.
    pub fence: Arc<dyn WriteGuard>,
    /// The other Applications of this process.
    pub neighbours: Arc<dyn Neighbours>,
    /// Earlier commits of its source.
    pub history: Arc<dyn History>,
}

impl Place {
    /// The lineage of the Applications among its documents, where their cluster is the one that this one is in: another
    /// cluster's controller knows nothing of the namespaces here. Files have no namespace that could bound anything.
    ///
    /// # Errors
    /// A sentence if too many Applications are within each other.
    pub fn lineage_of_children(&self) -> Result<Option<Lineage>, String> {
        let is_here = matches!(
            self.application.destination,
            Destination::Kubernetes { context: None, kubeconfig_secret_ref: None, .. }
        );
        if !is_here || self.key.namespace.is_empty() {
            return Ok(None);
        }
        let service_account = self.application.service_account_name.clone();
        self.lineage.followed_by(Ancestor { key: self.key.clone(), service_account }).map(Some)
    }
}

/// The destinations of Applications. Connections are shared by all that go to the same place as the same identity.
pub trait Sites: Send + Sync {
    /// Connects. What was opened before for the same key is replaced.
    fn open<'a>(&'a self, place: Place) -> LocalBoxFuture<'a, Result<Arc<dyn Site>, Trouble>>;

    /// The applications of which something live has changed, as soon as that is known: by watches on Kubernetes, by
    /// batched reads on ECS. What the last sync saw in the end is not among it, its own writes above all. Only those are
    /// watched whose site is alive and was synced once. Called once.
    fn changes(&self) -> mpsc::UnboundedReceiver<AppKey>;
}

/// Where one application goes.
pub trait Site: Send + Sync {
    /// Brings the deployment about, or only compares if the application is suspended or observed. Takes the
    /// application's lock before the first write and frees it in the end.
    fn sync<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<Synced, Trouble>>;

    /// Goes on with rollouts that have requests on a candidate or on their way back, and does nothing else. The answer is
    /// what came of those that did not end well.
    fn carry_on<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Vec<ItemResult>>;

    /// The rollouts of the application that are not over, as its live slots say: for when neither a status nor documents
    /// tell. Reads only.
    fn under_way(&self) -> LocalBoxFuture<'_, Result<Vec<UnderWay>, Trouble>>;

    /// Deletes everything that the application owns, as far as it goes, and forgets the application once nothing is left.
    fn delete_all<'a>(
        &'a self,
        deployment: &'a Deployment,
        watcher: &'a dyn Watcher,
        stop: &'a StopSignal,
    ) -> LocalBoxFuture<'a, Result<SyncReport, Trouble>>;

    /// Does what people asked for and says so in a sentence; the error says why it can't be done.
    fn handle<'a>(
        &'a self,
        deployment: &'a Deployment,
        request: &'a Request,
    ) -> LocalBoxFuture<'a, Result<String, Trouble>>;
}

/// Which applications this process works for.
pub trait Seats: Send + Sync {
    /// True if this process works for the application. It does not if somebody else may by now, heard of or not.
    fn holds(&self, key: &AppKey) -> bool;

    /// Changes whenever an answer of [`Seats::holds`] may have.
    fn changes(&self) -> watch::Receiver<u64>;

    /// What is asked before each write: the same one as long as the application is held without a break, and another one
    /// if it was lost in between. A seat that shall be given away is freed only when nobody has its fence any more.
    fn fence(&self, key: &AppKey) -> Arc<dyn WriteGuard>;

    /// Gives all seats away, for the end of the process. All fences have been dropped.
    fn leave(&self) -> BoxFuture<'_, ()>;
}

/// Says that something may have changed, before its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// A repository under one of these URLs, as a webhook names it.
    Repository(Vec<String>),
    Application(AppKey),
}

/// Who counts what is asked of systems outside: Git servers and APIs.
pub trait Tally: Send + Sync {
    /// The system (`kubernetes`, `aws`, `git`), what was asked of it (`list`, `DescribeServices`, `fetch`), and how
    /// often since the start of the process. Every attempt counts. A pair comes once.
    fn tally(&self) -> Vec<(&'static str, String, u64)>;
}
