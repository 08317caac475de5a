//! Cutover brings what runs on Amazon ECS to what a Git repository says, and ships new versions by blue/green:
//! the new version comes up beside the old one on its own target group, and only when its targets are healthy
//! are the weights of the load balancer's rules moved.
//!
//! The rooms are described in `ARCHITECTURE.md`. `model`, `config`, `diff`, `plan` and `rollout` are the pure core.

pub mod aws;
pub mod cli;
pub mod config;
pub mod controller;
#[cfg(test)]
mod cpu_time;
pub mod diff;
pub mod engine;
pub mod gates;
pub mod kubernetes;
pub mod model;
pub mod plan;
pub mod platform;
pub mod registry;
pub mod rollout;
pub mod seats;
pub mod simulator;
pub mod sites;
pub mod source;
pub mod traffic;
pub mod voices;
pub mod window;
