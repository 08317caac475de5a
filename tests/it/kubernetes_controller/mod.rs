//! The controller as people install it: `cutover install | kubectl apply`, a process with the installed service account's
//! rights and the installed configuration, Applications by `kubectl apply`, commits and reverts, steps by hand, webhooks.
//!
//! In none of it may the log have a warning that the test does not bring about: a right that is missing shows there.

mod asked;
mod children;
mod deleted;
mod drifted;
pub mod house;
mod installed;
mod moved;
mod nudged;
mod refused;
