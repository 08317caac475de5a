//! Who sends requests where.

pub mod alb;
mod endpoints;
pub mod http_route;
pub mod service;
mod shares;
