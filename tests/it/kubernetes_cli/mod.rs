//! The binary on a real API server: a small application from its first plan to its end.

mod desk;
mod objects;
mod rollouts;
