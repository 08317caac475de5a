//! What is seen of the controller from outside: metrics and health, webhooks, and a web page. Each is a server of its own
//! on a listener that the caller bound, and serves until its stop future is done.

mod board_figures;
mod metrics;
mod process;
mod server;
mod tallies;
mod web;
mod webhooks;

pub use metrics::{Insight, serve_metrics};
pub use web::{WebPage, serve_web};
pub use webhooks::{Provider, WebhookDoor, WebhookSecrets, serve_webhooks};
