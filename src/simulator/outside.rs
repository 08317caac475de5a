//! The world's sides that sockets are given to: listeners, tasks and health checks.

use super::elb::record_outcome;
use super::{ListenerEndpoint, Millis, Probe, TaskEndpoint, TaskId, World, ecs, elb};

impl World {
    /// The listeners that must be reachable.
    pub fn listeners(&self) -> Vec<ListenerEndpoint> {
        let listeners = self.state.listeners.values();
        listeners
            .filter_map(|listener| {
                Some(ListenerEndpoint {
                    arn: listener.arn.clone(),
                    load_balancer_arn: listener.load_balancer.clone(),
                    dns_name: self.state.load_balancers.get(&listener.load_balancer)?.dns_name.clone(),
                    protocol: listener.protocol.clone(),
                    port: listener.port,
                })
            })
            .collect()
    }

    /// The tasks whose processes run.
    pub fn tasks(&self) -> Vec<TaskEndpoint> {
        let running = self.state.tasks.values().filter(|task| !task.exited);
        running
            .filter_map(|task| {
                let service = task.service.and_then(|id| self.state.services.get(&id));
                Some(TaskEndpoint {
                    id: task.id,
                    service: service.map(|service| service.name.clone()),
                    container: task.program.container.clone(),
                    image: task.program.image.clone(),
                    release: task.program.release.clone(),
                    behaviour: task.program.behaviour.clone(),
                    started_at: task.started_at?,
                    ports: task.program.ports.clone(),
                })
            })
            .collect()
    }

    /// The health checks due until `now`, each once ([`Probes::External`](super::Probes::External)).
    pub fn due_probes(&mut self, now: Millis) -> Vec<Probe> {
        self.advance(now);
        std::mem::take(&mut self.state.due_probes)
    }

    /// What became of a health check: the HTTP status (any for a TCP check), or `None` for no answer in time.
    pub fn probe_result(&mut self, now: Millis, id: u64, status: Option<u16>) {
        self.advance(now);
        let Some((group, key, epoch)) = self.state.open_probes.remove(&id) else { return };
        let Some(result) = self.state.target_groups.get(&group).map(|group| elb::judge(group, status)) else {
            return;
        };
        record_outcome(&mut self.state, &group, &key, epoch, result);
    }

    /// A task's process has ended by itself.
    pub fn task_exited(&mut self, now: Millis, task: TaskId, exit_code: i32) {
        self.advance(now);
        ecs::exit(&mut self.state, task, exit_code);
    }

    /// Gives a load balancer another DNS name.
    pub fn set_load_balancer_dns(&mut self, arn: &str, name: &str) {
        if let Some(lb) = self.state.load_balancers.get_mut(arn) {
            lb.dns_name = name.into();
        }
    }
}
