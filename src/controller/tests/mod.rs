//! The loop in a world in memory, on a paused clock.

mod care;
mod chaos;
mod git;
mod people;
mod places;
mod world;
