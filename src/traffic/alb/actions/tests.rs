use super::*;
use crate::model::BySlot;

const BLUE: &str = "arn:aws:elasticloadbalancing:r:1:targetgroup/web-blue/1";
const GREEN: &str = "arn:aws:elasticloadbalancing:r:1:targetgroup/web-green/2";
const OTHER: &str = "arn:aws:elasticloadbalancing:r:1:targetgroup/other/3";

fn groups() -> Groups {
    Groups::new(BySlot { blue: Some(BLUE.into()), green: Some(GREEN.into()) }, &BySlot::default())
}

fn list(actions: &str) -> ActionList {
    ActionList::new(Node::parse(format!("<Actions>{actions}</Actions>").as_bytes()).unwrap())
}

fn forward(tuples: &[(&str, u32)], more: &str) -> String {
    let members: String = tuples
        .iter()
        .map(|(arn, weight)| {
            format!("<member><TargetGroupArn>{arn}</TargetGroupArn><Weight>{weight}</Weight></member>")
        })
        .collect();
    format!(
        "<member><Type>forward</Type><Order>2</Order><ForwardConfig><TargetGroups>{members}</TargetGroups>{more}\
         </ForwardConfig></member>"
    )
}

const STICKY: &str = "<TargetGroupStickinessConfig><Enabled>true</Enabled><DurationSeconds>600</DurationSeconds>\
    </TargetGroupStickinessConfig>";
const LOGIN: &str = "<member><Type>authenticate-oidc</Type><Order>1</Order><AuthenticateOidcConfig>\
    <Issuer>https://i/</Issuer><ClientId>c</ClientId><AuthenticationRequestExtraParams><entry><key>k</key>\
    <value>v &amp; w</value></entry></AuthenticationRequestExtraParams></AuthenticateOidcConfig></member>";

#[test]
fn the_split_is_read_from_either_form() {
    let single = format!("<member><Type>forward</Type><TargetGroupArn>{BLUE}</TargetGroupArn></member>");
    for (actions, want) in [
        (single, RuleSplit::Only(Slot::Blue)),
        (forward(&[(GREEN, 7)], ""), RuleSplit::Only(Slot::Green)),
        (forward(&[(GREEN, 7), (BLUE, 0)], ""), RuleSplit::Both(Weights { blue: 0, green: 7 })),
        (
            format!("{LOGIN}{}", forward(&[(OTHER, 5), (BLUE, 90), (GREEN, 10)], STICKY)),
            RuleSplit::Both(Weights { blue: 90, green: 10 }),
        ),
    ] {
        assert_eq!(list(&actions).split(&groups()), want, "{actions}");
    }
    for actions in [forward(&[(OTHER, 1)], ""), "<member><Type>redirect</Type></member>".into()] {
        assert!(matches!(list(&actions).split(&groups()), RuleSplit::Neither(_)), "{actions}");
    }
}

#[test]
fn new_weights_leave_everything_else_as_it_was() {
    let unknown = "<NewFeature><Depth><member>x</member></Depth></NewFeature>";
    let before = list(&format!(
        "{LOGIN}{}",
        forward(&[(OTHER, 0), (BLUE, 100), (GREEN, 0)], &format!("{STICKY}{unknown}"))
    ));
    let after = before.with_weights(&groups(), Weights { blue: 0, green: 100 }).unwrap();
    let changed: Vec<_> = {
        let old = before.tree().parameters();
        after.tree().parameters().into_iter().filter(|p| !old.contains(p)).collect()
    };
    let path = "Actions.member.2.ForwardConfig.TargetGroups.member";
    assert_eq!(
        changed,
        [
            ("Actions.member.1.AuthenticateOidcConfig.UseExistingClientSecret".to_owned(), "true".to_owned()),
            (format!("{path}.2.Weight"), "0".to_owned()),
            (format!("{path}.3.Weight"), "100".to_owned()),
        ]
    );
    assert_eq!(after.tree().parameters().len(), before.tree().parameters().len() + 1);
}

#[test]
fn a_single_group_becomes_one_of_two_with_all_the_weight() {
    let single = format!(
        "<member><Type>forward</Type><TargetGroupArn>{BLUE}</TargetGroupArn><ForwardConfig><TargetGroups><member>\
         <TargetGroupArn>{BLUE}</TargetGroupArn><Weight>1</Weight></member></TargetGroups></ForwardConfig></member>"
    );
    let after = list(&single).with_named(&groups(), Slot::Green).unwrap();
    assert_eq!(after.split(&groups()), RuleSplit::Both(Weights { blue: 100, green: 0 }));
    assert!(after.tree().children[0].child("TargetGroupArn").is_none(), "refused beside two groups");
    let again = after.with_named(&groups(), Slot::Green).unwrap();
    assert_eq!(again.fingerprint(), after.fingerprint());
}

#[test]
fn a_sixth_group_is_refused_before_aws_is_asked() {
    let others: Vec<String> = (0..5).map(|i| format!("{OTHER}{i}")).collect();
    let tuples: Vec<(&str, u32)> = others.iter().map(|arn| (arn.as_str(), 1)).collect();
    let full = list(&forward(&tuples, ""));
    assert!(full.with_named(&groups(), Slot::Blue).unwrap_err().contains("5"));
}

