//! The simulator on real sockets, driven by the real SDK clients as a user's program would. Simulated time runs 50
//! times as fast as real time, so that tasks are up within half a second.

use aws_sdk_ecs::types::{ContainerDefinition, LaunchType, LoadBalancer, PortMapping};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, LoadBalancerTypeEnum, ProtocolEnum, TargetGroupAttribute,
    TargetGroupStickinessConfig, TargetGroupTuple, TargetTypeEnum,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use cutover::simulator::shell::{Event, Simulator, StartOptions, Traffic, TrafficGenerator};
use cutover::simulator::{Fault, World};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const SCALE: u32 = 50;
/// What takes longer in real time hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A simulator with a cluster and a load balancer whose listener forwards to two groups.
struct Rig {
    simulator: Simulator,
    ecs: aws_sdk_ecs::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    listener: String,
    groups: [String; 2],
    url: String,
}

const NAMES: [&str; 2] = ["web-blue", "web-green"];

impl Rig {
    async fn start(kind: LoadBalancerTypeEnum) -> Rig {
        let simulator = Simulator::start(StartOptions { time_scale: SCALE, ..StartOptions::default() });
        let simulator = simulator.expect("a simulator");
        let (ecs, elb) = clients(simulator.endpoint());
        ecs.create_cluster().cluster_name("demo").send().await.expect("a cluster");
        let balancer = elb
            .create_load_balancer()
            .name("shop")
            .subnets("subnet-0a")
            .subnets("subnet-0b")
            .r#type(kind.clone());
        let balancer =
            balancer.send().await.expect("a load balancer").load_balancers.unwrap_or_default().remove(0);
        let protocol = match kind {
            LoadBalancerTypeEnum::Network => ProtocolEnum::Tcp,
            _ => ProtocolEnum::Http,
        };
        let mut groups = vec![];
        for name in NAMES {
            let group =
                elb.create_target_group().name(name).protocol(protocol.clone()).port(8080).vpc_id("vpc-0");
            let group = group
                .target_type(TargetTypeEnum::Ip)
                .health_check_interval_seconds(5)
                .health_check_timeout_seconds(2);
            let group =
                group.send().await.expect("a target group").target_groups.unwrap_or_default().remove(0);
            groups.push(group.target_group_arn.expect("an ARN"));
        }
        let groups: [String; 2] = groups.try_into().expect("two groups");
        let listener = elb.create_listener().load_balancer_arn(balancer.load_balancer_arn.expect("an ARN"));
        let listener = listener.protocol(protocol).port(8001).default_actions(forward(&groups, [1, 0]));
        let listener = listener.send().await.expect("a listener").listeners.unwrap_or_default().remove(0);
        let url = format!("http://{}:8001/", balancer.dns_name.expect("a DNS name"));
        let listener = listener.listener_arn.expect("an ARN");
        let rig = Rig { simulator, ecs, elb, listener, groups, url };
        // More than a minute in real time, so that whoever looks for a draining target sees it.
        rig.let_targets_drain_for(3_600).await;
        rig
    }

    async fn let_targets_drain_for(&self, seconds: u32) {
        for arn in &self.groups {
            let delay = TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds");
            let attributes = self.elb.modify_target_group_attributes().target_group_arn(arn);
            let attributes = attributes.attributes(delay.value(seconds.to_string()).build());
            attributes.send().await.expect("attributes");
        }
    }

