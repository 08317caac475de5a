//! An exhaustive search of small worlds: breadth first over everything that can happen to one workload, with the claims
//! that must hold in every state, and with a good end from each.

mod accidents;
mod back;
mod breadth;
mod check;
mod ends;
mod moves;
mod print;
mod program;
mod remedies;
mod sight;
mod state;
mod story;
mod terms;
mod world;

pub use breadth::{Plan, replay, search};
