//! The part of aws-load-balancer-controller that decides what a target group's targets are: for each
//! TargetGroupBinding it registers the addresses of the bound Service's ready endpoints and deregisters what is
//! registered and no such address, both some time after it could have known. So for a while Kubernetes says that a pod
//! is ready and Elastic Load Balancing has never heard of it, or still sends requests to one that is gone.
//!
//! It is told objects and has no client; [`shell`](super::shell) can let it follow a cluster. Left out: Ingresses and
//! Services of type LoadBalancer, targets of type `instance`, the finalizer (a binding that was deleted while nobody
//! followed leaves its targets), pod readiness gates and their webhook, and security group rules.

mod fault;
mod observed;
mod pods;

pub use fault::ControllerFault;
pub use observed::Observed;

use super::queue::TargetKey;
use super::random::Random;
use super::{Millis, World};
use fault::Faults;
use observed::{Binding, ObjectKey, is_going, key_of};
use pods::Pods;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many targets go into one call.
const TARGETS_A_CALL: usize = 200;
/// The wait after something that did not work.
const RETRY_MS: Millis = 5_000;

/// How slow the controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerSettings {
    /// From the moment a change can be seen to the call, in simulated milliseconds.
    pub delay_ms: Millis,
    /// Each change waits longer by a random part of this.
    pub jitter_percent: u64,
    pub seed: u64,
    pub pods: PodServers,
}

/// What answers for pods on real sockets, where only loopback addresses are ever connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodServers {
    /// Servers of the simulator's own that do what the pods' images say.
    #[default]
    Played,
    /// Servers that someone else runs: for the pod 10.b.c.d those at 127.b.c.d. An API server takes no loopback
    /// address for a pod, so a test that runs its pods' servers says it so.
    AtLoopback,
}

impl Default for ControllerSettings {
    fn default() -> Self {
        ControllerSettings { delay_ms: 3_000, jitter_percent: 20, seed: 1, pods: PodServers::Played }
    }
}

/// Keeps targets in step with endpoints, late.
#[derive(Clone, Debug)]
pub struct LoadBalancerController {
    settings: ControllerSettings,
    random: Random,
    faults: Faults,
    followed: BTreeMap<ObjectKey, Followed>,
    pods: Pods,
    problems: BTreeSet<String>,
}

/// What is under way for one binding.
#[derive(Clone, Debug, Default)]
struct Followed {
    /// The target group's ARN, as soon as there is one.
    group: Option<String>,
    /// Changes that were seen and not made yet, with the time each is due.
    pending: BTreeMap<Change, Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Register(TargetKey),
    Deregister(TargetKey),
    /// A generation to be written to the binding's status.
    Status(i64),
}

/// What came of one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Statuses to be written to the API server.
    pub statuses: Vec<BindingStatus>,
    /// What was done, one sentence a call.
    pub done: Vec<String>,
    /// What is wrong, one sentence each; said once as long as it stays so.
    pub problems: Vec<String>,
    /// When to look again even if no object changes.
    pub next: Option<Millis>,
}

/// `status.observedGeneration` of a TargetGroupBinding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingStatus {
    pub namespace: String,
    pub name: String,
    pub observed_generation: i64,
}

impl LoadBalancerController {
    /// A controller that has seen nothing yet.
    pub fn new(settings: ControllerSettings) -> LoadBalancerController {
        LoadBalancerController {
            settings,
            random: Random::new(settings.seed, 3),
            faults: Faults::default(),
            followed: BTreeMap::new(),
            pods: Pods::new(settings.pods),
            problems: BTreeSet::new(),
        }
    }

    /// Lets something go wrong for the binding of this name, or for all with `*`, until [`ControllerFault::None`].
    pub fn inject(&mut self, binding: &str, fault: ControllerFault) {
        self.faults.set(binding, fault);
    }

    /// Looks at the objects at the world's present time and makes the calls that are due. Calling it once more without
    /// a change does nothing. All four kinds of objects must be complete: what is not among them is taken as deleted.
    pub fn reconcile(&mut self, world: &mut World, observed: &Observed) -> Reconciled {
        let mut result = Reconciled::default();
        let mut problems = BTreeSet::new();
        self.pods.observe(world, &observed.pods);
        let mut groups = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for object in observed.bindings.iter().filter(|object| !is_going(object)) {
            let key = key_of(object);
            seen.insert(key.clone());
            let looked = Binding::parse(object)
                .and_then(|binding| self.follow(world, observed, &binding, &mut groups, &mut result));
            if let Err(why) = looked {
                problems.insert(format!("TargetGroupBinding {}/{}: {why}", key.0, key.1));
            }
        }
        for key in self.followed.keys().filter(|key| !seen.contains(key)).cloned().collect::<Vec<_>>() {
            self.leave(world, &key, &groups, &mut result);
        }
        if !problems.is_empty() {
            look_again(&mut result, world.now() + RETRY_MS);
        }
        result.problems = problems.difference(&self.problems).cloned().collect();
        self.problems = problems;
        result
    }

