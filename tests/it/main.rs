//! Integration tests, all in one binary: linking is what costs.

mod config;
mod json_schema;
mod simulator_sockets;
mod small_world;
