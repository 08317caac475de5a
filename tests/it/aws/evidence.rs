//! Evidence: what is asked before a new version gets its first weight, and what an answer that is late or incomplete is
//! taken for.

use super::slots::create;
use super::{Rig, connect_by, seconds, stamp, task_definition};
use crate::account::{self, Process, RULE, Shop, Wire, connect, operation_of};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use cutover::aws::{Aws, EVIDENCE_BOUND};
use cutover::engine::{Event, Gating, Traffic, TroubleKind, Verdict, Workloads};
use cutover::gates::Gates;
use cutover::model::Slot;
use cutover::platform::ecs::{Ecs, Owner};
use cutover::rollout::{Phase, Remedy};
use cutover::simulator::{Connector, Failure, Fault, Settings, World};
use cutover::traffic::alb::Alb;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What becomes of the calls of an operation.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// They are never answered.
    Hangs,
    /// The answer, in XML or JSON, comes without this element or field.
    Lacks(&'static str),
    /// The answer is an empty map in CBOR.
    Empty,
}

/// A wire to the world on which one operation goes wrong.
#[derive(Clone, Debug)]
struct Line {
    connector: Connector,
    mishap: Arc<Mutex<Option<(&'static str, Mishap)>>>,
}

impl Line {
    async fn new(rig: &Rig) -> (Line, Aws) {
        let line = Line { connector: rig.connector.clone(), mishap: Arc::default() };
        let aws = connect_by(SharedHttpClient::new(line.clone())).await;
        (line, aws)
    }

    fn breaks(&self, operation: &'static str, mishap: Mishap) {
        *self.mishap.lock().unwrap() = Some((operation, mishap));
    }
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = operation_of(&request);
        let mishap = *self.mishap.lock().unwrap();
        let mishap = mishap.filter(|(broken, _)| *broken == operation).map(|(_, mishap)| mishap);
        if let Some(Mishap::Hangs) = mishap {
            return HttpConnectorFuture::new(std::future::pending());
        }
        let answer = self.connector.call(request);
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            match mishap {
                Some(Mishap::Lacks(field)) => {
                    let text = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
                    *response.body_mut() = SdkBody::from(without(&text, field));
                }
                Some(Mishap::Empty) => *response.body_mut() = SdkBody::from(vec![0xa0]),
                Some(Mishap::Hangs) | None => {}
            }
            response.headers_mut().remove("content-length");
            Ok(response)
        })
    }
}

