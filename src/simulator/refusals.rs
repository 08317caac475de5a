//! Answers of calls that are refused, in the words of the service that is asked.

use super::Failure;
use super::state::State;
use super::wire::{Answer, Api, ApiError, Input, Operation};
use serde_json::{Value, json};

/// The answer of a call that fails so without having an effect; `None` for failures that let the call through.
pub(super) fn refuse(state: &State, operation: &Operation, failure: &Failure) -> Option<Answer> {
    Some(match failure {
        Failure::Internal => Err(internal(operation.api)),
        Failure::Error { code, message } => Err(ApiError::new(code, message.as_str())),
        Failure::Denied => Err(denied(state, operation)),
        Failure::Throttled => Err(throttled(operation.api)),
        Failure::NotFound => absent(state, operation),
        Failure::CutBefore => Err(ApiError::internal("ServiceUnavailable")),
        Failure::Proxy { .. } => Err(ApiError { status: 502, ..ApiError::internal("BadGateway") }),
        Failure::LostAnswer
        | Failure::Unreadable
        | Failure::Stale { .. }
        | Failure::Skewed { .. }
        | Failure::Dated(_) => return None,
    })
}

/// There is no such operation.
pub(super) fn unknown(operation: &Operation) -> ApiError {
    match operation.api {
        Api::Ecs | Api::CloudWatch => {
            ApiError::new("UnknownOperationException", format!("{} is not simulated.", operation.name))
        }
        Api::Elb => ApiError::new("InvalidAction", format!("Could not find operation {}", operation.name)),
        Api::Sts => ApiError::new(
            "InvalidAction",
            format!("Could not find operation {} for version 2011-06-15", operation.name),
        ),
    }
}

fn internal(api: Api) -> ApiError {
    ApiError::internal(match api {
        Api::Ecs => "ServerException",
        Api::CloudWatch => "InternalServiceError",
        Api::Elb | Api::Sts => "InternalFailure",
    })
}

/// The rate of calls is exceeded.
pub(super) fn throttled(api: Api) -> ApiError {
    let code = if api == Api::Ecs { "ThrottlingException" } else { "Throttling" };
    ApiError::new(code, "Rate exceeded")
}

fn denied(state: &State, operation: &Operation) -> ApiError {
    let (prefix, code, status) = match operation.api {
        Api::Ecs => ("ecs", "AccessDeniedException", 400),
        Api::Elb => ("elasticloadbalancing", "AccessDenied", 403),
        Api::CloudWatch => ("cloudwatch", "AccessDenied", 403),
        Api::Sts => ("sts", "AccessDenied", 403),
    };
    let (account, action) = (&state.settings.account, format!("{prefix}:{}", operation.name));
    let message = format!(
        "User: arn:aws:iam::{account}:user/simulator is not authorized to perform: {action} on resource: * because no \
         identity-based policy allows the {action} action"
    );
    ApiError { status, ..ApiError::new(code, message) }
}

/// What is answered where nothing that the call names is there.
fn absent(state: &State, operation: &Operation) -> Answer {
    let (name, input) = (operation.name.as_str(), Input(&operation.input));
    let missing = |field: &str, kind: &str| {
        let arn =
            |name: &str| state.arn("ecs", &format!("{kind}/{}", name.rsplit('/').next().unwrap_or(name)));
        let named = input.texts(field).into_iter();
        let failures: Vec<Value> = named.map(|n| json!({"arn": arn(n), "reason": "MISSING"})).collect();
        Ok(json!({field: [], "failures": failures}))
    };
    match (operation.api, name) {
        (Api::Ecs, "DescribeServices") => missing("services", "service"),
        (Api::Ecs, "DescribeTasks") => missing("tasks", "task"),
        (Api::Ecs, "DescribeClusters") => missing("clusters", "cluster"),
        (Api::Ecs, "DescribeContainerInstances") => missing("containerInstances", "container-instance"),
        (Api::Ecs, _) if name.contains("TaskDefinition") => {
            Err(ApiError::client("Unable to describe task definition."))
        }
        (Api::Ecs, "TagResource" | "UntagResource" | "ListTagsForResource") => {
            Err(ApiError::new("ResourceNotFoundException", "The specified resource was not found."))
        }
        (Api::Ecs, "UpdateService" | "DeleteService") => {
            Err(ApiError::new("ServiceNotFoundException", "Service not found."))
        }
        (Api::Ecs, _) => Err(ApiError::new("ClusterNotFoundException", "Cluster not found.")),
        (Api::Elb, _) => {
            let kinds =
                [("Target", "TargetGroup"), ("Listener", "Listener"), ("LoadBalancer", "LoadBalancer")];
            let kind = kinds.iter().find(|(part, _)| name.contains(part)).map_or("Rule", |(_, kind)| kind);
            Err(ApiError::new(&format!("{kind}NotFound"), format!("One or more of kind {kind} not found")))
        }
        (Api::CloudWatch, "DescribeAlarms") => Ok(json!({"MetricAlarms": [], "CompositeAlarms": []})),
        (Api::CloudWatch | Api::Sts, _) => Err(ApiError::new("ResourceNotFound", "Unknown")),
    }
}
