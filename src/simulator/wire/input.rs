//! Reading the members of a request. The query protocol knows only text, so numbers and flags are taken from text too.

use super::ApiError;
use serde_json::Value;

/// A structure in a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) struct Input<'a>(pub &'a Value);

impl<'a> Input<'a> {
    /// The member, if it is there and not null.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text member.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A text member that must be there and not empty; ECS words.
    pub fn need(self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)
            .filter(|t| !t.is_empty())
            .ok_or_else(|| ApiError::parameter(format!("{name} can not be blank.")))
    }

    /// A text member that must be there and not empty; ELBv2 and CloudWatch words.
    pub fn must(self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)
            .filter(|t| !t.is_empty())
            .ok_or_else(|| ApiError::validation(format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null")))
    }

    /// A whole number, written as a number or as text.
    pub fn number(self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        }
    }

    /// A number with fraction.
    pub fn float(self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::String(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
            other => other.as_f64(),
        }
    }

    /// A flag, written as a flag or as text.
    pub fn flag(self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::String(text) => text.parse().ok(),
            other => other.as_bool(),
        }
    }

    /// A structure member.
    pub fn part(self, name: &str) -> Option<Input<'a>> {
        self.get(name).filter(|value| value.is_object()).map(Input)
    }

    /// The items of a list member; none if it is not there.
    pub fn list(self, name: &str) -> Vec<Input<'a>> {
        self.get(name).and_then(Value::as_array).into_iter().flatten().map(Input).collect()
    }

    /// The texts of a list member.
    pub fn texts(self, name: &str) -> Vec<&'a str> {
        self.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// True if the list member was sent, even with nothing in it.
    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }
}
