//! Large worlds stay fast.

use super::wire::ecs;
use super::{START, shop, task_definition};
use crate::cpu_time::cpu_time;
use crate::simulator::Settings;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn reading_a_thousand_services_takes_a_fraction_of_a_second() {
    let mut world = shop(Settings::default());
    let names: Vec<String> = (0..1_000).map(|i| format!("web-{i}")).collect();
    let definitions: Vec<Value> = names.iter().map(|name| task_definition(name, "v1")).collect();
    let services: Vec<Value> = names.iter().map(|name| super::service(&world, name, name, None, 2)).collect();
    world.apply_seed(&json!({"taskDefinitions": definitions, "services": services})).unwrap();
    assert_eq!(world.tasks_alive(), 2_000);
    let began = cpu_time();
    for chunk in names.chunks(10) {
        let answer = ecs(
            &mut world,
            "DescribeServices",
            json!({"cluster": "prod", "services": chunk, "include": ["TAGS"]}),
        );
        assert_eq!(answer.status, 200);
    }
    for name in &names {
        assert_eq!(ecs(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": name})).status, 200);
    }
    // Generous, for a slow machine.
    let took = cpu_time() - began;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_day_of_rest_costs_nothing() {
    let mut world = shop(Settings::default());
    super::deploy(&mut world, "web", "v1", Some("web-blue"), 50);
    super::settle(&mut world, "web");
    world.advance(START + 3_600_000);
    assert_eq!(world.next_event(), None);
}
