//! What a simulated task does, said by its image tag or its environment.
//!
//! The tag is split at `-`; each word that is known adds to the behaviour, all others are just a name:
//!
//! | word | the task … |
//! |---|---|
//! | `slowN`, `slow` | refuses connections for its first N (10) seconds |
//! | `unhealthy`, `neverhealthy` | runs, and answers 503 to everything |
//! | `flakyN`, `flaky` | fails health checks in every other stretch of N (60) seconds, the second one first |
//! | `crashN`, `crash` | exits with code 1 after N (5) seconds |
//! | `errorsN`, `errors` | answers 500 to everyone but the health checker, from its Nth (0th) second on |
//! | `missing` | can't be pulled |
//!
//! `shop/web:v2-slow10-crash60` starts slowly and dies later. The environment variable `SIM_BEHAVIOUR`, in the same
//! words, takes the place of the tag. `never-healthy`, `slow-start-N`, `crash-after-N`, `errors-after-N` and
//! `image-missing` are understood as well.

use super::Millis;

/// What a task does over its life. Ages are milliseconds since it started running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behaviour {
    pub slow_start_ms: Millis,
    pub never_healthy: bool,
    pub flaky_ms: Option<Millis>,
    pub crash_after_ms: Option<Millis>,
    pub errors_after_ms: Option<Millis>,
    pub image_missing: bool,
}

impl Behaviour {
    /// Reads the behaviour out of a tag or the value of `SIM_BEHAVIOUR`; unknown words mean nothing.
    pub fn parse(words: &str) -> Behaviour {
        let mut text = words.to_ascii_lowercase();
        for (long, short) in [
            ("never-healthy", "unhealthy"),
            ("image-missing", "missing"),
            ("slow-start-", "slow"),
            ("slow-start", "slow"),
            ("crash-after-", "crash"),
            ("errors-after-", "errors"),
            ("errors-after", "errors"),
        ] {
            text = text.replace(long, short);
        }
        let mut behaviour = Behaviour::default();
        for word in text.split(['-', ',', ' ', '_']) {
            let (name, number) = word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
            let Some(seconds) = number_or_nothing(number) else { continue };
            let ms = |default: u64| seconds.unwrap_or(default).min(1_000_000_000) * 1_000;
            match name {
                "slow" => behaviour.slow_start_ms = ms(10),
                "unhealthy" | "neverhealthy" if seconds.is_none() => behaviour.never_healthy = true,
                "flaky" => behaviour.flaky_ms = Some(ms(60).max(1_000)),
                "crash" => behaviour.crash_after_ms = Some(ms(5)),
                "errors" => behaviour.errors_after_ms = Some(ms(0)),
                "missing" if seconds.is_none() => behaviour.image_missing = true,
                _ => {}
            }
        }
        behaviour
    }

    /// The HTTP status that a task of this age answers with, to the load balancer's health checker (which names
    /// itself `ELB-HealthChecker/2.0`) or to anyone else; `None`: the connection is refused.
    pub fn answer(&self, age: Millis, health_check: bool) -> Option<u16> {
        if age < self.slow_start_ms || self.crash_after_ms.is_some_and(|crash| age >= crash) {
            return None;
        }
        if self.never_healthy {
            return Some(503);
        }
        let flaking = self.flaky_ms.is_some_and(|period| (age / period) % 2 == 1);
        if health_check && flaking {
            return Some(503);
        }
        let broken = self.errors_after_ms.is_some_and(|from| age >= from);
        Some(if broken && !health_check { 500 } else { 200 })
    }

    /// The age after `age` at which the health check's outcome may become another; `None`: it stays for ever.
    pub fn next_change(&self, age: Millis) -> Option<Millis> {
        let slow = (age < self.slow_start_ms).then_some(self.slow_start_ms);
        let crash = self.crash_after_ms.filter(|crash| age < *crash);
        let flake = self.flaky_ms.map(|period| (age / period + 1) * period);
        [slow, crash, flake].into_iter().flatten().min()
    }
}

/// `Some(None)` for no digits, `None` for something that is not a number.
fn number_or_nothing(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.trim_end_matches('s').parse().ok().map(Some)
}

/// The word a task answers with: its image's tag, or the start of its digest, or `latest`.
pub fn release(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if let Some((_, digest)) = name.split_once('@') {
        return digest.trim_start_matches("sha256:").chars().take(12).collect();
    }
    name.split_once(':').map_or("latest", |(_, tag)| tag).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Behaviour, release};

    #[test]
    fn tags_say_how_a_task_behaves() {
        let none = Behaviour::default;
        for (tag, want) in [
            ("v2", none()),
            ("1.27.3", none()),
            ("crashpad", none()),
            ("v2-slow10", Behaviour { slow_start_ms: 10_000, ..none() }),
            ("slow-start-7", Behaviour { slow_start_ms: 7_000, ..none() }),
            ("v3-never-healthy", Behaviour { never_healthy: true, ..none() }),
            ("crash-after-9", Behaviour { crash_after_ms: Some(9_000), ..none() }),
            ("v4-crash", Behaviour { crash_after_ms: Some(5_000), ..none() }),
            ("errors", Behaviour { errors_after_ms: Some(0), ..none() }),
            ("errors-after30", Behaviour { errors_after_ms: Some(30_000), ..none() }),
            ("image-missing", Behaviour { image_missing: true, ..none() }),
            ("v5-slow2-flaky30", Behaviour { slow_start_ms: 2_000, flaky_ms: Some(30_000), ..none() }),
        ] {
            assert_eq!(Behaviour::parse(tag), want, "{tag}");
        }
    }

    #[test]
    fn errors_reach_people_but_not_the_health_checker() {
        let errors = Behaviour::parse("errors30");
        assert_eq!((errors.answer(0, false), errors.answer(0, true)), (Some(200), Some(200)));
        assert_eq!((errors.answer(30_000, false), errors.answer(30_000, true)), (Some(500), Some(200)));
    }

    #[test]
    fn changes_of_health_are_foretold() {
        let slow_crash = Behaviour::parse("slow2-crash9");
        assert_eq!(slow_crash.next_change(0), Some(2_000));
        assert_eq!(slow_crash.next_change(2_000), Some(9_000));
        assert_eq!(slow_crash.next_change(9_000), None);
        assert_eq!(Behaviour::parse("flaky60").next_change(60_000), Some(120_000));
    }

    #[test]
    fn the_release_is_the_tag() {
        for (image, want) in [
            ("web:v2", "v2"),
            ("registry:5000/shop/web", "latest"),
            ("registry:5000/shop/web:v2-slow10", "v2-slow10"),
            ("web@sha256:0123456789abcdef0123", "0123456789ab"),
        ] {
            assert_eq!(release(image), want);
        }
    }
}
