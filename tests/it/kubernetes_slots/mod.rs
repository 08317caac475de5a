//! Whole rollouts of a Deployment on a real API server, through a simulated load balancer whose targets come late.

mod adoption;
mod drift;
mod kept;
mod rig;
mod rollouts;

use cutover::engine::RunEnd;
use cutover::rollout::Outcome;

pub const DONE: RunEnd = RunEnd::Outcome(Outcome::Done);
