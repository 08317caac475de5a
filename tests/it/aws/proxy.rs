//! What stands between the program and AWS and answers in its place, or garbles its answers.

use super::{Rig, connect_by, seconds, stamp, task_definition};
use crate::account::operation_of;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use cutover::aws::{Aws, Conduct, EcsOperation};
use cutover::engine::{Traffic, TroubleKind};
use cutover::model::Weights;
use cutover::platform::ecs::{Ecs, LockError, Owner};
use cutover::rollout::Action;
use cutover::simulator::Connector;
use cutover::traffic::alb::Alb;
use serde_json::json;
use std::sync::{Arc, Mutex};

/// What is made of an answer to an operation.
type Garble = dyn Fn(&str, &mut HttpResponse) + Send + Sync;

/// A wire to the world on which answers are changed.
#[derive(Clone)]
struct Proxy {
    connector: Connector,
    garble: Arc<Mutex<Arc<Garble>>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxy")
    }
}

impl HttpConnector for Proxy {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (operation, answer) = (operation_of(&request), self.connector.call(request));
        let garble = Arc::clone(&self.garble.lock().unwrap());
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            garble(&operation, &mut response);
            Ok(response)
        })
    }
}

impl HttpClient for Proxy {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl Proxy {
    async fn new(rig: &Rig) -> (Proxy, Aws) {
        let untouched: Arc<Garble> = Arc::new(|_, _| {});
        let proxy = Proxy { connector: rig.connector.clone(), garble: Arc::new(Mutex::new(untouched)) };
        let aws = connect_by(SharedHttpClient::new(proxy.clone())).await;
        (proxy, aws)
    }

