//! What a controller costs that keeps N Applications of ten objects each: the real binary on a real API server, from one
//! repository behind `git daemon`; then Applications on a simulated ECS that throttles as AWS does.
//!
//! See benches/README.md for how to run it.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/git_servers.rs"]
mod git_servers;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/git_support.rs"]
mod git_support;
#[path = "../tests/it/kube_support/mod.rs"]
mod kube_support;
#[path = "support/repository.rs"]
mod repository;

mod controller_support;

use controller_support::{ecs, kubernetes, soak};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &&str| text.parse::<usize>().expect("a number");
    match words.as_slice() {
        ["soak", rest @ ..] => {
            let (cycles, counts) = match rest {
                ["--cycles", cycles, counts @ ..] => (number(cycles), counts),
                counts => (3_000, counts),
            };
            runtime.block_on(soak::table(counts.first().map_or(200, number), cycles));
        }
        ["ecs", counts @ ..] => runtime.block_on(ecs::table(counts.first().map_or(200, number))),
        counts => {
            let given: Vec<usize> = counts.iter().map(number).collect();
            kubernetes::heading();
            for count in if given.is_empty() { vec![10, 1_000] } else { given.clone() } {
                runtime.block_on(kubernetes::rows(count));
            }
            if given.is_empty() {
                println!();
                runtime.block_on(ecs::table(200));
            }
        }
    }
}
