//! Stories: how a world came to where it is, in plain words.

use super::accidents::Accident;
use super::moves::Move;
use super::program::{Fault, Look};
use super::sight::RULES;
use super::terms::TERMS;
use super::world::{
    AGES, NEITHER, NONE, NOTHING, Note, ONLY_BLUE, ONLY_GREEN, REVISIONS, Rest, Service, Side, Sight, Stand,
    State,
};

fn side(number: u8) -> &'static str {
    if number == 0 { "blue" } else { "green" }
}

/// A move, as somebody who was there would tell it.
pub fn told(what: Move, look: &Look) -> String {
    match what {
        Move::Step(fault) => format!("the program: {}", step(fault, look)),
        Move::Stop => "the run is asked to stop".into(),
        Move::Pass(age) => format!("{} seconds go by", AGES[usize::from(age)]),
        Move::Come(at) => format!("a task of {} comes up", side(at)),
        Move::Gone(at) => format!("the deleted {} service is gone", side(at)),
        Move::Sicken(at) => format!("the version on {} dies under its traffic", side(at)),
        Move::GiveUp(at) => format!("the platform gives up the deployment of {}", side(at)),
        Move::Ring => "the alarm rings for the version that got weight".into(),
        Move::Hush => "the alarm is quiet again".into(),
        Move::Commit { revision, terms } => {
            format!("commit: {}, {}", REVISIONS[usize::from(revision)], TERMS[usize::from(terms)].name)
        }
        Move::Promote => "somebody runs `cutover promote`".into(),
        Move::Abort => "somebody runs `cutover abort`".into(),
        Move::Retry => "somebody runs `cutover retry`".into(),
        Move::Accident(what) => accident(what),
    }
}

fn step(fault: Fault, look: &Look) -> String {
    let decision = &look.decision;
    let mut acts: Vec<String> = decision.actions.iter().map(|act| act.in_words(look.want.terms)).collect();
    if let Some(on) = &decision.waiting_on {
        acts.push(format!("waits for {}", on.in_words(look.want.terms)));
    }
    let what = match fault {
        Fault::None => String::new(),
        Fault::Crash(at) => format!(" — and dies before write {}", at + 1),
        Fault::Lost(at) => format!(" — and the answer of write {} is lost", at + 1),
        Fault::Transient(at) => format!(" — but write {} fails for now", at + 1),
        Fault::Denied(at) => format!(" — but write {} is denied", at + 1),
    };
    format!("[{}] {}{what}", decision.phase, acts.join(", then "))
}

fn accident(what: Accident) -> String {
    match what {
        Accident::Rule { rule, code } => {
            format!("a stranger sets {} to {}", RULES[usize::from(rule)], split(code))
        }
        Accident::TestRule { code } => format!("a stranger sets the test rule to {}", split(code)),
        Accident::Alarm(sight) => format!("the alarm is now {}", sight_of(sight)),
        Accident::Http(sight) => format!("the HTTP gate's answer is now {}", sight_of(sight)),
        Accident::Hindrance => "something of the live world closes the way forward".into(),
        Accident::Mute => "writing tags is denied from now on".into(),
        Accident::LoseNote(at) => format!("a stranger takes the note off {}", side(at)),
        Accident::LoseIntent(at) => format!("a stranger takes the intent off {}", side(at)),
        Accident::LoseSignals(at) => format!("a stranger takes the signals off {}", side(at)),
        Accident::Disown(at) => format!("a stranger takes our mark off {}", side(at)),
        Accident::Delete(at) => format!("a stranger deletes the {} service", side(at)),
        Accident::DeployByHand(at) => format!("a stranger deploys something else to {}", side(at)),
        Accident::Scale { side: at, count } => format!("{} is scaled to {count} by others", side(at)),
        Accident::LoseTarget(at) => format!("a task of {} is lost", side(at)),
        Accident::Die(at) => format!("all tasks of {} die", side(at)),
        Accident::Fog(at) => format!("the health of {}'s targets is `unavailable`", side(at)),
        Accident::Unread(at) => format!("reading the targets of {} is denied", side(at)),
        Accident::Veil(at) => format!("what {} runs can't be read", side(at)),
        Accident::Hold(at) => format!("a rule outside the documents gives weight to {}", side(at)),
        Accident::Alien(at) => format!("another service registers in the group of {}", side(at)),
        Accident::Fail(at) => format!("the deployment of {} fails", side(at)),
        Accident::RollBack(at) => format!("the circuit breaker rolls {} back", side(at)),
    }
}

