//! The world: a state machine that is told the time and asked questions.

use super::buckets::TokenBuckets;
use super::inject::{Fate, Pending, strike};
use super::random::Random;
use super::state::State;
use super::wire::{Answer, Api, ApiError, Input, Operation, RequestId, parse, respond, respond_unparsed};
use super::{
    Buckets, Call, CallLog, Failure, Fault, HaltPoint, Millis, RouteRequest, Routed, Settings, WireRequest,
    WireResponse, cloudwatch, ecs, elb, sts,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// A simulated AWS account in one region: ECS, ELBv2, CloudWatch alarms and STS. It has no socket, no thread and no
/// clock; everything that happens in it follows from its settings and the calls made to it. Cloning it makes an
/// independent copy of the whole account.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) state: State,
    pub(super) pending: Pending,
    calls: CallLog,
    buckets: TokenBuckets,
    /// States as they were just before a write at that time, for stale reads.
    snapshots: VecDeque<(Millis, Arc<State>)>,
    /// Randomness of the data plane, of stale reads and of request ids; the account has its own, so that reading it
    /// or sending traffic through it does not change its history.
    outside: Random,
}

impl World {
    /// An empty account at time `now`.
    pub fn new(settings: Settings, now: Millis) -> World {
        World {
            outside: Random::new(settings.seed, 2),
            state: State::new(settings, now),
            pending: Pending::default(),
            calls: CallLog::default(),
            buckets: TokenBuckets::default(),
            snapshots: VecDeque::new(),
        }
    }

    /// Answers an API request that arrives at `now`, after everything due until then has happened.
    pub fn handle(&mut self, now: Millis, request: &WireRequest) -> WireResponse {
        self.advance(now);
        let now = self.state.now;
        let id = RequestId(self.outside.uuid());
        let operation = match parse(request) {
            Ok(operation) => operation,
            Err(error) => return respond_unparsed(&error, &id, now),
        };
        let fate = self.pending.fate(&operation.name, operation.is_write());
        let mut served = true;
        let answer = match &fate {
            Fate::Halts(HaltPoint::Before) | Fate::Fails(Failure::CutBefore) => {
                served = false;
                Err(ApiError::internal("ServiceUnavailable"))
            }
            Fate::Fails(Failure::Internal) => Err(internal(operation.api)),
            Fate::Fails(Failure::Error { code, message }) => Err(ApiError::new(code, message.as_str())),
            _ if !self.let_through(&operation) => Err(throttled(operation.api)),
            _ => self.carry_out(&operation),
        };
        let mut response = respond(&operation, &answer, &id, now);
        response.dropped = matches!(fate, Fate::Fails(Failure::CutBefore | Failure::LostAnswer));
        response.halted = matches!(fate, Fate::Halts(HaltPoint::Before | HaltPoint::AnswerLost));
        self.calls.push(Call {
            at: now,
            service: operation.api.name(),
            is_write: operation.is_write(),
            took_effect: answer.is_ok(),
            unanswered: response.dropped || response.halted,
            error: answer.err().filter(|_| served).map(|error| error.code),
            operation: operation.name,
            request_bytes: request.body.len(),
            response_bytes: response.body.len(),
        });
        response
    }

    fn let_through(&mut self, operation: &Operation) -> bool {
        let settings = &self.state.settings;
        settings.buckets == Buckets::Off || self.buckets.take(self.state.now, operation.api, &operation.name)
    }

    /// Runs an operation, a reading one on a state that may be an older one.
    fn carry_out(&mut self, operation: &Operation) -> Answer {
        let input = Input(&operation.input);
        let name = operation.name.as_str();
        if operation.api == Api::Sts {
            return sts::read(&self.state, name);
        }
        let answer = if operation.is_write() {
            self.take_snapshot();
            let state = &mut self.state;
            match operation.api {
                Api::Ecs => ecs::write(state, name, input),
                Api::Elb => elb::write(state, name, input),
                Api::CloudWatch | Api::Sts => cloudwatch::write(state, name, input),
            }
        } else {
            let old = self.stale_state();
            let state = old.as_deref().unwrap_or(&self.state);
            match operation.api {
                Api::Ecs => ecs::read(state, name, input),
                Api::Elb => elb::read(state, name, input),
                Api::CloudWatch | Api::Sts => cloudwatch::read(state, name, input),
            }
        };
        if operation.is_write() {
            // What is due at once has happened before the next question.
            self.state.advance(self.state.now);
            if operation.api == Api::CloudWatch {
                ecs::wake_all(&mut self.state);
            }
        }
        answer.unwrap_or_else(|| Err(unknown(operation)))
    }

    fn take_snapshot(&mut self) {
        let (now, stale) = (self.state.now, self.state.settings.stale_reads_ms);
        if stale == 0 {
            return;
        }
        while self.snapshots.front().is_some_and(|(at, _)| at + stale < now) {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back((now, Arc::new(self.state.clone())));
    }

    /// The state that a read sees: that of a random moment of the last `stale_reads_ms`.
    fn stale_state(&mut self) -> Option<Arc<State>> {
        let stale = self.state.settings.stale_reads_ms;
        if stale == 0 {
            return None;
        }
        let seen = self.state.now.saturating_sub(self.outside.below(stale + 1));
        let first_later = self.snapshots.iter().find(|(at, _)| *at > seen);
        first_later.map(|(_, state)| Arc::clone(state))
    }

    /// Lets everything happen that is due until `now`, in order. Time never goes back.
    pub fn advance(&mut self, now: Millis) {
        self.state.advance(now);
    }

    /// When the next thing happens by itself.
    pub fn next_event(&self) -> Option<Millis> {
        self.state.queue.next_at()
    }

    /// The simulated time.
    pub fn now(&self) -> Millis {
        self.state.now
    }

    /// What the world was made with.
    pub fn settings(&self) -> &Settings {
        &self.state.settings
    }

    /// Sends a request to `host` and `path` through a listener, as its load balancer does at `now`.
    pub fn route(&mut self, now: Millis, listener_arn: &str, host: &str, path: &str) -> Routed {
        let method = "GET".to_string();
        let request =
            RouteRequest { host: host.into(), path: path.into(), method, ..RouteRequest::default() };
        self.route_request(now, listener_arn, &request)
    }

    /// [`World::route`] for a request with method, headers and source address.
    pub fn route_request(&mut self, now: Millis, listener_arn: &str, request: &RouteRequest) -> Routed {
        self.advance(now);
        elb::route(&self.state, &mut self.outside, listener_arn, request)
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
        strike(&mut self.state, &mut self.pending, fault);
    }

    /// True once the caller has died of [`Fault::Halt`].
    pub fn is_halted(&self) -> bool {
        self.pending.halted
    }

    /// Lets calls through again after [`Fault::Halt`]: a new process has started.
    pub fn revive(&mut self) {
        self.pending.revive();
    }
}

fn unknown(operation: &Operation) -> ApiError {
    match operation.api {
        Api::Ecs | Api::CloudWatch => {
            ApiError::new("UnknownOperationException", format!("{} is not simulated.", operation.name))
        }
        Api::Elb | Api::Sts => {
            ApiError::new("InvalidAction", format!("Could not find operation {}", operation.name))
        }
    }
}

fn internal(api: Api) -> ApiError {
    ApiError::internal(match api {
        Api::Ecs => "ServerException",
        Api::CloudWatch => "InternalServiceError",
        Api::Elb | Api::Sts => "InternalFailure",
    })
}

fn throttled(api: Api) -> ApiError {
    let code = if api == Api::Ecs { "ThrottlingException" } else { "Throttling" };
    ApiError::new(code, "Rate exceeded")
}
