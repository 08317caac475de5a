//! A small world in a few bytes: what runs, what rules say, what is noted, what Git wants, and what a run remembers.

use cutover::model::{Slot, Weights};
use cutover::rollout::RuleSplit;

/// Time is known by how much of it went by at least, in seconds: nothing, more than a gate has to hold, more than a bake
/// lasts, more than a deadline, more than a day. A state keeps the index.
pub const AGES: [u64; 5] = [0, 40, 400, 4_000, 100_000];

/// No value: no time, no share, no sequence.
pub const NONE: u8 = 255;

/// What may run. `HAND` is what a person deploys by hand, `FIX` and `FIX_2` are the commits that end everything well.
pub const OLD: u8 = 0;
pub const GOOD: u8 = 1;
pub const SICK: u8 = 2;
pub const ALARMING: u8 = 3;
pub const STILLBORN: u8 = 4;
pub const FIX: u8 = 5;
pub const FIX_2: u8 = 6;
pub const HAND: u8 = 7;
pub const UNKNOWN: u8 = 8;
pub const REVISIONS: [&str; 9] =
    ["old", "good", "sick", "alarming", "stillborn", "fix", "fix2", "by-hand", "unknown"];

/// Splits of a rule: the share of green in percent where both groups are named, or one of these.
pub const ONLY_BLUE: u8 = 101;
pub const ONLY_GREEN: u8 = 102;
pub const NEITHER: u8 = 103;
pub const NOTHING: u8 = 104;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Service {
    Absent,
    Draining,
    Present,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rest {
    Steady,
    Moving,
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stand {
    Rolling,
    Ready,
    Shifting { share: u8, since: u8 },
    Baking { since: u8 },
    Returning { least: u8, most: u8 },
    Done { since: u8 },
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Note {
    pub sequence: u8,
    pub revision: u8,
    /// The slot's number, or `NONE`.
    pub from: u8,
    pub started: u8,
    pub stand: Stand,
    pub next: u8,
    pub watched: u8,
    /// A bit for each rule.
    pub rules: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Side {
    pub service: Service,
    pub runs: u8,
    /// What ran before the last update, or `NONE`.
    pub before: u8,
    pub count: u8,
    pub running: u8,
    pub healthy: u8,
    pub rest: Rest,
    pub owned: bool,
    pub note: Option<Note>,
    pub promote: u8,
    pub abort: u8,
    /// Its target health can't be read.
    pub unread: bool,
    /// Its healthy targets are reported as unknown.
    pub fog: bool,
    /// What it runs can't be read.
    pub veiled: bool,
    /// A rule outside the documents gives weight to its group.
    pub held: bool,
    /// Another service is registered in its group.
    pub alien: bool,
    /// Since when the platform has refused this content, or `NONE`.
    pub refused: u8,
    /// The content that it refused.
    pub refuses: u8,
    /// How far the truth about what it runs goes: 0 nothing is known, 1 its gates were open once, 2 it served to the end of
    /// a bake, or people gave it all requests.
    pub proof: u8,
    /// A person approved what it runs, in the rollout that its note speaks of.
    pub approved: bool,
}

/// What a run remembers; gone with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    pub known: [u8; 3],
    pub attempted: [u8; 3],
    pub changed: bool,
    pub gate: u8,
    pub weights: u8,
    pub watched: u8,
    pub ill: [u8; 8],
    pub unsaved: [Option<Note>; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sight {
    Good,
    NoData,
    Bad,
    Unread,
}

/// How much may still happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    pub strangers: u8,
    pub crashes: u8,
    pub commits: u8,
    pub people: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub wants: u8,
    pub terms: u8,
    pub sides: [Side; 2],
    pub rules: [u8; 3],
    /// The splits as the program wrote them, or as they were taken for good.
    pub ours: [u8; 3],
    pub test: u8,
    pub alarm: Sight,
    pub http: Sight,
    /// Something of the live world closes the way forward.
    pub hindered: bool,
    /// A note was taken off, or went with its service: what it said can't be told any more.
    pub lost: bool,
    /// Notes can't be written.
    pub mute: bool,
    pub memory: Memory,
    pub budget: Budget,
}

pub const NO_SIDE: Side = Side {
    service: Service::Absent,
    runs: NONE,
    before: NONE,
    count: 0,
    running: 0,
    healthy: 0,
    rest: Rest::Steady,
    owned: false,
    note: None,
    promote: 0,
    abort: 0,
    unread: false,
    fog: false,
    veiled: false,
    held: false,
    alien: false,
    refused: NONE,
    refuses: NONE,
    proof: 0,
    approved: false,
};

pub const NO_MEMORY: Memory = Memory {
    known: [NONE; 3],
    attempted: [NONE; 3],
    changed: false,
    gate: NONE,
    weights: NONE,
    watched: NONE,
    ill: [NONE; 8],
    unsaved: [None; 2],
};

/// The number of a slot.
pub fn number(slot: Slot) -> usize {
    match slot {
        Slot::Blue => 0,
        Slot::Green => 1,
    }
}

/// The slot of a number.
pub fn slot(number: usize) -> Slot {
    Slot::BOTH[number]
}

/// A split as the machine sees it.
pub fn split(code: u8) -> RuleSplit {
    match code {
        ONLY_BLUE => RuleSplit::Only(Slot::Blue),
        ONLY_GREEN => RuleSplit::Only(Slot::Green),
        NEITHER => RuleSplit::Neither("it redirects".into()),
        NOTHING => RuleSplit::Both(Weights { blue: 0, green: 0 }),
        share => RuleSplit::Both(Weights::percent(Slot::Green, u32::from(share))),
    }
}

/// The share of a slot in a split, in percent.
pub fn share(code: u8, side: usize) -> u8 {
    let green = match code {
        ONLY_BLUE => 0,
        ONLY_GREEN => 100,
        NEITHER | NOTHING | NONE => return 0,
        share => share,
    };
    if side == 1 { green } else { 100 - green }
}

/// The split that gives a slot this share.
pub fn giving(side: usize, share: u8) -> u8 {
    if side == 1 { share } else { 100 - share }
}
