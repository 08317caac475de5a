//! Drives runs over a small world, with commits, people, crashes and faults in between. There is no runtime: a run is
//! polled, and the world's clock goes straight to the next moment at which anything happens.

use super::phases::Phases;
use super::platform::Platform;
use super::random::Random;
use super::state::{Faults, Kind};
use super::world::{START, World};
use cutover::engine::{
    EcsDocuments, KubernetesDocuments, Ports, Rollout, Run, RunEnd, StopSignal, TimeSource, WorkloadDocuments,
};
use cutover::model::{
    Alb, BlueGreen, ClusterTraffic, Container, Gates, Listeners, Object, ObjectKey, Service, Slot, Step,
    TargetGroups, TaskDefinitionRef, WorkloadRef,
};
use cutover::rollout::{Outcome, RuleSplit};
use serde_json::json;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::Duration;

/// A run is asked to stop after so long, and another one begins.
const RUN_MS: u64 = 900_000;

/// What happens to the world at a second of the schedule.
#[derive(Clone, Debug)]
pub enum Happening {
    Commit(usize),
    HumanEdits { rule: usize, blue: u32 },
    HumanPutsBack { rule: usize },
    Abort,
    Promote,
    Crash,
    Quiet,
}

/// The documents of a small world.
pub fn rollout(
    platform: Platform,
    count: Option<u32>,
    steps: Vec<Step>,
    gates: Gates,
    bake: u64,
    keep: u64,
) -> Rollout {
    Rollout {
        application: "shop".into(),
        commit: "0".repeat(40),
        blue_green: BlueGreen {
            name: "web".into(),
            origin: Default::default(),
            workload_ref: WorkloadRef { kind: "Service".into(), name: "web".into() },
            container: Container { name: "app".into(), port: 8080 },
            alb: Alb {
                production_listener_rule: Listeners::One("rule-1".into()),
                target_groups: TargetGroups { blue: "blue".into(), green: "green".into() },
                ..Alb::default()
            },
            traffic: (platform == Platform::Selector).then(|| ClusterTraffic::Service("web".into())),
            slots: Default::default(),
            steps,
            gates,
            bake_time: bake,
            keep_previous: keep,
            deadline: 200,
        },
        workload: match platform {
            Platform::Ecs => WorkloadDocuments::Ecs(ecs_documents(count)),
            Platform::Pods { .. } | Platform::Selector => {
                WorkloadDocuments::Kubernetes(pods_documents(count))
            }
        },
        turn: Default::default(),
    }
}

fn ecs_documents(count: Option<u32>) -> EcsDocuments {
    let spec = count.map_or(json!({}), |count| json!({"desiredCount": count}));
    let task_definition = TaskDefinitionRef::Document("web".into());
    let service = Service { name: "web".into(), origin: Default::default(), spec, task_definition };
    EcsDocuments { service, task_definition: None }
}

fn pods_documents(count: Option<u32>) -> KubernetesDocuments {
    let spec = count.map_or(json!({}), |count| json!({"replicas": count}));
    let deployment = Object {
        key: ObjectKey {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: None,
            name: "web".into(),
        },
        api_version: "apps/v1".into(),
        origin: Default::default(),
        turn: Default::default(),
        body: json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}),
        lines: Default::default(),
    };
    KubernetesDocuments {
        deployment,
        service: None,
        carried: vec![],
        force_conflicts: false,
        ignore_differences: vec![],
    }
}

/// Runs over and over, as a controller or a CI job would, for `seconds`; `happenings` are (second, what), in order.
/// Returns how each run ended.
pub fn drive(world: &World, rollout: &Rollout, seconds: u64, happenings: &[(u64, Happening)]) -> Vec<RunEnd> {
    let ends = RefCell::new(vec![]);
    let phases = Phases::new(world);
    let mut controller = controller(&phases, rollout, &ends);
    let mut coming = happenings.iter().peekable();
    let mut put_back: Option<(RuleSplit, RuleSplit)> = None;
    let mut context = Context::from_waker(Waker::noop());
    loop {
        while let Some((_, what)) = coming.next_if(|(at, _)| at * 1_000 <= world.clock_ms()) {
            world.remember();
            happen(world, what, &mut put_back);
            if matches!(what, Happening::Crash) {
                controller = self::controller(&phases, rollout, &ends);
            }
            ends.borrow_mut().clear();
            world.check_traffic();
        }
        assert!(controller.as_mut().poll(&mut context).is_pending(), "the controller never ends");
        world.check_traffic();
        if coming.peek().is_none() && settled(&ends.borrow()) {
            break;
        }
        let next = coming.peek().map_or(u64::MAX, |(at, _)| at * 1_000).min(world.wake_ms());
        if next > seconds * 1_000 {
            break;
        }
        world.go_to_ms(next);
    }
    drop(controller);
    ends.into_inner()
}

