//! Integration tests, all in one binary: linking is what costs.
#![allow(clippy::print_stdout, reason = "tests print what they ran")]

mod account;
mod architecture;
mod aws;
mod cli_documents;
mod cli_help;
mod cli_processes;
mod cli_rollout;
mod cli_support;
mod config;
mod crash;
mod git_daemon;
mod git_http;
mod git_local;
mod git_many_fetches;
mod git_mirror;
mod git_misbehaving;
mod git_process;
mod git_revert;
mod git_servers;
mod git_ssh;
mod git_support;
mod git_tree;
mod iam;
mod init;
mod json_schema;
mod kube_proxy;
mod kube_support;
mod kubernetes_crash;
mod kubernetes_health;
mod kubernetes_objects;
mod kubernetes_servers;
mod kubernetes_simulator;
mod machine;
mod simulator_sockets;
mod small_world;
