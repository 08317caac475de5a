//! What is between a process and AWS: every request passes here, and here it is that processes die and answers get
//! lost.

use super::operation_of;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use cutover::simulator::{Connector, Millis, World};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// How a write is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The process dies right before it.
    Before,
    /// It is made and answered; the process dies before its next call.
    After,
    /// It is made, and the process dies without the answer.
    Unanswered,
    /// It is made, its answer is lost, and the process lives on.
    AnswerLost,
    /// It never arrives, and the process lives on.
    RequestLost,
}

/// A disturbance of the `write`-th write, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    pub write: usize,
    pub mode: Mode,
}

/// The account at the moment a process dies, right before or right after a write.
#[derive(Clone)]
pub struct Fork {
    pub write: usize,
    /// [`Mode::Before`] or [`Mode::After`].
    pub mode: Mode,
    pub world: World,
    pub at: Millis,
}

/// The wire of one process after the other. Clones share everything.
#[derive(Clone)]
pub struct Wire {
    pub connector: Connector,
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    writes: Vec<String>,
    disturbance: Option<Disturbance>,
    /// Every call from now on is one of a dead process.
    dead: bool,
    /// Its death was told.
    told: bool,
    forks: Option<Vec<Fork>>,
}

impl Wire {
    /// An undisturbed wire to the connector's account.
    pub fn new(connector: Connector) -> Wire {
        Wire { connector, state: Arc::default(), killed: Arc::default() }
    }

    /// Disturbs one write.
    pub fn disturb(&self, disturbance: Disturbance) {
        self.state().disturbance = Some(disturbance);
    }

    /// From now on the account is copied before and after every write.
    pub fn keep_forks(&self) {
        self.state().forks = Some(vec![]);
    }

    /// The copies made so far.
    pub fn take_forks(&self) -> Vec<Fork> {
        self.state().forks.take().unwrap_or_default()
    }

    /// Every write sent so far, with a word about what it says.
    pub fn writes(&self) -> Vec<String> {
        self.state().writes.clone()
    }

    /// Returns when the process dies. Its calls then never end; the caller drops it.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Another process begins.
    pub fn revive(&self) {
        let mut state = self.state();
        (state.dead, state.told) = (false, false);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fork(&self, write: usize, mode: Mode) {
        if self.state().forks.is_some() {
            let (at, world) = (self.connector.now(), self.connector.world().clone());
            self.state().forks.get_or_insert_default().push(Fork { write, mode, world, at });
        }
    }

    async fn die(&self) -> ! {
        {
            let mut state = self.state();
            state.dead = true;
            if !std::mem::replace(&mut state.told, true) {
                self.killed.notify_one();
            }
        }
        std::future::pending().await
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        if self.state().dead {
            self.die().await;
        }
        let operation = operation_of(&request);
        if ["Describe", "List", "Get"].iter().any(|read| operation.starts_with(read)) {
            return self.connector.call(request).await;
        }
        let write = {
            let mut state = self.state();
            state.writes.push(format!("{operation}{}", gist(&request)));
            state.writes.len()
        };
        let mode = self.state().disturbance.filter(|found| found.write == write).map(|found| found.mode);
        self.fork(write, Mode::Before);
        match mode {
            Some(Mode::Before) => self.die().await,
            Some(Mode::RequestLost) => return Err(cut("before the request arrived")),
            _ => {}
        }
        let answer = self.connector.call(request).await;
        self.fork(write, Mode::After);
        match mode {
            Some(Mode::Unanswered) => self.die().await,
            Some(Mode::After) => self.state().dead = true,
            Some(Mode::AnswerLost) => return Err(cut("before the answer")),
            _ => {}
        }
        answer
    }
}

fn cut(when: &str) -> ConnectorError {
    ConnectorError::io(io::Error::new(io::ErrorKind::ConnectionReset, format!("cut {when}")).into())
}

/// A few words of what a write says, for people.
fn gist(request: &HttpRequest) -> String {
    let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let after = |word: &str| {
        let start = body.find(word)? + word.len();
        let rest = &body[start..];
        Some(rest[..rest.find(['"', '&']).unwrap_or(rest.len())].to_owned())
    };
    let weights: Vec<String> = body
        .split("Weight=")
        .skip(1)
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
        .collect();
    let record = after("cutover.dev/record\",\"value\":\"");
    let named =
        after("\"serviceName\":\"").or_else(|| after("\"service\":\"")).or_else(|| after("\"family\":\""));
    let tagged = after("\"resourceArn\":\"").and_then(|arn| arn.rsplit('/').next().map(str::to_owned));
    let mut words: Vec<String> = named.or(tagged).into_iter().collect();
    words.extend(record.map(|record| format!("[{record}]")));
    if !weights.is_empty() {
        words.push(weights.join("/"));
    }
    if words.is_empty() { String::new() } else { format!("({})", words.join(" ")) }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
