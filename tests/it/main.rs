//! Integration tests, all in one binary: linking is what costs.

mod simulator_sockets;
mod small_world;
