use super::super::*;
use super::plain;
use super::shop::*;
use crate::model::*;
use crate::rollout::*;
use serde_json::json;

fn plan(manifests: &Manifests, live: &Live) -> Plan {
    assemble(&application(), "4f1c2d3", manifests, live)
}

#[test]
fn a_new_version_is_planned_through_its_steps() {
    let manifests = manifests("shop/web:2");
    let plan = plan(&manifests, &version_1_serves(&manifests));
    assert!(plan.has_changes());
    insta::assert_snapshot!(plain(&plan), @r#"
    shop at 4f1c2d3

    + create TaskDefinition/web (web:new): registers a revision; differs from web:1 in containerDefinitions[app].image
        --- live web:1
        +++ git apps/shop/web.yaml:3
        @@ -4,7 +4,7 @@
         memory: "2048"
         containerDefinitions:
           - name: app
        -    image: shop/web:1
        +    image: shop/web:2
             portMappings:
               - containerPort: 8080
             environment:

    + create Service/web (web-green): comes up beside the live version with 3 tasks
        --- live (none)
        +++ git apps/shop/web.yaml:20
        @@ -0,0 +1,7 @@
        +taskDefinition: web:new
        +launchType: FARGATE
        +loadBalancers:
        +  - targetGroupArn: web-green
        +    containerName: app
        +    containerPort: 8080
        +desiredCount: 3

    = unchanged Service/web (web-blue): serves (web:1)

    Traffic
      BlueGreen/web arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/2/3
        blue 100% / green 0% → green 10% for 2m → green 100%
        gates: 100% of the targets healthy for 30s, GET /healthz answers 200, alarm web-5xx is not in ALARM
        after: bake for 10m: an alarm or unhealthy targets send traffic back to blue, then blue stays warm for 1d
        note: stickiness keeps clients on blue for up to 1h after the shift
        note: names web-green with weight 0 first, since targets are only checked in a group that a rule names
      BlueGreen/web (test) arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/9/9
        blue 100% / green 0% → green 100%

    Plan: 2 to create, 0 to update, 0 to replace, 0 to prune, 1 unchanged; traffic moves on 1 rule.
    "#);
}

#[test]
fn colours_change_no_text() {
    let manifests = manifests("shop/web:2");
    let plan = plan(&manifests, &version_1_serves(&manifests));
    let coloured = render_plan(&plan, &Palette::coloured());
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((text, escape)) = rest.split_once('\u{1b}') {
        bare.push_str(text);
        rest = escape.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    assert_eq!(bare, plain(&plan));
    assert!(coloured.contains("\u{1b}[31m    -    image: shop/web:1\u{1b}[0m"), "{coloured}");
    assert!(coloured.contains("\u{1b}[32m    +    image: shop/web:2\u{1b}[0m"), "{coloured}");
}

#[test]
fn a_first_deploy_goes_straight_to_100() {
    let manifests = manifests("shop/web:1");
    let slots = BySlot::default();
    let live = Live {
        rollouts: [("web".to_owned(), Ok(rollout(&manifests, slots, RuleSplit::Only(Slot::Blue))))].into(),
        ..Live::default()
    };
    insta::assert_snapshot!(plain(&plan(&manifests, &live)), @r#"
    shop at 4f1c2d3

    + create TaskDefinition/web (web:new): registers a revision of family web
        --- live (none)
        +++ git apps/shop/web.yaml:3
        @@ -0,0 +1,14 @@
        +family: web
        +networkMode: awsvpc
        +cpu: "1024"
        +memory: "2048"
        +containerDefinitions:
        +  - name: app
        +    image: shop/web:1
        +    portMappings:
        +      - containerPort: 8080
        +    environment:
        +      - name: LOG_LEVEL
        +        value: info
        +      - name: DB_PASSWORD
        +        value: ‹masked›

    + create Service/web (web-green): is the first version, with 3 tasks
        --- live (none)
        +++ git apps/shop/web.yaml:20
        @@ -0,0 +1,7 @@
        +taskDefinition: web:new
        +launchType: FARGATE
        +loadBalancers:
        +  - targetGroupArn: web-green
        +    containerName: app
        +    containerPort: 8080
        +desiredCount: 3

    Traffic
      BlueGreen/web arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/2/3
        blue 100% / green 0% → green 100%
        gates: 100% of the targets healthy for 30s, GET /healthz answers 200, alarm web-5xx is not in ALARM
        note: names web-green with weight 0 first, since targets are only checked in a group that a rule names
      BlueGreen/web (test) arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/9/9
        blue 100% / green 0% → green 100%

    Plan: 2 to create, 0 to update, 0 to replace, 0 to prune, 0 unchanged; traffic moves on 1 rule.
    "#);
}

#[test]
fn what_is_as_declared_is_unchanged_and_moves_nothing() {
    let manifests = manifests("shop/web:1");
    let plan = plan(&manifests, &version_1_serves(&manifests));
    assert!(!plan.has_changes(), "{}", plain(&plan));
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    = unchanged TaskDefinition/web (web:1): has this content
    = unchanged Service/web (web-blue): serves (web:1)

    Plan: 0 to create, 0 to update, 0 to replace, 0 to prune, 2 unchanged; no traffic moves.
    ");
}

/// Version 2 serves from green, version 1 is warm in blue, and Git says version 1 again.
fn reverted() -> (Manifests, Live) {
    let manifests = manifests("shop/web:1");
    let mut live = version_1_serves(&manifests);
    let done = Progress::Done(Timestamp(NOW - 100));
    let slots = BySlot {
        blue: slot(
            Content::Desired,
            3,
            "web:1",
            Some(record(1, &wanted(&manifests).0, None, Progress::Done(Timestamp(1)))),
        ),
        green: slot(Content::Other, 3, "web:2", Some(record(2, "fedcba9876543210", Some(Slot::Blue), done))),
    };
    let split = RuleSplit::Both(Weights { blue: 0, green: 100 });
    live.rollouts.insert("web".into(), Ok(rollout(&manifests, slots, split)));
    live.services.insert("web-green".into(), running_slot(Slot::Green, 2));
    live.revisions.push(registered(&task_definition("web", "shop/web:2"), 2));
    (manifests, live)
}

#[test]
fn a_revert_to_a_warm_version_is_one_rule_change_and_no_task() {
    let (manifests, live) = reverted();
    let plan = plan(&manifests, &live);
    assert_eq!(plan.summary(), Summary { unchanged: 3, rules: 1, ..Summary::default() });
    assert_eq!(plan.traffic.len(), 1);
    assert_eq!(plan.traffic[0].through, [Step { weight: 100, hold: 0 }]);
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    = unchanged TaskDefinition/web (web:1): has this content
    = unchanged Service/web (web-blue): is warm (web:1) and takes over: no task is started
    = unchanged Service/web (web-green): serves (web:2)

    Traffic
      BlueGreen/web arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/2/3
        blue 0% / green 100% → blue 100%
        gates: enough healthy targets
        after: then green stays warm for 1d
        note: stickiness keeps clients on green for up to 1h after the shift

    Plan: 0 to create, 0 to update, 0 to replace, 0 to prune, 3 unchanged; traffic moves on 1 rule.
    ");
}

#[test]
fn a_return_that_was_cut_off_is_planned_as_a_return() {
    let (manifests, mut live) = reverted();
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    let returning = Progress::Returning { least: 0, most: 0 };
    seen.observation.slots.blue.record = Some(record(3, &wanted(&manifests).0, Some(Slot::Green), returning));
    let plan = plan(&manifests, &live);
    assert_eq!(plan.traffic.len(), 1);
    assert_eq!(plan.traffic[0].gates, ["enough healthy targets"]);
    assert_eq!(plan.traffic[0].through, [Step { weight: 100, hold: 0 }]);
}

#[test]
fn a_rollout_that_is_under_way_is_planned_from_where_it_is() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    let shifting = Progress::Shifting { share: 10, since: Timestamp(NOW - 20) };
    let mut rolling = record(2, &wanted(&manifests).0, Some(Slot::Blue), shifting);
    rolling.started = Timestamp(NOW - 60);
    let old = record(1, "0123456789abcdef", None, Progress::Done(Timestamp(NOW - 90_000)));
    let slots = BySlot {
        blue: slot(Content::Other, 3, "web:1", Some(old)),
        green: slot(Content::Desired, 3, "web:2", Some(rolling)),
    };
    let mut seen = rollout(&manifests, slots, RuleSplit::Both(Weights { blue: 90, green: 10 }));
    seen.observation.test_rule.as_mut().unwrap().split = RuleSplit::Only(Slot::Green);
    seen.observation.http =
        vec![HttpAnswer { path: "/healthz".into(), verdict: HttpVerdict::Passed, detail: String::new() }];
    seen.observation.alarms =
        vec![Alarm { name: "web-5xx".into(), state: AlarmState::Ok, detail: String::new() }];
    live.rollouts.insert("web".into(), Ok(seen));
    live.services.insert("web-green".into(), running_slot(Slot::Green, 2));
    live.revisions.push(registered(&task_definition("web", "shop/web:2"), 2));
    let plan = plan(&manifests, &live);
    assert_eq!(plan.traffic[0].from, Weights { blue: 90, green: 10 });
    assert_eq!(plan.traffic[0].through, [Step { weight: 100, hold: 0 }]);
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    = unchanged TaskDefinition/web (web:2): has this content
    = unchanged Service/web (web-blue): serves (web:1) with 90% of the requests
    = unchanged Service/web (web-green): takes over (web:2) and has 10% now: no task is started

    Traffic
      BlueGreen/web arn:aws:elasticloadbalancing:r:1:listener-rule/app/shop/1/2/3
        blue 90% / green 10% → green 100%
        gates: 100% of the targets healthy for 30s, GET /healthz answers 200, alarm web-5xx is not in ALARM
        after: bake for 10m: an alarm or unhealthy targets send traffic back to blue, then blue stays warm for 1d
        note: stickiness keeps clients on blue for up to 1h after the shift

    Plan: 0 to create, 0 to update, 0 to replace, 0 to prune, 3 unchanged; traffic moves on 1 rule.
    ");
}

#[test]
fn a_revision_that_failed_is_blocked_with_its_reason() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    let failed = Progress::Failed("2 of 3 targets unhealthy: Target.ResponseCodeMismatch".into());
    let slots = BySlot {
        blue: slot(
            Content::Other,
            3,
            "web:1",
            Some(record(3, "0123456789abcdef", None, Progress::Done(Timestamp(NOW)))),
        ),
        green: slot(
            Content::Desired,
            0,
            "web:2",
            Some(record(2, &wanted(&manifests).0, Some(Slot::Blue), failed)),
        ),
    };
    let split = RuleSplit::Both(Weights { blue: 100, green: 0 });
    live.rollouts.insert("web".into(), Ok(rollout(&manifests, slots, split)));
    live.revisions.push(registered(&task_definition("web", "shop/web:2"), 2));
    let plan = plan(&manifests, &live);
    assert_eq!(plan.traffic, []);
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    ! blocked BlueGreen/web: this revision failed before and is not tried again: 2 of 3 targets unhealthy: Target.ResponseCodeMismatch; commit a fix, or `cutover retry`

    = unchanged TaskDefinition/web (web:2): has this content
    = unchanged Service/web (web-blue): serves (web:1)
    = unchanged Service/web (web-green): is idle (web:2) with 0 tasks

    Plan: 0 to create, 0 to update, 0 to replace, 0 to prune, 3 unchanged, 1 blocked; no traffic moves.
    ");
}

#[test]
fn an_existing_service_is_adopted_as_a_slot() {
    let manifests = manifests("shop/web:1");
    let mut live = version_1_serves(&manifests);
    let mut blue = slot(Content::Desired, 3, "web:1", None);
    if let Workload::Present { owned, .. } = &mut blue.workload {
        *owned = false;
    }
    let slots = BySlot { blue, green: SlotObservation::default() };
    live.rollouts.insert("web".into(), Ok(rollout(&manifests, slots, RuleSplit::Only(Slot::Blue))));
    let plan = plan(&manifests, &live);
    assert_eq!(plan.traffic, []);
    insta::assert_snapshot!(plain(&plan), @r"
    shop at 4f1c2d3

    * adopt Service/web (web-blue): exists; our tags are put on it

    = unchanged TaskDefinition/web (web:1): has this content

    Plan: 0 to create, 0 to update, 0 to replace, 0 to prune, 1 to adopt, 1 unchanged; no traffic moves.
    ");
}

#[test]
fn a_workload_that_could_not_be_read_is_never_taken_for_absent() {
    let manifests = manifests("shop/web:2");
    for why in [Some("DescribeRules: throttled"), None] {
        let mut live = version_1_serves(&manifests);
        live.rollouts.clear();
        live.rollouts.extend(why.map(|why| ("web".to_owned(), Err(why.to_owned()))));
        let plan = plan(&manifests, &live);
        let blocked: Vec<_> = plan.items.iter().filter(|item| !item.is(Kind::TaskDefinition)).collect();
        assert_eq!(blocked.len(), 1);
        assert_eq!(blocked[0].change, Change::Blocked);
        assert!(blocked[0].why.contains(why.unwrap_or("was not read")));
        assert!(plan.has_changes());
    }
}

#[test]
fn a_rule_that_is_changed_by_somebody_else_blocks() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    seen.observation.rules[0].split = RuleSplit::Neither("it forwards to other-tg".into());
    let plan = plan(&manifests, &live);
    let blocked = plan.items.iter().find(|item| item.change == Change::Blocked).unwrap();
    assert!(blocked.why.contains("other-tg"), "{}", blocked.why);
    assert_eq!(plan.traffic, []);
}

#[test]
fn both_slots_are_declared_so_neither_is_pruned() {
    let manifests = manifests("shop/web:1");
    let mut live = version_1_serves(&manifests);
    let owned =
        |name: &str| Owned { document: "Service/web".into(), resource: name.into(), ..Owned::default() };
    live.owned = vec![owned("web-blue"), owned("web-green")];
    assert!(!plan(&manifests, &live).has_changes());
}

#[test]
fn a_plan_sees_past_the_approval_that_it_names() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    seen.desired.gates.approval = true;
    let plan = plan(&manifests, &live);
    assert_eq!(plan.traffic[0].through.last(), Some(&Step { weight: 100, hold: 0 }));
    assert_eq!(plan.traffic[0].gates.last().map(String::as_str), Some("approval by `cutover promote`"));
}

#[test]
fn a_slow_load_balancer_is_named() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    seen.observation.settle = 300;
    let plan = plan(&manifests, &live);
    let notes: Vec<_> = plan.traffic.iter().flat_map(|change| &change.notes).collect();
    assert!(notes.iter().any(|note| note.contains("5m")), "{notes:?}");
}

#[test]
fn slots_have_the_services_fields_and_their_own_group() {
    let mut document = service("web", json!({"desiredCount": 3, "launchType": "FARGATE"}));
    document.spec["loadBalancers"] =
        json!([{"targetGroupArn": "grpc", "containerName": "app", "containerPort": 9090}]);
    let spec = slot_spec(&document, &blue_green(), Slot::Green, "web-green", "web:2");
    assert_eq!(
        spec,
        json!({"serviceName": "web-green", "taskDefinition": "web:2", "launchType": "FARGATE", "loadBalancers": [
            {"targetGroupArn": "grpc", "containerName": "app", "containerPort": 9090},
            {"targetGroupArn": "web-green", "containerName": "app", "containerPort": 8080}]})
    );
}
