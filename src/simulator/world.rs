//! The world: a state machine that is told the time and asked questions.

use super::{
    CallLog, Fault, ListenerEndpoint, Millis, Probe, RouteRequest, Routed, Settings, TaskEndpoint, TaskId,
    WireRequest, WireResponse,
};

/// A simulated AWS account in one region: ECS, ELBv2, CloudWatch alarms and STS. It has no socket, no thread and no
/// clock; everything that happens in it follows from its settings and the calls made to it.
#[derive(Clone, Debug)]
pub struct World {
    settings: Settings,
    now: Millis,
    calls: CallLog,
}

impl World {
    /// An empty account at time `now`.
    pub fn new(settings: Settings, now: Millis) -> World {
        World { settings, now, calls: CallLog::default() }
    }

    /// Answers an API request that arrives at `now`, after everything due until then has happened.
    pub fn handle(&mut self, now: Millis, request: &WireRequest) -> WireResponse {
        self.advance(now);
        let _ = request;
        WireResponse { status: 404, ..WireResponse::default() }
    }

    /// Lets everything happen that is due until `now`, in order. Time never goes back.
    pub fn advance(&mut self, now: Millis) {
        self.now = self.now.max(now);
    }

    /// When the next thing happens by itself.
    pub fn next_event(&self) -> Option<Millis> {
        None
    }

    /// The simulated time.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// What the world was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sends a request to `host` and `path` through a listener, as its load balancer does at `now`.
    pub fn route(&mut self, now: Millis, listener_arn: &str, host: &str, path: &str) -> Routed {
        let request = RouteRequest {
            host: host.into(),
            path: path.into(),
            method: "GET".into(),
            ..RouteRequest::default()
        };
        self.route_request(now, listener_arn, &request)
    }

    /// [`World::route`] for a request with method, headers and source address.
    pub fn route_request(&mut self, now: Millis, listener_arn: &str, request: &RouteRequest) -> Routed {
        self.advance(now);
        let _ = (listener_arn, request);
        Routed::Unavailable { status: 503, reason: "no such listener" }
    }

    /// The listeners that must be reachable.
    pub fn listeners(&self) -> Vec<ListenerEndpoint> {
        vec![]
    }

    /// The tasks whose processes run.
    pub fn tasks(&self) -> Vec<TaskEndpoint> {
        vec![]
    }

    /// The health checks due until `now`, each once ([`Probes::External`](super::Probes::External)).
    pub fn due_probes(&mut self, now: Millis) -> Vec<Probe> {
        self.advance(now);
        vec![]
    }

    /// What became of a health check: the HTTP status (any for a TCP check), or `None` for no answer in time.
    pub fn probe_result(&mut self, now: Millis, id: u64, status: Option<u16>) {
        self.advance(now);
        let _ = (id, status);
    }

    /// A task's process has ended by itself.
    pub fn task_exited(&mut self, now: Millis, task: TaskId, exit_code: i32) {
        self.advance(now);
        let _ = (task, exit_code);
    }

    /// Every API call so far.
    pub fn calls(&self) -> &CallLog {
        &self.calls
    }

    /// [`World::calls`], to be cleared.
    pub fn calls_mut(&mut self) -> &mut CallLog {
        &mut self.calls
    }

    /// Makes something go wrong, from the world's present time on.
    pub fn inject(&mut self, fault: Fault) {
        let _ = fault;
    }

    /// Lets calls through again after [`Fault::Halt`]: a new process has started.
    pub fn revive(&mut self) {}

    /// Gives a load balancer another DNS name.
    pub fn set_load_balancer_dns(&mut self, arn: &str, name: &str) {
        let _ = (arn, name);
    }
}
