//! The thread of one target: sends in order, and repeats what failed for now.

use super::delivery::Outcome;
use super::queue::{Message, Queue};
use super::target::Target;
use crate::controller::backoff;
use crate::voices::client;
use std::time::Duration;

/// Attempts at one message; with the waits between them that is about ten minutes.
const ATTEMPTS: u32 = 8;
/// A target is not waited for longer than this, whatever it asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(900);
/// For one request.
const REQUEST: Duration = Duration::from_secs(15);

/// Works until the queue is closed.
pub fn run(name: &str, target: &Target, queue: &Queue) {
    let agent = client::agent(REQUEST);
    while let Some(message) = queue.next() {
        let is_obsolete = || target.only_the_last_counts() && queue.has_newer(&message.subject);
        let sent = deliver(
            |_| target.send(&agent, &message.occurrence),
            |wait| queue.pause(wait) && !is_obsolete(),
            &message,
            name,
        );
        match sent {
            Ok(()) => queue.note(true),
            Err(why) => {
                queue.note(false);
                tracing::warn!(
                    application = %message.occurrence.application,
                    revision = message.occurrence.revision,
                    phase = "reporting",
                    notification = name,
                    "a notification was not sent: {why}"
                );
            }
        }
    }
}

/// Tries until it is sent, refused, or tried too often. `pause` waits and says whether to go on.
fn deliver(
    mut send: impl FnMut(u32) -> Outcome,
    mut pause: impl FnMut(Duration) -> bool,
    message: &Message,
    name: &str,
) -> Result<(), String> {
    let mut attempt = 1;
    loop {
        let (why, asked) = match send(attempt) {
            Outcome::Sent => return Ok(()),
            Outcome::Refused(why) => return Err(why),
            Outcome::Later { why, after } => (why, after),
        };
        if attempt == ATTEMPTS {
            return Err(format!("{why}, {ATTEMPTS} times"));
        }
        let own = backoff(&(name, message.number), attempt);
        if !pause(asked.map_or(own, |asked| asked.max(own)).min(LONGEST_WAIT)) {
            return Err(format!("{why}, and there was no time to try again"));
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::target::Subject;
    use super::*;
    use crate::controller::{Occurrence, OccurrenceKind};
    use crate::model::{AppKey, Timestamp};

    fn message() -> Message {
        let occurrence = Occurrence {
            application: AppKey::default(),
            uid: String::new(),
            kind: OccurrenceKind::Synced,
            workload: String::new(),
            revision: String::new(),
            repository: String::new(),
            text: String::new(),
            time: Timestamp(0),
        };
        Message { subject: Subject { about: String::new(), news: String::new() }, occurrence, number: 7 }
    }

    fn later(after: Option<u64>) -> Outcome {
        Outcome::Later { why: "it is away".into(), after: after.map(Duration::from_secs) }
    }

    #[test]
    fn what_failed_for_now_is_tried_again_ever_later_and_given_up_in_the_end() {
        let mut waits = vec![];
        let result = deliver(
            |_| later(None),
            |wait| {
                waits.push(wait);
                true
            },
            &message(),
            "team",
        );
        assert_eq!(result, Err("it is away, 8 times".into()));
        assert_eq!(waits.len(), 7);
        assert!(waits.windows(2).take(4).all(|pair| pair[0] < pair[1]), "{waits:?}");
        let total: Duration = waits.iter().sum();
        assert!((300..1200).contains(&total.as_secs()), "{total:?}");
    }

    #[test]
    fn a_target_is_given_the_time_that_it_asks_for_within_bounds() {
        let mut waits = vec![];
        let mut answers = vec![later(Some(120)), later(Some(86_400)), Outcome::Sent].into_iter();
        let result = deliver(
            |_| answers.next().unwrap(),
            |wait| {
                waits.push(wait);
                true
            },
            &message(),
            "team",
        );
        assert_eq!(result, Ok(()));
        assert_eq!(waits, [Duration::from_secs(120), LONGEST_WAIT]);
    }

    #[test]
    fn what_is_refused_is_not_tried_again_and_the_end_of_the_process_is_not_held_up() {
        let refused = deliver(|_| Outcome::Refused("no".into()), |_| panic!(), &message(), "team");
        assert_eq!(refused, Err("no".into()));
        let ended = deliver(|_| later(None), |_| false, &message(), "team");
        assert_eq!(ended, Err("it is away, and there was no time to try again".into()));
    }
}
