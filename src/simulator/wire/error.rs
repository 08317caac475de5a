//! Errors as the services answer them.

use serde_json::Value;

/// What an operation answers: a JSON value with the members of its output shape, or an error.
pub(in crate::simulator) type Answer = Result<Value, ApiError>;

/// A refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct ApiError {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl ApiError {
    /// A refusal (status 400) with the service's own code.
    pub fn new(code: &str, message: impl Into<String>) -> ApiError {
        ApiError { status: 400, code: code.into(), message: message.into() }
    }

    /// ECS: a parameter is invalid.
    pub fn parameter(message: impl Into<String>) -> ApiError {
        ApiError::new("InvalidParameterException", message)
    }

    /// ECS: something else is wrong on the client's side.
    pub fn client(message: impl Into<String>) -> ApiError {
        ApiError::new("ClientException", message)
    }

    /// ELBv2 and CloudWatch: a parameter is invalid.
    pub fn validation(message: impl Into<String>) -> ApiError {
        ApiError::new("ValidationError", message)
    }

    /// A failure of the service itself.
    pub fn internal(code: &str) -> ApiError {
        let message = "The service could not complete the request; try again.";
        ApiError { status: 500, code: code.into(), message: message.into() }
    }
}
