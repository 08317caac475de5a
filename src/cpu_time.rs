//! What a test computes, however busy the machine is: there, the time on the clock says nothing about the program.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long this thread has been on a processor (`Documentation/scheduler/sched-stats.rst` of Linux: the first number,
/// in nanoseconds); elsewhere the time that has passed.
pub(crate) fn cpu_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = statistics.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}
