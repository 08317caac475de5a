use super::Rig;
use cutover::engine::{Gating, TroubleKind};
use cutover::gates::{Asker, Gates, HttpQuestion};
use cutover::model::HttpGate;
use cutover::rollout::AlarmState;
use cutover::simulator::Connector;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex};

/// Asks the simulated load balancer.
struct Simulated {
    connector: Connector,
    listener: String,
    asked: Mutex<Vec<HttpQuestion>>,
}

impl Asker for Simulated {
    fn ask(&self, question: HttpQuestion) -> BoxFuture<'_, Result<u16, String>> {
        let now = self.connector.now();
        let routed = self.connector.world().route(now, &self.listener, &question.host, &question.path);
        self.asked.lock().unwrap().push(question);
        Box::pin(async move { Ok(routed.status()) })
    }
}

#[tokio::test(start_paused = true)]
async fn alarms_are_read_in_their_order_and_a_missing_one_is_an_error() {
    let rig = Rig::new().await;
    let gates = Gates::new(rig.aws.clone());
    rig.connector.world().set_alarm_state("slow", "ALARM");
    rig.connector.world().set_alarm_state("new", "INSUFFICIENT_DATA");
    let names = ["slow", "web-5xx", "new"].map(ToOwned::to_owned);
    let states: Vec<AlarmState> =
        gates.read_alarms(&names).await.unwrap().into_iter().map(|a| a.state).collect();
    assert_eq!(states, [AlarmState::Alarm, AlarmState::Ok, AlarmState::InsufficientData]);
    assert_eq!(rig.count("DescribeAlarms"), 1);
    let trouble = gates.read_alarms(&["nobody".to_owned()]).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing);
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
    assert!(
        answers.iter().all(|a| a.verdict == cutover::rollout::HttpVerdict::Failed),
        "no task runs: {answers:?}"
    );
    gates.ask_http(&rollout).await.unwrap();
    let asked = asker.asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    assert_eq!((asked[0].port, asked[0].tls), (8443, false));
    assert_eq!(asked[0].host, asked[0].connect_to);
    assert_eq!(asked[1].host, "shop.example");
    assert_eq!(rig.count("DescribeLoadBalancers"), 1, "where a listener is was read twice");
}
