//! Shows the `Date` of AWS's answers to the clock, and of no others.
//!
//! AWS's own endpoints are asked over TLS, which is always verified, also through a proxy. A request without TLS goes where
//! somebody configured it to (`AWS_ENDPOINT_URL`, a simulator): no endpoint of AWS's own is plain HTTP, and the SDK
//! follows no redirect. What answers in its place (a proxy, a load balancer before it) shows by an answer that the SDK
//! can't read, or a failure.

use crate::engine::Clock;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use std::sync::Arc;

/// Shows the `Date` of each answer that is what was asked for to the clock.
#[derive(Debug)]
pub(super) struct DateReader(pub Arc<Clock>);

impl Intercept for DateReader {
    fn name(&self) -> &'static str {
        "DateReader"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_empty = context.response().body().bytes().is_none_or(<[u8]>::is_empty);
        if context.output_or_error().is_err() || is_empty {
            return Ok(());
        }
        if let Some(date) = context.response().headers().get("date") {
            self.0.note(date);
        }
        Ok(())
    }
}
