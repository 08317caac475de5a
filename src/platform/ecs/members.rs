//! Members of a slot: the addresses under which its running tasks are registered in its target group.
//!
//! Costs, in calls: a poll that sees the same healthy targets and the same deployments as the one before costs none. A
//! change of either costs one ListTasks and one DescribeTasks for each hundred tasks and, on EC2 machines, one
//! DescribeContainerInstances for each hundred machines that this run has not met. While a healthy target is nobody's
//! that is known here, the same is asked again every [`READ_AGAIN_AFTER`], since lists of tasks lag behind.

use super::live::{balancers, items, primary, text};
use super::read::Purpose;
use super::{Ecs, LiveService, ServiceStatus};
use crate::aws::{Conduct, EcsOperation};
use crate::engine::{Rollout, Trouble};
use crate::model::Slot;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How soon tasks are read again while healthy targets are unaccounted for.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// DescribeTasks and DescribeContainerInstances take no more, ListTasks gives no more.
const A_CALL: usize = 100;
/// A service runs at most 5000 tasks.
const PAGE_LIMIT: usize = 100;

/// Addresses of tasks, by service, as they were last read; and machines, which keep their names.
#[derive(Default)]
pub(super) struct Members {
    of: Mutex<HashMap<String, Known>>,
    /// EC2 instance ids by ARN of the container instance.
    machines: Mutex<HashMap<String, String>>,
}

