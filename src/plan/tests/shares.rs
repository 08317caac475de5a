//! What a plan says of sides that have a part of the requests.

use super::super::*;
use super::plain;
use super::shop::*;
use crate::model::*;
use crate::rollout::*;

fn plan(manifests: &Manifests, live: &Live) -> Plan {
    assemble(&application(), "4f1c2d3", manifests, live)
}

/// Version 2 is at 10% in green; everything it is asked for is well.
fn shifting(live: &mut Live, manifests: &Manifests, revision: &str, content: Content) {
    let shifting = Progress::Shifting { share: 10, since: Timestamp(NOW - 20) };
    let old = record(1, "0123456789abcdef", None, Progress::Done(Timestamp(NOW - 90_000)));
    let slots = BySlot {
        blue: slot(Content::Other, 3, "web:1", Some(old)),
        green: slot(content, 3, "web:2", Some(record(2, revision, Some(Slot::Blue), shifting))),
    };
    let split = RuleSplit::Both(Weights { blue: 450, green: 50 });
    live.rollouts.insert("web".into(), Ok(rollout(manifests, slots, split)));
    live.services.insert("web-green".into(), running_slot(Slot::Green, 2));
    live.revisions.push(registered(&task_definition("web", "shop/web:2"), 2));
}

/// What the plan says of the service of a slot.
fn said_of(plan: &Plan, service: &str) -> String {
    let item = plan.items.iter().find(|item| item.resource == service).expect(service);
    format!("{}: {}", item.change, item.why)
}

#[test]
fn an_interrupted_candidate_is_never_said_to_be_idle_or_without_traffic() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    shifting(&mut live, &manifests, &wanted(&manifests).0, Content::Desired);
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    let remedy = Remedy::Restore { what: "it".into() };
    seen.observation.hindrances.push(Hindrance::new("somebody is in the way", vec![remedy]));
    let blocked = plan(&manifests, &live);
    assert_eq!(said_of(&blocked, "web-green"), "unchanged: has 10% of the requests (web:2) with 3 tasks");
    assert_eq!(said_of(&blocked, "web-blue"), "unchanged: serves (web:1) with 90% of the requests");

    // The same at its gate.
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    seen.observation.rules[0].split = RuleSplit::Both(Weights { blue: 500, green: 0 });
    seen.observation.slots.green.record.as_mut().unwrap().progress = Progress::Rolling;
    let at_gate = plan(&manifests, &live);
    assert_eq!(said_of(&at_gate, "web-green"), "unchanged: is the candidate (web:2) with 3 tasks");

    // Another commit: its share goes back before it is touched.
    let next = super::shop::manifests("shop/web:3");
    let mut live = version_1_serves(&next);
    shifting(&mut live, &next, "fedcba9876543210", Content::Other);
    let said = said_of(&plan(&next, &live), "web-green");
    assert!(
        said.starts_with(
            "update: has 10% of the requests, which go back first, and is updated, with 3 tasks"
        ),
        "{said}"
    );
}

#[test]
fn shares_are_told_in_percent_of_the_slots_part_and_the_rest_by_its_own() {
    let manifests = manifests("shop/web:2");
    let mut live = version_1_serves(&manifests);
    let Some(Ok(seen)) = live.rollouts.get_mut("web") else { panic!() };
    seen.observation.rules[0].split = RuleSplit::Both(Weights { blue: 500, green: 0 });
    seen.others = [(RULE.to_owned(), vec![("legacy".to_owned(), 33)])].into();
    let text = plain(&plan(&manifests, &live));
    assert!(text.contains("    blue 100% / green 0% → green 10% for 2m → green 100%\n"), "{text}");
    let note =
        "note: of the rule's requests 33% go to legacy, which stays so; the shares above are of the rest";
    assert_eq!(text.matches(note).count(), 1, "{text}");
}

#[test]
fn a_share_that_is_not_nothing_is_not_told_as_none() {
    for (blue, green, text) in [
        (0, 500, "blue 0% / green 100%"),
        (1, 2, "blue 33% / green 67%"),
        (999, 1, "blue over 99% / green under 1%"),
        (0, 0, "blue 0% / green 0%"),
    ] {
        assert_eq!(Weights { blue, green }.in_percent(), text);
    }
}
