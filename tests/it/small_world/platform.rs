//! What a slot's members look like from outside: how many targets are healthy, and who they are.

use super::state::{Kind, Service, State};
use cutover::model::{BySlot, Slot};
use cutover::rollout::Targets;
use std::collections::BTreeSet;

/// Where the workload runs, and what moves its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// ECS registers its tasks itself: what is healthy is what runs and answers.
    Ecs,
    /// Pods behind an ALB. A controller registers them so many seconds after they are ready, and takes them out so many
    /// seconds after they are gone.
    Pods { lag: u64 },
    /// Pods behind a Service whose selector is switched: all or nothing, and what is ready is healthy.
    Selector,
}

impl Platform {
    /// The shares that traffic can have.
    pub fn knows_shares(self) -> bool {
        self != Platform::Selector
    }

    /// True for tasks that would answer a request.
    fn is_up(service: &Service, at: usize, now: u64, kinds: &[Kind]) -> bool {
        let task = &service.tasks[at];
        let good = matches!(kinds[service.version], Kind::Good | Kind::RingsAlarm);
        good && now >= task.started + task.ready_after
    }

    /// A load balancer checks the targets that a rule names; a slot's own Service has its endpoints anyway.
    fn looks_at(self, state: &State, slot: Slot) -> bool {
        self == Platform::Selector || state.names(slot)
    }

    /// What the platform holds for ready. Behind an ALB that says little: a pod without a probe is ready at once, also if
    /// it never answers.
    fn is_ready(self, service: &Service, at: usize, now: u64, kinds: &[Kind]) -> bool {
        let unprobed = matches!(self, Platform::Pods { .. }) && kinds[service.version] == Kind::NeverHealthy;
        (unprobed && now > service.tasks[at].started) || Platform::is_up(service, at, now, kinds)
    }

    fn is_healthy(self, service: &Service, at: usize, now: u64, kinds: &[Kind]) -> bool {
        let lag = if let Platform::Pods { lag } = self { lag } else { 0 };
        let registered = now >= service.tasks[at].started + service.tasks[at].ready_after + lag;
        registered && service.tasks[at].down_until <= now && Platform::is_up(service, at, now, kinds)
    }

    /// Healthy targets and tasks that can answer a request, of a slot.
    pub fn healthy(self, state: &State, slot: Slot, now: u64, kinds: &[Kind]) -> (u32, u32) {
        let Some(service) = state.slots.get(slot) else { return (0, 0) };
        let count = |test: &dyn Fn(usize) -> bool| {
            u32::try_from((0..service.tasks.len()).filter(|at| test(*at)).count()).unwrap_or(0)
        };
        let up = count(&|at| Platform::is_up(service, at, now, kinds));
        let healthy = count(&|at| self.is_healthy(service, at, now, kinds));
        (if self.looks_at(state, slot) { healthy } else { 0 }, up)
    }

    /// The addresses of a slot's ready members, where the platform tells.
    pub fn addresses(self, state: &State, slot: Slot, now: u64, kinds: &[Kind]) -> Option<BTreeSet<String>> {
        let service = state.slots.get(slot).as_ref()?;
        let ready = (0..service.tasks.len()).filter(|at| self.is_ready(service, *at, now, kinds));
        (self != Platform::Ecs).then(|| ready.map(|at| address(service.tasks[at].number)).collect())
    }

    /// The targets as they are counted, and who the healthy ones are.
    pub fn targets(
        self,
        state: &State,
        now: u64,
        kinds: &[Kind],
    ) -> (BySlot<Targets>, BySlot<BTreeSet<String>>) {
        let mut healthy: BySlot<BTreeSet<String>> = BySlot::default();
        let targets = BySlot::from_fn(|slot| {
            let Some(service) = state.slots.get(slot) else { return Targets::default() };
            let counted = self.healthy(state, slot, now, kinds).0;
            let down = service.count - counted.min(service.count);
            if self == Platform::Ecs {
                return Targets { healthy: counted, unhealthy: down, ..Targets::default() };
            }
            let members = (0..service.tasks.len()).filter(|at| self.is_healthy(service, *at, now, kinds));
            let mut addresses: BTreeSet<String> =
                members.map(|at| address(service.tasks[at].number)).collect();
            // Pods that are gone, but not yet from the target group.
            let lag = if let Platform::Pods { lag } = self { lag } else { 0 };
            addresses.extend(service.gone.iter().filter(|(_, at)| now < at + lag).map(|(n, _)| address(*n)));
            if !self.looks_at(state, slot) {
                addresses.clear();
            }
            let healthy_count = u32::try_from(addresses.len()).unwrap_or(0);
            *healthy.get_mut(slot) = addresses;
            Targets { healthy: healthy_count, unhealthy: down, ..Targets::default() }
        });
        (targets, healthy)
    }
}

fn address(number: u64) -> String {
    format!("10.0.{}.{}:8080", number / 256 % 256, number % 256)
}
