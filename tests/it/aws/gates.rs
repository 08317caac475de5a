use super::Rig;
use cutover::engine::{Gating, Traffic};
use cutover::gates::{Asker, Gates, HttpQuestion, NoAnswer};
use cutover::model::HttpGate;
use cutover::rollout::{AlarmState, HttpVerdict, Remedy};
use cutover::simulator::{Connector, RouteRequest};
use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Asks the simulated load balancer.
struct Simulated {
    connector: Connector,
    listener: String,
    asked: Mutex<Vec<HttpQuestion>>,
}

impl Asker for Simulated {
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, NoAnswer>> {
        let now = self.connector.now();
        let (host, path, method) = (question.host.clone(), question.path.clone(), "GET".to_owned());
        let headers = question.headers.clone().into_iter().collect();
        let request = RouteRequest { host, path, method, headers, ..RouteRequest::default() };
        let routed = self.connector.world().route_request(now, &self.listener, &request);
        self.asked.lock().unwrap().push(question);
        Box::pin(async move { Ok(routed.status()) })
    }
}

#[tokio::test(start_paused = true)]
async fn alarms_are_read_in_their_order_and_one_that_is_missing_is_unknown() {
    let rig = Rig::new().await;
    let gates = Gates::new(rig.aws.clone());
    rig.connector.world().set_alarm_state("slow", "ALARM");
    rig.connector.world().set_alarm_state("new", "INSUFFICIENT_DATA");
    let names = ["slow", "nobody", "web-5xx", "new"].map(ToOwned::to_owned);
    let alarms = gates.read_alarms(&names).await.unwrap();
    let states: Vec<AlarmState> = alarms.iter().map(|a| a.state).collect();
    use AlarmState::{Alarm, InsufficientData, Ok, Unknown};
    assert_eq!(states, [Alarm, Unknown, Ok, InsufficientData]);
    assert!(alarms[1].detail.contains("there is no such alarm"), "{alarms:?}");
    assert_eq!(rig.count("DescribeAlarms"), 1);
    assert!(gates.read_alarms(&[]).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_http_gate_asks_the_test_listener_where_it_is() {
    let rig = Rig::new().await;
    let asker = Arc::new(Simulated {
        connector: rig.connector.clone(),
        listener: rig.listener(8443),
        asked: Mutex::default(),
    });
    let gates = Gates::asking(rig.aws.clone(), Arc::clone(&asker) as Arc<dyn Asker>);
    let mut rollout = rig.rollout("web:v1");
    let gate =
        |host: Option<&str>| HttpGate { host: host.map(ToOwned::to_owned), ..HttpGate::get("/healthz") };
    rollout.blue_green.gates.http = vec![gate(None), gate(Some("shop.example"))];
    let answers = gates.ask_http(&rollout).await.unwrap();
    assert!(answers.iter().all(|a| a.verdict == HttpVerdict::Failed), "no task runs: {answers:?}");
    gates.ask_http(&rollout).await.unwrap();
    let asked = asker.asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    assert_eq!((asked[0].port, asked[0].tls), (8443, false));
    assert_eq!(asked[0].host, asked[0].connect_to);
    assert_eq!(asked[1].host, "shop.example");
    assert_eq!(rig.count("DescribeLoadBalancers"), 1, "where a listener is was read twice");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_test_rule_does_not_match_is_not_asked_until_it_is_as_told() {
    let rig = Rig::new().await;
    let listener = rig.listener(80);
    let green = rig.connector.world().target_group_arn("web-green").unwrap();
    let conditions = json!([
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Stage", "Values": ["test"]}},
        {"Field": "host-header", "Values": ["*.example"]},
    ]);
    let rule = json!({"ListenerArn": listener, "Priority": 30, "Conditions": conditions,
        "Actions": [{"Type": "forward", "TargetGroupArn": green}]});
    let made = rig.connector.world().call("elbv2", "CreateRule", &rule).unwrap();
    let test = made["Rules"][0]["RuleArn"].as_str().unwrap().to_owned();
    let asker = Arc::new(Simulated { connector: rig.connector.clone(), listener, asked: Mutex::default() });
    let gates = Gates::asking(rig.aws.clone(), Arc::clone(&asker) as Arc<dyn Asker>);
    let mut rollout = rig.rollout("web:v1");
    rollout.blue_green.alb.test_listener = None;
    rollout.blue_green.alb.test_listener_rule = Some(test.clone());
    // The rule with priority 10 is asked first for this host.
    for gate in [
        HttpGate::get("/healthz"),
        HttpGate { host: Some("shop.example".into()), ..HttpGate::get("/healthz") },
    ] {
        rollout.blue_green.gates.http = vec![gate];
        let answers = gates.ask_http(&rollout).await.unwrap();
        assert_eq!(answers[0].verdict, HttpVerdict::Unknown, "{answers:?}");
        assert!(answers[0].detail.contains("which wants the header X-Stage: test"), "{answers:?}");
        let found = rig.alb().observe_obstacles(&rollout, &Default::default()).await.unwrap();
        assert!(found.hindrances[0].why.contains(&test), "{found:?}");
    }
    assert_eq!(asker.asked.lock().unwrap().len(), 0, "somebody else's answer is no proof");
    rollout.blue_green.gates.http[0].host = None;
    let found = rig.alb().observe_obstacles(&rollout, &Default::default()).await.unwrap();
    let [Remedy::Edit { field, to, .. }] = found.hindrances[0].remedies.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!(
        (field.as_str(), to.as_str()),
        ("gates.http[0]", r#"{path: "/healthz", host: "x.example", headers: {X-Stage: "test"}}"#)
    );
    let headers = [("X-Stage".to_owned(), "test".to_owned())].into();
    rollout.blue_green.gates.http =
        vec![HttpGate { host: Some("x.example".into()), headers, ..HttpGate::get("/healthz") }];
    let found = rig.alb().observe_obstacles(&rollout, &Default::default()).await.unwrap();
    assert_eq!(found.hindrances, vec![]);
    let answers = gates.ask_http(&rollout).await.unwrap();
    assert_eq!(answers[0].verdict, HttpVerdict::Failed, "no task runs, and it was asked: {answers:?}");
}
