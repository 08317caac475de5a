//! The real SDK clients against the world, under a clock that stands still until everyone waits.

use super::START;
use crate::simulator::{Connector, Failure, Fault, HaltPoint, Settings, World};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::types as ecs_types;
use aws_sdk_elasticloadbalancingv2::types as elb_types;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn connect(settings: Settings) -> (Connector, SdkConfig) {
    let connector = Connector::new(Arc::new(Mutex::new(World::new(settings, START))), START);
    let keys = aws_sdk_ecs::config::Credentials::new("AKIASIMULATED", "not-a-secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(aws_sdk_ecs::config::SharedCredentialsProvider::new(keys))
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
            aws_smithy_async::rt::sleep::TokioSleep::new(),
        ))
        .http_client(connector.clone())
        .build();
    (connector, config)
}

fn forward(groups: &[(&str, i32)]) -> elb_types::Action {
    let groups = groups.iter().map(|(arn, weight)| {
        elb_types::TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build()
    });
    let config = elb_types::ForwardActionConfig::builder().set_target_groups(Some(groups.collect())).build();
    elb_types::Action::builder().r#type(elb_types::ActionTypeEnum::Forward).forward_config(config).build()
}

#[tokio::test(start_paused = true)]
async fn the_sdk_builds_a_shop_runs_it_and_rolls_it() {
    let (connector, config) = connect(Settings::default());
    let ecs = aws_sdk_ecs::Client::new(&config);
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert_eq!(identity.account(), Some("000000000000"));

    ecs.create_cluster().cluster_name("prod").send().await.unwrap();
    let lb =
        elb.create_load_balancer().name("shop").subnets("subnet-a").subnets("subnet-b").send().await.unwrap();
    let lb = lb.load_balancers()[0].clone();
    assert_eq!(lb.dns_name(), Some("shop.elb.localhost"));
    let mut groups = vec![];
    for name in ["web-blue", "web-green"] {
        let made = elb
            .create_target_group()
            .name(name)
            .protocol(elb_types::ProtocolEnum::Http)
            .port(8080)
            .vpc_id("vpc-1")
            .target_type(elb_types::TargetTypeEnum::Ip)
            .health_check_path("/healthz")
            .send()
            .await
            .unwrap();
        groups.push(made.target_groups()[0].target_group_arn().unwrap().to_string());
    }
    let listener = elb
        .create_listener()
        .load_balancer_arn(lb.load_balancer_arn().unwrap())
        .protocol(elb_types::ProtocolEnum::Http)
        .port(80)
        .default_actions(forward(&[(&groups[0], 100), (&groups[1], 0)]))
        .send()
        .await
        .unwrap();
    let listener = listener.listeners()[0].listener_arn().unwrap().to_string();
    let condition = elb_types::RuleCondition::builder().field("path-pattern").values("/shop/*").build();
    let rule = elb
        .create_rule()
        .listener_arn(&listener)
        .priority(10)
        .conditions(condition)
        .actions(forward(&[(&groups[0], 100), (&groups[1], 0)]))
        .send()
        .await
        .unwrap();
    let rule = rule.rules()[0].rule_arn().unwrap().to_string();

    let port = ecs_types::PortMapping::builder().container_port(8080).build();
    let container = ecs_types::ContainerDefinition::builder()
        .name("app")
        .image("web:v1")
        .memory(128)
        .port_mappings(port)
        .build();
    let definition = ecs
        .register_task_definition()
        .family("web")
        .network_mode(ecs_types::NetworkMode::Awsvpc)
        .container_definitions(container)
        .tags(ecs_types::Tag::builder().key("team").value("shop").build())
        .send()
        .await
        .unwrap();
    let definition = definition.task_definition().unwrap();
    assert_eq!(
        (definition.revision(), definition.registered_at().unwrap().secs()),
        (1, START as i64 / 1_000)
    );
    let vpc = ecs_types::AwsVpcConfiguration::builder().subnets("subnet-a").build().unwrap();
    let load_balancer = ecs_types::LoadBalancer::builder()
        .target_group_arn(&groups[0])
        .container_name("app")
        .container_port(8080)
        .build();
    ecs.create_service()
        .cluster("prod")
        .service_name("web-blue")
        .task_definition("web")
        .desired_count(2)
        .load_balancers(load_balancer)
        .network_configuration(ecs_types::NetworkConfiguration::builder().awsvpc_configuration(vpc).build())
        .send()
        .await
        .unwrap();

    let mut polls = 0;
    let service = loop {
        let described = ecs.describe_services().cluster("prod").services("web-blue").send().await.unwrap();
        let service = described.services()[0].clone();
        if service.deployments()[0].rollout_state() == Some(&ecs_types::DeploymentRolloutState::Completed) {
            break service;
        }
        polls += 1;
        assert!(polls < 60, "{service:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    assert_eq!((service.running_count(), service.pending_count()), (2, 0));
    let health = elb.describe_target_health().target_group_arn(&groups[0]).send().await.unwrap();
    let states =
        health.target_health_descriptions().iter().filter_map(|t| t.target_health()?.state().cloned());
    assert_eq!(states.collect::<Vec<_>>(), vec![elb_types::TargetHealthStateEnum::Healthy; 2]);

    let changed = elb
        .modify_rule()
        .rule_arn(&rule)
        .actions(forward(&[(&groups[0], 0), (&groups[1], 100)]))
        .send()
        .await
        .unwrap();
    let tuples = changed.rules()[0].actions()[0].forward_config().unwrap().target_groups();
    assert_eq!(tuples.iter().map(|t| t.weight()).collect::<Vec<_>>(), [Some(0), Some(100)]);
    assert_eq!(changed.rules()[0].conditions()[0].path_pattern_config().unwrap().values(), ["/shop/*"]);

    ecs.update_service().cluster("prod").service("web-blue").force_new_deployment(true).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(400)).await;
    let world = connector.world();
    assert_eq!((world.tasks_started_total(), world.tasks_alive()), (4, 2));
    assert_eq!(world.service("web-blue").unwrap().rollout_state, "COMPLETED");
    assert_eq!(world.calls().count("CreateService"), 1);
    assert!(world.calls().all().iter().all(|call| call.error.is_none()));
}

#[tokio::test(start_paused = true)]
async fn the_sdk_reads_errors_alarms_and_tasks() {
    let (connector, config) = connect(Settings::default());
    let ecs = aws_sdk_ecs::Client::new(&config);
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&config);

    let refused = ecs.list_services().cluster("none").send().await.unwrap_err().into_service_error();
    assert!(refused.is_cluster_not_found_exception(), "{refused:?}");
    let refused = elb.describe_rules().rule_arns("none").send().await.unwrap_err().into_service_error();
    assert!(refused.is_rule_not_found_exception(), "{refused:?}");

    cloudwatch
        .put_metric_alarm()
        .alarm_name("web-5xx")
        .threshold(5.0)
        .evaluation_periods(1)
        .send()
        .await
        .unwrap();
    let state = aws_sdk_cloudwatch::types::StateValue::Alarm;
    cloudwatch
        .set_alarm_state()
        .alarm_name("web-5xx")
        .state_value(state.clone())
        .state_reason("test")
        .send()
        .await
        .unwrap();
    let alarms = cloudwatch.describe_alarms().alarm_names("web-5xx").send().await.unwrap();
    let alarm = &alarms.metric_alarms()[0];
    assert_eq!((alarm.state_value(), alarm.threshold()), (Some(&state), Some(5.0)));
    assert_eq!(alarm.state_updated_timestamp().unwrap().secs(), START as i64 / 1_000);
    let missing =
        cloudwatch.set_alarm_state().alarm_name("no").state_value(state).state_reason("x").send().await;
    assert!(missing.unwrap_err().into_service_error().is_resource_not_found());

    {
        let mut world = connector.world();
        world.load_seed(super::SHOP).unwrap();
        super::deploy(&mut world, "web", "v1-missing", Some("web-blue"), 1);
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let stopped = ecs
        .list_tasks()
        .cluster("prod")
        .desired_status(ecs_types::DesiredStatus::Stopped)
        .send()
        .await
        .unwrap();
    let tasks = ecs
        .describe_tasks()
        .cluster("prod")
        .set_tasks(Some(stopped.task_arns().to_vec()))
        .send()
        .await
        .unwrap();
    let task = &tasks.tasks()[0];
    assert_eq!(task.stop_code(), Some(&ecs_types::TaskStopCode::TaskFailedToStart));
    assert!(task.stopped_reason().unwrap().starts_with("CannotPullContainerError"));
    let tags = elb.describe_tags().resource_arns(super::RULE).send().await.unwrap();
    assert_eq!(tags.tag_descriptions()[0].tags().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_sdk_retries_what_is_lost_and_throttled() {
    let (connector, config) = connect(Settings::default());
    let ecs = aws_sdk_ecs::Client::new(&config);
    let throttle = Failure::Error { code: "ThrottlingException".into(), message: "Rate exceeded".into() };
    for failure in [Failure::LostAnswer, Failure::CutBefore, Failure::Internal, throttle] {
        connector.world().inject(Fault::Call {
            operation: "CreateCluster".into(),
            after: 0,
            times: 1,
            failure,
        });
        ecs.create_cluster().cluster_name("prod").send().await.unwrap();
    }
    assert_eq!(connector.world().calls().count("CreateCluster"), 8);
}

#[tokio::test(start_paused = true)]
async fn a_halted_program_is_told_apart_from_one_that_ends() {
    let (connector, config) = connect(Settings::default());
    let ecs = aws_sdk_ecs::Client::new(&config);
    connector.world().inject(Fault::Halt { write: 1, point: HaltPoint::AnswerLost });
    let program = async { ecs.create_cluster().cluster_name("prod").send().await };
    tokio::select! {
        ended = program => panic!("it must not get an answer: {ended:?}"),
        () = connector.halted() => {}
    }
    connector.world().revive();
    let clusters = ecs.list_clusters().send().await.unwrap();
    assert_eq!(clusters.cluster_arns().len(), 1);
}
