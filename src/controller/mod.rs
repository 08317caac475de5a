//! Runs the engine for ever over many Applications: which one is due, what came of it, and who is told. It knows no
//! client: where Applications are registered, repositories, destinations and leases stand behind the traits in `ports`.

mod apps;
mod board;
mod claims;
mod crew;
mod dependencies;
mod ended;
mod ending;
mod follower;
mod history;
mod look;
mod metrics;
mod neighbours;
mod news;
mod occurrence;
mod pace;
mod ports;
mod pulse;
mod queue;
mod reconcile;
mod register;
mod report;
mod run;
mod start;
mod teller;
#[cfg(test)]
mod tests;
mod writer;

pub use crate::engine::RequestVerb;
pub use board::{Board, Entry, Line};
pub use crew::Crew;
pub use metrics::Metrics;
pub use occurrence::{Occurrence, OccurrenceKind, Voice};
pub use pace::backoff;
pub use ports::{
    Applications, Documents, Found, Nudge, Place, Registered, Registration, Repositories, RepositoryKey,
    Request, Seats, Site, Sites, SourceTrouble, Synced, Tally,
};
pub use pulse::Pulse;
pub use run::{Permits, World, run};
