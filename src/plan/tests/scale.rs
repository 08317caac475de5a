use super::super::*;
use super::shop::*;
use crate::cpu_time::cpu_time;
use crate::model::*;
use serde_json::json;
use std::time::Duration;

/// What a plan of `services` services takes of a processor's time.
fn time_of(services: usize) -> (Duration, Plan) {
    let mut manifests = Manifests::default();
    let mut live = Live::default();
    for index in 0..services {
        let name = format!("s{index}");
        let document = task_definition(&name, "shop/web:1");
        live.revisions.push(registered(&document, 7));
        live.services.insert(name.clone(), running(&name, 7, json!({})));
        live.owned.push(Owned {
            document: format!("Service/{name}"),
            resource: name.clone(),
            ..Owned::default()
        });
        manifests.task_definitions.insert(name.clone(), document);
        manifests
            .services
            .insert(name.clone(), service(&name, json!({"desiredCount": 3, "launchType": "FARGATE"})));
        let mut steering = blue_green();
        steering.workload_ref.name = format!("nobody-{index}");
        manifests.blue_greens.insert(name, steering);
    }
    let start = cpu_time();
    let plan = assemble(&application(), "4f1c2d3", &manifests, &live);
    (cpu_time() - start, plan)
}

/// Sixteen times the documents may take sixteen times the time; a quadratic loop would take 256 times. The bound lies
/// far from both, since test machines stutter.
#[test]
fn the_time_of_a_plan_grows_with_the_number_of_documents() {
    let (small, _) = (0..3).map(|_| time_of(250)).min_by_key(|(time, _)| *time).unwrap();
    let (large, plan) = time_of(4_000);
    assert_eq!(plan.summary(), Summary { unchanged: 8_000, ..Summary::default() });
    assert!(large < small * 80, "250 services: {small:?}, 4000 services: {large:?}");
    assert!(render_plan(&plan, &Palette::plain()).lines().count() < 30);
}
