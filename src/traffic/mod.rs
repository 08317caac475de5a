//! The ways traffic is moved.
pub mod alb;
