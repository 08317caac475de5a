//! The two kinds of stream that smart HTTP gives libgit2.

use super::call::Call;
use super::error::{ErrorKind, SourceError};
use super::http_error::{describe_io, describe_status, describe_ureq};
use std::io::{self, Read, Write};
use std::sync::Arc;
use ureq::{Agent, BodyReader};

/// A response's body; counted, and its errors explained.
pub(super) struct Reading {
    call: Arc<Call>,
    body: BodyReader<'static>,
}

impl Reading {
    pub fn new(call: Arc<Call>, body: BodyReader<'static>) -> Self {
        Reading { call, body }
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call.remaining().map_err(|e| self.call.fail(e))?;
        let count = self.body.read(buffer).map_err(|e| self.call.fail(describe_io(&self.call, e)))?;
        // Counted after decompression: a small body may unpack to anything.
        self.call.count(count).map_err(|e| self.call.fail(e))?;
        Ok(count)
    }
}

impl Write for Reading {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("this stream is only read"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One request and its answer: what is written is collected, and sent when the answer is first read.
pub(super) struct Post {
    call: Arc<Call>,
    agent: Agent,
    url: String,
    program: &'static str,
    authorization: Option<String>,
    request: Vec<u8>,
    answer: Option<Reading>,
}

/// A request is a list of commits, or the few objects of a rollback.
const REQUEST_LIMIT: usize = 256 << 20;

impl Post {
    pub fn new(
        call: Arc<Call>,
        agent: Agent,
        url: String,
        program: &'static str,
        authorization: Option<String>,
    ) -> Self {
        Post { call, agent, url, program, authorization, request: Vec::new(), answer: None }
    }

    fn send(&mut self) -> Result<Reading, SourceError> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("Content-Type", format!("application/x-{}-request", self.program))
            .header("Accept", format!("application/x-{}-result", self.program));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let request = request.config().timeout_global(Some(self.call.remaining()?)).build();
        let response = request.send(&self.request[..]).map_err(|e| describe_ureq(&self.call, e))?;
        if response.status().as_u16() != 200 {
            let tried = self.authorization.is_some().then_some("the credential that listed the references");
            return Err(describe_status(&self.call.remote, response, tried));
        }
        Ok(Reading::new(self.call.clone(), response.into_body().into_reader()))
    }
}

impl Read for Post {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.is_none() {
            self.answer = Some(self.send().map_err(|e| self.call.fail(e))?);
        }
        self.answer.as_mut().map_or(Ok(0), |answer| answer.read(buffer))
    }
}

impl Write for Post {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.request.len() + bytes.len() > REQUEST_LIMIT {
            let message = format!("the push to {} is larger than {REQUEST_LIMIT} bytes", self.call.remote);
            return Err(self.call.fail(SourceError::new(ErrorKind::Limit, message)));
        }
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
