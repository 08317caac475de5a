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

use controller_support::{ecs, kubernetes};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |text: &String| text.parse().expect("a number of Applications");
    let counts: Vec<usize> = arguments.iter().filter(|text| *text != "ecs").map(number).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let is_ecs = arguments.iter().any(|text| text == "ecs");
    if !is_ecs {
        let counts = if counts.is_empty() { vec![10, 1_000] } else { counts.clone() };
        kubernetes::heading();
        for count in counts {
            runtime.block_on(kubernetes::rows(count));
        }
    }
    if is_ecs || arguments.is_empty() {
        println!();
        runtime.block_on(ecs::table(counts.first().copied().unwrap_or(200)));
    }
}