impl HttpClient for Line {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A document without any element or field of this name.
fn without(text: &str, field: &str) -> String {
    if let Ok(mut json) = serde_json::from_str::<Value>(text) {
        take_out(&mut json, field);
        return json.to_string();
    }
    let (open, close, alone) = (format!("<{field}>"), format!("</{field}>"), format!("<{field}/>"));
    let mut text = text.replace(&alone, "");
    while let Some(start) = text.find(&open) {
        let end = text[start..].find(&close).expect("it is closed") + start + close.len();
        text.replace_range(start..end, "");
    }
    text
}

fn take_out(json: &mut Value, field: &str) {
    match json {
        Value::Object(map) => {
            map.remove(field);
            map.values_mut().for_each(|value| take_out(value, field));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| take_out(value, field)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn evidence_that_hangs_is_given_up_within_ten_seconds_and_asked_twice() {
    let rig = Rig::new().await;
    let (line, aws) = Line::new(&rig).await;
    line.breaks("DescribeAlarms", Mishap::Hangs);
    let names: Vec<String> = (0..250).map(|number| format!("alarm-{number}")).collect();
    let begun = Instant::now();
    let trouble = Gates::new(aws.clone()).read_alarms(&names).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
    assert!(begun.elapsed() < EVIDENCE_BOUND + Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(aws.call_counts().of("DescribeAlarms"), 6, "three calls for 250 names, twice");
    let ecs = Ecs::new(aws.clone(), "prod");
    rig.ecs().apply_workload(&rig.rollout("web:v1"), &create(Slot::Blue, 1, 1)).await.unwrap();
    seconds(60).await;
    line.breaks("ListTasks", Mishap::Hangs);
    let begun = Instant::now();
    let healthy = ["10.0.0.1:8080".to_owned()].into();
    ecs.own_targets(&rig.rollout("web:v1"), Slot::Blue, &healthy).await.unwrap_err();
    assert!(begun.elapsed() < EVIDENCE_BOUND + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_what_it_always_has_is_unreadable_and_says_nothing_is_absent() {
    let rig = Rig::new().await;
    let (line, aws) = Line::new(&rig).await;
    let rollout = rig.rollout("web:v1");
    rig.ecs().apply_workload(&rollout, &create(Slot::Blue, 1, 1)).await.unwrap();
    let groups = [rig.connector.world().target_group_arn("web-green").unwrap()];
    let (alb, gates) = (Alb::new(aws.clone()), Gates::new(aws.clone()));
    let behind = async |operation, mishap| {
        line.breaks(operation, mishap);
        alb.traffic_behind(&groups, &[]).await.map(drop)
    };
    let mut ends = vec![
        ("groups", behind("DescribeTargetGroups", Mishap::Lacks("LoadBalancerArns")).await),
        ("listeners", behind("DescribeListeners", Mishap::Lacks("ListenerArn")).await),
        ("actions", behind("DescribeListeners", Mishap::Lacks("DefaultActions")).await),
        ("forward", behind("DescribeListeners", Mishap::Lacks("TargetGroupArn")).await),
        ("rules", behind("DescribeRules", Mishap::Lacks("RuleArn")).await),
    ];
    line.breaks("DescribeAlarms", Mishap::Empty);
    ends.push(("alarms", gates.read_alarms(&["web-5xx".into()]).await.map(drop)));
    line.breaks("DescribeTags", Mishap::Lacks("TagDescriptions"));
    ends.push(("owners", alb.observe_obstacles(&rollout, &Default::default()).await.map(drop)));
    line.breaks("DescribeServices", Mishap::Lacks("loadBalancers"));
    let ecs = Ecs::new(aws.clone(), "prod");
    ends.push(("service", ecs.read_service("web-blue").await.map(drop)));
    line.breaks("DescribeClusters", Mishap::Lacks("tags"));
    let locked = ecs.acquire_lock("shop", Owner::new("a", 1)).await;
    ends.push(("lock", locked.map(drop).map_err(Into::into)));
    for (what, end) in ends {
        assert_eq!(end.expect_err(what).kind, TroubleKind::Transient, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_of_a_revision_before_the_lock_is_read_again_under_it() {
    let rig = Rig::new().await;
    let ecs = rig.ecs();
    let arn = ecs.register(&stamp(), &task_definition("web", "web:v1"), &[]).await.unwrap();
    assert!(ecs.read_task_definition(&arn).await.unwrap().active);
    rig.connector.world().call("ecs", "DeregisterTaskDefinition", &json!({"taskDefinition": arn})).unwrap();
    assert!(ecs.read_task_definition(&arn).await.unwrap().active, "it is read once");
    let _lease = ecs.acquire_lock("shop", Owner::new("a", 1)).await.unwrap();
    assert!(!ecs.read_task_definition(&arn).await.unwrap().active);
}

#[tokio::test(start_paused = true)]
async fn a_test_rule_given_by_the_arn_of_a_default_rule_is_no_strangers_rule() {
    let rig = Rig::new().await;
    let (alb, world) = (rig.alb(), rig.connector.clone());
    let green = world.world().target_group_arn("web-green").unwrap();
    let listener = rig.listener(8443);
    let rules = world.world().rules();
    let default = rules.iter().find(|rule| rule.listener_arn == listener && rule.priority.is_none());
    let default = default.unwrap().arn.clone();
    assert!(default.contains(":listener-rule/"), "{default}");
    let behind =
        async |except: &[String]| alb.traffic_behind(std::slice::from_ref(&green), except).await.unwrap();
    assert!(behind(&[]).await.is_some(), "the test listener sends to it");
    assert_eq!(behind(&[default]).await, None);
    assert_eq!(behind(&[listener]).await, None);
}

fn before_ours(rig: &Rig, path: &str, action: Value) -> String {
    let conditions = json!([{"Field": "path-pattern", "Values": [path]}, {"Field": "host-header", "Values": ["*.example"]}]);
    let rule = json!({"ListenerArn": rig.listener(80), "Priority": 5, "Conditions": conditions, "Actions": [action]});
    let made = rig.connector.world().call("elbv2", "CreateRule", &rule).unwrap();
    made["Rules"][0]["RuleArn"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_takes_all_requests_of_ours_is_told_before_a_rollout_and_its_remedy_works() {
    let rig = Rig::new().await;
    let (alb, rollout) = (rig.alb(), rig.rollout("web:v1"));
    let other = rig.connector.world().target_group_arn("other").unwrap();
    let forward = json!({"Type": "forward", "TargetGroupArn": other});
    let obstacles = async || alb.observe_obstacles(&rollout, &Default::default()).await.unwrap();
    let narrow = before_ours(&rig, "/api/*", forward.clone());
    assert_eq!(obstacles().await, Default::default(), "it leaves requests to ours");
    rig.connector.world().call("elbv2", "DeleteRule", &json!({"RuleArn": narrow})).unwrap();
    let first = before_ours(&rig, "/*", forward);
    let found = obstacles().await.hindrances;
    let [hindrance] = found.as_slice() else { panic!("{found:?}") };
    let ours = rig.rule(10);
    assert_eq!(hindrance.why, format!("{first} (priority 5) takes every request of {ours} before it"));
    let [Remedy::Yield { rule, to }] = hindrance.remedies.as_slice() else { panic!("{hindrance:?}") };
    assert_eq!((rule, to), (&first, &ours));
    let after = json!({"RulePriorities": [{"RuleArn": rule, "Priority": 15}]});
    rig.connector.world().call("elbv2", "SetRulePriorities", &after).unwrap();
    assert_eq!(obstacles().await, Default::default());
    // A maintenance page is somebody's purpose.
    let page = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}});
    before_ours(&rig, "*", page);
    let found = obstacles().await;
    assert_eq!(found.hindrances, vec![]);
    assert!(found.notices[0].contains("by itself"), "{found:?}");
}

/// A rule of another listener that sends everything to the candidate's group, as a stranger adds it.
fn open_a_side_door(world: &mut World, target_group: &str) -> String {
    let group = world.target_group_arn(target_group).unwrap();
    let rule = json!({"ListenerArn": account::TEST_LISTENER, "Priority": 7,
        "Conditions": [{"Field": "path-pattern", "Values": ["/new/*"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": group}]});
    let made = world.call("elbv2", "CreateRule", &rule).unwrap();
    made["Rules"][0]["RuleArn"].as_str().unwrap().to_owned()
}

/// True if a line says that the candidate has got weight.
fn gave_weight(said: &[String]) -> bool {
    said.iter().any(|line| line.contains("set rule 1 to"))
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_a_strangers_rule_opens_while_it_is_gated_gets_no_weight_until_that_is_gone() {
    let mut world = World::new(Settings { start_delay_ms: 1_500, ..Settings::default() }, account::START);
    world.load_seed(&account::seed(&[RULE])).unwrap();
    let wire = Wire::new(connect(world));
    let first = Process::new(&wire, None).run(&Shop::default().deployment()).await.unwrap();
    assert_eq!(first.verdict, Verdict::Done);
    seconds(60).await;
    let door: RefCell<Option<String>> = RefCell::default();
    let at_the_gate = |event: &Event| {
        if matches!(event, Event::Phase { phase: Phase::Gating, .. }) && door.borrow().is_none() {
            *door.borrow_mut() = Some(open_a_side_door(&mut wire.connector.world(), "web-blue"));
        }
        false
    };
    let process = Process::new(&wire, Some(&at_the_gate));
    let next = Shop::default().at("v2").deployment();
    let report = process.run(&next).await.unwrap();
    let said = process.said.borrow().clone();
    let door = door.borrow().clone().expect("the candidate came to its gate");
    assert_eq!(report.verdict, Verdict::Error, "{said:#?}");
    assert!(!gave_weight(&said), "{said:#?}");
    let message = &report.results.iter().find(|result| result.document == "BlueGreen/web").unwrap().message;
    assert!(message.starts_with(&format!("{door} still gives ")), "{message}");
    assert!(message.contains(&format!("out of {door}")), "{message}");
    // As the remedy says; then it goes on by itself.
    wire.connector.world().call("elbv2", "DeleteRule", &json!({"RuleArn": door})).unwrap();
    let again = Process::new(&wire, None);
    assert_eq!(again.run(&next).await.unwrap().verdict, Verdict::Done, "{:#?}", again.said.borrow());
    let rules = wire.connector.world().rules();
    let ours = rules.iter().find(|rule| rule.arn == RULE).unwrap();
    assert!(ours.weights.contains(&("web-blue".into(), 100)), "{ours:?}");
}

#[tokio::test(start_paused = true)]
async fn targets_whose_service_cannot_be_named_are_told_with_the_reason() {
    let mut world = World::new(Settings { start_delay_ms: 1_500, ..Settings::default() }, account::START);
    world.load_seed(&account::seed(&[RULE])).unwrap();
    world.call("ecs", "RegisterTaskDefinition", &task_definition("legacy", "legacy:v7").spec).unwrap();
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-a"]}});
    let group = world.target_group_arn("web-blue").unwrap();
    let balancer = json!({"targetGroupArn": group, "containerName": "app", "containerPort": 8080});
    let legacy = json!({"cluster": "prod", "serviceName": "legacy", "taskDefinition": "legacy:1", "desiredCount": 1,
        "launchType": "FARGATE", "networkConfiguration": network, "loadBalancers": [balancer]});
    world.call("ecs", "CreateService", &legacy).unwrap();
    let denied = Failure::Denied;
    let operation = "ListServices".to_owned();
    world.inject(Fault::Call { operation, after: 0, times: u32::MAX, failure: denied });
    let wire = Wire::new(connect(world));
    seconds(60).await;
    let report = Process::new(&wire, None).run(&Shop::default().deployment()).await.unwrap();
    let message = &report.results.iter().find(|result| result.document == "BlueGreen/web").unwrap().message;
    assert!(message.contains("that are not ours (whose they are can't be read: ListServices"), "{message}");
}

#[test]
fn a_document_can_be_told_without_one_of_its_fields() {
    assert_eq!(without("<A><B>1</B><C/><B/></A>", "B"), "<A><C/></A>");
    assert_eq!(without(r#"{"a":[{"b":1,"c":2}]}"#, "b"), r#"{"a":[{"c":2}]}"#);
}
