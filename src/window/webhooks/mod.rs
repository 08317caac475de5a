//! Webhooks: a Git server says that somebody pushed. All that comes of one is that a repository is looked at now and
//! not at its next turn, so a forged or repeated delivery could do no more than that; it is refused all the same, since
//! each look costs a request to the Git server.

mod bucket;
mod payload;
mod provider;
mod secrets;
mod server;
mod signature;

pub use provider::Provider;
pub use secrets::WebhookSecrets;
pub use server::{WebhookDoor, serve_webhooks};
