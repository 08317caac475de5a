//! Objects on a real API server: applied, planned without a request too many, adopted, pruned, hooked and locked.

mod apply;
mod client;
mod exact;
mod hooks;
mod lock;
mod plan;
mod prune;
mod support;
mod takeover;
