//! The load balancer controller under virtual time: Kubernetes and Elastic Load Balancing out of step.

use super::{LISTENER, START, shop};
use crate::simulator::load_balancer_controller::{
    ControllerFault, ControllerSettings, LoadBalancerController, Observed, Reconciled,
};
use crate::simulator::{Millis, Settings, World};
use serde_json::{Value, json};

/// Objects as a small API server would hold them.
struct Cluster {
    world: World,
    controller: LoadBalancerController,
    bindings: Vec<Value>,
    services: Vec<Value>,
    slices: Vec<Value>,
    pods: Vec<Value>,
    problems: Vec<String>,
}

const DELAY: Millis = 3_000;

impl Cluster {
    /// A Service and a TargetGroupBinding `web-blue`, and no pod yet.
    fn new() -> Cluster {
        let world = shop(Settings::default());
        let settings =
            ControllerSettings { delay_ms: DELAY, jitter_percent: 0, ..ControllerSettings::default() };
        Cluster {
            bindings: vec![binding(
                "web-blue",
                json!({"targetGroupARN": world.target_group_arn("web-blue")}),
            )],
            world,
            controller: LoadBalancerController::new(settings),
            services: vec![json!({"metadata": {"namespace": "shop", "name": "web-blue"},
                "spec": {"ports": [{"name": "metrics", "port": 9090}, {"name": "http", "port": 80, "targetPort": "web"}]}})],
            slices: vec![],
            pods: vec![],
            problems: vec![],
        }
    }

    /// Pods with these images: their addresses are 10.8.0.0, 10.8.0.1 …
    fn run(&mut self, images: &[&str]) {
        self.pods = images.iter().enumerate().map(|(n, image)| pod(n, image)).collect();
        let endpoints: Vec<Value> = (0..images.len()).map(|n| endpoint(n, true)).collect();
        self.slices = vec![slice("web-blue-1", endpoints)];
    }

    fn reconcile(&mut self) -> Reconciled {
        let observed = Observed {
            bindings: self.bindings.iter().collect(),
            services: self.services.iter().collect(),
            slices: self.slices.iter().collect(),
            pods: self.pods.iter().collect(),
        };
        let result = self.controller.reconcile(&mut self.world, &observed);
        for status in &result.statuses {
            let named = |binding: &&mut Value| binding["metadata"]["name"] == status.name.as_str();
            if let Some(binding) = self.bindings.iter_mut().find(named) {
                binding["status"] = json!({"observedGeneration": status.observed_generation});
            }
        }
        self.problems.extend(result.problems.iter().cloned());
        result
    }

    /// Lets time pass as the runner does: the controller looks when it said it would.
    fn pass(&mut self, span: Millis) -> Vec<String> {
        let end = self.world.now() + span;
        let mut done = vec![];
        loop {
            let result = self.reconcile();
            done.extend(result.done);
            match result.next.filter(|at| *at <= end) {
                Some(at) => self.world.advance(at),
                None => break self.world.advance(end),
            }
        }
        done
    }

    fn states(&self) -> Vec<(String, String)> {
        self.world.target_health("web-blue").into_iter().map(|t| (t.ip, t.state)).collect()
    }

    fn observed_generation(&self) -> Option<i64> {
        self.bindings[0].pointer("/status/observedGeneration").and_then(Value::as_i64)
    }
}

fn binding(name: &str, group: Value) -> Value {
    let mut made = json!({
        "metadata": {"namespace": "shop", "name": name, "generation": 1},
        "spec": {"serviceRef": {"name": name, "port": 80}, "targetType": "ip"},
    });
    for (field, value) in group.as_object().into_iter().flatten() {
        made["spec"][field] = value.clone();
    }
    made
}

fn slice(name: &str, endpoints: Vec<Value>) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": name, "labels": {"kubernetes.io/service-name": "web-blue"}},
        "addressType": "IPv4", "endpoints": endpoints,
        "ports": [{"name": "metrics", "port": 9090}, {"name": "http", "port": 8080, "protocol": "TCP"}],
    })
}

fn endpoint(n: usize, ready: bool) -> Value {
    json!({"addresses": [format!("10.8.0.{n}")], "conditions": {"ready": ready, "serving": true, "terminating": !ready},
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": format!("web-{n}")}})
}

fn pod(n: usize, image: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": format!("web-{n}"), "uid": format!("uid-{n}")},
        "spec": {"containers": [{"name": "sidecar", "image": "proxy:1"},
            {"name": "app", "image": image, "ports": [{"containerPort": 8080, "name": "web"}]}]},
        "status": {"phase": "Running", "podIP": format!("10.8.0.{n}")},
    })
}

