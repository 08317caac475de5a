//! The world: a state machine that is told the time and asked questions.

use super::buckets::TokenBuckets;
use super::distort::distort;
use super::inject::{Fate, Pending, strike};
use super::random::Random;
use super::refusals::{refuse, throttled, unknown};
use super::state::State;
use super::wire::{Answer, Api, ApiError, Input, Operation, RequestId, parse, respond, respond_unparsed};
use super::{
    Buckets, Call, CallLog, Failure, Fault, HaltPoint, Millis, RouteRequest, Routed, Settings, TargetRoute,
    Visitor, WireRequest, WireResponse, autotag, cloudwatch, ecs, elb, sts,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// The most copies of the account that are kept for reads of the past.
const SNAPSHOTS_MAX: usize = 2_000;

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
        self.keep_history(operation.is_write());
        let mut served = true;
        let answer = match &fate {
            Fate::Halts(HaltPoint::Before) => {
                served = false;
                Err(ApiError::internal("ServiceUnavailable"))
            }
            Fate::Fails(failure, past) => {
                served = *failure != Failure::CutBefore;
                match refuse(&self.state, &operation, failure) {
                    Some(refused) => refused,
                    None => self.carry_out(&operation, self.look_back(failure, past.as_ref())),
                }
            }
            _ if !self.let_through(&operation) => Err(throttled(operation.api)),
            _ => self.carry_out(&operation, None),
        };
        let mut response = respond(&operation, &answer, &id, now);
        if let Fate::Fails(failure, _) = &fate {
            response = distort(response, failure, now);
        }
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

    /// Runs an operation, a reading one on a state that may be an older one: `past`, or as the settings say.
    fn carry_out(&mut self, operation: &Operation, past: Option<Arc<State>>) -> Answer {
        let input = Input(&operation.input);
        let name = operation.name.as_str();
        let answer = if operation.is_write() {
            let state = &mut self.state;
            match operation.api {
                Api::Ecs => ecs::write(state, name, input),
                Api::Elb => elb::write(state, name, input),
                Api::CloudWatch => cloudwatch::write(state, name, input),
                Api::Sts => None,
            }
        } else {
            let old = past.or_else(|| self.stale_state());
            let state = old.as_deref().unwrap_or(&self.state);
            match operation.api {
                Api::Ecs => ecs::read(state, name, input),
                Api::Elb => elb::read(state, name, input),
                Api::CloudWatch => cloudwatch::read(state, name, input),
                Api::Sts => sts::read(state, name, input),
            }
        };
        let answer = answer.unwrap_or_else(|| Err(unknown(operation)));
        if operation.is_write() {
            autotag::notice(&mut self.state, name, &answer);
            // What is due at once has happened before the next question.
            self.state.advance(self.state.now);
            if operation.api == Api::CloudWatch {
                ecs::wake_all(&mut self.state);
            }
        }
        answer
    }

    /// Keeps the account as it is before a call that may change it, as long as somebody may ask for it.
    fn keep_history(&mut self, is_write: bool) {
        let Settings { stale_reads_ms, history_ms, .. } = *self.state.settings;
        let looked_for = history_ms > 0 || self.pending.looks_back();
        if !looked_for && (stale_reads_ms == 0 || !is_write) {
            return;
        }
        let kept_ms = stale_reads_ms.max(history_ms);
        let now = self.state.now;
        if !self.pending.looks_back() {
            while self.snapshots.front().is_some_and(|(at, _)| at + kept_ms < now) {
                self.snapshots.pop_front();
            }
        }
        self.snapshots.push_back((now, Arc::new(self.state.clone())));
        if self.snapshots.len() > SNAPSHOTS_MAX {
            self.snapshots.pop_front();
        }
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

    /// The state that a read sees by [`Failure::Stale`]: the newest one kept that is old enough, or the oldest there is.
    fn look_back(&self, failure: &Failure, oldest: Option<&Arc<State>>) -> Option<Arc<State>> {
        let Failure::Stale { age_ms } = failure else { return None };
        let seen = self.state.now.saturating_sub(*age_ms);
        let mut kept = self.snapshots.iter().rev().map(|(_, state)| state);
        let first = self.snapshots.front().map(|(_, state)| state);
        let oldest = first.filter(|first| oldest.is_none_or(|oldest| first.now < oldest.now)).or(oldest);
        kept.find(|state| state.now <= seen).or(oldest).map(Arc::clone)
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

    /// [`World::route`] for a client that keeps its cookies.
    pub fn visit(
        &mut self,
        now: Millis,
        listener_arn: &str,
        host: &str,
        path: &str,
        visitor: &mut Visitor,
    ) -> Routed {
        let cookie = visitor.cookie().map(|cookie| ("cookie".to_string(), cookie.to_string()));
        let (host, path, method) = (host.into(), path.into(), "GET".into());
        let headers = cookie.into_iter().collect();
        let request = RouteRequest { host, path, method, headers, ..RouteRequest::default() };
        let routed = self.route_request(now, listener_arn, &request);
        if let Routed::Target(TargetRoute { set_cookie: Some(set_cookie), .. }) = &routed {
            visitor.keep(set_cookie);
        }
        routed
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