fn sight_of(sight: Sight) -> &'static str {
    match sight {
        Sight::Good => "good",
        Sight::NoData => "without data",
        Sight::Bad => "bad",
        Sight::Unread => "unreadable, or it is gone",
    }
}

fn split(code: u8) -> String {
    match code {
        ONLY_BLUE => "blue only".into(),
        ONLY_GREEN => "green only".into(),
        NEITHER => "neither".into(),
        NOTHING => "0/0".into(),
        green => format!("{}/{green}", 100 - green),
    }
}

/// A state in one line.
pub fn state(state: &State) -> String {
    let rules: Vec<String> = state.rules().map(split).collect();
    let test = if state.test == NONE { String::new() } else { format!(" test {}", split(state.test)) };
    let [blue, green] = &state.sides;
    let mut more = String::new();
    for (on, word) in
        [(state.hindered, " hindered"), (state.mute, " mute"), (state.memory.changed, " changed-by-others")]
    {
        if on {
            more.push_str(word);
        }
    }
    if state.alarm != Sight::Good {
        more.push_str(&format!(" alarm {}", sight_of(state.alarm)));
    }
    if state.http != Sight::Good {
        more.push_str(&format!(" http {}", sight_of(state.http)));
    }
    format!(
        "wants {}/{} rules {}{test}; blue {}; green {}{more}",
        REVISIONS[usize::from(state.wants)],
        state.terms,
        rules.join(" "),
        one(blue),
        one(green)
    )
}

fn one(side: &Side) -> String {
    let mut words = match side.service {
        Service::Absent => "-".to_owned(),
        Service::Draining => "being deleted".to_owned(),
        Service::Present => format!(
            "{} {}/{} of {}{}",
            REVISIONS.get(usize::from(side.runs)).unwrap_or(&"?"),
            side.healthy,
            side.running,
            side.count,
            match side.rest {
                Rest::Steady => "",
                Rest::Moving => " deploying",
                Rest::Failed => " failed",
            }
        ),
    };
    for (on, word) in [
        (side.present() && !side.owned, " unmarked"),
        (side.unread, " unread"),
        (side.fog, " fog"),
        (side.veiled, " veiled"),
        (side.held, " held"),
        (side.alien, " alien"),
        (side.refused != NONE, " refused"),
        (side.note.is_some_and(|note| note.sequence == side.promote), " promoted"),
        (side.note.is_some_and(|note| note.sequence == side.abort), " aborted"),
    ] {
        if on {
            words.push_str(word);
        }
    }
    if let Some(note) = &side.note {
        words.push_str(&noted(note));
    }
    words
}

fn noted(note: &Note) -> String {
    let ago = |age: u8| AGES[usize::from(age)];
    let stand = match note.stand {
        Stand::Rolling => "rolling".to_owned(),
        Stand::Ready => "ready".to_owned(),
        Stand::Shifting { share, since } => format!("{share}% {}s ago", ago(since)),
        Stand::Baking { since } => format!("baking for {}s", ago(since)),
        Stand::Returning { least, most } => format!("returning {least}-{most}"),
        Stand::Done { .. } => "done".to_owned(),
        Stand::Failed => "failed".to_owned(),
    };
    let from = if note.from == NONE { "nothing" } else { side(note.from) };
    let next = if note.next == NONE { String::new() } else { format!(", next {}", note.next) };
    format!(" (note {}: {} from {from}: {stand}{next})", note.sequence, REVISIONS[usize::from(note.revision)])
}
