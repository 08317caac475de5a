//! The binary on a real API server: a small application from its first plan to its end.

mod adoption;
mod balanced;
mod desk;
mod objects;
mod rights;
mod rollouts;
