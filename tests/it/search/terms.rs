//! Documents of a small world: what a commit may ask for, besides another revision.

use super::world::{FIX, FIX_2, REVISIONS, State};
use cutover::model::{Gates, HttpGate, RevisionId, Step};
use cutover::rollout::Desired;

/// One way to ask for a rollout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    pub name: &'static str,
    pub steps: &'static [(u32, u64)],
    pub count: Option<u32>,
    pub approval: bool,
    /// The alarm and the HTTP gate are asked.
    pub evidence: bool,
    /// So many of the rules are named by the documents; the others are there all the same.
    pub rules: usize,
    /// For how long a rule's cookie keeps a client, in seconds.
    pub sticky: u64,
}

pub const TERMS: [Terms; 4] = [
    Terms {
        name: "steps 10, 100; two tasks; an alarm and an HTTP gate",
        steps: &[(10, 30), (100, 0)],
        count: Some(2),
        approval: false,
        evidence: true,
        rules: 3,
        sticky: 0,
    },
    Terms {
        name: "steps 50, 100; two tasks; an alarm, an HTTP gate and approval",
        steps: &[(50, 30), (100, 0)],
        count: Some(2),
        approval: true,
        evidence: true,
        rules: 3,
        sticky: 0,
    },
    Terms {
        name: "straight to 100; as many tasks as are live; no evidence; sticky cookies",
        steps: &[(100, 0)],
        count: None,
        approval: false,
        evidence: false,
        rules: 3,
        sticky: 1_000,
    },
    Terms {
        name: "steps 10, 100; one task; no evidence; approval; the first rule only",
        steps: &[(10, 30), (100, 0)],
        count: Some(1),
        approval: true,
        evidence: false,
        rules: 1,
        sticky: 0,
    },
];

/// The terms without anything that has to be read elsewhere.
pub const PLAIN: u8 = 2;

/// Seconds of the documents' waits: each lies between two of the ages that a state knows.
pub const BAKE: u64 = 300;
pub const KEEP: u64 = 3_000;
pub const DEADLINE: u64 = 3_000;
pub const SETTLE: u64 = 10;

/// What Git wants.
pub fn desired(state: &State) -> Desired {
    let terms = TERMS[usize::from(state.terms)];
    let evidence = |some: bool| if some { 1 } else { 0 };
    Desired {
        revision: RevisionId(REVISIONS[usize::from(state.wants)].into()),
        count: terms.count,
        most: None,
        steps: terms.steps.iter().map(|(weight, hold)| Step { weight: *weight, hold: *hold }).collect(),
        gates: Gates {
            healthy_targets: 100,
            stable_for: 30,
            http: vec![http_gate(); evidence(terms.evidence)],
            alarms: vec!["errors".into(); evidence(terms.evidence)],
            approval: terms.approval,
        },
        bake_time: BAKE,
        keep_previous: KEEP,
        deadline: DEADLINE,
        whole_only: false,
        terms: cutover::rollout::Terms::default(),
    }
}

fn http_gate() -> HttpGate {
    HttpGate { path: "/healthz".into(), expect_status: 200, host: None, headers: Default::default() }
}

/// True for a commit that mends everything.
pub fn is_fix(revision: u8) -> bool {
    revision == FIX || revision == FIX_2
}
