//! Runs the engine for ever over many Applications: which one is due, what came of it, and who is told. It knows no
//! client: where Applications are registered, repositories, destinations and leases stand behind the traits in `ports`.

mod board;
mod metrics;
mod occurrence;
mod ports;

pub use board::{Board, Entry, Line};
pub use metrics::Metrics;
pub use occurrence::{Occurrence, OccurrenceKind, Voice};
pub use ports::{
    Applications, Documents, Found, Nudge, Place, Registered, Registration, Repositories, RepositoryKey,
    Request, RequestVerb, Seats, Site, Sites, SourceTrouble, Synced,
};
