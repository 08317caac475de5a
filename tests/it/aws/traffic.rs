use super::{Rig, seconds};
use cutover::engine::{Traffic, TroubleKind};
use cutover::model::{BySlot, Listeners, Slot, Step, TargetGroups, Weights};
use cutover::rollout::{Action, Remedy, RuleSplit, Targets, Terms};
use cutover::simulator::{Failure, Settings};
use serde_json::json;

fn set(rule: usize, blue: u32, green: u32) -> Action {
    Action::SetWeights { rule, weights: Weights { blue, green } }
}

fn named(weights: &[(&str, u32)]) -> Vec<(String, u32)> {
    weights.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_poll_costs_one_read_of_the_rules_and_one_of_each_groups_health() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    assert_eq!(reading.rules[0].split, RuleSplit::Both(Weights { blue: 100, green: 0 }));
    assert_eq!(reading.test_rule.unwrap().split, RuleSplit::Only(Slot::Green));
    assert_eq!(reading.targets.blue, Targets::default());
    assert_eq!(reading.settle, 10);
    rig.clear_log();
    alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    let counts: Vec<(String, usize)> =
        rig.connector.world().calls().counts().into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    // The test listener's default action is no rule of its own, so it takes a call of its own.
    let want = [("DescribeListeners", 1), ("DescribeRules", 1), ("DescribeTargetHealth", 2)];
    assert_eq!(counts, want.map(|(name, count)| (name.to_owned(), count)));
}

