//! Applications on a real API server: what it refuses, what it shows, what people ask and what they are told.

mod asked;
mod definition;
mod events;
mod installed;
mod statuses;
mod support;
