//! The real sockets that exist, brought to what the world says must exist.

use super::Shared;
use super::addresses::{Addresses, bind, of_name};
use super::balancer::{forward, join};
use super::events::Event;
use super::server::Server;
use super::task::RunningTask;
use crate::simulator::{ListenerEndpoint, Millis, TaskEndpoint, TaskId};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a stopped task may take to answer the requests it still has.
const FINISH_LIMIT: Duration = Duration::from_secs(30);

/// Load balancer listeners and tasks of one simulator. Emptied (and kept so) when the simulator stops.
#[derive(Debug)]
pub(super) struct Site {
    addresses: Addresses,
    listeners: BTreeMap<String, Listener>,
    tasks: BTreeMap<TaskId, RunningTask>,
    /// Stopped tasks that still answer.
    finishing: JoinSet<()>,
    stopped: bool,
}

#[derive(Debug)]
struct Listener {
    endpoint: Arc<ListenerEndpoint>,
    /// `None` if no port at all could be bound; said once.
    server: Option<Server>,
    /// Why the declared port could not be used, if so.
    refused: Option<String>,
}

impl Listener {
    fn event(&self) -> Option<Event> {
        let (listener, refused) = (Arc::clone(&self.endpoint), self.refused.clone());
        Some(Event::Listening { listener, address: self.server.as_ref()?.address(), refused })
    }
}

impl Site {
    /// A site without any socket, on these addresses.
    pub fn new(addresses: Addresses) -> Site {
        Site {
            addresses,
            listeners: BTreeMap::new(),
            tasks: BTreeMap::new(),
            finishing: JoinSet::new(),
            stopped: false,
        }
    }

    /// Where a task answers for a container port; `None` if it refuses connections.
    pub fn task_address(&self, task: TaskId, port: u16) -> Option<SocketAddr> {
        self.tasks.get(&task)?.address(port)
    }

    /// Where a listener can be reached.
    pub fn listener_address(&self, arn: &str) -> Option<SocketAddr> {
        self.listeners.get(arn)?.server.as_ref().map(Server::address)
    }

    /// The listeners there are, for someone who begins to watch.
    pub fn listening(&self) -> impl Iterator<Item = Event> {
        self.listeners.values().filter_map(Listener::event)
    }

    /// Opens and closes load balancer ports. When this returns, a client may connect.
    pub fn reconcile_listeners(&mut self, shared: &Arc<Shared>, wanted: Vec<ListenerEndpoint>) {
        if self.stopped {
            return;
        }
        let arns: BTreeSet<_> = wanted.iter().map(|endpoint| endpoint.arn.as_str()).collect();
        self.listeners.retain(|arn, _| arns.contains(arn.as_str()));
        for endpoint in wanted {
            let known = self.listeners.get(&endpoint.arn);
            if known.is_some_and(|listener| *listener.endpoint == endpoint) {
                continue;
            }
            let arn = endpoint.arn.clone();
            // The old socket has to go first: the new one may want its port.
            self.listeners.remove(&arn);
            let endpoint = Arc::new(endpoint);
            let (server, refused) = match listen(shared, &endpoint) {
                Ok((server, refused)) => (Some(server), refused.map(|error| why(&error))),
                Err(error) => {
                    shared.events.send(Event::Trouble(format!("{arn} can't listen anywhere: {error}")));
                    (None, None)
                }
            };
            let listener = Listener { endpoint, server, refused };
            if let Some(event) = listener.event() {
                shared.events.send(event);
            }
            self.listeners.insert(arn, listener);
        }
    }

    /// Starts and stops tasks. Returns the tasks that crashed until now, and when to look again.
    pub fn reconcile_tasks(
        &mut self,
        shared: &Shared,
        now: Millis,
        wanted: &[TaskEndpoint],
    ) -> (Vec<TaskId>, Option<Millis>) {
        if self.stopped {
            return (vec![], None);
        }
        while self.finishing.try_join_next().is_some() {}
        let ids: BTreeSet<_> = wanted.iter().map(|task| task.id).collect();
        let gone: Vec<_> = self.tasks.keys().filter(|id| !ids.contains(id)).copied().collect();
        for task in gone.iter().filter_map(|id| self.tasks.remove(id)) {
            shared.events.send(Event::TaskStopped { task: task.id });
            self.finishing.spawn(task.finish(FINISH_LIMIT));
        }
        for task in wanted {
            self.tasks.entry(task.id).or_insert_with(|| {
                shared.events.send(Event::TaskStarted(task.clone()));
                RunningTask::new(task, shared.clock)
            });
        }
        let mut crashed = vec![];
        let mut next: Option<Millis> = None;
        let mut look_again = |at: Millis| next = Some(next.map_or(at, |next| next.min(at)));
        for task in self.tasks.values_mut() {
            match task.crashes_at() {
                Some(at) if at <= now => {
                    crashed.push(task.id);
                    continue;
                }
                Some(at) => look_again(at),
                None => {}
            }
            if task.is_open() {
                continue;
            }
            if task.ready_at() > now {
                look_again(task.ready_at());
            } else if let Err(error) = task.open(self.addresses.tasks()) {
                // Out of ports or file descriptors: the task refuses connections until one can be had.
                shared.events.send(Event::Trouble(format!("{} can't listen: {error}", task.id)));
                look_again(now + 1_000);
            }
        }
        for task in &crashed {
            self.tasks.remove(task);
        }
        (crashed, next)
    }

    /// Lets go of everything, for good. The servers given back are closed when they are dropped.
    pub fn stop(&mut self) -> Vec<Server> {
        self.stopped = true;
        self.finishing.abort_all();
        let listeners = std::mem::take(&mut self.listeners).into_values().filter_map(|l| l.server);
        let tasks = std::mem::take(&mut self.tasks).into_values().flat_map(RunningTask::into_servers);
        listeners.chain(tasks).collect()
    }
}

/// Why a port could not be bound, with the way out where there is one.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied if cfg!(target_os = "linux") => {
            format!("{error}; `sysctl net.ipv4.ip_unprivileged_port_start=80` as root allows it")
        }
        _ => error.to_string(),
    }
}

fn listen(shared: &Arc<Shared>, endpoint: &Arc<ListenerEndpoint>) -> io::Result<(Server, Option<io::Error>)> {
    let (socket, refused) = bind(of_name(&endpoint.dns_name), endpoint.port)?;
    let (shared, endpoint) = (Arc::clone(shared), Arc::clone(endpoint));
    let server = match endpoint.protocol.as_str() {
        "HTTP" | "HTTPS" => Server::http(socket, move |request, peer| {
            forward(Arc::clone(&shared), Arc::clone(&endpoint), request, peer)
        })?,
        _ => Server::tcp(socket, move |stream, peer, closed| {
            join(Arc::clone(&shared), Arc::clone(&endpoint), stream, peer, closed)
        })?,
    };
    Ok((server, refused))
}
