//! The web page: read-only, made of static files and JSON, without a login of its own. It is meant for localhost and for
//! `kubectl port-forward`; who wants more puts a proxy that asks for a login in front of it.

mod events;
mod guard;
mod page;
mod server;
mod summary;

pub use server::{WebPage, serve_web};