#[test]
fn the_test_rule_is_pointed_at_one_group_only() {
    let before = list(&format!("{LOGIN}{}", forward(&[(BLUE, 1), (OTHER, 2)], STICKY)));
    let after = before.pointed_at(&groups(), Slot::Green).unwrap();
    assert_eq!(after.weights(), [(GREEN.to_owned(), 1)]);
    assert!(after.tree().find("TargetGroupStickinessConfig").is_some());
    assert!(after.tree().find("AuthenticateOidcConfig").is_some());
}

#[test]
fn a_fingerprint_sees_every_change_and_no_mere_order() {
    let base = list(&format!("{LOGIN}{}", forward(&[(BLUE, 1), (GREEN, 2)], STICKY)));
    let turned = list(&format!("{}{LOGIN}", forward(&[(GREEN, 2), (BLUE, 1)], STICKY)));
    assert_eq!(base.fingerprint(), turned.fingerprint());
    let off = "<TargetGroupStickinessConfig><Enabled>false</Enabled></TargetGroupStickinessConfig>";
    assert_eq!(
        list(&forward(&[(BLUE, 1)], off)).fingerprint(),
        list(&forward(&[(BLUE, 1)], "")).fingerprint()
    );
    for other in [
        format!("{LOGIN}{}", forward(&[(BLUE, 1), (GREEN, 3)], STICKY)),
        format!("{LOGIN}{}", forward(&[(BLUE, 1), (GREEN, 2)], "")),
        forward(&[(BLUE, 1), (GREEN, 2)], STICKY),
        format!("{}{}", LOGIN.replace("https://i/", "https://j/"), forward(&[(BLUE, 1), (GREEN, 2)], STICKY)),
    ] {
        assert_ne!(base.fingerprint(), list(&other).fingerprint(), "{other}");
    }
}

#[test]
fn a_third_group_keeps_its_share_and_steps_are_shares_of_our_part() {
    let before = list(&forward(&[(OTHER, 1), (BLUE, 1), (GREEN, 0)], ""));
    let after = before.with_weights(&groups(), Weights { blue: 90, green: 10 }).unwrap();
    assert_eq!(after.weights(), [(OTHER.to_owned(), 10), (BLUE.to_owned(), 9), (GREEN.to_owned(), 1)]);
    let done = after.with_weights(&groups(), Weights { blue: 0, green: 100 }).unwrap();
    assert_eq!(done.weights(), [(OTHER.to_owned(), 10), (BLUE.to_owned(), 0), (GREEN.to_owned(), 10)]);
    let nothing = list(&forward(&[(OTHER, 1), (BLUE, 0), (GREEN, 0)], ""));
    let RuleSplit::Neither(why) = nothing.split(&groups()) else { panic!("nothing of it is ours") };
    assert!(why.contains("gives all weight to other"), "{why}");
    assert!(nothing.with_weights(&groups(), Weights { blue: 0, green: 100 }).is_err());
    let alone = list(&forward(&[(OTHER, 1), (BLUE, 0)], ""));
    assert!(matches!(alone.split(&groups()), RuleSplit::Neither(_)), "blue has no weight");
}

#[test]
fn weights_that_cannot_be_divided_are_told_with_the_nearest_that_can() {
    let steps = [10, 100].map(|weight| Step { weight, hold: 0 });
    let odd = list(&forward(&[(OTHER, 1), (BLUE, 0), (GREEN, 999)], ""));
    assert!(odd.with_weights(&groups(), Weights { blue: 10, green: 90 }).unwrap_err().contains("999"));
    let (slot, weights) = odd.indivisible(&groups(), &steps).unwrap();
    assert_eq!((slot, weights), (Slot::Green, Weights { blue: 0, green: 990 }));
    let set = list(&forward(&[(OTHER, 1), (BLUE, weights.blue), (GREEN, weights.green)], ""));
    assert_eq!(set.indivisible(&groups(), &steps), None);
    assert!(set.with_weights(&groups(), Weights { blue: 10, green: 90 }).is_ok());
}

#[test]
fn five_groups_without_ours_are_told_with_those_that_could_go() {
    let others: Vec<String> = (0..4).map(|i| format!("{OTHER}{i}")).collect();
    let mut tuples: Vec<(&str, u32)> = others.iter().map(|arn| (arn.as_str(), 1)).collect();
    tuples.push((BLUE, 5));
    assert_eq!(list(&forward(&tuples, "")).crowding(&groups()), Some(others.clone()));
    tuples[2].1 = 0;
    assert_eq!(list(&forward(&tuples, "")).crowding(&groups()), Some(vec![others[2].clone()]));
    tuples.remove(2);
    assert_eq!(list(&forward(&tuples, "")).crowding(&groups()), None);
}

#[test]
fn weight_moves_onto_the_group_that_the_live_service_is_registered_in() {
    let registered = BySlot { blue: vec![OTHER.to_owned()], green: vec![GREEN.to_owned()] };
    let renamed = Groups::new(BySlot { blue: Some(BLUE.into()), green: Some(GREEN.into()) }, &registered);
    let rule = list(&forward(&[(OTHER, 90), (GREEN, 10)], ""));
    assert_eq!(rule.split(&renamed), RuleSplit::Both(Weights { blue: 90, green: 10 }));
    let back = rule.with_weights(&renamed, Weights { blue: 100, green: 0 }).unwrap();
    assert_eq!(back.weights(), [(OTHER.to_owned(), 100), (GREEN.to_owned(), 0)]);
}
