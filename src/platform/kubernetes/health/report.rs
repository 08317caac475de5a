//! Verdicts, by name.

use crate::model::{Health, HealthReport};

pub(super) fn healthy() -> HealthReport {
    HealthReport::default()
}

/// Healthy, with something that people may want to know.
pub(super) fn healthy_but(message: impl Into<String>) -> HealthReport {
    HealthReport { message: message.into(), ..HealthReport::default() }
}

pub(super) fn progressing(message: impl Into<String>) -> HealthReport {
    HealthReport { health: Health::Progressing, message: message.into(), is_final: false }
}

/// Whatever its status says, nothing is made of it.
pub(super) fn unknown(message: impl Into<String>) -> HealthReport {
    HealthReport { health: Health::Unknown, message: message.into(), is_final: false }
}

pub(super) fn suspended(message: impl Into<String>) -> HealthReport {
    HealthReport { health: Health::Suspended, message: message.into(), is_final: false }
}

/// Wrong, but it may come right without a new document.
pub(super) fn degraded(message: impl Into<String>) -> HealthReport {
    HealthReport { health: Health::Degraded, message: message.into(), is_final: false }
}

/// Wrong, and waiting does not heal it.
pub(super) fn failed(message: impl Into<String>) -> HealthReport {
    HealthReport { health: Health::Degraded, message: message.into(), is_final: true }
}
