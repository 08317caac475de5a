//! The follower against an API that is played here: what it asks, what it does while it does not know everything,
//! what it writes. Against a real API server it is tried in `tests/it`.

use super::super::server::{Body, Cut, Server, answer};
use super::super::{Simulator, StartOptions};
use super::*;
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers lists with what it holds and lets watches hang.
#[derive(Default)]
struct Api {
    /// By plural name; a kind that is not there is not served.
    objects: Mutex<BTreeMap<&'static str, Vec<Value>>>,
    patches: Mutex<Vec<(String, String)>>,
    lists: Mutex<Vec<String>>,
}

async fn respond(api: Arc<Api>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let json = |status, body: Value| Ok(answer(status, "application/json", body.to_string()));
    if request.method() == Method::PATCH {
        let body = request.into_body().collect().await.map_err(|_| Cut)?.to_bytes();
        lock(&api.patches).push((path, String::from_utf8_lossy(&body).into_owned()));
        let same = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": {"name": "web"}});
        return json(StatusCode::OK, same);
    }
    if query.contains("watch=true") {
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, super::super::server::BoxError>>();
        let body = BodyExt::boxed(StreamBody::new(never));
        return Ok(Response::new(body));
    }
    lock(&api.lists).push(path.clone());
    let plural = path.rsplit('/').next().unwrap_or_default();
    let Some(items) = lock(&api.objects).get(plural).cloned() else {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
            "reason": "NotFound", "message": "the server could not find the requested resource"});
        return json(StatusCode::NOT_FOUND, status);
    };
    json(
        StatusCode::OK,
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items}),
    )
}

fn cluster() -> BTreeMap<&'static str, Vec<Value>> {
    let meta = |name: &str| json!({"namespace": "shop", "name": name, "uid": name, "generation": 4});
    let pod = |name: &str, ip: &str| {
        json!({"metadata": meta(name), "spec": {"containers": [{"name": "app", "image": "web:v5"}]},
        "status": {"phase": "Running", "podIP": ip}})
    };
    let endpoint =
        |name: &str, ip: &str| json!({"addresses": [ip], "targetRef": {"kind": "Pod", "name": name}});
    let mut slice = json!({"metadata": meta("web-1"), "addressType": "IPv4", "ports": [{"name": "", "port": 8080}],
        "endpoints": [endpoint("a", "10.8.0.1"), endpoint("b", "10.8.0.2")]});
    slice["metadata"]["labels"] = json!({"kubernetes.io/service-name": "web"});
    BTreeMap::from([
        (
            "targetgroupbindings",
            vec![
                json!({"metadata": meta("web"), "spec": {"serviceRef": {"name": "web", "port": 80}, "targetGroupName": "web", "targetType": "ip"}}),
            ],
        ),
        ("services", vec![json!({"metadata": meta("web"), "spec": {"ports": [{"port": 80}]}})]),
        ("endpointslices", vec![slice]),
        ("pods", vec![pod("a", "10.8.0.1"), pod("b", "10.8.0.2")]),
    ])
}

struct Rig {
    simulator: Simulator,
    api: Arc<Api>,
    _server: Server,
    _follower: ClusterFollower,
}

/// A simulator with the target group `web` in use, following an API that serves `objects`.
fn follow_api(objects: BTreeMap<&'static str, Vec<Value>>) -> Rig {
    let seed = "targetGroups: [{Name: web, Protocol: HTTP, Port: 8080, TargetType: ip, HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 2}]\n\
        loadBalancers: [{Name: shop, Subnets: [a, b], listeners: [{Port: 8002, Protocol: HTTP, DefaultActions: [{Type: forward, TargetGroupArn: web}]}]}]";
    let options = StartOptions { time_scale: 50, seed: Some(seed.into()), ..StartOptions::default() };
    let simulator = Simulator::start(options).expect("a simulator");
    let api = Arc::new(Api { objects: Mutex::new(objects), ..Api::default() });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let serving = Arc::clone(&api);
    let server = Server::http(listener, move |request, _| respond(Arc::clone(&serving), request));
    let server = server.expect("a server");
    let url = format!("http://{}", server.address()).parse().expect("a URL");
    let client = Client::try_from(kube::Config::new(url)).expect("a client");
    let follower = simulator.follow_cluster(client, None, ControllerSettings::default());
    Rig { simulator, api, _server: server, _follower: follower }
}

async fn until(what: &str, mut test: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !test() {
        assert!(tokio::time::Instant::now() < end, "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_cluster_become_healthy_targets_and_the_status_is_written() {
    let rig = follow_api(cluster());
    until("two healthy targets", || rig.simulator.with_world(|world| world.healthy_targets("web")) == 2)
        .await;
    let releases = rig.simulator.with_world(|world| world.target_health("web"));
    assert!(releases.iter().all(|target| target.release.as_deref() == Some("v5")), "{releases:?}");
    until("a status", || !lock(&rig.api.patches).is_empty()).await;
    let (path, body) = lock(&rig.api.patches)[0].clone();
    assert_eq!(path, "/apis/elbv2.k8s.aws/v1beta1/namespaces/shop/targetgroupbindings/web/status");
    assert_eq!(
        serde_json::from_str::<Value>(&body).expect("JSON"),
        json!({"status": {"observedGeneration": 4}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_until_every_kind_was_listed() {
    let mut objects = cluster();
    let slices = objects.remove("endpointslices").expect("slices");
    let rig = follow_api(objects);
    rig.simulator.with_world(|world| {
        world.external_target("10.8.0.1", 8080, "web:v5");
        let input = json!({"TargetGroupArn": world.target_group_arn("web"), "Targets": [{"Id": "10.8.0.1", "Port": 8080}]});
        world.call("elbv2", "RegisterTargets", &input).expect("registered");
    });
    let asked = || lock(&rig.api.lists).iter().filter(|path| path.ends_with("/endpointslices")).count();
    until("a second try", || asked() >= 2).await;
    assert_eq!(
        rig.simulator.with_world(|world| world.target_health("web").len()),
        1,
        "not knowing is not absence"
    );
    assert_eq!(lock(&rig.api.patches).len(), 0);
    lock(&rig.api.objects).insert("endpointslices", slices);
    until("two healthy targets", || rig.simulator.with_world(|world| world.healthy_targets("web")) == 2)
        .await;
}
