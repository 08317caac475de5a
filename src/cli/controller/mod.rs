//! What `cutover controller` is made of.

mod repositories;

pub use repositories::{GitRepositories, OperatorSecret, Trust};
