//! Bytes from a repository to validated documents, and documents back to text. Pure: no file, clock or network.
//!
//! The way of a file: [`yaml`](self) events → a tree of nodes with line numbers → the envelope → the shape of the kind
//! (AWS's own request shapes for ECS documents) → the rules between documents → [`Manifests`](crate::model::Manifests).
//! Of Kubernetes objects only what holds for every kind is looked at (`objects`); their fields are the API server's.
//! Every problem of every file is collected; nothing is ignored silently.

mod cel_rules;
mod check_application;
mod check_blue_green;
mod check_cluster_traffic;
mod check_controller;
mod check_deployment;
mod check_service;
mod check_task_definition;
mod definition;
mod envelope;
mod forms;
mod init;
mod init_objects;
mod json_schema;
mod lint;
mod lint_deployment;
mod lint_fargate;
mod node;
mod objects;
mod problems;
mod reading;
mod registered;
mod render;
mod repository;
mod scalar;
mod shape;
mod together;
mod validate;
mod yaml;

pub use definition::application_definition;
pub use forms::{TaskDefinitionName, parse_task_definition_name, target_group_name};
pub use init::{LiveService, LiveTraffic, documents_from_live};
pub use init_objects::{LiveDeployment, documents_from_deployment};
pub use json_schema::{combined_json_schema, json_schema};
pub use lint::{Finding, Severity, lint, lint_timeout};
pub use objects::is_label;
pub use reading::is_document_file;
pub use registered::{ApplicationFile, application_of, applications_in, status_of};
pub use render::{masked, render};
pub use repository::{load, load_application, load_controller};
pub use shape::{request_only, request_shape};
pub use together::check_namespace;

/// `apiVersion` of the kinds that are the program's own.
pub const CUTOVER_API: &str = "cutover.dev/v1alpha1";
/// `apiVersion` of the kinds whose `spec` is an ECS request.
pub const ECS_API: &str = "ecs.cutover.dev/v1alpha1";
