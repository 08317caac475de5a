//! Tells occurrences to everybody who listens, as long as this process works for the application: what one that was stopped
//! or cut off for long still finds out is told by whoever took its place.

use super::board::Board;
use super::occurrence::{Occurrence, Voice};
use super::ports::Seats;
use crate::model::Timestamp;
use std::sync::Arc;

/// The voices, with the clock that occurrences bear the time of.
pub(super) struct Teller {
    pub voices: Vec<Arc<dyn Voice>>,
    pub seats: Arc<dyn Seats>,
    pub board: Arc<Board>,
    /// This machine's wall clock: people compare these times with those of other logs. Nothing is decided by it.
    pub clock: fn() -> Timestamp,
}

impl Teller {
    /// Now, by the wall clock.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Tells one.
    pub fn tell(&self, occurrence: Occurrence) {
        if !self.seats.holds(&occurrence.application) {
            return;
        }
        let occurrence = Occurrence { time: self.now(), ..occurrence };
        let about = if occurrence.workload.is_empty() { "" } else { ": " };
        let text = format!("{:?}{about}{}: {}", occurrence.kind, occurrence.workload, occurrence.text);
        self.board.note(&occurrence.application, occurrence.time, text);
        for voice in &self.voices {
            voice.tell(&occurrence);
        }
    }
}
