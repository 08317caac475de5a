//! What `cutover controller` is made of.

mod repositories;
mod secrets;

pub use repositories::{GitRepositories, OperatorSecret, ReadSecret, Trust};
pub use secrets::read_from;
