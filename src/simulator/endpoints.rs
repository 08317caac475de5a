//! What the world tells those who give it sockets: what to listen on, what to run, what to probe, where to send.

use super::{Behaviour, Millis, release};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

/// Names a task for as long as the world lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.0)
    }
}

/// A listener that must be reachable at `dns_name:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerEndpoint {
    pub arn: String,
    pub load_balancer_arn: String,
    pub dns_name: String,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS` …
    pub protocol: String,
    pub port: u16,
}

/// A task whose processes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEndpoint {
    pub id: TaskId,
    /// The name of the service it belongs to, if it does.
    pub service: Option<String>,
    pub container: String,
    pub image: String,
    /// The word the task answers with: the image's tag.
    pub release: String,
    pub behaviour: Behaviour,
    pub started_at: Millis,
    /// The containers' TCP ports.
    pub ports: Vec<u16>,
}

/// What answers at an address that ECS did not give out, such as a pod's. Made of an image it behaves as a task of that
/// image does (see [`Behaviour`]); made of a behaviour alone its release is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalTarget {
    pub image: String,
    /// The word it answers with.
    pub release: String,
    pub behaviour: Behaviour,
    /// From when its age counts.
    pub started_at: Millis,
    /// On sockets: the loopback address where a server really answers for it, on the target's port. Without one, and
    /// if its own address is none, what the image or the behaviour says is played.
    pub reached_at: Option<Ipv4Addr>,
}

impl From<&str> for ExternalTarget {
    /// Reads an image, `shop/web:v2-slow10`.
    fn from(image: &str) -> ExternalTarget {
        let release = release(image);
        let behaviour = Behaviour::parse(&release);
        ExternalTarget { image: image.into(), release, behaviour, ..ExternalTarget::default() }
    }
}

impl From<Behaviour> for ExternalTarget {
    fn from(behaviour: Behaviour) -> ExternalTarget {
        ExternalTarget { behaviour, ..ExternalTarget::default() }
    }
}

/// One health check to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub id: u64,
    /// The task, or what is played at an external target's address.
    pub task: Option<TaskId>,
    pub port: u16,
    /// An external target's loopback address, which is really asked. With neither, nobody answers.
    pub address: Option<SocketAddr>,
    /// `None`: only a TCP connection is tried; any status then counts as passed.
    pub path: Option<String>,
    /// The accepted statuses as ELBv2 writes them: `200`, `200-299`, `200,301`.
    pub matcher: String,
    pub timeout_ms: Millis,
}

/// One request as a load balancer sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRequest {
    pub host: String,
    /// With the query, if there is one.
    pub path: String,
    pub method: String,
    pub headers: Vec<(String, String)>,
    pub source_ip: Option<String>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// To a target.
    Target(TargetRoute),
    /// A fixed-response action.
    Fixed { status: u16, body: String, content_type: String },
    /// A redirect action; `location` is complete.
    Redirect { status: u16, location: String },
    /// The load balancer itself answers `status`: 503 without any target, 502 where the target is gone, 404 without an action.
    Unavailable { status: u16, reason: &'static str },
}

/// The target that a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRoute {
    /// The task, or what is played at an external target's address.
    pub task: Option<TaskId>,
    /// An external target's loopback address: the request really goes there.
    pub address: Option<SocketAddr>,
    pub port: u16,
    /// The group's ARN.
    pub target_group: String,
    pub image: String,
    /// What answers; the address of an external target that nothing was said about.
    pub release: String,
    pub behaviour: Behaviour,
    /// What the target's behaviour answers now: 200, 500 or 503; 502 if it refuses the connection.
    pub status: u16,
    /// The `Set-Cookie` header that keeps the client on this group, where the action is sticky.
    pub set_cookie: Option<String>,
}

/// A client that keeps the load balancer's cookie and sends it again, as browsers do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visitor {
    cookie: Option<String>,
}

impl Visitor {
    /// The `Cookie` header of its next request.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// Keeps what an answer's `Set-Cookie` header says.
    pub fn keep(&mut self, set_cookie: &str) {
        self.cookie = set_cookie.split(';').next().map(String::from);
    }
}

impl Routed {
    /// The status the client sees.
    pub fn status(&self) -> u16 {
        match self {
            Routed::Target(target) => target.status,
            Routed::Fixed { status, .. }
            | Routed::Redirect { status, .. }
            | Routed::Unavailable { status, .. } => *status,
        }
    }

    /// The release that answers, if a target does.
    pub fn release(&self) -> Option<&str> {
        match self {
            Routed::Target(target) => Some(&target.release),
            _ => None,
        }
    }
}
