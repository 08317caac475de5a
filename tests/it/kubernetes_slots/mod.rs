//! Whole rollouts of a Deployment on a real API server, through a simulated load balancer whose targets come late.

mod adoption;
mod drift;
mod kept;
mod rig;
mod rollouts;
mod without_lock;

use cutover::engine::RunEnd;
use cutover::rollout::Outcome;

pub const DONE: RunEnd = RunEnd::Outcome(Outcome::Done);
