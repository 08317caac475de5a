//! Whatever happens in whatever order: one sync at a time for each application, no write without a seat, and in the end
//! everything is as Git says.
#![allow(clippy::print_stdout, reason = "a seed that fails is told")]

use super::world::{Course, Sandbox, pass, until};
use crate::controller::{Request, RequestVerb};
use crate::engine::TroubleKind;
use std::time::Duration;

/// A small generator: a seed is a whole story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

async fn story(seed: u64) {
    let mut dice = Dice(seed);
    let world = Sandbox::new();
    world.commit("0", &NAMES);
    for name in NAMES {
        let more = if name == "e" { "  dependsOn: [a]" } else { "" };
        world.register(name, more);
    }
    world
        .play(async {
            for step in 0..30 {
                let name = NAMES[dice.roll(5) as usize];
                match dice.roll(9) {
                    0 => world.commit(&format!("{}", step % 10), &[name]),
                    1 => world.meddle(name),
                    2 => world.course(name, Course::Hangs),
                    3 => world.course(name, Course::Refused(TroubleKind::Transient)),
                    4 => world.course(name, Course::Takes(Duration::from_secs(dice.roll(40)))),
                    5 => world.hold(&NAMES[..dice.roll(6) as usize]),
                    6 => {
                        let is_suspended = dice.roll(2) == 0;
                        world.register_as(name, |registered| registered.is_suspended = is_suspended);
                    }
                    7 => {
                        let away = dice.roll(2) == 0;
                        world.inner().git_is_away = away;
                    }
                    _ => {
                        let text = format!("retry {step}");
                        let request = Request { text, verb: RequestVerb::Retry, workload: None };
                        world.register_as(name, |registered| registered.request = Some(request));
                    }
                }
                pass(dice.roll(90)).await;
            }
            world.inner().git_is_away = false;
            world.hold(&NAMES);
            for name in NAMES {
                world.course(name, Course::Takes(Duration::from_secs(1)));
                world.register_as(name, |registered| registered.is_suspended = false);
            }
            // One that hangs is freed by what is newer.
            world.commit("f", &NAMES);
            until("everything is synced", || {
                NAMES.iter().all(|name| {
                    world.standing(name) == "True Synced Synced Healthy"
                        && world.status(name).revision == "f".repeat(40)
                })
            })
            .await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_everything_is_synced_in_the_end_by_one_at_a_time() {
    let chosen: Option<u64> = std::env::var("CUTOVER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or(0..60, |seed| seed..seed + 1);
    for seed in seeds {
        println!("CUTOVER_SEED={seed}");
        story(seed).await;
    }
}
