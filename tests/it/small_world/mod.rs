//! The cutover machine in a small world, on ECS, with pods behind an ALB or behind a Service's selector: random schedules
//! by the thousand, each from a seed that replays.

mod phases;
mod platform;
mod ports;
mod random;
mod schedule;
mod state;
mod world;

use schedule::{judge, random_schedule, story};

/// `CUTOVER_SEED=n` replays one schedule with its story, `CUTOVER_SCHEDULES=n` sets how many are run.
#[test]
fn random_schedules_keep_the_invariants() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("CUTOVER_SEED") {
        let (world, end) = random_schedule(seed);
        println!("{}", story(&world));
        assert_eq!(judge(&world, end.as_ref()), Vec::<String>::new(), "seed {seed}");
        return;
    }
    let schedules = number("CUTOVER_SCHEDULES").unwrap_or(2_000);
    let begun = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let failing: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let mut failing = vec![];
                    for seed in (worker..schedules).step_by(usize::try_from(threads).unwrap_or(1)) {
                        let (world, end) = random_schedule(seed);
                        let wrong = judge(&world, end.as_ref());
                        if let Some(first) = wrong.first() {
                            failing
                                .push(format!("seed {seed}: {} things wrong, first: {first}", wrong.len()));
                        }
                    }
                    failing
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    println!(
        "{schedules} random schedules run in {:.1} s, {} failed",
        begun.elapsed().as_secs_f64(),
        failing.len()
    );
    assert!(
        failing.is_empty(),
        "{} of {schedules} schedules failed; replay one with CUTOVER_SEED=n:\n{}",
        failing.len(),
        failing.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
}
