//! Several controller processes on a real API server, an application behind a simulated load balancer, requests sent
//! through that all the time, and everything that can go wrong: the process dies, is stopped, is cut off.
//!
//! Whatever happens, no request fails, one process writes at a time, and in the end everything is as if nothing had
//! happened. How long that took is printed.

mod cut_off;
mod gate;
mod killed;
mod on_ecs;
mod on_kubernetes;
mod removed;
mod rig;
mod seats;
mod shards;
mod stopped;
