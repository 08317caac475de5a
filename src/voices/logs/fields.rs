//! The fields of an event and of the spans around it.

use std::fmt::Debug;
use tracing::field::{Field, Visit};

/// Names and values, in the order in which they were recorded.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(&'static str, String)>);

/// Fields of one line that are kept.
const FIELDS: usize = 40;

impl Fields {
    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Adds what is not there yet.
    pub fn add_missing(&mut self, others: &Fields) {
        for (name, value) in &others.0 {
            if self.get(name).is_none() {
                self.put(name, value.clone());
            }
        }
    }

    /// What is empty says nothing, so it is left out.
    fn put(&mut self, name: &'static str, value: String) {
        // What begins like this is meant for a collector of traces.
        if value.is_empty() || name.starts_with("otel.") {
            return;
        }
        if let Some((_, old)) = self.0.iter_mut().find(|(known, _)| *known == name) {
            *old = value;
        } else if self.0.len() < FIELDS {
            self.0.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), super::clean::clean(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field.name(), super::clean::clean(&format!("{value:?}")));
    }
}
