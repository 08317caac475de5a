//! Everything that is in the account, and the steps that happen by themselves.

use super::autoscale::{self, Autoscaler};
use super::autotag::{self, AutoTag};
use super::ecs::{self, Cluster, Family, Instance, Service, Task};
use super::elb::{self, External, Listener, LoadBalancer, TargetGroup};
use super::queue::{Event, Queue, ServiceId, TargetKey};
use super::random::Random;
use super::{Millis, Probe, Settings, TaskId};
use crate::simulator::cloudwatch::Alarm;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// The account. Cloning it makes a snapshot.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub settings: Arc<Settings>,
    pub now: Millis,
    /// Delays are left out: the initial world is made ready at once.
    pub instant: bool,
    pub random: Random,
    /// Ids that the next load balancers, target groups, listeners and rules get instead of random ones.
    pub planned_ids: VecDeque<String>,
    pub queue: Queue,
    pub counter: u64,
    pub clusters: BTreeMap<String, Cluster>,
    pub families: BTreeMap<String, Family>,
    pub services: BTreeMap<ServiceId, Service>,
    /// The newest service of a name, by cluster and service name.
    pub service_names: BTreeMap<(String, String), ServiceId>,
    pub client_tokens: BTreeMap<String, ServiceId>,
    pub tasks: BTreeMap<TaskId, Task>,
    /// The EC2 machines of all clusters.
    pub instances: Vec<Arc<Instance>>,
    pub load_balancers: BTreeMap<String, LoadBalancer>,
    pub target_groups: BTreeMap<String, TargetGroup>,
    pub listeners: BTreeMap<String, Listener>,
    /// What was said about addresses that ECS did not give out.
    pub externals: BTreeMap<TargetKey, External>,
    pub alarms: BTreeMap<String, Alarm>,
    /// What strangers do by themselves.
    pub auto_tag: Option<AutoTag>,
    pub autoscalers: BTreeMap<ServiceId, Autoscaler>,
    pub task_capacity: usize,
    /// Tasks that occupy room.
    pub tasks_alive: usize,
    pub tasks_started: u64,
    /// Health checks that someone else must make.
    pub due_probes: Vec<Probe>,
    /// Health checks handed out and not answered: group, target and the target's epoch.
    pub open_probes: BTreeMap<u64, (String, TargetKey, u32)>,
}

impl State {
    pub fn new(settings: Settings, now: Millis) -> State {
        State {
            now,
            instant: false,
            random: Random::new(settings.seed, 1),
            planned_ids: VecDeque::new(),
            queue: Queue::default(),
            counter: 0,
            clusters: BTreeMap::new(),
            families: BTreeMap::new(),
            services: BTreeMap::new(),
            service_names: BTreeMap::new(),
            client_tokens: BTreeMap::new(),
            tasks: BTreeMap::new(),
            instances: vec![],
            load_balancers: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            listeners: BTreeMap::new(),
            externals: BTreeMap::new(),
            alarms: BTreeMap::new(),
            auto_tag: None,
            autoscalers: BTreeMap::new(),
            task_capacity: settings.task_capacity,
            tasks_alive: 0,
            tasks_started: 0,
            due_probes: vec![],
            open_probes: BTreeMap::new(),
            settings: Arc::new(settings),
        }
    }

    /// `arn:aws:<service>:<region>:<account>:<rest>`.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.settings.region, self.settings.account)
    }

    /// A number that was not given out before.
    pub fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// The last part of an ELBv2 ARN.
    pub fn elb_id(&mut self) -> String {
        self.planned_ids.pop_front().unwrap_or_else(|| self.random.hex(16))
    }

    /// Puts an event `delay` ahead, or at once while the initial world is made.
    pub fn later(&mut self, delay: Millis, event: Event) {
        let delay = if self.instant { 0 } else { delay };
        self.queue.push(self.now + delay, event);
    }

    /// A delay with the random part that tasks have.
    pub fn jittered(&mut self, delay: Millis) -> Millis {
        let spread = delay * self.settings.jitter_percent / 100;
        delay + self.random.below(spread + 1)
    }

    /// Lets everything happen that is due until `now`.
    pub fn advance(&mut self, now: Millis) {
        while let Some((at, event)) = self.queue.pop(now.max(self.now)) {
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Reconcile(service) => ecs::reconcile(self, service),
            Event::TaskStep { task, epoch } => ecs::step(self, task, epoch),
            Event::Register(task) => ecs::register_targets(self, task),
            Event::Crash(task) => ecs::exit(self, task, 1),
            Event::Kill(task) => ecs::kill(self, task),
            Event::Tag(arn) => autotag::tag(self, &arn),
            Event::Autoscale(service) => autoscale::look(self, service),
            Event::Forget(task) => {
                self.tasks.remove(&task);
            }
            Event::Probe { group, target, epoch } => elb::probe(self, &group, &target, epoch),
            Event::Drained { group, target, epoch } => elb::drained(self, &group, &target, epoch),
            Event::Propagate { listener, version, rules } => {
                if let Some(listener) = self.listeners.get_mut(&listener)
                    && listener.live_version < version
                {
                    listener.live_version = version;
                    listener.live = rules;
                }
            }
        }
    }
}
