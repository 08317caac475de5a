//! A search of small worlds that is too large for each run of the tests. `SEARCH="rules=2 strangers=1 …"` sets its size.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it found")]

#[path = "../tests/it/search/mod.rs"]
mod search;

use search::{Plan, replay};

fn main() {
    let mut plan = Plan {
        rules: 2,
        strangers: 1,
        crashes: 1,
        commits: 2,
        people: 1,
        terms: 0b0111,
        beginnings: 0b111,
        states: 20_000_000,
        threads: 2,
        liveness: true,
    };
    let size = std::env::var("SEARCH").unwrap_or_default();
    for (name, value) in size.split_whitespace().filter_map(|word| word.split_once('=')) {
        let number: usize = value.parse().unwrap_or_else(|_| panic!("SEARCH: {name}={value} is no number"));
        let small = u8::try_from(number).unwrap_or(u8::MAX);
        match name {
            "rules" => plan.rules = number,
            "strangers" => plan.strangers = small,
            "crashes" => plan.crashes = small,
            "commits" => plan.commits = small,
            "people" => plan.people = small,
            "terms" => plan.terms = small,
            "beginnings" => plan.beginnings = small,
            "states" => plan.states = number,
            "threads" => plan.threads = number,
            "liveness" => plan.liveness = number > 0,
            _ => panic!("SEARCH: {name} is none of the sizes"),
        }
    }
    if let Ok(path) = std::env::var("CUTOVER_SEARCH") {
        println!("{}", replay(&plan, &path));
        return;
    }
    println!("{plan:?}");
    let found = search::search(&plan);
    for story in found.stories.values() {
        println!("{story}");
    }
    println!("{}", found.in_words());
    std::process::exit(i32::from(!found.stories.is_empty()));
}
