//! The end of an application: everything that it owns goes, but for what stays whatever happens.

use super::assemble::farewell;
use super::{Change, Live, Owned, Plan, PlanItem};
use crate::model::{Application, Kind};
use std::collections::BTreeMap;

/// The plan for deleting everything of `live.owned`. What is `in_use` stays for good and is told, unless it is kept for now
/// only; such things, and what is `held`, by the name of its resource, can't go yet for that reason.
pub fn plan_deletion(
    application: &Application,
    commit: &str,
    live: &Live,
    held: &BTreeMap<String, String>,
) -> Plan {
    let mut plan =
        Plan { application: application.name.clone(), commit: commit.to_owned(), ..Plan::default() };
    plan.notices.extend(live.beyond.iter().cloned());
    if let Some(why) = &live.incomplete {
        let kind = Kind::Application.name();
        let why = format!(
            "nothing is deleted, since the list of what it owns is not complete: {why}; mend that, or set spec.deletion: \
             orphan, which leaves everything as it runs"
        );
        plan.items.push(PlanItem::new(kind, &application.name, &application.name, Change::Blocked, why));
        return plan;
    }
    let (kept, going): (Vec<&Owned>, Vec<&Owned>) = live
        .owned
        .iter()
        .partition(|owned| owned.in_use.is_some() && owned.leaving.is_none() && !owned.is_kept_for_now);
    let stays = |owned: &&Owned| {
        let why = owned.in_use.as_deref().unwrap_or_default();
        match owned.resource.contains('/') {
            // Its document is no other name.
            true => format!("{} is left as it is: {why}", owned.document),
            false => format!("{} ({}) is left as it is: {why}", owned.resource, owned.document),
        }
    };
    plan.notices.extend(kept.iter().map(stays));
    plan.items.extend(going.into_iter().map(|owned| {
        let (kind, name) = owned.document.split_once('/').unwrap_or(("Service", &owned.resource));
        let for_now = owned.in_use.as_ref().filter(|_| owned.leaving.is_none());
        let (change, why) = match held.get(&owned.resource).or(for_now) {
            Some(why) => (Change::Blocked, format!("can't be deleted yet: {why}")),
            None => (Change::Prune, farewell(owned, "goes with its application")),
        };
        PlanItem { turn: owned.turn, ..PlanItem::new(kind, name, &owned.resource, change, why) }
    }));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::shop::application;

    fn owned(name: &str) -> Owned {
        Owned {
            document: format!("ConfigMap/{name}"),
            resource: format!("ConfigMap/shop/{name}"),
            ..Owned::default()
        }
    }

    fn planned(live: &Live, held: &[(&str, &str)]) -> (Vec<(String, Change)>, Vec<String>) {
        let held = held.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect();
        let plan = plan_deletion(&application(), "c0ffee", live, &held);
        (plan.items.iter().map(|item| (item.resource.clone(), item.change)).collect(), plan.notices)
    }

    #[test]
    fn everything_goes_but_what_stays_for_good_and_what_requests_reach() {
        let kept = Owned { in_use: Some("its data would go with it".into()), ..owned("kept") };
        let for_now = Owned {
            in_use: Some("kept: application blog may declare it".into()),
            is_kept_for_now: true,
            ..owned("c")
        };
        let live = Live { owned: vec![owned("a"), owned("b"), kept, for_now], ..Live::default() };
        let (items, notices) = planned(&live, &[("ConfigMap/shop/b", "a rule sends requests to it")]);
        let of = |name: &str, change| (format!("ConfigMap/shop/{name}"), change);
        assert_eq!(items, [of("a", Change::Prune), of("b", Change::Blocked), of("c", Change::Blocked)]);
        assert_eq!(notices, ["ConfigMap/kept is left as it is: its data would go with it"]);
    }

    #[test]
    fn an_inventory_in_doubt_deletes_nothing() {
        let live = Live {
            owned: vec![owned("a")],
            incomplete: Some("secrets can't be listed".into()),
            ..Live::default()
        };
        let (items, _) = planned(&live, &[]);
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].1, Change::Blocked);
    }
}