    fn follow(
        &mut self,
        world: &mut World,
        observed: &Observed,
        binding: &Binding,
        groups: &mut BTreeSet<String>,
        result: &mut Reconciled,
    ) -> Result<(), String> {
        let group = world.target_group_arn(binding.group);
        let group = group.ok_or_else(|| format!("there is no target group {}", binding.group))?;
        if !groups.insert(group.clone()) {
            return Err(format!("another binding has the target group {group} already"));
        }
        let endpoints = binding.endpoints(observed)?;
        let mut wanted = changes(world, &group, endpoints.keys());
        if binding.observed_generation != Some(binding.generation) {
            wanted.insert(Change::Status(binding.generation));
        }
        self.plan(&binding.key, Some(group), wanted, world.now());
        for (key, pod) in &endpoints {
            if let Some(pod) = pod {
                self.pods.play(world, key, pod, &observed.pods);
            }
        }
        self.carry_out(world, &binding.key, result)
    }

    /// Takes the targets of a binding that is gone out of its group, unless another binding has it now.
    fn leave(
        &mut self,
        world: &mut World,
        key: &ObjectKey,
        groups: &BTreeSet<String>,
        result: &mut Reconciled,
    ) {
        let group = self.followed.get(key).and_then(|followed| followed.group.clone());
        let group = group.filter(|group| !groups.contains(group) && world.target_group_arn(group).is_some());
        let wanted = group.as_ref().map(|group| changes(world, group, [].into_iter())).unwrap_or_default();
        if wanted.is_empty() {
            self.followed.remove(key);
            return;
        }
        self.plan(key, group, wanted, world.now());
        // A refusal here has no binding to be told of; it is tried again.
        if self.carry_out(world, key, result).is_err() {
            look_again(result, world.now() + RETRY_MS);
        }
    }

    /// Sets the time for changes that are new and forgets those that are not wanted any more.
    fn plan(&mut self, key: &ObjectKey, group: Option<String>, wanted: BTreeSet<Change>, now: Millis) {
        let followed = self.followed.entry(key.clone()).or_default();
        followed.group = group;
        followed.pending.retain(|change, _| wanted.contains(change));
        let spread = self.settings.delay_ms * self.settings.jitter_percent / 100;
        for change in wanted {
            let delay = self.settings.delay_ms + self.random.below(spread + 1);
            followed.pending.entry(change).or_insert(now + delay);
        }
    }

    /// Makes the calls that are due.
    fn carry_out(
        &mut self,
        world: &mut World,
        key: &ObjectKey,
        result: &mut Reconciled,
    ) -> Result<(), String> {
        let now = world.now();
        let Some(followed) = self.followed.get_mut(key) else { return Ok(()) };
        let Some(group) = followed.group.clone() else { return Ok(()) };
        let fault = self.faults.of(&key.1);
        let mut room = fault.room(registered(world, &group).count());
        let (mut register, mut deregister) = (vec![], vec![]);
        for (change, at) in &followed.pending {
            let Some(at) = fault.delayed(*at) else { continue };
            match change {
                Change::Status(_) => {}
                Change::Register(_) if room == 0 => {}
                _ if at > now => look_again(result, at),
                Change::Register(target) => {
                    room -= 1;
                    register.push(target.clone());
                }
                Change::Deregister(target) => deregister.push(target.clone()),
            }
        }
        for (operation, targets) in [("RegisterTargets", register), ("DeregisterTargets", deregister)] {
            for targets in targets.chunks(TARGETS_A_CALL) {
                let listed: Vec<Value> =
                    targets.iter().map(|(ip, port)| json!({"Id": ip, "Port": port})).collect();
                let input = json!({"TargetGroupArn": group, "Targets": listed});
                let refused = |refused: super::Refused| {
                    format!("{operation} was refused: {}: {}", refused.code, refused.message)
                };
                world.call("elbv2", operation, &input).map_err(refused)?;
                for target in targets {
                    followed.pending.remove(&Change::Register(target.clone()));
                    followed.pending.remove(&Change::Deregister(target.clone()));
                }
                let names: Vec<String> = targets.iter().map(|(ip, port)| format!("{ip}:{port}")).collect();
                result.done.push(format!("{operation} for {}/{}: {}", key.0, key.1, names.join(", ")));
            }
        }
        // The status comes last: it says that everything of this generation is done.
        let generation = followed.pending.iter().find_map(|(change, at)| match change {
            Change::Status(generation) => Some((*generation, fault.delayed(*at)?)),
            _ => None,
        });
        let alone = followed.pending.len() == 1;
        if let Some((generation, at)) = generation.filter(|_| alone) {
            if at > now {
                look_again(result, at);
            } else {
                followed.pending.remove(&Change::Status(generation));
                let (namespace, name) = key.clone();
                result.statuses.push(BindingStatus { namespace, name, observed_generation: generation });
            }
        }
        Ok(())
    }
}

/// What has to change until the group has these targets and no others. Draining ones count as gone.
fn changes<'a>(
    world: &World,
    group: &str,
    endpoints: impl Iterator<Item = &'a TargetKey>,
) -> BTreeSet<Change> {
    let there: BTreeSet<TargetKey> = registered(world, group).collect();
    let wanted: BTreeSet<TargetKey> = endpoints.cloned().collect();
    let missing = wanted.difference(&there).cloned().map(Change::Register);
    missing.chain(there.difference(&wanted).cloned().map(Change::Deregister)).collect()
}

fn registered(world: &World, group: &str) -> impl Iterator<Item = TargetKey> {
    let targets = world.target_health(group).into_iter().filter(|target| target.state != "draining");
    targets.map(|target| (target.ip, target.port))
}

fn look_again(result: &mut Reconciled, at: Millis) {
    result.next = Some(result.next.map_or(at, |next| next.min(at)));
}
