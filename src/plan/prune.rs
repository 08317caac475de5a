//! What may be deleted. Deleting too little is a nuisance, deleting too much an outage: every doubt keeps everything.

use super::SlotMark;
use super::words::{count, several};
use crate::model::Turn;
use std::collections::BTreeSet;

/// A live service or object that bears the application's mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// The document it was made from, as its mark says: `Service/web`.
    pub document: String,
    /// Its name where it lives, as [`super::PlanItem::resource`].
    pub resource: String,
    /// ARNs of the target groups whose targets it makes; those of a Kubernetes object are known by its slot.
    pub target_groups: Vec<String>,
    /// Set if it must not be deleted now, with the reason: `its target group gets 100% of rule arn:…`.
    pub in_use: Option<String>,
    /// True if that reason may be gone at the next look.
    pub is_kept_for_now: bool,
    /// The Service or HTTPRoute that sends requests to it, as [`super::PlanItem::resource`]; it is a slot then.
    pub steered_by: Option<String>,
    /// Set if it was told to go and is still there, with what holds it up: `is being deleted, which the finalizer …`.
    pub leaving: Option<String>,
    /// When its turn came in a sync: what came first goes last.
    pub turn: Turn,
    /// Set if it is a slot of a workload that is shipped by blue/green.
    pub slot: Option<SlotMark>,
}

/// What is deleted, and what people are told about the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneDecision {
    pub prune: Vec<Owned>,
    pub notices: Vec<String>,
    /// Set if something is to go and does not, since it is more than `pruneLimit` lets, the limit is none, or the list of what
    /// is owned is not complete: a sentence. The rest of a sync is not concerned.
    pub withheld: Option<String>,
    /// Set if nothing can be said to be as Git wants it, with the reason: Git says nothing.
    pub in_doubt: Option<String>,
}

/// Chooses what of `owned` is deleted, or is on its way out and has to be waited for: what is not among the `declared`
/// live names, if pruning is on and nothing casts doubt on either list. `limit` is a share (`30%`) of `owned` or a number;
/// `documents_found` counts the documents under the application's path; `incomplete` says why `owned` may not be all.
pub fn prunable(
    owned: &[Owned],
    declared: &BTreeSet<String>,
    prune: bool,
    limit: &str,
    documents_found: usize,
    incomplete: Option<&str>,
) -> PruneDecision {
    let orphans = owned.iter().filter(|o| !declared.contains(&o.resource));
    // Nothing is left to decide about what was told to go; that it is still there has to be known.
    let (leaving, orphans): (Vec<&Owned>, Vec<&Owned>) = orphans.partition(|o| o.leaving.is_some());
    let leaving: Vec<Owned> = leaving.into_iter().filter(|_| prune).cloned().collect();
    let keep_all = |why: String| PruneDecision {
        prune: leaving.clone(),
        notices: vec![why],
        ..PruneDecision::default()
    };
    if orphans.is_empty() {
        let unknown = incomplete.filter(|_| prune);
        let notice = unknown.map(|why| {
            format!("whether anything is to be pruned can't be told: the list of what this application owns is not complete: {why}")
        });
        return PruneDecision {
            prune: leaving,
            notices: notice.into_iter().collect(),
            ..PruneDecision::default()
        };
    }
    let noun = noun(owned);
    let what = format!("{} no longer in Git", are(&orphans, noun));
    if documents_found == 0 {
        let why = format!(
            "nothing is pruned: no document was found under the application's path, which is taken for a mistake; {what}. \
             Check spec.source.path; to remove everything for good, use `cutover delete -f FILE` or, for an Application in a \
             cluster, delete it with spec.deletion: cascade"
        );
        return PruneDecision { prune: leaving, in_doubt: Some(why), ..PruneDecision::default() };
    }
    if !prune {
        return keep_all(format!("{what} and left alone; set spec.sync.prune: true to have them deleted"));
    }
    let withhold = |why: String| PruneDecision {
        prune: leaving.clone(),
        withheld: Some(why),
        ..PruneDecision::default()
    };
    if let Some(why) = incomplete {
        return withhold(format!(
            "nothing is pruned: the list of live {noun}s is not complete ({why}); {what}"
        ));
    }
    let Some(allowed) = allowed(limit, owned.len()) else {
        return withhold(format!(
            "nothing is pruned: spec.sync.pruneLimit `{limit}` is neither a share like 30% nor a number"
        ));
    };
    // What stays anyway, perhaps for ever, leaves the limit to the rest.
    let (busy, free): (Vec<&Owned>, Vec<&Owned>) = orphans.into_iter().partition(|o| o.in_use.is_some());
    if free.len() > allowed {
        let what = format!("{} no longer in Git", are(&free, noun));
        let why = format!(
            "nothing is pruned: {what}, more than spec.sync.pruneLimit {limit} of {} allows; if that is meant, raise the \
             limit for this commit, for example pruneLimit: \"{}\"",
            count(owned.len() as u64, &format!("owned {noun}")),
            free.len()
        );
        let notices = busy.into_iter().map(|owned| kept(owned, noun)).collect();
        return PruneDecision { prune: leaving, withheld: Some(why), notices, in_doubt: None };
    }
    PruneDecision {
        prune: free.into_iter().cloned().chain(leaving).collect(),
        notices: busy.into_iter().map(|owned| kept(owned, noun)).collect(),
        ..PruneDecision::default()
    }
}

