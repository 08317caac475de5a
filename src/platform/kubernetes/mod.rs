//! Kubernetes objects, applied, pruned and waited for.

pub mod health;