fn targets(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states.iter().map(|(ip, state)| (ip.to_string(), state.to_string())).collect()
}

#[test]
fn ready_pods_become_targets_only_after_the_delay() {
    let mut cluster = Cluster::new();
    cluster.run(&["web:v1", "web:v1-unhealthy"]);
    assert_eq!(cluster.pass(DELAY - 1), Vec::<String>::new());
    assert_eq!((cluster.states(), cluster.observed_generation()), (vec![], None));
    let done = cluster.pass(1);
    assert_eq!(done, ["RegisterTargets for shop/web-blue: 10.8.0.0:8080, 10.8.0.1:8080"]);
    assert_eq!(cluster.states(), targets(&[("10.8.0.0", "initial"), ("10.8.0.1", "initial")]));
    assert_eq!(cluster.observed_generation(), Some(1));
    cluster.pass(60_000);
    assert_eq!(cluster.states(), targets(&[("10.8.0.0", "healthy"), ("10.8.0.1", "unhealthy")]));
    assert_eq!(cluster.world.route(START, LISTENER, "shop", "/").release(), Some("v1"));
    assert_eq!(cluster.pass(600_000), Vec::<String>::new(), "a cluster at rest costs no call");
    assert_eq!(cluster.problems, Vec::<String>::new());
}

#[test]
fn a_pod_that_is_gone_is_still_sent_requests_until_the_controller_notices() {
    let mut cluster = Cluster::new();
    cluster.run(&["web:v1", "web:v1"]);
    cluster.pass(60_000);
    cluster.run(&["web:v1"]);
    cluster.pass(1);
    let now = cluster.world.now();
    let statuses: Vec<u16> =
        (0..200).map(|_| cluster.world.route(now, LISTENER, "shop", "/").status()).collect();
    assert!(statuses.contains(&502) && statuses.contains(&200), "out of step");
    cluster.pass(DELAY);
    assert_eq!(cluster.states(), targets(&[("10.8.0.0", "healthy"), ("10.8.0.1", "draining")]));
    let now = cluster.world.now();
    assert!((0..200).all(|_| cluster.world.route(now, LISTENER, "shop", "/").status() == 200));
    cluster.pass(30_000);
    assert_eq!(cluster.states(), targets(&[("10.8.0.0", "healthy")]));
}

#[test]
fn a_terminating_pod_drains_while_it_still_answers() {
    let mut cluster = Cluster::new();
    cluster.run(&["web:v1", "web:v1"]);
    cluster.pass(60_000);
    cluster.slices = vec![slice("a", vec![endpoint(0, true)]), slice("b", vec![endpoint(1, false)])];
    cluster.pass(1_000);
    let now = cluster.world.now();
    assert!((0..200).all(|_| cluster.world.route(now, LISTENER, "shop", "/").status() == 200));
    cluster.pass(DELAY);
    assert_eq!(cluster.states()[1].1, "draining");
    cluster.slices = vec![slice("a", vec![endpoint(0, true), endpoint(1, true)])];
    cluster.pass(60_000);
    assert_eq!(cluster.states()[1].1, "healthy", "taken back when it is ready again");
}

#[test]
fn a_change_that_is_taken_back_before_its_time_makes_no_call() {
    let mut cluster = Cluster::new();
    cluster.run(&["web:v1"]);
    cluster.pass(60_000);
    cluster.slices = vec![];
    cluster.pass(DELAY - 1);
    cluster.run(&["web:v1"]);
    assert_eq!(cluster.pass(60_000), Vec::<String>::new());
    assert_eq!(cluster.states(), targets(&[("10.8.0.0", "healthy")]));
}