/// The notice about what stays for a reason of its own.
fn kept(owned: &Owned, noun: &str) -> String {
    let why = owned.in_use.as_deref().unwrap_or_default();
    match noun {
        // Its document is no other name.
        "object" => format!("{} is no longer in Git but not pruned: {why}", owned.document),
        _ => format!("{} ({}) is no longer in Git but not pruned: {why}", owned.resource, owned.document),
    }
}

/// What people call those things: an object's name has its kind in it.
fn noun(owned: &[Owned]) -> &'static str {
    if owned.iter().any(|owned| owned.resource.contains('/')) { "object" } else { "service" }
}

fn are(orphans: &[&Owned], noun: &str) -> String {
    let names = several(orphans.iter().map(|o| o.resource.as_str()));
    let verb = if orphans.len() == 1 { "is" } else { "are" };
    format!("{} ({names}) {verb}", count(orphans.len() as u64, &format!("owned {noun}")))
}

/// How many of `owned` resources the limit lets go. Rounded down: 30% of 3 is none.
fn allowed(limit: &str, owned: usize) -> Option<usize> {
    let limit = limit.trim();
    match limit.strip_suffix('%') {
        Some(share) => {
            let share: usize = share.trim().parse().ok().filter(|share| *share <= 100)?;
            Some(owned * share / 100)
        }
        None => limit.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<Owned> {
        let one = |name: &&str| Owned {
            document: format!("Service/{name}"),
            resource: (*name).into(),
            ..Owned::default()
        };
        names.iter().map(one).collect()
    }

    fn declared(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const TEN: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

    #[test]
    fn what_is_not_declared_is_pruned_within_the_limit() {
        let found = prunable(&owned(&TEN), &declared(&TEN[3..]), true, "30%", 7, None);
        assert_eq!(found.prune, owned(&TEN[..3]));
        assert_eq!(found.notices, [""; 0]);
    }

    #[test]
    fn every_doubt_keeps_everything_and_says_so() {
        let some = declared(&TEN[2..]);
        let cases = [
            (prunable(&owned(&TEN), &some, false, "30%", 8, None), "spec.sync.prune: true"),
            (
                prunable(&owned(&TEN), &some, true, "30%", 8, Some("ListServices: throttled")),
                "ListServices: throttled",
            ),
            (prunable(&owned(&TEN), &some, true, "much", 8, None), "`much`"),
            (prunable(&owned(&TEN), &some, true, "101%", 8, None), "`101%`"),
        ];
        for (found, says) in cases {
            assert_eq!(found.prune, [], "{says}");
            // What is not asked for is a notice; what is asked for and not done is more than that.
            let told: Vec<String> = found.notices.into_iter().chain(found.withheld).collect();
            assert_eq!(told.len(), 1, "{says}");
            assert!(told[0].contains(says), "{} lacks {says}", told[0]);
        }
    }

    #[test]
    fn more_than_the_limit_is_withheld_and_that_is_no_mere_notice() {
        let cases = [
            (prunable(&owned(&TEN), &declared(&TEN[4..]), true, "30%", 6, None), "pruneLimit: \"4\""),
            (prunable(&owned(&TEN), &declared(&TEN[4..]), true, "3", 6, None), "pruneLimit 3"),
            (prunable(&owned(&TEN[..3]), &declared(&TEN[..2]), true, "30%", 2, None), "pruneLimit 30%"),
        ];
        for (found, says) in cases {
            assert_eq!((found.prune, found.notices, found.in_doubt), (vec![], vec![], None), "{says}");
            let why = found.withheld.expect("withheld");
            assert!(why.contains(says), "{why} lacks {says}");
        }
    }

    #[test]
    fn a_folder_without_documents_is_in_doubt_and_not_in_sync() {
        for prune in [true, false] {
            let found = prunable(&owned(&TEN), &declared(&[]), prune, "100%", 0, None);
            assert_eq!((found.prune, found.notices), (vec![], vec![]));
            let why = found.in_doubt.expect("in doubt");
            assert!(why.contains("spec.source.path") && why.contains("cutover delete"), "{why}");
        }
        assert_eq!(prunable(&[], &declared(&[]), true, "100%", 0, None), PruneDecision::default());
    }

    #[test]
    fn what_has_traffic_is_kept_and_the_rest_is_pruned() {
        let mut all = owned(&["a", "b", "c"]);
        all[0].in_use = Some("its target group gets 100% of rule r1".into());
        let found = prunable(&all, &declared(&["c"]), true, "100%", 1, None);
        assert_eq!(found.prune, owned(&["b"]));
        assert_eq!(
            found.notices,
            ["a (Service/a) is no longer in Git but not pruned: its target group gets 100% of rule r1"]
        );
    }

    #[test]
    fn what_stays_for_good_leaves_the_limit_to_the_rest() {
        let mut all = owned(&TEN);
        all[..3].iter_mut().for_each(|kept| kept.in_use = Some("its data would go with it".into()));
        let found = prunable(&all, &declared(&TEN[5..]), true, "20%", 5, None);
        assert_eq!(found.prune, all[3..5]);
        assert_eq!(found.notices.len(), 3);
    }

    #[test]
    fn what_was_told_to_go_and_is_still_there_is_told_whatever_else_is_so() {
        let mut all = owned(&TEN);
        all[0].leaving = Some("is being deleted, which the finalizer a.dev/x holds up".into());
        let found = |prune, limit: &str, incomplete| {
            prunable(&all, &declared(&TEN[4..]), prune, limit, 6, incomplete).prune
        };
        assert_eq!(found(true, "100%", None).len(), 4);
        assert_eq!(found(true, "0", None), all[..1], "the limit is for what is yet to be told");
        assert_eq!(found(true, "100%", Some("a list was denied")), all[..1]);
        assert_eq!(found(false, "100%", None), []);
        assert_eq!(prunable(&all, &declared(&TEN[1..]), true, "0", 9, None).prune, all[..1]);
    }

    #[test]
    fn an_inventory_that_is_all_declared_says_nothing() {
        assert_eq!(prunable(&owned(&TEN), &declared(&TEN), false, "0", 0, None), PruneDecision::default());
    }
}
