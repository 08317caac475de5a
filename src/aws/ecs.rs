//! ECS by its own JSON: the SDK signs and sends, but the body is ours and the answer is handed on as AWS wrote it, so
//! that fields the SDK does not know yet pass in both directions.

use super::{Aws, Call, Conduct, ServiceName};
use crate::engine::{Trouble, TroubleKind};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

macro_rules! ecs_operations {
    ($($operation:ident => $method:ident,)*) => {
        /// The ECS operations the program uses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EcsOperation { $($operation,)* }

        impl EcsOperation {
            /// The operation's name in the API.
            pub fn name(self) -> &'static str {
                match self { $(EcsOperation::$operation => stringify!($operation),)* }
            }
        }

        impl Aws {
            /// Sends `body` as the request of `operation` and returns the answer's JSON. `about` names the resource in
            /// messages.
            ///
            /// # Errors
            /// Those of [`Aws::send`]; an answer that is no JSON object is [`TroubleKind::Transient`].
            pub async fn ecs(
                &self,
                operation: EcsOperation,
                conduct: Conduct,
                about: &str,
                body: &Value,
            ) -> Result<Value, Trouble> {
                let call = Call::new(ServiceName::Ecs, operation.name(), about);
                let text = body.to_string();
                let raw = match operation {
                    $(EcsOperation::$operation => {
                        self.send(&call, conduct, || {
                            let answer = RawAnswer::default();
                            let request = self.shared.ecs.$method().customize()
                                .mutate_request(with_body(text.clone()))
                                .interceptor(answer.clone());
                            async move {
                                request.send().await?;
                                Ok(answer.take())
                            }
                        }).await
                    })*
                }?;
                object(&raw).map_err(|message| Trouble {
                    kind: TroubleKind::Transient,
                    doing: call.doing(),
                    message,
                })
            }
        }
    };
}

ecs_operations! {
    CreateService => create_service,
    DeleteService => delete_service,
    DescribeClusters => describe_clusters,
    DescribeContainerInstances => describe_container_instances,
    DescribeServices => describe_services,
    DescribeTaskDefinition => describe_task_definition,
    DescribeTasks => describe_tasks,
    ListServices => list_services,
    ListTaskDefinitions => list_task_definitions,
    ListTasks => list_tasks,
    RegisterTaskDefinition => register_task_definition,
    TagResource => tag_resource,
    UntagResource => untag_resource,
    UpdateService => update_service,
}

/// Reads an answer. What is no object has nothing in it, which would look like the absence of all that was asked for.
fn object(raw: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice(raw) {
        Ok(answer @ Value::Object(_)) => Ok(answer),
        Ok(_) => Err("the answer is no JSON object".into()),
        Err(error) => Err(format!("the answer is not JSON: {error}")),
    }
}

/// Replaces a request's body. Runs before it is signed.
pub(super) fn with_body(text: String) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        request.headers_mut().insert("content-length", text.len().to_string());
        *request.body_mut() = SdkBody::from(text.clone());
    }
}

/// Keeps the bytes of an answer's body.
#[derive(Clone, Debug, Default)]
pub(super) struct RawAnswer(Arc<Mutex<Vec<u8>>>);

impl RawAnswer {
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for RawAnswer {
    fn name(&self) -> &'static str {
        "RawAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = body.to_vec();
        Ok(())
    }
}