#[test]
fn a_stuck_a_late_and_a_partial_controller_leave_ready_pods_out() {
    let mut cluster = Cluster::new();
    cluster.controller.inject("*", ControllerFault::Stuck);
    cluster.run(&["web:v1", "web:v1", "web:v1"]);
    cluster.pass(600_000);
    assert_eq!((cluster.states().len(), cluster.observed_generation()), (0, None));
    cluster.controller.inject("web-blue", ControllerFault::Partial(2));
    cluster.pass(60_000);
    assert_eq!((cluster.world.healthy_targets("web-blue"), cluster.observed_generation()), (2, None));
    cluster.controller.inject("web-blue", ControllerFault::None);
    cluster.pass(60_000);
    assert_eq!((cluster.world.healthy_targets("web-blue"), cluster.observed_generation()), (3, Some(1)));
    cluster.controller.inject("web-blue", ControllerFault::Late(20_000));
    cluster.run(&["web:v1"]);
    cluster.pass(DELAY + 19_999);
    assert_eq!(cluster.states().iter().filter(|(_, state)| state == "draining").count(), 0);
    cluster.pass(1);
    assert_eq!(cluster.states().iter().filter(|(_, state)| state == "draining").count(), 2);
}

#[test]
fn a_deleted_service_or_binding_takes_its_targets_out() {
    for what in ["service", "binding", "binding going"] {
        let mut cluster = Cluster::new();
        cluster.run(&["web:v1"]);
        cluster.pass(60_000);
        match what {
            "service" => cluster.services.clear(),
            "binding" => cluster.bindings.clear(),
            _ => cluster.bindings[0]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        }
        cluster.pass(DELAY);
        assert_eq!(cluster.states(), targets(&[("10.8.0.0", "draining")]), "{what}");
        cluster.pass(60_000);
        assert_eq!(cluster.states(), [], "{what}");
    }
}

#[test]
fn a_binding_may_name_its_group_and_port_and_a_new_generation_is_acknowledged() {
    let mut cluster = Cluster::new();
    cluster.bindings = vec![binding("web-blue", json!({"targetGroupName": "web-blue"}))];
    cluster.bindings[0]["spec"]["serviceRef"]["port"] = json!("http");
    cluster.run(&["web:v1"]);
    cluster.pass(60_000);
    assert_eq!((cluster.world.healthy_targets("web-blue"), cluster.observed_generation()), (1, Some(1)));
    cluster.bindings[0]["metadata"]["generation"] = json!(2);
    cluster.pass(DELAY - 1);
    assert_eq!(cluster.observed_generation(), Some(1));
    cluster.pass(1);
    assert_eq!(cluster.observed_generation(), Some(2));
}

#[test]
fn what_cannot_be_followed_is_said_once_and_touches_nothing() {
    let mut cluster = Cluster::new();
    cluster.run(&["web:v1"]);
    cluster.pass(60_000);
    let good = cluster.bindings[0].clone();
    let mut instance = binding("other", json!({"targetGroupName": "idle"}));
    instance["spec"]["targetType"] = json!("instance");
    let twice = binding("twice", json!({"targetGroupName": "web-blue"}));
    let no_group = binding("no-group", json!({}));
    let unknown = binding("unknown", json!({"targetGroupName": "absent"}));
    cluster.bindings = vec![good, instance, twice, no_group, unknown];
    cluster.pass(60_000);
    for word in ["only ip", "another binding", "neither", "no target group absent"] {
        let said = cluster.problems.iter().filter(|problem| problem.contains(word)).count();
        assert_eq!(said, 1, "{word}: {:?}", cluster.problems);
    }
    cluster.services[0]["spec"]["ports"] = json!([{"name": "other", "port": 81}]);
    cluster.pass(60_000);
    assert!(cluster.problems.iter().any(|problem| problem.contains("has no port 80")));
    assert_eq!(cluster.states(), targets(&[("10.8.0.0", "healthy")]), "not knowing is not absence");
}

#[test]
fn objects_of_any_shape_are_survived() {
    let mut cluster = Cluster::new();
    let strange = [
        json!(null),
        json!([]),
        json!({"metadata": 3, "spec": []}),
        json!({"spec": {"serviceRef": {"name": 1}}}),
    ];
    for value in &strange {
        cluster.bindings.push(value.clone());
        cluster.services.push(value.clone());
        cluster.slices.push(value.clone());
        cluster.pods.push(value.clone());
    }
    cluster
        .slices
        .push(slice("bad", vec![json!({"addresses": "x"}), json!({"addresses": [1, "not an ip"]})]));
    cluster.pass(60_000);
    assert_eq!(cluster.states(), []);
    assert!(
        cluster.problems.iter().any(|problem| problem.contains("ValidationError")),
        "{:?}",
        cluster.problems
    );
}
