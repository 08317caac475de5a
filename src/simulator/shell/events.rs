//! What a simulator tells whoever watches it.

use crate::simulator::{Call, ListenerEndpoint, TaskEndpoint, TaskId};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

const WAITING_LIMIT: usize = 4096;

/// Something worth a line.
#[derive(Clone, Debug)]
pub enum Event {
    /// An API call was answered, or cut by a fault.
    Call(Call),
    /// A load balancer's listener takes connections at `address`.
    Listening {
        listener: Arc<ListenerEndpoint>,
        address: SocketAddr,
        /// Why the declared port could not be used, if another one had to be.
        refused: Option<String>,
    },
    TaskStarted(TaskEndpoint),
    TaskStopped {
        task: TaskId,
    },
    TaskCrashed {
        task: TaskId,
    },
    /// What the load balancer controller that follows a cluster did, as a sentence.
    Controller(String),
    /// A sentence on something that could not be done.
    Trouble(String),
}

/// Where events go: nowhere until somebody watches. A watcher that does not keep up loses the newest ones.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<Option<mpsc::Sender<Event>>>);

impl Events {
    /// Begins to keep events for a watcher, instead of the one before.
    pub fn watch(&self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(WAITING_LIMIT);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Tells the watcher, if there is one.
    pub fn send(&self, event: Event) {
        let watcher = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watcher) = watcher.as_ref() {
            let _ = watcher.try_send(event);
        }
    }
}
