//! The loop in a world in memory, on a paused clock.

mod care;
mod chaos;
mod deletion;
mod git;
mod people;
mod places;
mod world;
