//! Targets that ECS did not start: pods, machines, anything registered by address.

use super::health::{Target, TargetState, recheck_target};
use crate::simulator::queue::TargetKey;
use crate::simulator::state::State;
use crate::simulator::{Behaviour, ExternalTarget, Millis, TaskId};
use std::net::{Ipv4Addr, SocketAddr};

/// What answers at an address.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct External {
    pub id: TaskId,
    pub target: ExternalTarget,
    /// It has ended and refuses connections.
    pub gone: bool,
}

/// Who is behind a target.
pub(in crate::simulator) enum Behind<'a> {
    Program {
        id: TaskId,
        image: &'a str,
        release: &'a str,
        behaviour: &'a Behaviour,
        started_at: Millis,
    },
    /// An address that nobody has said anything about.
    Unknown,
    /// What was there has ended.
    Nobody,
}

/// Finds who answers for a target: the task it was registered for, or what was said about its address.
pub(in crate::simulator) fn behind<'a>(state: &'a State, key: &TargetKey, target: &Target) -> Behind<'a> {
    if let Some(id) = target.task {
        let task = state.tasks.get(&id).filter(|task| !task.exited);
        let Some((task, started_at)) = task.and_then(|task| Some((task, task.started_at?))) else {
            return Behind::Nobody;
        };
        let program = &task.program;
        let (image, release, behaviour) = (&program.image, &program.release, &program.behaviour);
        return Behind::Program { id, image, release, behaviour, started_at };
    }
    match state.externals.get(key) {
        None => Behind::Unknown,
        Some(External { gone: true, .. }) => Behind::Nobody,
        Some(External { id, target, .. }) => Behind::Program {
            id: *id,
            image: &target.image,
            release: &target.release,
            behaviour: &target.behaviour,
            started_at: target.started_at,
        },
    }
}

/// Where an external target is really reached, at its own address or where it was said to be: loopback ones only.
pub(in crate::simulator) fn reach(state: &State, key: &TargetKey) -> Option<SocketAddr> {
    let told = state.externals.get(key).and_then(|external| external.target.reached_at);
    let ip: Ipv4Addr = told.or_else(|| key.0.parse().ok())?;
    ip.is_loopback().then(|| SocketAddr::from((ip, key.1)))
}

/// Says what answers at an address from now on. Saying the same again changes nothing.
pub(in crate::simulator) fn declare(state: &mut State, key: TargetKey, target: ExternalTarget) {
    let known = state.externals.get(&key).filter(|known| !known.gone);
    let again = |known: &External| ExternalTarget { started_at: known.target.started_at, ..target.clone() };
    if known.is_some_and(|known| known.target == again(known)) {
        return;
    }
    let id = TaskId(state.fresh());
    state.externals.insert(key.clone(), External { id, target, gone: false });
    recheck_everywhere(state, &key);
}

/// What answers at this address, on any port, has ended.
pub(in crate::simulator) fn end(state: &mut State, ip: &str) {
    let first = (ip.to_string(), 0);
    let here = state.externals.range_mut(first..).take_while(|(key, _)| key.0 == ip);
    let keys: Vec<TargetKey> = here
        .filter(|(_, external)| !external.gone)
        .map(|(key, external)| {
            external.gone = true;
            key.clone()
        })
        .collect();
    for key in keys {
        recheck_everywhere(state, &key);
    }
}

fn recheck_everywhere(state: &mut State, key: &TargetKey) {
    let used = |target: &Target| target.state != TargetState::Unused;
    let groups = state.target_groups.values().filter(|group| group.targets.get(key).is_some_and(used));
    for arn in groups.map(|group| group.arn.clone()).collect::<Vec<_>>() {
        recheck_target(state, &arn, key);
    }
}
