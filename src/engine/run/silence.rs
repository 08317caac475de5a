//! Evidence that did not come: whoever kept silent is not asked again at once.

use crate::engine::ports::Trouble;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A question that took longer than this, and failed, was not answered.
const SILENT_AFTER: Duration = Duration::from_secs(4);
/// For how long it is not asked again then: each look at the targets would wait for it.
const NOT_AGAIN_FOR: Duration = Duration::from_secs(30);

/// One question, and since when nobody has answered it.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<Option<(Instant, Trouble)>>);

impl Silence {
    /// Asks, unless it was asked in vain not long ago.
    ///
    /// # Errors
    /// Those of the question, or of the last time it was asked.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        if let Some((since, trouble)) = self.last()
            && since.elapsed() < NOT_AGAIN_FOR
        {
            return Err(trouble);
        }
        let begun = Instant::now();
        let answer = question.await;
        let is_silent = |_: &&Trouble| begun.elapsed() >= SILENT_AFTER;
        let silence =
            answer.as_ref().err().filter(is_silent).map(|trouble| (Instant::now(), trouble.clone()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = silence;
        answer
    }

    fn last(&self) -> Option<(Instant, Trouble)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::TroubleKind;
    use std::cell::Cell;

    #[tokio::test(start_paused = true)]
    async fn what_hung_is_asked_again_after_half_a_minute_and_what_failed_at_once_is_asked_at_once() {
        for (takes, asked_in_a_minute) in [(8, 2), (1, 10)] {
            let (silence, asked) = (Silence::default(), Cell::new(0));
            for _ in 0..10 {
                let question = async {
                    asked.set(asked.get() + 1);
                    tokio::time::sleep(Duration::from_secs(takes)).await;
                    let (doing, message) = ("DescribeAlarms".into(), "no answer".into());
                    Err::<(), Trouble>(Trouble { kind: TroubleKind::Transient, doing, message })
                };
                assert!(silence.ask(question).await.is_err());
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            assert_eq!(asked.get(), asked_in_a_minute, "a question that takes {takes} s");
        }
    }
}
