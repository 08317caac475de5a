//! Making HTTP answers.

use super::request::Protocol;
use super::{Answer, Api, ApiError, Operation, cbor, http_date, xml};
use crate::simulator::{Millis, WireResponse};
use serde_json::{Value, json};

/// A request id as the services give them out: a UUID.
#[derive(Clone, Debug)]
pub(in crate::simulator) struct RequestId(pub String);

/// Writes an operation's answer in the protocol that it was asked in.
pub(in crate::simulator) fn respond(
    operation: &Operation,
    answer: &Answer,
    id: &RequestId,
    now: Millis,
) -> WireResponse {
    let (status, content_type, body, extra) = match operation.protocol {
        Protocol::Json10 => json_body(answer, "application/x-amz-json-1.0"),
        Protocol::Json11 => json_body(answer, "application/x-amz-json-1.1"),
        Protocol::Cbor => cbor_body(answer),
        Protocol::Query => query_body(operation, answer, id),
    };
    finish(status, content_type, body, extra, id, now)
}

/// Answers a request that could not be read.
pub(in crate::simulator) fn respond_unparsed(error: &ApiError, id: &RequestId, now: Millis) -> WireResponse {
    let (status, content_type, body, extra) = json_body(&Err(error.clone()), "application/x-amz-json-1.1");
    finish(status, content_type, body, extra, id, now)
}

type Parts = (u16, &'static str, Vec<u8>, Vec<(String, String)>);

fn finish(
    status: u16,
    content_type: &str,
    body: Vec<u8>,
    mut headers: Vec<(String, String)>,
    id: &RequestId,
    now: Millis,
) -> WireResponse {
    headers.push(("content-type".into(), content_type.into()));
    headers.push(("x-amzn-requestid".into(), id.0.clone()));
    headers.push(("date".into(), http_date(now)));
    WireResponse { status, headers, body, ..WireResponse::default() }
}

fn json_body(answer: &Answer, content_type: &'static str) -> Parts {
    match answer {
        Ok(Value::Null) => (200, content_type, b"{}".to_vec(), vec![]),
        Ok(value) => (200, content_type, value.to_string().into_bytes(), vec![]),
        Err(error) => {
            let body = json!({"__type": error.code, "message": error.message});
            (error.status, content_type, body.to_string().into_bytes(), vec![])
        }
    }
}

fn cbor_body(answer: &Answer) -> Parts {
    let mut headers = vec![("smithy-protocol".to_string(), "rpc-v2-cbor".to_string())];
    match answer {
        Ok(Value::Null) => (200, "application/cbor", cbor::encode(&json!({})), headers),
        Ok(value) => (200, "application/cbor", cbor::encode(value), headers),
        Err(error) => {
            let blame = if error.status < 500 { "Sender" } else { "Receiver" };
            headers.push(("x-amzn-query-error".into(), format!("{};{blame}", error.code)));
            let body = json!({"__type": error.code, "message": error.message});
            (error.status, "application/cbor", cbor::encode(&body), headers)
        }
    }
}

fn query_body(operation: &Operation, answer: &Answer, id: &RequestId) -> Parts {
    let namespace = match operation.api {
        Api::Elb => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
        Api::CloudWatch => "http://monitoring.amazonaws.com/doc/2010-08-01/",
        Api::Sts | Api::Ecs => "https://sts.amazonaws.com/doc/2011-06-15/",
    };
    let name = &operation.name;
    let mut text = String::with_capacity(1_024);
    let status = match answer {
        Ok(value) => {
            text.push_str(&format!("<{name}Response xmlns=\"{namespace}\">"));
            if !value.is_null() {
                xml::write_element(&mut text, &format!("{name}Result"), value);
            }
            text.push_str(&format!(
                "<ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
                id.0
            ));
            200
        }
        Err(error) => {
            let blame = if error.status < 500 { "Sender" } else { "Receiver" };
            text.push_str(&format!("<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{blame}</Type><Code>"));
            xml::escape(&mut text, &error.code);
            text.push_str("</Code><Message>");
            xml::escape(&mut text, &error.message);
            text.push_str(&format!("</Message></Error><RequestId>{}</RequestId></ErrorResponse>", id.0));
            error.status
        }
    };
    (status, "text/xml", text.into_bytes(), vec![])
}
