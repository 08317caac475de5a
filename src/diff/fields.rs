//! How each field of a service is changed.

/// The way from a declared service field to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `UpdateService` takes it. `deploys`: ECS then starts new tasks, as the API reference says of the parameter.
    Update { deploys: bool },
    /// Only `CreateService` takes it.
    Replace,
    /// `TagResource` takes it.
    Tag,
}

/// Members of `CreateServiceRequest` that `UpdateServiceRequest` lacks (ECS API model 2014-11-13, `clientToken`
/// aside), and those whose documentation says "This parameter triggers a new service deployment".
const ROUTES: &[(&str, Route)] = &[
    ("launchType", Route::Replace),
    ("role", Route::Replace),
    ("schedulingStrategy", Route::Replace),
    ("serviceName", Route::Replace),
    ("tags", Route::Tag),
    ("taskDefinition", Route::Update { deploys: true }),
    // Not by itself, but UpdateService refuses another strategy without `forceNewDeployment`.
    ("capacityProviderStrategy", Route::Update { deploys: true }),
    ("networkConfiguration", Route::Update { deploys: true }),
    ("platformVersion", Route::Update { deploys: true }),
    ("loadBalancers", Route::Update { deploys: true }),
    ("serviceRegistries", Route::Update { deploys: true }),
    ("serviceConnectConfiguration", Route::Update { deploys: true }),
    ("volumeConfigurations", Route::Update { deploys: true }),
    ("vpcLatticeConfigurations", Route::Update { deploys: true }),
];

/// How the top-level field `name` of a service is changed.
pub fn route(name: &str) -> Route {
    let known = ROUTES.iter().find(|(field, _)| *field == name);
    known.map_or(Route::Update { deploys: false }, |(_, route)| *route)
}
