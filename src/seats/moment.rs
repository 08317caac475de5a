//! Now, on both clocks.

use crate::model::Timestamp;
use std::time::Duration;

/// A point in time as this process sees it. The monotonic clock stands still while the machine sleeps; the wall clock
/// may be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Since some time before anything else here.
    pub monotonic: Duration,
    pub wall: Timestamp,
}

impl Moment {
    /// How long ago `earlier` was by the clock that thinks it was longer.
    pub(super) fn since(self, earlier: Moment) -> Duration {
        let wall = Duration::from_secs(self.wall.since(earlier.wall));
        self.monotonic.saturating_sub(earlier.monotonic).max(wall)
    }
}
