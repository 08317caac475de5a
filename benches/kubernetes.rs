//! What applying and comparing Kubernetes objects costs, on a real API server that is started for this run, beside the
//! floor of bare requests and beside kubectl.
//!
//! `benches/kubernetes` finds the servers and runs it; see benches/README.md.
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../tests/it/kube_support/mod.rs"]
mod kube_support;
mod kubernetes_support;

use kubernetes_support::{applying, objects::Set, standing};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let counts: Vec<usize> = match arguments.is_empty() {
        true => vec![100, 1_000, 5_000],
        false => arguments.iter().map(|count| count.parse().expect("a number of objects")).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let sets: Vec<Set> = counts.into_iter().map(Set::new).collect();
        applying::heading();
        for set in &sets {
            applying::row(set).await;
        }
        println!();
        standing::heading();
        for set in &sets {
            standing::row(set).await;
        }
    });
}
