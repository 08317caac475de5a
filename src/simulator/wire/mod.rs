//! The wire protocols: JSON 1.1 and 1.0, the query protocol with XML answers, and RPC v2 CBOR. Every request becomes a
//! service, an operation and a JSON value; every answer is made from a JSON value.

mod cbor;
mod date;
mod error;
mod input;
mod query;
mod request;
mod respond;
mod xml;

pub(super) use date::{http_date, iso_date};
pub(super) use error::{Answer, ApiError};
pub(super) use input::Input;
pub(super) use request::{Api, Operation, parse};
pub(super) use respond::{RequestId, respond, respond_unparsed};
