//! Searches of small worlds to their end, in each run of the tests. `benches/search.rs` runs larger ones.

use super::search::{Plan, replay, search};

/// One rollout of two rules, in which one thing goes wrong, or somebody else does one.
const ONE_ACCIDENT: Plan = Plan {
    rules: 2,
    strangers: 1,
    crashes: 0,
    commits: 0,
    people: 0,
    terms: 0b0001,
    beginnings: 0b001,
    states: 1_000_000,
    threads: 2,
    liveness: true,
};

/// A commit comes at any moment of a rollout, or of a first deploy.
const ONE_COMMIT: Plan =
    Plan { rules: 1, strangers: 0, commits: 1, terms: 0b0100, beginnings: 0b101, ..ONE_ACCIDENT };

/// A commit of other documents drops one of two rules, or adds one, at any moment of a rollout.
const A_RULE_LESS: Plan = Plan { rules: 2, strangers: 0, commits: 1, terms: 0b1001, ..ONE_ACCIDENT };

/// The program dies before or after any write, and people abort or retry.
const ONE_CRASH: Plan =
    Plan { rules: 1, strangers: 0, crashes: 1, people: 1, beginnings: 0b1001, ..ONE_ACCIDENT };

/// An existing service is adopted; the candidate starts with as many tasks as are live.
const ADOPTION: Plan = Plan { rules: 1, terms: 0b0100, beginnings: 0b010, ..ONE_ACCIDENT };

/// The old version is warm, and the commit is reverted or the next one comes.
const NEXT: Plan = Plan { rules: 1, terms: 0b0100, beginnings: 0b11000, ..ONE_ACCIDENT };

/// A person has to approve, and notes and signals get lost.
const APPROVED: Plan = Plan { rules: 1, terms: 0b1000, ..ONE_ACCIDENT };

fn assert_all_ends_well(plan: &Plan) {
    if let Ok(path) = std::env::var("CUTOVER_SEARCH") {
        println!("{}", replay(plan, &path));
        return;
    }
    let found = search(plan);
    println!("{}", found.in_words());
    let stories: Vec<&str> = found.stories.values().map(String::as_str).collect();
    assert!(found.closed, "the limit of {} states was reached", plan.states);
    assert!(stories.is_empty(), "{} kinds of story end badly\n{}", stories.len(), stories.join("\n"));
}

#[test]
fn nothing_that_goes_wrong_once_in_a_rollout_leads_astray() {
    assert_all_ends_well(&ONE_ACCIDENT);
}

#[test]
fn no_commit_at_any_moment_leads_astray() {
    assert_all_ends_well(&ONE_COMMIT);
}

#[test]
fn no_commit_that_drops_or_adds_a_rule_leads_astray() {
    assert_all_ends_well(&A_RULE_LESS);
}

#[test]
fn no_crash_at_any_moment_leads_astray() {
    assert_all_ends_well(&ONE_CRASH);
}

#[test]
fn nothing_that_goes_wrong_in_an_adoption_leads_astray() {
    assert_all_ends_well(&ADOPTION);
}

#[test]
fn nothing_that_goes_wrong_round_an_approval_leads_astray() {
    assert_all_ends_well(&APPROVED);
}

#[test]
fn nothing_that_goes_wrong_in_a_revert_or_the_next_rollout_leads_astray() {
    assert_all_ends_well(&NEXT);
}
