//! What is enumerated: a way to a starting point, and the commit whose sync is disturbed at every write.

use crate::account::{Process, RULE, RULE_2, START, Shop, Wire, Worker, connect, paused, seed};
use cutover::engine::{Deployment, Event, Verdict};
use cutover::rollout::{Action, Phase};
use cutover::simulator::{Settings, World};
use serde_json::json;
use std::sync::LazyLock;
use std::time::Duration;

/// One scenario, ready to be played any number of times.
pub struct Scenario {
    pub name: String,
    /// The account as the disturbed sync finds it.
    pub world: World,
    pub deployment: Deployment,
    pub verdict: Verdict,
    pub hosts: Vec<&'static str>,
    /// Requests were answered before already.
    pub served: bool,
    pub forbidden: &'static [&'static str],
    /// The number of tasks ever started is the same on every way.
    pub counts_tasks: bool,
    /// A release whose tasks run already and must be the same ones at the end.
    pub warm: Option<&'static str>,
    /// An alarm rings as soon as a request reaches this release.
    pub rings: Option<&'static str>,
    /// Another sync afterwards writes nothing.
    pub comes_to_rest: bool,
}

/// Tells the event at which a process is stopped.
type Moment = fn(&Event) -> bool;
/// A sync of a commit up to a moment.
type Step<'a> = (&'a Shop, Moment);

/// The moments of a rollout at which the next commit comes.
const MOMENTS: [(&str, Moment); 5] = [
    ("preparing", |event| {
        matches!(event, Event::Wrote { action: Action::UpdateSlot { .. } | Action::CreateSlot { .. }, .. })
    }),
    ("gating", |event| matches!(event, Event::Phase { phase: Phase::Gating, .. })),
    ("shifting", |event| matches!(event, Event::Wrote { action: Action::SetWeights { .. }, .. })),
    ("baking", |event| matches!(event, Event::Phase { phase: Phase::Baking, .. })),
    ("done", |_| false),
];

fn empty_account(seed_text: &str) -> World {
    // Tasks are quick: what is shown does not depend on it, and the rounds of waiting cost.
    let settings = Settings {
        scheduler_delay_ms: 100,
        provision_delay_ms: 300,
        start_delay_ms: 800,
        activate_delay_ms: 200,
        register_delay_ms: 200,
        first_probe_delay_ms: 300,
        ..Settings::default()
    };
    let mut world = World::new(settings, START);
    world.load_seed(seed_text).expect("the seed is right");
    world
}

/// Syncs one commit after the other, each up to the event that its test holds for, and lets `rest` pass after each.
fn history(world: World, commits: &[Step<'_>], rest: u64) -> World {
    paused(async {
        let wire = Wire::new(connect(world));
        for (shop, stop_at) in commits {
            let process = Process::new(&wire, Some(stop_at));
            let report = process.run(&shop.deployment()).await.expect("a sync");
            assert!(
                matches!(report.verdict, Verdict::Done | Verdict::Stopped),
                "{:?}\n{}",
                report.results,
                process.said.borrow().join("\n")
            );
            tokio::time::sleep(Duration::from_secs(rest)).await;
        }
        let mut world = wire.connector.world().clone();
        world.calls_mut().clear();
        world
    })
}

fn scenario(name: &str, world: World, shop: &Shop) -> Scenario {
    let second = shop.rules.contains(&RULE_2);
    Scenario {
        name: name.into(),
        world,
        deployment: shop.deployment(),
        verdict: Verdict::Done,
        hosts: if second { vec!["shop.example", "www.shop.example"] } else { vec!["shop.example"] },
        served: true,
        forbidden: &[],
        counts_tasks: true,
        warm: None,
        rings: None,
        comes_to_rest: true,
    }
}

/// Every scenario, in a fixed order; made once.
pub fn scenarios() -> &'static [Scenario] {
    static SCENARIOS: LazyLock<Vec<Scenario>> = LazyLock::new(all_scenarios);
    &SCENARIOS
}

