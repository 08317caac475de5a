//! The same over and over: what a controller holds after thousands of changes.

use super::kubernetes::SYSTEM;
use super::process::Controller;
use super::world::World;
use std::time::{Duration, Instant};

/// Lines of the table, beside the first one.
const LINES: usize = 12;
/// A cycle with something rarer, every so often.
const RARE: usize = 10;

/// So many cycles on a controller of `count` Applications. Each is a commit to one Application with its webhook, a webhook
/// with nothing behind it, and drift of another one; every tenth also has documents that are wrong and put right, or an
/// Application that goes and comes back. There should be enough of them that each is left alone for a minute in between:
/// an object that changes again and again is answered ever more slowly.
pub async fn table(count: usize, cycles: usize) {
    let mut world = World::new(count).await;
    let controller = world.controller();
    world.until_all_ready().await;
    println!("{cycles} cycles with {count} Applications of ten objects each:");
    println!(
        "{:>7} {:>8} {:>7} {:>9} {:>7} {:>4} {:>8} {:>7}",
        "cycles", "seconds", "looks", "requests", "MB", "fds", "threads", "CPU s"
    );
    let begun = Instant::now();
    let apart = cycles.div_ceil(LINES).max(1);
    for cycle in 0..cycles {
        if cycle % apart == 0 {
            line(&controller, cycle, begun).await;
        }
        let number = cycle * 31 % count;
        world.commit(std::iter::once(number));
        controller.nudge(&world.url());
        world.until_applied(number).await;
        controller.nudge(&world.url());
        world.disturb((number + 1) % count).await;
        let rare = (number + 2) % count;
        match cycle % RARE {
            3 => {
                world.spoil(rare);
                controller.nudge(&world.url());
                world.until_not_ready(rare).await;
                world.commit(std::iter::once(rare));
                controller.nudge(&world.url());
                world.until_applied(rare).await;
            }
            8 => world.register_anew(rare).await,
            _ => {}
        }
    }
    line(&controller, cycles, begun).await;
    println!("the end took {} ms", controller.end().as_millis());
}

async fn line(controller: &Controller, cycle: usize, begun: Instant) {
    let figures = controller.until_quiet(SYSTEM).await;
    // Connections that nobody uses are closed after a while.
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!(
        "{cycle:>7} {:>8.0} {:>7} {:>9} {:>7.1} {:>4} {:>8} {:>7.1}",
        begun.elapsed().as_secs_f64(),
        figures.sum("cutover_reconcile_duration_seconds_count", &[]),
        figures.requests(SYSTEM).values().sum::<u64>(),
        controller.memory(),
        controller.files(),
        controller.threads(),
        controller.cpu(),
    );
}