/// Nothing more will happen: three runs in a row ended alike.
fn settled(ends: &[RunEnd]) -> bool {
    matches!(ends, [.., a, b, c] if a == b && b == c)
}

fn controller<'a>(
    phases: &'a Phases<'a>,
    rollout: &'a Rollout,
    ends: &'a RefCell<Vec<RunEnd>>,
) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let world = phases.world;
        loop {
            let stop = StopSignal::default();
            let ports = Ports { adapter: world, watcher: phases };
            let mut run = Run::new(ports, rollout);
            world.settle();
            let begun = world.clock_ms();
            let mut going = pin!(run.to_the_end(Duration::from_secs(1_000_000), &stop));
            let end = poll_fn(|context| {
                if world.clock_ms() - begun >= RUN_MS {
                    stop.set();
                }
                going.as_mut().poll(context)
            })
            .await;
            if ends.borrow().last() != Some(&end) {
                world.note(format!("run ended: {end:?}"));
            }
            ends.borrow_mut().push(end);
            world.pause(Duration::from_secs(5)).await;
        }
    })
}

/// `put_back` is a rule as it was before a human changed it, and as the human left it.
fn happen(world: &World, what: &Happening, put_back: &mut Option<(RuleSplit, RuleSplit)>) {
    world.note(format!("{what:?}"));
    match what {
        Happening::Commit(version) => {
            if world.wanted.replace(*version) != *version {
                world.failed.borrow_mut().clear();
            }
        }
        Happening::HumanEdits { rule, blue } => {
            let mut state = world.state.borrow_mut();
            let before = state.rules[*rule].split.clone();
            // A selector that is switched to the other slot by hand is what the machine itself might have done; only one
            // that takes neither's pods is known for somebody else's.
            let split = match world.platform.knows_shares() {
                true => RuleSplit::Both(cutover::model::Weights { blue: *blue, green: 100 - blue }),
                false => RuleSplit::Neither("its selector is app=maintenance".into()),
            };
            *put_back = Some((before, split.clone()));
            state.rules[*rule].split = split;
            world.human.borrow_mut().insert(*rule);
            world.must_serve.set(false);
        }
        Happening::HumanPutsBack { rule } => {
            // What has changed since is left as it is.
            if let Some((before, left)) = put_back.take()
                && world.state.borrow().rules[*rule].split == left
            {
                world.state.borrow_mut().rules[*rule].split = before;
            }
            world.human.borrow_mut().remove(rule);
        }
        Happening::Abort | Happening::Promote => {
            let mut state = world.state.borrow_mut();
            let sequence = |slot: Slot, state: &super::state::State| {
                state.slots.get(slot).as_ref().and_then(|s| s.record.as_ref()).map(|r| r.sequence)
            };
            let Some(slot) = Slot::BOTH.into_iter().max_by_key(|slot| sequence(*slot, &state)) else {
                return;
            };
            let number = sequence(slot, &state);
            if let Some(service) = state.slots.get_mut(slot) {
                match what {
                    Happening::Abort => service.signals.abort = number,
                    _ => service.signals.promote = number,
                }
            }
        }
        Happening::Crash => {}
        Happening::Quiet => world.faults.set(Faults::default()),
    }
}