impl Members {
    /// After one of our writes nothing known of tasks counts any more.
    pub(super) fn forget(&self) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Which of the targets that were healthy are the service's own.
struct Known {
    at: Instant,
    /// The deployments of that time: a new one has new members.
    deployments: Vec<String>,
    healthy: BTreeSet<String>,
    own: BTreeSet<String>,
}

impl Known {
    fn tells(&self, deployments: &[String], healthy: &BTreeSet<String>) -> bool {
        let is_whole = self.own.len() == self.healthy.len();
        self.deployments == deployments
            && self.healthy == *healthy
            && (is_whole || self.at.elapsed() < READ_AGAIN_AFTER)
    }
}

impl Ecs {
    /// Those of a slot's `healthy` targets that are running tasks of the slot's own live service. While a service is being
    /// updated only tasks of its PRIMARY deployment are: the others run what ran before.
    pub(super) async fn own_targets_of(
        &self,
        rollout: &Rollout,
        slot: Slot,
        healthy: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Trouble> {
        let name = rollout.slot_name(slot);
        // What the observation around this has read.
        let service = self.read_for(Purpose::Hint, [name.clone()]).await?.remove(&name);
        let Some(service) = service.filter(|service| service.status == ServiceStatus::Active) else {
            return Ok(BTreeSet::new());
        };
        // Whichever of its groups the health was read from, a target is known by its address.
        let ports = ports(&service.json);
        if healthy.is_empty() || ports.is_empty() {
            return Ok(BTreeSet::new());
        }
        let deployments = deployments(&service.json);
        {
            let of = self.members.of.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = of.get(&name).filter(|known| known.tells(&deployments, healthy)) {
                return Ok(known.own.clone());
            }
        }
        let running = self.running_tasks(&service).await?;
        let machines = self.machines_of(&running).await?;
        let addresses = running.iter().flat_map(|task| addresses(task, &ports, &machines));
        let own: BTreeSet<String> = addresses.filter(|address| healthy.contains(address)).collect();
        let known = Known { at: Instant::now(), deployments, healthy: healthy.clone(), own: own.clone() };
        self.members.of.lock().unwrap_or_else(PoisonError::into_inner).insert(name, known);
        Ok(own)
    }

    /// The service's running tasks; of one with several deployments those of the PRIMARY one.
    async fn running_tasks(&self, service: &LiveService) -> Result<Vec<Value>, Trouble> {
        let mut running = vec![];
        let arns = self.list_running(&service.name).await?;
        for chunk in arns.chunks(A_CALL) {
            let body = json!({"cluster": self.cluster, "tasks": chunk});
            let operation = EcsOperation::DescribeTasks;
            let answer = self.aws.ecs(operation, Conduct::Evidence, &service.name, &body).await?;
            let chunk: Vec<&str> = chunk.iter().map(String::as_str).collect();
            told_of(&answer, "tasks", "taskArn", &chunk)
                .map_err(|sentence| self.unreadable(operation.name(), &sentence))?;
            running.extend(items(&answer, "tasks").filter(|task| is_member(task, &service.json)).cloned());
        }
        Ok(running)
    }

    async fn list_running(&self, service: &str) -> Result<Vec<String>, Trouble> {
        let operation = EcsOperation::ListTasks;
        let mut arns = vec![];
        let mut token: Option<String> = None;
        for _ in 0..PAGE_LIMIT {
            let mut body = json!({"cluster": self.cluster, "serviceName": service, "desiredStatus": "RUNNING",
                "maxResults": A_CALL});
            if let Some(token) = token.take() {
                body["nextToken"] = token.into();
            }
            let answer = self.aws.ecs(operation, Conduct::Evidence, service, &body).await?;
            if !answer.get("taskArns").is_some_and(Value::is_array) {
                return Err(self.unreadable(operation.name(), "the answer has no taskArns"));
            }
            arns.extend(items(&answer, "taskArns").filter_map(Value::as_str).map(ToOwned::to_owned));
            token = text(&answer, "nextToken").filter(|token| !token.is_empty()).map(ToOwned::to_owned);
            if token.is_none() {
                return Ok(arns);
            }
        }
        Err(self.unreadable(operation.name(), "the list does not end"))
    }

    /// The EC2 instances, by ARN of the container instance, that these tasks run on.
    async fn machines_of(&self, tasks: &[Value]) -> Result<HashMap<String, String>, Trouble> {
        let wanted: BTreeSet<&str> =
            tasks.iter().filter_map(|task| text(task, "containerInstanceArn")).collect();
        let mut found: HashMap<String, String> = {
            let known = self.members.machines.lock().unwrap_or_else(PoisonError::into_inner);
            let known = wanted.iter().filter_map(|arn| Some(((*arn).to_owned(), known.get(*arn)?.clone())));
            known.collect()
        };
        let unknown: Vec<&str> = wanted.into_iter().filter(|arn| !found.contains_key(*arn)).collect();
        for chunk in unknown.chunks(A_CALL) {
            let body = json!({"cluster": self.cluster, "containerInstances": chunk});
            let operation = EcsOperation::DescribeContainerInstances;
            let answer = self.aws.ecs(operation, Conduct::Evidence, &self.cluster, &body).await?;
            told_of(&answer, "containerInstances", "containerInstanceArn", chunk)
                .map_err(|sentence| self.unreadable(operation.name(), &sentence))?;
            let described = items(&answer, "containerInstances").filter_map(|machine| {
                let id = text(machine, "ec2InstanceId")?.to_owned();
                Some((text(machine, "containerInstanceArn")?.to_owned(), id))
            });
            found.extend(described);
        }
        let mut known = self.members.machines.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(found.clone());
        Ok(found)
    }
}

/// Passes if the answer describes each of the `asked` ARNs, or says that it is MISSING: whose members could not be told
/// would look like one without healthy targets.
fn told_of(answer: &Value, list: &str, key: &str, asked: &[&str]) -> Result<(), String> {
    let described: BTreeSet<&str> = items(answer, list).filter_map(|one| text(one, key)).collect();
    let missing = |failure: &&Value| text(failure, "reason") == Some("MISSING");
    let missing: BTreeSet<&str> =
        items(answer, "failures").filter(missing).filter_map(|failure| text(failure, "arn")).collect();
    match asked.iter().find(|arn| !described.contains(*arn) && !missing.contains(*arn)) {
        None => Ok(()),
        Some(arn) => Err(format!("the answer neither describes {arn} nor says that it is missing")),
    }
}

/// Container and port of each entry of `loadBalancers`.
fn ports(service: &Value) -> Vec<(&str, u64)> {
    balancers(service)
        .filter_map(|entry| Some((text(entry, "containerName")?, entry.get("containerPort")?.as_u64()?)))
        .collect()
}

fn deployments(service: &Value) -> Vec<String> {
    items(service, "deployments").filter_map(|one| text(one, "id")).map(ToOwned::to_owned).collect()
}

fn is_member(task: &Value, service: &Value) -> bool {
    let is_running = text(task, "lastStatus") == Some("RUNNING");
    let several = items(service, "deployments").count() > 1;
    // Whatever deployment started it: one that is forced runs the same as before.
    let is_current = || {
        let revision = primary(service).and_then(|primary| text(primary, "taskDefinition"));
        revision.is_some() && text(task, "taskDefinitionArn") == revision
    };
    is_running && (!several || is_current())
}

/// The targets (`id:port`, as the load balancer names them) that a task stands for: its own addresses with the
/// container's port (`awsvpc`), or its machine with the host port (`bridge`, `host`).
fn addresses(task: &Value, ports: &[(&str, u64)], machines: &HashMap<String, String>) -> Vec<String> {
    let machine = text(task, "containerInstanceArn").and_then(|arn| machines.get(arn));
    let interfaces: BTreeSet<&str> = items(task, "containers")
        .flat_map(|container| items(container, "networkInterfaces"))
        .flat_map(|interface| [text(interface, "privateIpv4Address"), text(interface, "ipv6Address")])
        .chain(items(task, "attachments").flat_map(|one| items(one, "details")).map(|detail| {
            let is_address = matches!(text(detail, "name"), Some("privateIPv4Address"));
            text(detail, "value").filter(|_| is_address)
        }))
        .flatten()
        .collect();
    let mut found = vec![];
    for (name, port) in ports {
        found.extend(interfaces.iter().map(|address| format!("{address}:{port}")));
        let containers = items(task, "containers").filter(|one| text(one, "name") == Some(*name));
        let bindings = containers.flat_map(|container| items(container, "networkBindings"));
        let bound = bindings.filter(|one| one.get("containerPort").and_then(Value::as_u64) == Some(*port));
        let host_ports = bound.filter_map(|binding| binding.get("hostPort")?.as_u64());
        found.extend(host_ports.filter_map(|host_port| Some(format!("{}:{host_port}", machine?))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_stands_for_its_own_address_or_for_its_machine_with_the_host_port() {
        let ports = [("app", 8080)];
        let machines = HashMap::from([("arn:ci/1".to_owned(), "i-1".to_owned())]);
        let own = json!({"containers": [{"name": "app",
            "networkInterfaces": [{"privateIpv4Address": "10.0.0.7", "ipv6Address": "fd00::7"}]}]});
        assert_eq!(addresses(&own, &ports, &machines), ["10.0.0.7:8080", "fd00::7:8080"]);
        let attached = json!({"attachments": [{"details": [{"name": "subnetId", "value": "subnet-a"},
            {"name": "privateIPv4Address", "value": "10.0.0.8"}]}]});
        assert_eq!(addresses(&attached, &ports, &machines), ["10.0.0.8:8080"]);
        let bridge = json!({"containerInstanceArn": "arn:ci/1", "containers": [
            {"name": "app", "networkBindings": [{"containerPort": 8080, "hostPort": 32768},
                {"containerPort": 9090, "hostPort": 32769}]},
            {"name": "proxy", "networkBindings": [{"containerPort": 8080, "hostPort": 32770}]}]});
        assert_eq!(addresses(&bridge, &ports, &machines), ["i-1:32768"]);
        assert!(addresses(&bridge, &ports, &HashMap::new()).is_empty());
    }

    #[test]
    fn what_an_answer_says_nothing_of_is_not_taken_for_gone() {
        let told = |answer: Value| told_of(&answer, "tasks", "taskArn", &["a", "b"]);
        let failure = |reason: &str| json!([{"arn": "b", "reason": reason}]);
        assert_eq!(told(json!({"tasks": [{"taskArn": "a"}, {"taskArn": "b"}]})), Ok(()));
        assert_eq!(told(json!({"tasks": [{"taskArn": "a"}], "failures": failure("MISSING")})), Ok(()));
        assert!(told(json!({"tasks": [{"taskArn": "a"}], "failures": failure("ACCESS_DENIED")})).is_err());
        assert!(told(json!({"tasks": [{"taskArn": "a"}]})).is_err());
        assert!(told(json!({})).is_err());
    }

    #[test]
    fn while_a_service_is_updated_only_tasks_of_the_primary_revision_are_members() {
        let deployment = |id: &str, status: &str| json!({"taskDefinition": id, "status": status});
        let task = |by: &str, status: &str| json!({"taskDefinitionArn": by, "lastStatus": status});
        let updating = json!({"deployments": [deployment("d2", "PRIMARY"), deployment("d1", "ACTIVE")]});
        assert!(is_member(&task("d2", "RUNNING"), &updating));
        assert!(!is_member(&task("d1", "RUNNING"), &updating));
        assert!(!is_member(&task("d2", "PENDING"), &updating));
        let settled = json!({"deployments": [deployment("d2", "PRIMARY")]});
        assert!(is_member(&task("d1", "RUNNING"), &settled));
    }
}
