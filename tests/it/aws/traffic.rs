use super::{Rig, seconds};
use cutover::engine::{Traffic, TroubleKind};
use cutover::model::{Listeners, Slot, Weights};
use cutover::rollout::{Action, RuleSplit, Targets};
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
async fn a_rule_or_group_that_does_not_exist_is_missing_and_a_failed_read_is_an_error() {
    let rig = Rig::new().await;
    let alb = rig.alb();
    let mut rollout = rig.rollout("web:v1");
    let real = rig.rule(10);
    let gone = format!("{}0000000000000000", &real[..real.len() - 16]);
    rollout.blue_green.alb.production_listener_rule = Listeners::One(gone);
    let trouble = alb.observe_traffic(&rollout, &Default::default()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing, "{trouble}");
    let mut rollout = rig.rollout("web:v1");
    rollout.blue_green.alb.target_groups.green = "no-such-group".into();
    let trouble = alb.observe_traffic(&rollout, &Default::default()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Missing, "{trouble}");
    assert!(trouble.to_string().contains("no-such-group"), "{trouble}");
    let rollout = rig.rollout("web:v1");
    let denied = Failure::Error { code: "AccessDenied".into(), message: "no".into() };
    rig.inject("DescribeTargetHealth", denied, 1);
    let trouble = alb.observe_traffic(&rollout, &Default::default()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Denied, "{trouble}");
    assert!(trouble.message.contains("elasticloadbalancing:DescribeTargetHealth"), "{trouble}");
    rig.inject("DescribeTargetHealth", Failure::Internal, u32::MAX);
    let trouble = alb.observe_traffic(&rollout, &Default::default()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Transient, "{trouble}");
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
    assert_eq!(weights, [0, 1, 100]);
    assert_eq!(uses[2].rule, rig.rule(10));
    assert_eq!(uses[1].rule, rig.rule(20));
}