    /// A service of `count` tasks that run `image`, on the slot's group.
    async fn deploy(&self, slot: usize, image: &str, count: i32) {
        let port = PortMapping::builder().container_port(8080).build();
        let container = ContainerDefinition::builder().name("app").image(image).port_mappings(port).build();
        let definition =
            self.ecs.register_task_definition().family(NAMES[slot]).container_definitions(container);
        let definition = definition.cpu("256").memory("512").network_mode("awsvpc".into()).send().await;
        let definition = definition.expect("a task definition").task_definition.expect("a task definition");
        let balancer = LoadBalancer::builder().target_group_arn(&self.groups[slot]);
        let balancer = balancer.container_name("app").container_port(8080).build();
        let subnets = aws_sdk_ecs::types::AwsVpcConfiguration::builder().subnets("subnet-0a").build();
        let network = aws_sdk_ecs::types::NetworkConfiguration::builder();
        let network = network.awsvpc_configuration(subnets.expect("subnets")).build();
        let service =
            self.ecs.create_service().cluster("demo").service_name(NAMES[slot]).desired_count(count);
        let service = service.task_definition(definition.task_definition_arn.expect("an ARN"));
        let service = service
            .launch_type(LaunchType::Fargate)
            // More than half a minute in real time: a machine that is slow to check a task is no reason to replace it.
            .health_check_grace_period_seconds(1_800)
            .load_balancers(balancer);
        service.network_configuration(network).send().await.expect("a service");
    }

    /// How many targets of the slot's group are in each state.
    async fn targets(&self, slot: usize) -> BTreeMap<String, usize> {
        let health = self.elb.describe_target_health().target_group_arn(&self.groups[slot]).send().await;
        let mut states = BTreeMap::new();
        for target in health.expect("target health").target_health_descriptions() {
            let state = target.target_health().and_then(|health| health.state()).expect("a state");
            *states.entry(state.as_str().to_owned()).or_default() += 1;
        }
        states
    }

    async fn until_targets(&self, slot: usize, state: &str, count: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let states = self.targets(slot).await;
            if states.get(state).copied().unwrap_or(0) == count {
                return;
            }
            assert!(Instant::now() < end, "{count} {state} targets were awaited, there are {states:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn shift(&self, weights: [i32; 2]) {
        let change = self.elb.modify_listener().listener_arn(&self.listener);
        change.default_actions(forward(&self.groups, weights)).send().await.expect("a shift");
    }

    /// [`Rig::shift`] by an action that binds clients to their group for a day.
    async fn stick(&self, weights: [i32; 2]) {
        let mut action = forward(&self.groups, weights);
        let stickiness =
            TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(86_400).build();
        if let Some(config) = action.forward_config.as_mut() {
            config.target_group_stickiness_config = Some(stickiness);
        }
        let change = self.elb.modify_listener().listener_arn(&self.listener);
        change.default_actions(action).send().await.expect("a shift");
    }

    /// Sends `count` requests, each on a connection of its own, and counts who answers.
    async fn ask(&self, count: usize) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let (status, body) = get(&self.url, "/").await;
            let release = serde_json::from_str::<serde_json::Value>(&body).ok();
            let release = release.and_then(|body| body["release"].as_str().map(str::to_owned));
            *answers.entry(release.unwrap_or_else(|| status.to_string())).or_default() += 1;
        }
        answers
    }

    async fn until_some(&self, release: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.ask(1).await.contains_key(release) {
            assert!(Instant::now() < end, "{release} was to answer");
        }
    }

    async fn until_only(&self, release: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let answers = self.ask(20).await;
            if answers.keys().eq([release]) {
                return;
            }
            assert!(Instant::now() < end, "only {release} was to answer, not {answers:?}");
        }
    }
}

