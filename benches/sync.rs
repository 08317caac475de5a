//! What a plan and a sync that has nothing to do cost, by number of documents: time in Git, parsing, reading AWS and
//! comparing, API calls, peak memory. And what a large repository round the documents adds.
//!
//! `cargo bench --bench sync` prints both tables; see benches/README.md. Each row is a process of its own, so that the
//! peak memory is its own.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

mod support;

use std::process::Command;
use support::{documents, monorepo};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["documents", count] => documents::row(count.parse().expect("a number of documents")),
        ["monorepo", commits, megabytes] => {
            monorepo::table(commits.parse().expect("commits"), megabytes.parse().expect("megabytes"));
        }
        _ => {
            documents::heading();
            for count in ["100", "1000", "10000"] {
                again(&["documents", count]);
            }
            println!();
            again(&["monorepo", "10000", "1000"]);
        }
    }
}

fn again(arguments: &[&str]) {
    let me = std::env::current_exe().expect("this program's path");
    let status = Command::new(me).args(arguments).status().expect("starting a row");
    assert!(status.success(), "{arguments:?} failed");
}
