//! A proxy between a process and the API server: it counts what is asked, and here it is that processes die and answers
//! get lost. Plain HTTP on a port of its own; to the API server it goes as one of the test's users.

mod asked;
mod serve;

pub use asked::Asked;

use super::servers::{Cluster, User};
use cutover::kubernetes::Verb;
use futures_util::future::BoxFuture;
use kube::Client;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a request is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies right before it.
    DeadBefore,
    /// It is made and answered; the process dies before its next request.
    DeadAfter,
    /// It is made, and the process dies without the answer.
    DeadUnanswered,
    /// It never arrives, and the process lives on.
    RequestLost,
    /// It is made, its answer is lost, and the process lives on.
    AnswerLost,
    /// It is made twice, and what is answered is the second answer.
    Twice,
    /// It is made after so long.
    Delayed(Duration),
    /// It is not made; the answer is this status: 429 asks for patience of a second.
    Refused(u16),
}

/// Which request is disturbed, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Of those that change something.
    Write(usize),
    /// Of all.
    Request(usize),
}

/// What is looked at right before a write is passed on; a sentence is a complaint.
pub type Check = Arc<dyn Fn(Asked) -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// A proxy for one process. It ends with this value, which cuts every connection.
pub struct Proxy {
    shared: Arc<Shared>,
    folder: TempDir,
    serving: JoinHandle<()>,
}

struct Shared {
    client: Client,
    state: Mutex<State>,
    /// True once the process is dead.
    death: watch::Sender<bool>,
    /// Raised to cut all watches.
    watches: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    writes: usize,
    bytes: u64,
    faults: Vec<(Which, Fault)>,
    /// The process dies at its next request.
    doomed: bool,
    /// Nothing arrives.
    is_away: bool,
    /// No watch can be begun: `410 Gone`.
    is_expired: bool,
    check: Option<Check>,
    complaints: Vec<String>,
}

impl Proxy {
    /// Starts one to the control plane of this program.
    pub async fn start(cluster: &Cluster, user: User) -> Proxy {
        let mut config = cluster.config(user).await;
        // A repeated request would be counted once and made twice.
        config.default_retry = false;
        Proxy::before(Client::try_from(config).expect("a client")).await
    }

    /// Starts one in front of a client.
    pub async fn before(client: Client) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: proxy, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n\
             users: [{{name: proxy, user: {{}}}}]\ncontexts: [{{name: proxy, context: {{cluster: proxy, user: proxy}}}}]\n\
             current-context: proxy\n"
        );
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).expect("a kubeconfig");
        let shared = Arc::new(Shared {
            client,
            state: Mutex::default(),
            death: watch::Sender::new(false),
            watches: watch::Sender::new(0),
        });
        let serving = tokio::spawn(serve::accept(listener, Arc::clone(&shared)));
        Proxy { shared, folder, serving }
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Disturbs a request to come.
    pub fn disturb(&self, which: Which, fault: Fault) {
        self.shared.state().faults.push((which, fault));
    }

    /// From now on every write is preceded by this.
    pub fn check_writes(&self, check: Check) {
        self.shared.state().check = Some(check);
    }

    /// What the check had to say.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.state().complaints.clone()
    }

    /// All requests so far, in the order in which they came.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }

    /// The requests that change something.
    pub fn writes(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.verb.is_write()).collect()
    }

    /// How often what was asked, by verb and resource: `list deployments.apps`.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for asked in self.asked() {
            *counts.entry(format!("{} {}", asked.verb, asked.resource)).or_default() += 1;
        }
        counts
    }

    /// The bytes of all answers' bodies, watches aside.
    pub fn bytes(&self) -> u64 {
        self.shared.state().bytes
    }

    /// Forgets what was asked so far; writes and requests count from 1 again.
    pub fn forget(&self) {
        let mut state = self.shared.state();
        (state.asked, state.writes, state.bytes) = (vec![], 0, 0);
    }

    /// From now on nothing arrives any more, or all does again; watches are cut.
    pub fn set_away(&self, is_away: bool) {
        self.shared.state().is_away = is_away;
        self.cut_watches();
    }

    /// From now on every watch that is begun is told that its beginning is too long ago, or none is.
    pub fn set_expired(&self, is_expired: bool) {
        self.shared.state().is_expired = is_expired;
    }

    /// Cuts every watch that is open.
    pub fn cut_watches(&self) {
        self.shared.watches.send_modify(|number| *number += 1);
    }

    /// Returns when the process dies. Its requests then never end; the caller drops or kills it.
    pub async fn dead(&self) {
        let _ = self.shared.death.subscribe().wait_for(|dead| *dead).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, and says how it is disturbed.
    fn note(&self, asked: &Asked) -> Option<Fault> {
        let mut state = self.state();
        if state.is_away {
            return Some(Fault::RequestLost);
        }
        state.asked.push(asked.clone());
        let is_write = asked.verb.is_write();
        state.writes += usize::from(is_write);
        let (request, write) = (state.asked.len(), state.writes);
        if state.doomed {
            return Some(Fault::DeadBefore);
        }
        if state.is_expired && asked.verb == Verb::Watch {
            return Some(Fault::Refused(410));
        }
        let found = state.faults.iter().find(|(which, _)| match which {
            Which::Write(number) => is_write && *number == write,
            Which::Request(number) => *number == request,
        });
        found.map(|(_, fault)| *fault)
    }
}