fn all_scenarios() -> Vec<Scenario> {
    let never: Moment = |_| false;
    let empty = empty_account(&seed(&[RULE]));
    let empty_two = empty_account(&seed(&[RULE, RULE_2]));
    let shop = Shop::default();
    let gated = Shop { gated: true, ..shop.clone() };
    let two_rules = Shop { rules: vec![RULE, RULE_2], ..shop.clone() };
    let live = history(empty.clone(), &[(&shop, never)], 60);
    let live_two = history(empty_two.clone(), &[(&two_rules, never)], 60);
    let stepped = Shop {
        steps: "[{weight: 10, hold: 4s}, {weight: 50, hold: 4s}, {weight: 100}]",
        ..two_rules.clone()
    };
    let mut all = vec![
        Scenario { served: false, ..scenario("first deploy", empty.clone(), &gated) },
        Scenario { served: false, ..scenario("first deploy, two rules", empty_two.clone(), &two_rules) },
        scenario("update", live.clone(), &gated.at("v2-slow4")),
        scenario("update, two rules", live_two.clone(), &two_rules.at("v2-slow4")),
        scenario("stepped update", live_two.clone(), &stepped.at("v2")),
        scenario(
            "update of a slot that was used before",
            history(empty.clone(), &[(&shop, never), (&shop.at("v2"), never)], 60),
            &shop.at("v3-slow4"),
        ),
        scenario(
            "update that makes a slot's service anew",
            history(empty.clone(), &[(&shop, never), (&shop.at("v2"), never)], 60),
            &Shop { launch_type: "EC2", ..shop.at("v3") },
        ),
        scenario("more tasks", live.clone(), &Shop { count: 3, ..shop.clone() }),
    ];
    all.extend(failures(&shop, &live));
    all.extend(letting_go(&shop, &empty));
    all.extend(next_commits(&empty_two));
    all.extend(adoptions(&shop));
    all.extend(rolling(&shop, &empty));
    all
}

/// Updates that never pass their gate, and one that fails with weight.
fn failures(shop: &Shop, live: &World) -> Vec<Scenario> {
    let failing = |name: &str, image: &'static str, forbidden: &'static [&'static str]| Scenario {
        verdict: Verdict::Failed,
        forbidden,
        counts_tasks: false,
        ..scenario(name, live.clone(), &Shop { deadline: "12s", ..shop.at(image) })
    };
    let breaker = "  deploymentConfiguration: {deploymentCircuitBreaker: {enable: true, rollback: false}}\n";
    let steps = "[{weight: 50, hold: 10s}, {weight: 100}]";
    vec![
        Scenario {
            deployment: Shop { gated: true, bake: "20s", ..shop.at("v2") }.deployment(),
            rings: Some("v2"),
            warm: Some("v1"),
            ..failing("failed update: alarm in the bake", "v2", &[])
        },
        Scenario {
            deployment: Shop { gated: true, steps, ..shop.at("v2") }.deployment(),
            rings: Some("v2"),
            warm: Some("v1"),
            ..failing("failed update: alarm at the first step", "v2", &[])
        },
        failing("failed update: never healthy", "v2-unhealthy", &["v2-unhealthy"]),
        failing("failed update: crash loop", "v2-crash3", &["v2-crash3"]),
        Scenario {
            deployment: Shop { deadline: "25s", gated: true, ..shop.at("v2-errors") }.deployment(),
            ..failing("failed update: HTTP gate", "v2-errors", &["v2-errors"])
        },
        Scenario {
            deployment: Shop { service: breaker, deadline: "2m", ..shop.at("v2-missing") }.deployment(),
            ..failing("failed update: circuit breaker", "v2-missing", &["v2-missing"])
        },
    ]
}