/// One random schedule, made from its seed alone. Returns the world as it ended, and how the last run ended.
pub fn random_schedule(seed: u64) -> (World, Option<RunEnd>) {
    let mut random = Random(seed);
    // From a number of its own, so that a seed's ECS world stays what it was.
    let platform = match Random(seed ^ 0x5107).below(4) {
        0 => Platform::Pods { lag: Random(seed ^ 0x1a6).below(25) },
        1 => Platform::Selector,
        _ => Platform::Ecs,
    };
    let others = [Kind::Good, Kind::Good, Kind::NeverHealthy, Kind::CrashLoop, Kind::RingsAlarm];
    let kinds: Vec<Kind> =
        std::iter::once(Kind::Good).chain((0..3).map(|_| random.pick(&others))).chain([Kind::Good]).collect();
    let last = kinds.len() - 1;
    let rules = 1 + usize::try_from(random.below(2)).unwrap_or(0);
    let rules = if platform.knows_shares() { rules } else { 1 };
    let percent = random.pick(&[100, 100, 50]);
    let world = World::new(seed, platform, kinds, rules, percent);
    let tenth = Step { weight: 10, hold: random.below(20) };
    let steps = random.pick(&[
        vec![Step { weight: 100, hold: 0 }],
        vec![tenth, Step { weight: 100, hold: 0 }],
        vec![tenth, Step { weight: 50, hold: 5 }, Step { weight: 100, hold: 0 }],
    ]);
    let steps = if platform.knows_shares() { steps } else { vec![Step { weight: 100, hold: 0 }] };
    let gates = Gates {
        healthy_targets: percent,
        stable_for: random.below(12),
        alarms: vec!["errors".into()],
        approval: random.below(5) == 0,
        ..Gates::default()
    };
    let approval = gates.approval;
    let count = 1 + u32::try_from(random.below(3)).unwrap_or(0);
    let declared = random.pick(&[Some(count), None]);
    let bake = random.pick(&[0, 15, 40]);
    let keep = random.pick(&[0, 60, 100_000]);
    let rollout = rollout(platform, declared, steps, gates, bake, keep);
    if random.below(4) > 0 {
        world.install(Slot::Blue, 0, count, random.below(2) == 0, None);
        world.must_serve.set(true);
    }
    let level = random.pick(&[0, 0, 5, 15]);
    world.faults.set(Faults {
        read_fails: level,
        write_fails: level,
        answer_lost: level,
        stale: random.pick(&[0, 10]),
        flap: random.pick(&[0, 3]),
    });
    let mut happenings = vec![(0, Happening::Commit(0))];
    let (mut at, quiet) = (1, 700);
    while at < quiet {
        let what = match random.below(10) {
            0..=3 => Happening::Commit(usize::try_from(random.below(last as u64)).unwrap_or(0)),
            4 => Happening::Abort,
            5 | 6 => Happening::Promote,
            7 | 8 => Happening::Crash,
            _ if random.below(3) == 0 => {
                let rule = usize::try_from(random.below(rules as u64)).unwrap_or(0);
                happenings.push((at, Happening::HumanEdits { rule, blue: 33 }));
                at += 30 + random.below(60);
                Happening::HumanPutsBack { rule }
            }
            _ => Happening::Crash,
        };
        happenings.push((at, what));
        at += 1 + random.below(120);
    }
    happenings.push((at, Happening::Quiet));
    // The commit that fixes everything, and somebody who approves it.
    happenings.push((at, Happening::Commit(last)));
    if approval {
        happenings.extend((1..30).map(|n| (at + n * 50, Happening::Promote)));
    }
    let mut ends = drive(&world, &rollout, at + 2_500, &happenings);
    (world, ends.pop())
}

/// What must hold at the end of a random schedule; an empty list is good.
pub fn judge(world: &World, end: Option<&RunEnd>) -> Vec<String> {
    let mut wrong = world.violations.borrow().clone();
    let ringing = Slot::BOTH.into_iter().any(|slot| {
        let state = world.state.borrow();
        let weighted = state.rules.iter().any(|rule| rule.split.weights().of(slot) > 0);
        weighted && state.slots.get(slot).as_ref().is_some_and(|s| world.kinds[s.version] == Kind::RingsAlarm)
    });
    if ringing && matches!(end, Some(RunEnd::Outcome(Outcome::Failed { reason })) if reason.contains("alarm"))
    {
        // The alarm rings for the version that serves, and the documents say that nothing is shifted while it does.
        return wrong;
    }
    if end != Some(&RunEnd::Outcome(Outcome::Done)) {
        wrong.push(format!("the fixing commit did not go live: {end:?}"));
    }
    let state = world.state.borrow();
    for rule in &state.rules {
        let serving = Slot::BOTH.into_iter().find(|slot| rule.split.weights().all_to(*slot));
        let version = serving.and_then(|slot| state.slots.get(slot).as_ref()).map(|service| service.version);
        if version != Some(world.wanted.get()) {
            wrong.push(format!("live is {version:?}, wanted {}", world.wanted.get()));
        }
    }
    wrong
}

/// The log of a schedule, for a person who looks into a failing seed.
pub fn story(world: &World) -> String {
    format!("{:?}, kinds {:?}, start {START}\n{}", world.platform, world.kinds, world.log.borrow().join("\n"))
}
