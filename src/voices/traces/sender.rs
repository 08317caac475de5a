//! The HTTP client of the exporter: the program's own, so that https works with the system's authorities. The exporter
//! calls it on its own thread, where blocking is fine.

use crate::voices::client;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Sends the exporter's requests.
#[derive(Debug)]
pub struct Sender(ureq::Agent);

impl Sender {
    /// Each request may take `timeout`.
    pub fn new(timeout: Duration) -> Sender {
        Sender(client::agent(timeout))
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.0.run(request.map(|body| body.to_vec()));
        let answer = answer.map_err(|error| HttpError::from(client::describe(&error)))?;
        Ok(answer.map(|mut body| Bytes::from(client::beginning(&mut body))))
    }
}

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.send(request) })
    }
}