/// The old side is let go once it has been kept long enough.
fn letting_go(shop: &Shop, empty: &World) -> Vec<Scenario> {
    let never: Moment = |_| false;
    let short = Shop { keep: "5m", ..shop.clone() };
    let world = history(empty.clone(), &[(&short, never), (&short.at("v2"), never)], 400);
    vec![scenario("the previous version is let go", world, &short.at("v2"))]
}

/// A revert and a third version, at every moment of an update.
fn next_commits(empty: &World) -> Vec<Scenario> {
    let never: Moment = |_| false;
    let shop = Shop {
        steps: "[{weight: 50, hold: 10s}, {weight: 100}]",
        bake: "90s",
        rules: vec![RULE, RULE_2],
        ..Shop::default()
    };
    let mut all = vec![];
    for (moment, stop_at) in MOMENTS {
        let world = history(empty.clone(), &[(&shop, never), (&shop.at("v2"), stop_at)], 0);
        all.push(Scenario {
            warm: Some("v1"),
            ..scenario(&format!("revert while {moment}"), world.clone(), &shop)
        });
        all.push(scenario(
            &format!("new commit while {moment}"),
            world,
            &Shop { bake: "10s", ..shop.at("v3") },
        ));
    }
    all
}

/// A service that somebody made by hand and that serves already.
fn adoptions(shop: &Shop) -> Vec<Scenario> {
    let mut world = empty_account(&seed(&[RULE_2]));
    world
        .apply_seed(&json!({
            "taskDefinitions": [{"family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
                "cpu": "256", "memory": "512", "containerDefinitions": [{"name": "app",
                "image": "registry.example/shop/web:v1", "portMappings": [{"containerPort": 8080}]}]}],
            "services": [{"cluster": "prod", "serviceName": "web", "taskDefinition": "web", "desiredCount": 2,
                "launchType": "FARGATE", "tags": [{"key": "team", "value": "shop"}],
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"]}},
                "loadBalancers": [{"targetGroupArn": "web-blue", "containerName": "app", "containerPort": 8080}]}],
        }))
        .expect("the existing service");
    let adopting = Shop {
        blue_green: "  slots: {blue: {service: web, targetGroup: web-blue}}\n",
        rules: vec![RULE_2],
        ..shop.clone()
    };
    let of = |name: &str, shop: &Shop| Scenario {
        hosts: vec!["www.shop.example"],
        ..scenario(name, world.clone(), shop)
    };
    vec![
        of("adoption of an existing service as it is", &adopting),
        of("adoption of an existing service with an update", &adopting.at("v2")),
    ]
}

/// Services without a BlueGreen beside one that has one.
fn rolling(shop: &Shop, empty: &World) -> Vec<Scenario> {
    let never: Moment = |_| false;
    let worker = |name: &'static str, image: &'static str| Worker { name, image };
    let two =
        Shop { workers: vec![worker("mailer", "w1"), worker("worker", "w1")], prune: true, ..shop.clone() };
    let world = history(empty.clone(), &[(&two, never)], 60);
    let with = |workers: Vec<Worker>| Shop { workers, ..two.clone() };
    vec![
        Scenario { served: false, ..scenario("first deploy with rolling services", empty.clone(), &two) },
        scenario(
            "rolling update",
            world.clone(),
            &with(vec![worker("mailer", "w1"), worker("worker", "w2")]),
        ),
        Scenario {
            verdict: Verdict::Failed,
            counts_tasks: false,
            // ECS went back by itself, and each sync tries again what Git still asks for.
            comes_to_rest: false,
            ..scenario(
                "failed rolling update",
                world.clone(),
                &with(vec![worker("mailer", "w1"), worker("worker", "w2-missing")]),
            )
        },
        scenario("prune", world.clone(), &with(vec![worker("mailer", "w1")])),
        scenario(
            "prune with both kinds of update",
            world,
            &Shop { image: "v2", ..with(vec![worker("mailer", "w2")]) },
        ),
    ]
}