    fn garble(&self, garble: impl Fn(&str, &mut HttpResponse) + Send + Sync + 'static) {
        *self.garble.lock().unwrap() = Arc::new(garble);
    }
}

fn answer(response: &mut HttpResponse, status: u16, form: &'static str, body: &'static str) {
    *response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-type", form);
    response.headers_mut().insert("date", "Tue, 18 May 2123 03:33:20 GMT");
}

const PAGE: &str = "<!DOCTYPE html><html><body><h1>403 Forbidden</h1><p>blocked by policy</body></html>";

/// Status, form and body of answers that are none of AWS's.
const NOT_AWS: [(u16, &str, &str); 14] = [
    (200, "text/html", PAGE),
    (200, "text/html", ""),
    (200, "application/json", "[]"),
    (200, "application/json", "\"ok\""),
    (200, "application/json", "{\"clusters\":[{\"clusterArn\""),
    (200, "text/xml", "<DescribeRulesResponse><DescribeRulesResult><Rules><memb"),
    (302, "text/html", ""),
    (403, "text/html", PAGE),
    (403, "application/json", "{\"message\":\"Forbidden\"}"),
    (403, "application/json", "{\"code\":\"denied by policy 7\",\"message\":\"no\"}"),
    (407, "text/html", PAGE),
    (404, "text/plain", "not found"),
    (418, "text/plain", ""),
    (502, "text/html", PAGE),
];

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_one_of_awss_is_transient_whatever_its_status() {
    for (status, form, body) in NOT_AWS {
        let rig = Rig::new().await;
        let (proxy, aws) = Proxy::new(&rig).await;
        let rollout = rig.rollout("web:v1");
        let alb = Alb::new(aws.clone());
        let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
        proxy.garble(move |_, response| answer(response, status, form, body));
        let case = format!("HTTP {status}: {body:.40}");
        let ecs = Ecs::new(aws.clone(), "prod");
        let shift = Action::SetWeights { rule: 0, weights: Weights { blue: 90, green: 10 } };
        let mut ends = vec![
            alb.observe_traffic(&rollout, &Default::default()).await.map(drop),
            alb.apply_traffic(&rollout, &Default::default(), &observed, &shift).await.map(drop),
            ecs.read_service("web").await.map(drop),
            ecs.list_all().await.map(drop),
            ecs.read_task_definition("web:1").await.map(drop),
            ecs.register(&stamp(), &task_definition("web", "web:v1"), &[]).await.map(drop),
            aws.identity().await.map(drop),
            aws.target_group_arns(&["fresh"]).await.map(drop),
        ];
        let Err(LockError::Trouble(trouble)) = ecs.acquire_lock("shop", Owner::new("a", 1)).await else {
            panic!("{case}")
        };
        ends.push(Err(trouble));
        for (index, end) in ends.into_iter().enumerate() {
            let trouble = end.expect_err(&case);
            assert_eq!(trouble.kind, TroubleKind::Transient, "{case}, call {index}: {trouble}");
            let quotes =
                ["<", "{", "StartEl", "html>", "policy"].iter().find(|mark| trouble.message.contains(**mark));
            assert_eq!(quotes, None, "{case}, call {index} quotes the answer: {trouble}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_with_nothing_in_it_says_of_nothing_that_it_is_absent() {
    let rig = Rig::new().await;
    let (proxy, aws) = Proxy::new(&rig).await;
    proxy.garble(|operation, response| {
        let empty = "<DescribeTargetGroupsResponse><DescribeTargetGroupsResult><TargetGroups/>\
                     </DescribeTargetGroupsResult></DescribeTargetGroupsResponse>";
        match operation {
            "DescribeTargetGroups" => answer(response, 200, "text/xml", empty),
            _ => answer(response, 200, "application/x-amz-json-1.1", "{}"),
        }
    });
    let ecs = Ecs::new(aws.clone(), "prod");
    let Err(LockError::Trouble(trouble)) = ecs.acquire_lock("shop", Owner::new("a", 1)).await else {
        panic!()
    };
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
    let ends =
        [ecs.read_service("web").await.map(drop), aws.target_group_arns(&["web-blue"]).await.map(drop)];
    for end in ends {
        assert_eq!(end.unwrap_err().kind, TroubleKind::Transient);
    }
}

#[tokio::test(start_paused = true)]
async fn a_garbled_answer_to_a_shift_is_looked_into_and_blames_nobody() {
    let rig = Rig::new().await;
    let (proxy, aws) = Proxy::new(&rig).await;
    let (alb, rollout) = (Alb::new(aws), rig.rollout("web:v1"));
    let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    proxy.garble(|operation, response| {
        if operation == "ModifyRule" {
            answer(response, 200, "text/html", PAGE);
        }
    });
    let shift = Action::SetWeights { rule: 0, weights: Weights { blue: 90, green: 10 } };
    let trouble = alb.apply_traffic(&rollout, &Default::default(), &observed, &shift).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
    assert_eq!(rig.count("ModifyRule"), 1, "a write was repeated blindly");
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_not_a_proxys() {
    for (status, form, body) in NOT_AWS {
        let rig = Rig::new().await;
        let (proxy, aws) = Proxy::new(&rig).await;
        for round in 0..2 {
            proxy.garble(move |_, response| answer(response, status, form, body));
            for _ in 0..3 {
                let _ = aws.ecs(EcsOperation::DescribeClusters, Conduct::Read, "", &json!({})).await;
                let _ = aws.identity().await;
            }
            assert!(aws.clock().now().0 < 3_000_000_000, "HTTP {status}: {body:.40}");
            proxy.garble(|_, _| {});
            for _ in 0..2 {
                aws.identity().await.unwrap();
            }
            let (told, is) = (aws.clock().now().0, rig.connector.now() / 1_000);
            assert!(told.abs_diff(is) <= 1, "HTTP {status}, round {round}: {told}, and it is {is}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_odd_date_header_changes_nothing() {
    let rig = Rig::new().await;
    let (proxy, aws) = Proxy::new(&rig).await;
    let odd = |date: &'static str| {
        let left = Mutex::new(1);
        move |_: &str, response: &mut HttpResponse| {
            if std::mem::take(&mut *left.lock().unwrap()) == 1 {
                response.headers_mut().insert("date", date);
            }
        }
    };
    for date in ["Tue, 18 May 2123 03:33:20 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "soon"] {
        proxy.garble(odd(date));
        for _ in 0..3 {
            aws.identity().await.unwrap();
            seconds(1).await;
        }
        let (told, is) = (aws.clock().now().0, rig.connector.now() / 1_000);
        assert!(told.abs_diff(is) <= 1, "{date}: {told}, and it is {is}");
    }
}
