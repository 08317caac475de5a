//! A controller's destinations on a real API server: drift, bounds, identities, and who is told that something changed.

mod changes;
mod confined;
mod drift;
mod identity;
mod yard;
