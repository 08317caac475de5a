//! Who is told what the controller does: people by notifications, commits by their state on their host, the log, and a
//! collector of traces. Nothing in here holds a rollout up.

mod client;
mod logs;
mod notify;
mod traces;

pub use logs::{Lines, LogFormat, LogVoice, Logging, start};
pub use notify::{Counts, Notifier};
pub use traces::Tracing;
