//! An API server made of one function, for tests of what happens between requests: time, repetition, order.

use super::Cluster;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::service_fn;

/// What was asked.
pub(crate) struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub body: Value,
}

/// Status, headers, body; `None`: the connection breaks.
pub(crate) type Answer = Option<(u16, Vec<(&'static str, String)>, Value)>;

/// A connection to a server that answers by this function.
pub(crate) fn cluster(
    answer: impl Fn(Asked) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
) -> Cluster {
    let answer = Arc::new(answer);
    let service = service_fn(move |request: Request<Body>| {
        let answer = Arc::clone(&answer);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect_bytes().await.map_err(|error| error.to_string())?;
            let asked = Asked {
                method: head.method.to_string(),
                path: head.uri.to_string(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let (status, headers, body) = answer(asked).await.ok_or("connection reset by peer")?;
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok::<_, tower_error::Boxed>(response.body(Body::from(body.to_string().into_bytes()))?)
        }
    });
    let client = kube::Client::new(service, "default");
    Cluster::over(client, "https://fake".into(), "default".into())
}

mod tower_error {
    pub(super) type Boxed = Box<dyn std::error::Error + Send + Sync>;
}

/// A `Status` with this code and reason.
pub(crate) fn refusal(code: u16, reason: &str) -> Answer {
    let body =
        json!({"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": code});
    Some((code, vec![], body))
}

/// Success.
pub(crate) fn ok(body: Value) -> Answer {
    Some((200, vec![], body))
}