#[tokio::test(start_paused = true)]
async fn a_shift_is_one_check_one_modify_one_verifying_read_and_touches_nothing_else() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    let arn = rig.rule(10);
    let before = rig.connector.world().call("elbv2", "DescribeRules", &json!({"RuleArns": [arn]})).unwrap();
    rig.clear_log();
    let after = alb.apply_traffic(&rollout, &Default::default(), &observed, &set(0, 90, 10)).await.unwrap();
    assert_eq!(rig.count("DescribeRules"), 2);
    assert_eq!(rig.count("ModifyRule"), 1);
    assert_eq!(rig.connector.world().calls().all().len(), 3);
    assert_eq!(after.split, RuleSplit::Both(Weights { blue: 90, green: 10 }));
    assert_eq!(rig.weights(&arn), named(&[("web-blue", 90), ("web-green", 10), ("other", 0)]));
    let back = alb.apply_traffic(&rollout, &Default::default(), &after, &set(0, 100, 0)).await.unwrap();
    assert_eq!(back.fingerprint, observed.fingerprint);
    let now = rig.connector.world().call("elbv2", "DescribeRules", &json!({"RuleArns": [arn]})).unwrap();
    assert_eq!(now, before, "something else than the weights changed");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_somebody_else_changed_is_left_alone() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    let arn = rig.rule(10);
    let green = rig.connector.world().target_group_arn("web-green").unwrap();
    let actions = json!([{"Type": "forward", "TargetGroupArn": green}]);
    let change = json!({"RuleArn": arn, "Actions": actions});
    rig.connector.world().call("elbv2", "ModifyRule", &change).unwrap();
    rig.clear_log();
    let trouble =
        alb.apply_traffic(&rollout, &Default::default(), &observed, &set(0, 50, 50)).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::ChangedByOthers, "{trouble}");
    assert_eq!(rig.writes(), 0);
    assert_eq!(rig.weights(&arn), named(&[("web-green", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_single_group_gets_the_other_one_beside_it_with_weight_0() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    rollout.blue_green.alb.production_listener_rule = Listeners::One(rig.rule(20));
    let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    assert_eq!(observed.split, RuleSplit::Only(Slot::Blue));
    let name = Action::NameGroup { rule: 0, slot: Slot::Green };
    let after = alb.apply_traffic(&rollout, &Default::default(), &observed, &name).await.unwrap();
    assert_eq!(after.split, RuleSplit::Both(Weights { blue: 100, green: 0 }));
    rig.clear_log();
    alb.apply_traffic(&rollout, &Default::default(), &after, &name).await.unwrap();
    assert_eq!(rig.writes(), 0, "naming it again wrote something");
}

#[tokio::test(start_paused = true)]
async fn a_listeners_default_action_is_shifted_by_listener_or_by_default_rule() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    let listener = rig.listener(8443);
    let rules = rig.connector.world().rules();
    let default = rules.into_iter().find(|r| r.listener_arn == listener).unwrap().arn;
    let forms =
        [(Listeners::None, Listeners::One(listener.clone())), (Listeners::One(default), Listeners::None)];
    for (by_rule, by_listener) in forms {
        rollout.blue_green.alb.production_listener_rule = by_rule;
        rollout.blue_green.alb.production_listener = by_listener;
        rollout.blue_green.alb.test_listener = None;
        for (blue, green) in [(30, 70), (0, 100)] {
            let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
            alb.apply_traffic(&rollout, &Default::default(), &observed, &set(0, blue, green)).await.unwrap();
            let mut weights = rig.weights(&listener);
            weights.sort();
            assert_eq!(weights, named(&[("web-blue", blue), ("web-green", green)]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_test_listener_is_pointed_at_one_slot() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().test_rule.unwrap();
    let point = Action::PointTestRule { slot: Slot::Blue };
    alb.apply_traffic(&rollout, &Default::default(), &observed, &point).await.unwrap();
    assert_eq!(rig.weights(&rig.listener(8443)), named(&[("web-blue", 1)]));
}

#[tokio::test(start_paused = true)]
async fn reads_older_than_our_write_are_waited_out() {
    for seed in 1..20 {
        let settings = Settings { stale_reads_ms: 2_000, seed, ..Settings::default() };
        let rig = Rig::with(settings, super::SEED).await;
        let alb = rig.alb();
        let rollout = rig.rollout("web:v1");
        let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
        let after =
            alb.apply_traffic(&rollout, &Default::default(), &observed, &set(0, 0, 100)).await.unwrap();
        assert_eq!(after.split, RuleSplit::Both(Weights { blue: 0, green: 100 }), "seed {seed}");
        assert_eq!(rig.count("ModifyRule"), 1, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_modify_whose_answer_was_lost_is_transient_and_not_repeated() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    rig.inject("ModifyRule", Failure::LostAnswer, 1);
    let trouble =
        alb.apply_traffic(&rollout, &Default::default(), &observed, &set(0, 0, 100)).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
    assert_eq!(rig.count("ModifyRule"), 1);
    let now = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    assert_eq!(now.split, RuleSplit::Both(Weights { blue: 0, green: 100 }));
}

#[tokio::test(start_paused = true)]
async fn a_production_rule_that_is_gone_is_told_and_the_others_are_read() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    let real = rig.rule(10);
    let gone = format!("{}0000000000000000", &real[..real.len() - 16]);
    rollout.blue_green.alb.production_listener_rule = Listeners::Many(vec![gone.clone(), real]);
    let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    assert_eq!(reading.rules[0].id, gone);
    assert_eq!(reading.rules[0].split, RuleSplit::Neither("it does not exist any more".into()));
    assert_eq!(reading.rules[1].split, RuleSplit::Both(Weights { blue: 100, green: 0 }));
    rig.inject("DescribeRules", Failure::Internal, u32::MAX);
    let trouble = alb.observe_traffic(&rollout, &Default::default()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "a failed read is not absence: {trouble}");
}

#[tokio::test(start_paused = true)]
async fn a_test_rule_that_is_gone_or_denied_ends_no_reading() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    let listener = rig.listener(8443);
    let deleted = json!({"ListenerArn": listener});
    let denied = Failure::Error { code: "AccessDenied".into(), message: "no".into() };
    for (what, says) in
        [("denied", "elasticloadbalancing:DescribeListeners"), ("gone", "does not exist any more")]
    {
        match what {
            "denied" => rig.inject("DescribeListeners", denied.clone(), 1),
            _ => drop(rig.connector.world().call("elbv2", "DeleteListener", &deleted).unwrap()),
        }
        let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
        assert_eq!(reading.rules[0].split, RuleSplit::Both(Weights { blue: 100, green: 0 }), "{what}");
        let RuleSplit::Neither(why) = reading.test_rule.unwrap().split else { panic!("{what}") };
        assert!(why.contains(says), "{why}");
        if what == "denied" {
            rig.inject("DescribeListeners", denied.clone(), 1);
        }
        let obstacles = alb.observe_obstacles(&rollout, &Default::default()).await.unwrap();
        let told = obstacles.hindrances.iter().find(|found| found.why.contains(&listener)).expect(what);
        assert!(told.why.contains(says), "{told:?}");
    }
    // A rule on the same call as the production rule.
    let real = rig.rule(20);
    rollout.blue_green.alb.test_listener = None;
    rollout.blue_green.alb.test_listener_rule = Some(real.clone());
    rig.connector.world().call("elbv2", "DeleteRule", &json!({"RuleArn": real})).unwrap();
    let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    assert_eq!(reading.rules[0].split, RuleSplit::Both(Weights { blue: 100, green: 0 }));
    let RuleSplit::Neither(why) = reading.test_rule.unwrap().split else { panic!("it is gone") };
    assert_eq!(why, "it does not exist any more");
}

#[tokio::test(start_paused = true)]
async fn health_that_cannot_be_read_is_a_hole_of_its_slot_alone() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    let denied = Failure::Error { code: "AccessDenied".into(), message: "no".into() };
    rig.inject("DescribeTargetHealth", denied, 1);
    let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    let unread: Vec<&String> = [&reading.unread.blue, &reading.unread.green].into_iter().flatten().collect();
    assert_eq!(unread.len(), 1, "{unread:?}");
    assert!(unread[0].contains("elasticloadbalancing:DescribeTargetHealth"), "{unread:?}");
    rollout.blue_green.alb.target_groups.green = "no-such-group".into();
    let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    assert_eq!(reading.rules[0].split, RuleSplit::Only(Slot::Blue));
    assert_eq!(reading.unread, BySlot::default());
    let words = reading.hindrances[0].in_words(Terms::Ecs);
    assert!(words.contains("no target group `no-such-group`"), "{words}");
    assert!(words.contains("set alb.targetGroups.green of BlueGreen/web"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_made_anew_under_its_name_is_found() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    rollout.blue_green.alb.target_groups.green = "spare".into();
    let group =
        json!({"Name": "spare", "Protocol": "HTTP", "Port": 8080, "TargetType": "ip", "VpcId": "vpc-1"});
    let create = || {
        let made = rig.connector.world().call("elbv2", "CreateTargetGroup", &group).unwrap();
        made["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap().to_owned()
    };
    let first = create();
    assert_eq!(alb.observe_traffic(&rollout, &Default::default()).await.unwrap().unread, BySlot::default());
    rig.connector.world().call("elbv2", "DeleteTargetGroup", &json!({"TargetGroupArn": first})).unwrap();
    let second = create();
    assert_ne!(first, second);
    let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    assert_eq!((reading.unread, reading.hindrances), (BySlot::default(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_changes_the_groups_in_mid_shift_leaves_the_way_back_open() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    let arn = |name: &str| rig.connector.world().target_group_arn(name).unwrap();
    let registered = BySlot { blue: vec![arn("web-blue")], green: vec![arn("web-green")] };
    let observed = alb.observe_traffic(&rollout, &registered).await.unwrap().rules.remove(0);
    alb.apply_traffic(&rollout, &registered, &observed, &set(0, 90, 10)).await.unwrap();
    for names in [["other", "nowhere"], ["web-green", "web-blue"]] {
        let [blue, green] = names.map(ToOwned::to_owned);
        rollout.blue_green.alb.target_groups = TargetGroups { blue, green };
        let reading = alb.observe_traffic(&rollout, &registered).await.unwrap();
        assert_eq!(reading.rules[0].split, RuleSplit::Both(Weights { blue: 90, green: 10 }), "{names:?}");
        assert!(!reading.hindrances.is_empty(), "{names:?}: nothing goes forward");
        let back =
            alb.apply_traffic(&rollout, &registered, &reading.rules[0], &set(0, 100, 0)).await.unwrap();
        assert_eq!(rig.weights(&rig.rule(10)), named(&[("web-blue", 100), ("web-green", 0), ("other", 0)]));
        alb.apply_traffic(&rollout, &registered, &back, &set(0, 90, 10)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_third_group_keeps_exactly_its_share_through_every_step() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let arn = |name: &str| rig.connector.world().target_group_arn(name).unwrap();
    let groups = json!([{"TargetGroupArn": arn("web-blue"), "Weight": 1}, {"TargetGroupArn": arn("other"), "Weight": 1}]);
    let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
    let change = json!({"RuleArn": rig.rule(10), "Actions": actions});
    rig.connector.world().call("elbv2", "ModifyRule", &change).unwrap();
    let mut observed = alb.observe_traffic(&rollout, &Default::default()).await.unwrap().rules.remove(0);
    let name = Action::NameGroup { rule: 0, slot: Slot::Green };
    observed = alb.apply_traffic(&rollout, &Default::default(), &observed, &name).await.unwrap();
    for (green, weights) in [(10, [9, 10, 1]), (50, [5, 10, 5]), (100, [0, 10, 10])] {
        let shift = set(0, 100 - green, green);
        observed = alb.apply_traffic(&rollout, &Default::default(), &observed, &shift).await.unwrap();
        let expected = [("web-blue", weights[0]), ("other", weights[1]), ("web-green", weights[2])];
        assert_eq!(rig.weights(&rig.rule(10)), named(&expected));
        assert!(observed.split.weights().same_split(Weights { blue: 100 - green, green }));
    }
}

/// Carries out the remedies that are writes to a rule.
fn carry_out(rig: &Rig, remedy: &Remedy) {
    type Change = Box<dyn Fn(&str, u32) -> Option<u32>>;
    let (rule, change): (&String, Change) = match remedy {
        Remedy::Drop { rule, target_group } | Remedy::TakeOut { rule, target_group } => {
            let gone = target_group.split('/').nth(1).unwrap().to_owned();
            (rule, Box::new(move |name, weight| (name != gone).then_some(weight)))
        }
        Remedy::SetRule { rule, weights, .. } => {
            let weights = *weights;
            let of = move |name: &str, weight| match name {
                "web-blue" => weights.blue,
                "web-green" => weights.green,
                _ => weight,
            };
            (rule, Box::new(move |name, weight| Some(of(name, weight))))
        }
        other => panic!("{other:?} is no write to a rule"),
    };
    let kept =
        rig.weights(rule).into_iter().filter_map(|(name, weight)| Some((change(&name, weight)?, name)));
    let group = |(weight, name): (u32, String)| json!({"TargetGroupArn": rig.connector.world().target_group_arn(&name).unwrap(), "Weight": weight});
    let groups: Vec<serde_json::Value> = kept.map(group).collect();
    forward(rig, rule, &json!(groups));
}

fn forward(rig: &Rig, rule: &str, groups: &serde_json::Value) {
    let actions = json!([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]);
    rig.connector.world().call("elbv2", "ModifyRule", &json!({"RuleArn": rule, "Actions": actions})).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cannot_carry_two_slots_is_told_before_a_write_and_its_remedy_works() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    rollout.blue_green.steps = [10, 100].map(|weight| Step { weight, hold: 0 }).into();
    let arn = |name: &str| rig.connector.world().target_group_arn(name).unwrap();
    let mut full = vec![json!({"TargetGroupArn": arn("web-blue"), "Weight": 100})];
    for name in ["a", "b", "c", "d"] {
        let group =
            json!({"Name": name, "Protocol": "HTTP", "Port": 8080, "TargetType": "ip", "VpcId": "vpc-1"});
        let made = rig.connector.world().call("elbv2", "CreateTargetGroup", &group).unwrap();
        full.push(json!({"TargetGroupArn": made["TargetGroups"][0]["TargetGroupArn"], "Weight": 0}));
    }
    let odd = json!([
        {"TargetGroupArn": arn("web-blue"), "Weight": 999},
        {"TargetGroupArn": arn("web-green"), "Weight": 0},
        {"TargetGroupArn": arn("other"), "Weight": 1},
    ]);
    for (groups, says) in
        [(json!(full), "names 5 target groups, of at most 5, and web-green"), (odd, "can't be divided")]
    {
        forward(&rig, &rig.rule(10), &groups);
        let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
        let [found] = reading.hindrances.as_slice() else { panic!("{:?}", reading.hindrances) };
        assert!(found.why.contains(says), "{found:?}");
        carry_out(&rig, &found.remedies[0]);
        let reading = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
        assert_eq!(reading.hindrances, vec![], "the remedy did not help");
        let rule = &reading.rules[0];
        let name = Action::NameGroup { rule: 0, slot: Slot::Green };
        let rule = alb.apply_traffic(&rollout, &Default::default(), rule, &name).await.unwrap();
        alb.apply_traffic(&rollout, &Default::default(), &rule, &set(0, 90, 10)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_rule_under_two_names_is_told() {
    let rig = Rig::new().await;
    let mut rollout = rig.rollout("web:v1");
    let listener = rig.listener(8443);
    let rules = rig.connector.world().rules();
    let default = rules.into_iter().find(|r| r.listener_arn == listener).unwrap().arn;
    rollout.blue_green.alb.production_listener_rule = Listeners::One(default.clone());
    let reading = rig.alb().observe_traffic(&rollout, &Default::default()).await.unwrap();
    let why = &reading.hindrances[0].why;
    assert_eq!(*why, format!("{default} and {listener} are the same rule, named twice"));
}

#[tokio::test(start_paused = true)]
async fn what_the_load_balancer_controller_made_is_an_obstacle_and_is_read_once() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    let none = alb.observe_obstacles(&rollout, &Default::default()).await.unwrap();
    assert_eq!(none, Default::default());
    rig.clear_log();
    alb.observe_obstacles(&rollout, &Default::default()).await.unwrap();
    assert_eq!(rig.count("DescribeTags"), 0, "they were read before");
    let tag = |arn: &str, key: &str| {
        let tags = json!({"ResourceArns": [arn], "Tags": [{"Key": key, "Value": "shop/web"}]});
        rig.connector.world().call("elbv2", "AddTags", &tags).unwrap();
    };
    let blue = rig.connector.world().target_group_arn("web-blue").unwrap();
    // People tag groups with the cluster for their IAM policies.
    tag(&blue, "elbv2.k8s.aws/cluster");
    assert_eq!(rig.alb().observe_obstacles(&rollout, &Default::default()).await.unwrap(), Default::default());
    tag(&rig.rule(10), "ingress.k8s.aws/stack");
    let found = rig.alb().observe_obstacles(&rollout, &Default::default()).await.unwrap();
    let [hindrance] = found.hindrances.as_slice() else { panic!("{found:?}") };
    let expected = "belongs to the AWS Load Balancer Controller (ingress.k8s.aws/stack: shop/web)";
    assert!(hindrance.why.starts_with(&rig.rule(10)) && hindrance.why.contains(expected), "{hindrance:?}");
    let denied = Failure::Error { code: "AccessDenied".into(), message: "no".into() };
    rig.inject("DescribeTags", denied, 1);
    let alb = rig.alb();
    let found = alb.observe_obstacles(&rollout, &Default::default()).await.unwrap();
    assert_eq!(found.hindrances, vec![], "unknown is no obstacle");
    assert!(found.notices[0].contains("allow elasticloadbalancing:DescribeTags"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn passing_failures_of_reads_are_tried_again() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let rollout = rig.rollout("web:v1");
    for failure in [Failure::Internal, Failure::CutBefore, Failure::LostAnswer] {
        rig.inject("*read", failure, 2);
        alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
        seconds(5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_use_of_a_group_is_found_before_it_is_deleted() {
    let rig = Rig::new().await;
    let mut uses = rig.alb().uses_of(&["web-blue", "other"]).await.unwrap();
    uses.sort_by_key(|u| (u.weight, u.rule.clone()));
    let weights: Vec<u32> = uses.iter().map(|u| u.weight).collect();
    assert_eq!(weights, [0, 100, 100], "a group that is named alone gets everything");
    let mut rules: Vec<&String> = uses[1..].iter().map(|found| &found.rule).collect();
    rules.sort();
    let mut expected = [rig.rule(10), rig.rule(20)];
    expected.sort();
    assert_eq!(rules, expected.iter().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn traffic_behind_a_group_is_told_with_its_rule_and_deleted_groups_have_none() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let arn = |name: &str| rig.connector.world().target_group_arn(name).unwrap();
    let (blue, green) = (arn("web-blue"), arn("web-green"));
    let gone = format!("{}0000000000000000", &blue[..blue.len() - 16]);
    assert_eq!(alb.traffic_behind(&[gone.clone(), "nowhere".into()], &[]).await.unwrap(), None);
    let found = alb.traffic_behind(&[gone, green.clone()], &[]).await.unwrap().expect("the test listener");
    assert_eq!(found.why, format!("{} still gives {green} weight 100", rig.listener(8443)));
    assert_eq!(alb.traffic_behind(&[green], &[rig.listener(8443)]).await.unwrap(), None);
    assert_eq!(alb.traffic_behind(&[arn("other")], &[]).await.unwrap(), None, "weight 0");
    assert!(
        alb.traffic_behind(std::slice::from_ref(&blue), &[rig.rule(10)])
            .await
            .unwrap()
            .unwrap()
            .why
            .contains(&rig.rule(20))
    );
    rig.inject("DescribeListeners", Failure::Internal, u32::MAX);
    assert!(alb.traffic_behind(&[blue], &[]).await.is_err(), "a failed read is not absence");
}

/// Deletes a target group and makes it anew under its name, as a tool that replaces it does.
fn replace_group(rig: &Rig, name: &str) {
    let mut world = rig.connector.world();
    let old = world.call("elbv2", "DescribeTargetGroups", &json!({"Names": [name]})).unwrap();
    let old = old["TargetGroups"][0]["TargetGroupArn"].clone();
    let fixed = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}]);
    let rules = world.rules();
    let naming: Vec<_> =
        rules.iter().filter(|rule| rule.weights.iter().any(|(group, _)| group == name)).collect();
    let mut before = vec![];
    for rule in &naming {
        let (operation, key, arn, actions) = match rule.priority {
            Some(_) => ("ModifyRule", "RuleArn", &rule.arn, "Actions"),
            None => ("ModifyListener", "ListenerArn", &rule.listener_arn, "DefaultActions"),
        };
        let read = json!({"RuleArns": [rule.arn]});
        let described = world.call("elbv2", "DescribeRules", &read).unwrap();
        before.push((operation, key, arn, actions, described["Rules"][0]["Actions"].clone()));
        world.call("elbv2", operation, &json!({key: arn, actions: fixed})).unwrap();
    }
    world.call("elbv2", "DeleteTargetGroup", &json!({"TargetGroupArn": old})).unwrap();
    let group = json!({"Name": name, "Protocol": "HTTP", "Port": 8080, "TargetType": "ip", "VpcId": "vpc-1"});
    let new = world.call("elbv2", "CreateTargetGroup", &group).unwrap();
    let new = new["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap();
    assert_ne!(old, new);
    for (operation, key, arn, actions, value) in before {
        let value = value.to_string().replace(old.as_str().unwrap(), new);
        let value: serde_json::Value = serde_json::from_str(&value).unwrap();
        world.call("elbv2", operation, &json!({key: arn, actions: value})).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_group_that_was_replaced_under_its_name_is_found_by_who_knew_the_old_one() {
    let rig = Rig::new().await;
    let (alb, rollout) = (rig.alb(), rig.rollout("web:v1"));
    let before = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    replace_group(&rig, "web-green");
    let after = alb.observe_traffic(&rollout, &Default::default()).await.unwrap();
    let splits = |reading: &cutover::engine::TrafficReading| {
        reading.rules.iter().chain(&reading.test_rule).map(|rule| rule.split.clone()).collect::<Vec<_>>()
    };
    assert_eq!(splits(&after), splits(&before));
    replace_group(&rig, "web-blue");
    assert_eq!(alb.uses_of(&["web-blue"]).await.unwrap().len(), 2);
    // What is truly gone is told, and asked for twice at most.
    rig.clear_log();
    let trouble = alb.uses_of(&["nothing"]).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing, "{trouble}");
    assert!(trouble.message.contains("there is no target group `nothing`"), "{trouble}");
    assert_eq!(rig.count("DescribeTargetGroups"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_created_behind_the_group_that_has_the_name_by_now() {
    let rig = Rig::new().await;
    let (ecs, rollout) = (rig.ecs(), rig.rollout("web:v1"));
    rig.aws.target_group_arns(&["web-blue", "web-green"]).await.unwrap();
    replace_group(&rig, "web-green");
    let create = Action::CreateSlot { slot: Slot::Green, count: 1, record: super::record(1) };
    cutover::engine::Workloads::apply_workload(&ecs, &rollout, &create).await.unwrap();
    let service = ecs.read_service("web-green").await.unwrap().unwrap();
    let group = service.json["loadBalancers"][0]["targetGroupArn"].as_str().unwrap();
    assert_eq!(rig.another().await.aws.target_group_arns(&["web-green"]).await.unwrap(), [group]);
}

#[tokio::test(start_paused = true)]
async fn where_a_listener_can_be_reached_is_asked_again_after_a_while() {
    let rig = Rig::new().await;
    let listener = rig.listener(8443);
    assert_eq!(rig.aws.listener_facts(&listener).await.unwrap().port, 8443);
    let moved = json!({"ListenerArn": listener, "Port": 9443});
    rig.connector.world().call("elbv2", "ModifyListener", &moved).unwrap();
    seconds(60).await;
    assert_eq!(rig.aws.listener_facts(&listener).await.unwrap().port, 9443);
}
