//! The binary on a real API server: a small application from its first plan to its end.

mod adoption;
mod apart;
mod balanced;
mod configuration;
mod deletion;
mod desk;
mod inputs;
mod jobs;
mod moved;
mod objects;
mod pruned;
mod released;
mod rights;
mod rollouts;
