//! Which operation of which service a request calls, and with what.

use super::{ApiError, cbor, query};
use crate::simulator::WireRequest;
use serde_json::{Value, json};

/// The simulated services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Api {
    Ecs,
    Elb,
    CloudWatch,
    Sts,
}

impl Api {
    /// As the call log names it.
    pub fn name(self) -> &'static str {
        match self {
            Api::Ecs => "ecs",
            Api::Elb => "elbv2",
            Api::CloudWatch => "cloudwatch",
            Api::Sts => "sts",
        }
    }
}

/// How a call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Protocol {
    Json10,
    Json11,
    Query,
    Cbor,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::simulator) struct Operation {
    pub api: Api,
    pub protocol: Protocol,
    pub name: String,
    pub input: Value,
}

impl Operation {
    /// False for operations that only read.
    pub fn is_write(&self) -> bool {
        !["Describe", "List", "Get"].iter().any(|verb| self.name.starts_with(verb))
    }
}

/// Finds out what a request calls, as the services do: by `X-Amz-Target` (JSON), by the path (CBOR), or by the
/// `Action` and `Version` of a form.
pub(in crate::simulator) fn parse(request: &WireRequest) -> Result<Operation, ApiError> {
    let (path, in_path) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if let Some(target) = request.header("x-amz-target") {
        let (service, name) = target.split_once('.').unwrap_or((target, ""));
        let (api, protocol) = match service {
            "AmazonEC2ContainerServiceV20141113" => (Api::Ecs, Protocol::Json11),
            "GraniteServiceVersion20100801" => (Api::CloudWatch, Protocol::Json10),
            _ => return Err(unknown(target)),
        };
        return Ok(Operation { api, protocol, name: name.into(), input: parse_json(&request.body)? });
    }
    if let Some(rest) = path.strip_prefix("/service/GraniteServiceVersion20100801/operation/") {
        let input = cbor::decode(&request.body)?;
        return Ok(Operation { api: Api::CloudWatch, protocol: Protocol::Cbor, name: rest.into(), input });
    }
    let form = if request.body.is_empty() { in_path.as_bytes() } else { &request.body };
    let input = query::parse_form(form)?;
    let text = |name| input.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let (name, version) = (text("Action"), text("Version"));
    let api = match version.as_str() {
        _ if name.is_empty() => {
            return Err(ApiError::new("MissingAction", "The request names neither a target nor an action."));
        }
        "2015-12-01" => Api::Elb,
        "2010-08-01" => Api::CloudWatch,
        "2011-06-15" => Api::Sts,
        _ => {
            return Err(ApiError::new(
                "InvalidAction",
                format!("Could not find operation {name} for version {version}"),
            ));
        }
    };
    Ok(Operation { api, protocol: Protocol::Query, name, input })
}

fn parse_json(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let wrong = || ApiError::new("SerializationException", "The request body is not a JSON object.");
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(wrong)
}

fn unknown(target: &str) -> ApiError {
    ApiError::new("UnknownOperationException", format!("There is no operation {target} here."))
}