async fn until_seen(traffic: &TrafficGenerator, release: &str, count: u64) {
    let end = Instant::now() + PATIENCE;
    while traffic.report().by_release().get(release).is_none_or(|seen| *seen < count) {
        assert!(Instant::now() < end, "{release} was to answer {count} times: {:?}", traffic.report());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn forward(groups: &[String; 2], weights: [i32; 2]) -> Action {
    let mut config = ForwardActionConfig::builder();
    for (group, weight) in groups.iter().zip(weights) {
        config =
            config.target_groups(TargetGroupTuple::builder().target_group_arn(group).weight(weight).build());
    }
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config.build()).build()
}

fn clients(endpoint: &str) -> (aws_sdk_ecs::Client, aws_sdk_elasticloadbalancingv2::Client) {
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let key = aws_sdk_ecs::config::Credentials::new("simulator", "simulator", None, None, "test");
    let ecs = aws_sdk_ecs::Config::builder()
        .behavior_version(aws_sdk_ecs::config::BehaviorVersion::latest())
        .region(aws_sdk_ecs::config::Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .http_client(http.clone())
        .credentials_provider(key.clone());
    let elb = aws_sdk_elasticloadbalancingv2::Config::builder()
        .behavior_version(aws_sdk_elasticloadbalancingv2::config::BehaviorVersion::latest())
        .region(aws_sdk_elasticloadbalancingv2::config::Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .http_client(http)
        .credentials_provider(key);
    (
        aws_sdk_ecs::Client::from_conf(ecs.build()),
        aws_sdk_elasticloadbalancingv2::Client::from_conf(elb.build()),
    )
}

fn address_of(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address")
}

/// One request with nothing but the standard library, so that the simulator is not tested with its own client.
async fn get(url: &str, path: &str) -> (u16, String) {
    let address = address_of(url);
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n");
    let answer = tokio::task::spawn_blocking(move || exchange(address, request.as_bytes())).await;
    let answer = answer.expect("no panic").expect("an answer");
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = vec![];
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_the_weights_of_the_listener() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    let none = rig.ask(1).await;
    assert!(none.contains_key("503"), "without a target the load balancer answers itself: {none:?}");
    rig.deploy(0, "shop/web:v1", 2).await;
    rig.deploy(1, "shop/web:v2", 1).await;
    rig.until_targets(0, "healthy", 2).await;
    rig.until_targets(1, "healthy", 1).await;
    assert_eq!(rig.ask(20).await, BTreeMap::from([("v1".to_owned(), 20)]));
    rig.shift([50, 50]).await;
    rig.until_some("v2").await;
    let both = rig.ask(200).await;
    assert!(both.values().all(|count| (60..=140).contains(count)) && both.len() == 2, "{both:?}");
    rig.shift([0, 100]).await;
    rig.until_only("v2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_while_traffic_shifts_and_the_old_tasks_go() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    rig.let_targets_drain_for(120).await;
    rig.deploy(0, "shop/web:v1", 2).await;
    rig.deploy(1, "shop/web:v2", 2).await;
    rig.until_targets(0, "healthy", 2).await;
    rig.until_targets(1, "healthy", 2).await;
    let traffic = Traffic { url: rig.url.clone(), per_second: 200, connections: 8 };
    let traffic = TrafficGenerator::start(&traffic).expect("traffic");
    until_seen(&traffic, "v1", 20).await;
    rig.shift([50, 50]).await;
    until_seen(&traffic, "v2", 20).await;
    rig.shift([0, 100]).await;
    rig.until_only("v2").await;
    let mut events = rig.simulator.watch();
    let gone = rig.ecs.update_service().cluster("demo").service(NAMES[0]).desired_count(0).send().await;
    gone.expect("scaled down");
    let stopped = async {
        let mut stopped = 0;
        while stopped < 2 {
            if let Some(Event::TaskStopped { .. }) = events.recv().await {
                stopped += 1;
            }
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.expect("the old tasks stop");
    let report = traffic.stop().await;
    assert_eq!((report.failed, report.failures.as_slice()), (0, &[] as &[String]));
    let releases = report.by_release();
    assert_eq!(releases.values().sum::<u64>(), report.sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_although_its_task_drains() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    rig.deploy(0, "shop/web:v1", 1).await;
    rig.until_targets(0, "healthy", 1).await;
    let (address, (tell, is_under_way), (go_on, may_go_on)) =
        (address_of(&rig.url), tokio::sync::oneshot::channel(), std::sync::mpsc::channel());
    let request = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // More than all buffers on the way hold: once it is sent, the load balancer passes it on.
        let body = vec![b'x'; 16 << 20];
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body[1..])?;
        tell.send(()).expect("the test waits");
        may_go_on.recv().expect("the test goes on");
        stream.write_all(&body[..1])?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    });
    is_under_way.await.expect("it was sent");
    let gone = rig.ecs.update_service().cluster("demo").service(NAMES[0]).desired_count(0).send().await;
    gone.expect("scaled down");
    rig.until_targets(0, "draining", 1).await;
    go_on.send(()).expect("the request waits");
    let answer = request.await.expect("no panic").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn image_tags_decide_what_health_checks_find() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    rig.deploy(0, "shop/web:v1-slow30", 1).await;
    rig.deploy(1, "shop/web:v2-unhealthy", 1).await;
    rig.until_targets(1, "unhealthy", 1).await;
    rig.until_targets(0, "healthy", 1).await;
    let age_ms = rig.simulator.with_world(|world| {
        let started =
            world.tasks().into_iter().find(|task| task.release == "v1-slow30").map(|task| task.started_at);
        world.now() - started.expect("the slow task")
    });
    assert!(age_ms >= 30_000, "a slow task is not healthy before its time: {age_ms}");
    assert_eq!(rig.ask(5).await, BTreeMap::from([("v1-slow30".to_owned(), 5)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_crashes_is_seen_and_replaced() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    let mut events = rig.simulator.watch();
    rig.deploy(0, "shop/web:v1-crash20", 1).await;
    let mut seen = vec![];
    let watch = async {
        while let Some(event) = events.recv().await {
            match event {
                Event::TaskStarted(_) => seen.push("started"),
                Event::TaskCrashed { .. } => seen.push("crashed"),
                _ => continue,
            }
            if seen.ends_with(&["started", "crashed", "started"]) {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, watch).await.is_ok(), "no replacement: {seen:?}");
    let stopped = rig.ecs.list_tasks().cluster("demo").desired_status("STOPPED".into()).send().await;
    let stopped = stopped.expect("tasks").task_arns.unwrap_or_default();
    let task = rig.ecs.describe_tasks().cluster("demo").set_tasks(Some(stopped)).send().await.expect("tasks");
    let exit_code = task.tasks()[0].containers()[0].exit_code();
    assert_eq!(exit_code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_load_balancer_forwards_connections() {
    let rig = Rig::start(LoadBalancerTypeEnum::Network).await;
    rig.deploy(0, "shop/web:v1", 1).await;
    rig.until_targets(0, "healthy", 1).await;
    assert_eq!(rig.ask(5).await, BTreeMap::from([("v1".to_owned(), 5)]));
}

/// An HTTP server that the simulator knows nothing about: it answers `{"release": name}`, and the health checks with
/// `status`. Ends with the test's process.
fn outside_server(name: &'static str, status: u16) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer_outside(stream.expect("a connection"), name, status));
        }
    });
    address
}

/// Answers one request, after the whole of its head has come.
fn answer_outside(mut stream: TcpStream, name: &str, status: u16) {
    let mut head = vec![];
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let checked = String::from_utf8_lossy(&head).contains("ELB-HealthChecker/2.0");
    let status = if checked { status } else { 200 };
    let body = format!("{{\"release\": \"{name}\"}}");
    let answer = format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}

fn target(address: SocketAddr) -> aws_sdk_elasticloadbalancingv2::types::TargetDescription {
    let target = aws_sdk_elasticloadbalancingv2::types::TargetDescription::builder();
    target.id(address.ip().to_string()).port(address.port().into()).build()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_registered_by_address_get_their_share_like_tasks() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    rig.deploy(0, "shop/web:v1", 1).await;
    let (good, ill) = (outside_server("outside", 200), outside_server("ill", 404));
    let register = rig.elb.register_targets().target_group_arn(&rig.groups[1]);
    register.targets(target(good)).targets(target(ill)).send().await.expect("registered");
    rig.until_targets(0, "healthy", 1).await;
    rig.until_targets(1, "healthy", 1).await;
    rig.until_targets(1, "unhealthy", 1).await;
    rig.shift([50, 50]).await;
    rig.until_some("outside").await;
    let both = rig.ask(200).await;
    assert!(both.values().all(|count| (60..=140).contains(count)) && both.len() == 2, "{both:?}");
    assert!(both.contains_key("outside") && both.contains_key("v1"), "{both:?}");
    let gone = rig.elb.deregister_targets().target_group_arn(&rig.groups[1]).targets(target(good));
    gone.send().await.expect("deregistered");
    rig.until_targets(1, "draining", 1).await;
    rig.shift([0, 100]).await;
    rig.until_only("ill").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_outside_of_this_machine_is_never_connected_to() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    let far = target("192.0.2.1:80".parse().expect("an address"));
    let refused = rig.elb.register_targets().target_group_arn(&rig.groups[0]).targets(far).send().await;
    let refused = refused.expect_err("refused").into_service_error();
    assert!(refused.is_invalid_target_exception(), "{refused:?}");
    assert!(refused.to_string().contains("127.0.0.0/8") || format!("{refused:?}").contains("127.0.0.0/8"));
    assert_eq!(rig.targets(0).await, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_be_at_an_address_is_played_there() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    rig.simulator.with_world(|world| {
        world.external_target("10.77.0.1", 8080, "shop/web:pod");
        world.external_target("10.77.0.2", 8080, "shop/web:pod-unhealthy");
    });
    let register = rig.elb.register_targets().target_group_arn(&rig.groups[0]);
    let targets = ["10.77.0.1:8080", "10.77.0.2:8080"].map(|at| target(at.parse().expect("an address")));
    register.set_targets(Some(targets.to_vec())).send().await.expect("registered");
    rig.until_targets(0, "healthy", 1).await;
    rig.until_targets(0, "unhealthy", 1).await;
    rig.until_only("pod").await;
    rig.simulator.with_world(|world| world.external_target_ended("10.77.0.1"));
    rig.until_targets(0, "unhealthy", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_simulators_use_the_same_ports_side_by_side() {
    let (one, two) = (
        Rig::start(LoadBalancerTypeEnum::Application).await,
        Rig::start(LoadBalancerTypeEnum::Application).await,
    );
    one.deploy(0, "shop/web:one", 1).await;
    two.deploy(0, "shop/web:two", 1).await;
    one.until_only("one").await;
    two.until_only("two").await;
    if cfg!(target_os = "linux") {
        assert_ne!(one.url, two.url);
        for rig in [&one, &two] {
            assert_eq!(rig.simulator.listener_address(&rig.listener), Some(address_of(&rig.url)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_listens_any_more_after_a_shutdown() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    let api = address_of(rig.simulator.endpoint());
    let balancer = rig.simulator.listener_address(&rig.listener).expect("an address");
    for address in [api, balancer] {
        TcpStream::connect(address).expect("it listens before");
    }
    rig.simulator.shutdown().await;
    let end = Instant::now() + PATIENCE;
    for address in [api, balancer] {
        // A program that another test starts just now holds our sockets from its fork to its exec.
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < end, "{address} still listens");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_api_call_is_refused_and_not_fatal() {
    let simulator = Simulator::start(StartOptions::default()).expect("a simulator");
    let address = address_of(simulator.endpoint());
    let large =
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n{}", "x".repeat(5_000_000));
    for (request, status) in [
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        (large, "413"),
    ] {
        let answer =
            tokio::task::spawn_blocking(move || exchange_even_if_cut(address, request.as_bytes())).await;
        let answer = String::from_utf8_lossy(&answer.expect("no panic")).into_owned();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    }
    let (ecs, _) = clients(simulator.endpoint());
    ecs.list_clusters().send().await.expect("it still answers");
}

/// The server may close its side before it has read everything; what it said until then counts.
fn exchange_even_if_cut(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let reading = stream.try_clone().expect("a clone");
    let reader = std::thread::spawn(move || {
        let mut status_line = vec![];
        BufReader::new(reading).read_until(b'\n', &mut status_line).expect("an answer");
        status_line
    });
    let _ = stream.write_all(request);
    reader.join().expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_a_cut_connection_to_the_client() {
    let fault = Fault::parse("CreateCluster:lost").expect("a fault");
    let options = StartOptions { faults: vec![fault], ..StartOptions::default() };
    let simulator = Simulator::start(options).expect("a simulator");
    let (ecs, _) = clients(simulator.endpoint());
    ecs.create_cluster().cluster_name("demo").send().await.expect("the SDK tries again");
    let calls = simulator.with_world(|world| world.calls().all().to_vec());
    let creations: Vec<_> = calls.iter().map(|call| (call.took_effect, call.unanswered)).collect();
    assert_eq!(creations, [(true, true), (true, false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_answer_is_damaged_on_the_socket_too() {
    let simulator = Simulator::start(StartOptions::default()).expect("a simulator");
    let ask = |fault: &str| {
        let fault = Fault::parse(fault).expect("a fault");
        simulator.with_world(|world| world.inject(fault));
        let body = "Action=DescribeTargetGroups&Version=2015-12-01";
        let length = body.len();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = exchange(address_of(simulator.endpoint()), request.as_bytes()).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let unreadable = ask("DescribeTargetGroups:unreadable");
    assert!(
        unreadable.starts_with("HTTP/1.1 200") && !unreadable.contains("</DescribeTargetGroupsResponse>")
    );
    let dated = ask("DescribeTargetGroups:date=yesterday");
    let dates = dated.lines().filter(|line| line.to_ascii_lowercase().starts_with("date:"));
    assert_eq!(dates.collect::<Vec<_>>(), ["date: yesterday"]);
    let proxy = ask("DescribeTargetGroups:proxy=3600");
    assert!(proxy.starts_with("HTTP/1.1 502") && proxy.contains("<h1>502 Bad Gateway</h1>"), "{proxy}");
    let denied = ask("DescribeTargetGroups:denied");
    assert!(denied.starts_with("HTTP/1.1 403") && denied.contains("<Code>AccessDenied</Code>"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_the_load_balancers_cookie_stays_where_it_was() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    rig.deploy(0, "shop/web:v1", 1).await;
    rig.deploy(1, "shop/web:v2", 1).await;
    rig.until_targets(0, "healthy", 1).await;
    rig.until_targets(1, "healthy", 1).await;
    rig.stick([1, 0]).await;
    let bound = loop {
        let answer = ask_with(&rig.url, "").await;
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(cookie) = cookie {
            break cookie.split(';').next().expect("a cookie").to_owned();
        }
    };
    assert!(bound.starts_with("AWSALBTG="), "{bound}");
    rig.stick([0, 1]).await;
    rig.until_only("v2").await;
    for _ in 0..10 {
        assert!(ask_with(&rig.url, &format!("Cookie: a=b; {bound}\r\n")).await.contains("x-release: v1"));
    }
}

/// The whole answer to a request with these header lines.
async fn ask_with(url: &str, headers: &str) -> String {
    let address = address_of(url);
    let request = format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{headers}Connection: close\r\n\r\n");
    let answer = tokio::task::spawn_blocking(move || exchange(address, request.as_bytes())).await;
    String::from_utf8_lossy(&answer.expect("no panic").expect("an answer")).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_world_has_every_resource_that_the_example_names() {
    let read = |name: &str| std::fs::read_to_string(name).expect(name);
    let seed = Some(read("examples/world.yaml"));
    let simulator = Simulator::start(StartOptions { seed, ..StartOptions::default() }).expect("a simulator");
    let (ecs, elb) = clients(simulator.endpoint());
    let documents = read("examples/shop/web.yaml");
    let arns: Vec<_> =
        documents.split_whitespace().filter(|word| word.starts_with("arn:aws:elastic")).collect();
    let (rules, listeners): (Vec<&str>, Vec<&str>) =
        arns.iter().copied().partition(|arn| arn.contains(":listener-rule/"));
    assert_eq!((rules.len(), listeners.len()), (1, 1), "the example has changed: {arns:?}");
    elb.describe_rules().rule_arns(rules[0]).send().await.expect("the rule");
    let listener = elb.describe_listeners().listener_arns(listeners[0]).send().await.expect("the listener");
    assert_eq!(listener.listeners()[0].port(), Some(8801));
    let groups = elb.describe_target_groups().names("web-blue").names("web-green").send().await;
    assert_eq!(groups.expect("the target groups").target_groups().len(), 2);
    let clusters = ecs.describe_clusters().clusters("demo").send().await.expect("the cluster");
    assert_eq!(clusters.clusters()[0].status(), Some("ACTIVE"));
    let mut events = simulator.watch();
    for _ in 0..2 {
        let event = events.recv().await.expect("an event");
        assert!(matches!(event, Event::Listening { refused: None, .. }), "{event:?}");
    }
    let production = simulator.with_world(|world| world.listeners().into_iter().find(|l| l.port == 8800));
    let production = simulator.listener_address(&production.expect("a listener").arn).expect("an address");
    assert_eq!(get(&format!("http://{production}/"), "/").await.0, 503, "no task runs yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_replaced_by_another_and_said() {
    let rig = Rig::start(LoadBalancerTypeEnum::Application).await;
    let balancers = rig.elb.describe_load_balancers().names("shop").send().await.expect("load balancers");
    let balancer = &balancers.load_balancers()[0];
    let host = balancer.dns_name().expect("a DNS name");
    let taken = std::net::TcpListener::bind((host, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let listener = rig.elb.create_listener().load_balancer_arn(balancer.load_balancer_arn().expect("an ARN"));
    let listener = listener.protocol(ProtocolEnum::Http).port(port.into());
    let listener = listener.default_actions(forward(&rig.groups, [1, 0])).send().await.expect("a listener");
    let listener = &listener.listeners()[0];
    assert_eq!(listener.port(), Some(i32::from(port)), "AWS's answer is not changed by it");
    let address =
        rig.simulator.listener_address(listener.listener_arn().expect("an ARN")).expect("an address");
    assert_ne!(address.port(), port);
    assert_eq!(get(&format!("http://{address}/"), "/").await.0, 503, "the load balancer answers there");
    let mut events = rig.simulator.watch();
    let mut reasons = vec![];
    while let Ok(Event::Listening { refused, .. }) = events.try_recv() {
        reasons.extend(refused);
    }
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}

#[tokio::test]
async fn a_seed_that_cannot_be_used_is_refused_with_its_place() {
    for (seed, place) in [
        ("clusters: [", "not valid YAML"),
        ("cluster: []", "unknown part `cluster`"),
        ("account: 123", "twelve digits"),
        ("region: Frankfurt am Main", "like eu-central-1"),
        ("targetGroups: [{Name: a, Protocol: HTTP, Port: 80, VpcId: vpc-0}, {Name: a}]", "targetGroups[1]"),
    ] {
        let seed = Some(seed.to_owned());
        let error = Simulator::start(StartOptions { seed, ..StartOptions::default() }).expect_err("refused");
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3 from PyPI: run tests/boto3/run, as .ci/run does"]
async fn boto3_drives_every_call() {
    let python =
        std::env::var("CUTOVER_BOTO3_PYTHON").expect("CUTOVER_BOTO3_PYTHON is set by tests/boto3/run");
    let simulator = Simulator::start(StartOptions { time_scale: SCALE, ..StartOptions::default() });
    let simulator = simulator.expect("a simulator");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3/drive.py");
    let endpoint = simulator.endpoint().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        std::process::Command::new(python).arg(script).arg(endpoint).status().expect("Python starts")
    });
    assert!(run.await.expect("no panic").success(), "drive.py found something; see above");
    let called = simulator.with_world(|world| {
        let succeeded = world.calls().all().iter().filter(|call| call.error.is_none());
        succeeded.map(|call| call.operation.clone()).collect::<BTreeSet<_>>()
    });
    let offered = World::operations().into_iter().map(|operation| operation.name);
    let left_out: Vec<_> = offered.filter(|name| !called.contains(*name)).collect();
    assert!(left_out.is_empty(), "drive.py leaves out {left_out:?}");
}
