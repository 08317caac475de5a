//! The request shapes of the calls whose bodies are documents, so that the simulator drops what ECS does not know
//! without a word, and refuses what has another type, as ECS does. Field names and types: ECS API reference.
//!
//! A line is `Shape = field:type …`; types: `s` text, `i` whole number, `b` flag, `d` number, `{}` map of texts,
//! `[x]` list of x, anything else another shape.

use crate::simulator::wire::ApiError;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = "
RegisterTaskDefinition = family:s taskRoleArn:s executionRoleArn:s networkMode:s \
  containerDefinitions:[ContainerDefinition] volumes:[Volume] \
  placementConstraints:[TaskDefinitionPlacementConstraint] requiresCompatibilities:[s] cpu:s memory:s \
  tags:[Tag] pidMode:s ipcMode:s proxyConfiguration:ProxyConfiguration \
  inferenceAccelerators:[InferenceAccelerator] ephemeralStorage:EphemeralStorage \
  runtimePlatform:RuntimePlatform enableFaultInjection:b
ContainerDefinition = name:s image:s repositoryCredentials:RepositoryCredentials cpu:i memory:i \
  memoryReservation:i links:[s] portMappings:[PortMapping] essential:b restartPolicy:ContainerRestartPolicy \
  entryPoint:[s] command:[s] environment:[KeyValuePair] environmentFiles:[EnvironmentFile] \
  mountPoints:[MountPoint] volumesFrom:[VolumeFrom] linuxParameters:LinuxParameters secrets:[Secret] \
  dependsOn:[ContainerDependency] startTimeout:i stopTimeout:i versionConsistency:s hostname:s user:s \
  workingDirectory:s disableNetworking:b privileged:b readonlyRootFilesystem:b dnsServers:[s] \
  dnsSearchDomains:[s] extraHosts:[HostEntry] dockerSecurityOptions:[s] interactive:b pseudoTerminal:b \
  dockerLabels:{} ulimits:[Ulimit] logConfiguration:LogConfiguration healthCheck:HealthCheck \
  systemControls:[SystemControl] resourceRequirements:[ResourceRequirement] \
  firelensConfiguration:FirelensConfiguration credentialSpecs:[s]
RepositoryCredentials = credentialsParameter:s
PortMapping = containerPort:i hostPort:i protocol:s name:s appProtocol:s containerPortRange:s
ContainerRestartPolicy = enabled:b ignoredExitCodes:[i] restartAttemptPeriod:i
KeyValuePair = name:s value:s
EnvironmentFile = value:s type:s
MountPoint = sourceVolume:s containerPath:s readOnly:b
VolumeFrom = sourceContainer:s readOnly:b
LinuxParameters = capabilities:KernelCapabilities devices:[Device] initProcessEnabled:b \
  sharedMemorySize:i tmpfs:[Tmpfs] maxSwap:i swappiness:i
KernelCapabilities = add:[s] drop:[s]
Device = hostPath:s containerPath:s permissions:[s]
Tmpfs = containerPath:s size:i mountOptions:[s]
Secret = name:s valueFrom:s
ContainerDependency = containerName:s condition:s
HostEntry = hostname:s ipAddress:s
Ulimit = name:s softLimit:i hardLimit:i
LogConfiguration = logDriver:s options:{} secretOptions:[Secret]
HealthCheck = command:[s] interval:i timeout:i retries:i startPeriod:i
SystemControl = namespace:s value:s
ResourceRequirement = value:s type:s
FirelensConfiguration = type:s options:{}
Volume = name:s host:HostVolumeProperties dockerVolumeConfiguration:DockerVolumeConfiguration \
  efsVolumeConfiguration:EFSVolumeConfiguration s3filesVolumeConfiguration:S3FilesVolumeConfiguration \
  fsxWindowsFileServerVolumeConfiguration:FSxWindowsFileServerVolumeConfiguration configuredAtLaunch:b
HostVolumeProperties = sourcePath:s
DockerVolumeConfiguration = scope:s autoprovision:b driver:s driverOpts:{} labels:{}
EFSVolumeConfiguration = fileSystemId:s rootDirectory:s transitEncryption:s transitEncryptionPort:i \
  authorizationConfig:EFSAuthorizationConfig
EFSAuthorizationConfig = accessPointId:s iam:s
S3FilesVolumeConfiguration = fileSystemArn:s rootDirectory:s transitEncryptionPort:i accessPointArn:s
FSxWindowsFileServerVolumeConfiguration = fileSystemId:s rootDirectory:s \
  authorizationConfig:FSxWindowsFileServerAuthorizationConfig
FSxWindowsFileServerAuthorizationConfig = credentialsParameter:s domain:s
TaskDefinitionPlacementConstraint = type:s expression:s
Tag = key:s value:s
ProxyConfiguration = type:s containerName:s properties:[KeyValuePair]
InferenceAccelerator = deviceName:s deviceType:s
EphemeralStorage = sizeInGiB:i
RuntimePlatform = cpuArchitecture:s operatingSystemFamily:s
CreateService = cluster:s serviceName:s taskDefinition:s availabilityZoneRebalancing:s \
  loadBalancers:[LoadBalancer] serviceRegistries:[ServiceRegistry] desiredCount:i clientToken:s \
  launchType:s capacityProviderStrategy:[CapacityProviderStrategyItem] platformVersion:s role:s \
  deploymentConfiguration:DeploymentConfiguration placementConstraints:[PlacementConstraint] \
  placementStrategy:[PlacementStrategy] networkConfiguration:NetworkConfiguration \
  healthCheckGracePeriodSeconds:i schedulingStrategy:s deploymentController:DeploymentController tags:[Tag] \
  enableECSManagedTags:b propagateTags:s enableExecuteCommand:b \
  serviceConnectConfiguration:ServiceConnectConfiguration volumeConfigurations:[ServiceVolumeConfiguration] \
  vpcLatticeConfigurations:[VpcLatticeConfiguration]
LoadBalancer = targetGroupArn:s loadBalancerName:s containerName:s containerPort:i \
  advancedConfiguration:AdvancedConfiguration
AdvancedConfiguration = alternateTargetGroupArn:s productionListenerRule:s testListenerRule:s roleArn:s
ServiceRegistry = registryArn:s port:i containerName:s containerPort:i
CapacityProviderStrategyItem = capacityProvider:s weight:i base:i
DeploymentConfiguration = deploymentCircuitBreaker:DeploymentCircuitBreaker maximumPercent:i \
  minimumHealthyPercent:i alarms:DeploymentAlarms strategy:s bakeTimeInMinutes:i \
  lifecycleHooks:[DeploymentLifecycleHook] linearConfiguration:LinearConfiguration \
  canaryConfiguration:CanaryConfiguration
DeploymentCircuitBreaker = enable:b rollback:b
DeploymentAlarms = alarmNames:[s] rollback:b enable:b
DeploymentLifecycleHook = targetType:s hookTargetArn:s roleArn:s lifecycleStages:[s] \
  hookDetails:HookDetails timeoutConfiguration:DeploymentLifecycleHookTimeoutConfiguration
HookDetails =
DeploymentLifecycleHookTimeoutConfiguration = timeoutInMinutes:i action:s
LinearConfiguration = stepPercent:d stepBakeTimeInMinutes:i
CanaryConfiguration = canaryPercent:d canaryBakeTimeInMinutes:i
PlacementConstraint = type:s expression:s
PlacementStrategy = type:s field:s
NetworkConfiguration = awsvpcConfiguration:AwsVpcConfiguration
AwsVpcConfiguration = subnets:[s] securityGroups:[s] assignPublicIp:s
DeploymentController = type:s
ServiceConnectConfiguration = enabled:b namespace:s services:[ServiceConnectService] \
  logConfiguration:LogConfiguration accessLogConfiguration:ServiceConnectAccessLogConfiguration
ServiceConnectService = portName:s discoveryName:s clientAliases:[ServiceConnectClientAlias] \
  ingressPortOverride:i timeout:TimeoutConfiguration tls:ServiceConnectTlsConfiguration
ServiceConnectClientAlias = port:i dnsName:s testTrafficRules:ServiceConnectTestTrafficRules
ServiceConnectTestTrafficRules = header:ServiceConnectTestTrafficHeaderRules
ServiceConnectTestTrafficHeaderRules = name:s value:ServiceConnectTestTrafficHeaderMatchRules
ServiceConnectTestTrafficHeaderMatchRules = exact:s
TimeoutConfiguration = idleTimeoutSeconds:i perRequestTimeoutSeconds:i
ServiceConnectTlsConfiguration = issuerCertificateAuthority:ServiceConnectTlsCertificateAuthority \
  kmsKey:s roleArn:s
ServiceConnectTlsCertificateAuthority = awsPcaAuthorityArn:s
ServiceConnectAccessLogConfiguration = format:s includeQueryParameters:s
ServiceVolumeConfiguration = name:s managedEBSVolume:ServiceManagedEBSVolumeConfiguration
ServiceManagedEBSVolumeConfiguration = encrypted:b kmsKeyId:s volumeType:s sizeInGiB:i snapshotId:s \
  volumeInitializationRate:i iops:i throughput:i tagSpecifications:[EBSTagSpecification] roleArn:s \
  filesystemType:s
EBSTagSpecification = resourceType:s tags:[Tag] propagateTags:s
VpcLatticeConfiguration = roleArn:s targetGroupArn:s portName:s
UpdateService = cluster:s service:s desiredCount:i taskDefinition:s \
  capacityProviderStrategy:[CapacityProviderStrategyItem] deploymentConfiguration:DeploymentConfiguration \
  availabilityZoneRebalancing:s networkConfiguration:NetworkConfiguration \
  placementConstraints:[PlacementConstraint] placementStrategy:[PlacementStrategy] platformVersion:s \
  forceNewDeployment:b healthCheckGracePeriodSeconds:i deploymentController:DeploymentController \
  enableExecuteCommand:b enableECSManagedTags:b loadBalancers:[LoadBalancer] propagateTags:s \
  serviceRegistries:[ServiceRegistry] serviceConnectConfiguration:ServiceConnectConfiguration \
  volumeConfigurations:[ServiceVolumeConfiguration] vpcLatticeConfigurations:[VpcLatticeConfiguration]
";

type Shapes = HashMap<&'static str, HashMap<&'static str, &'static str>>;

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let lines = TABLE.lines().filter_map(|line| line.split_once('='));
    let fields =
        |text: &'static str| text.split_whitespace().filter_map(|field| field.split_once(':')).collect();
    lines.map(|(name, text)| (name.trim(), fields(text))).collect()
});

/// The part of `value` that the shape knows, nulls left out.
///
/// # Errors
/// `SerializationException` for a value of another type than the shape's.
pub(super) fn conform(shape: &str, value: &Value) -> Result<Map<String, Value>, ApiError> {
    let members = value.as_object().ok_or_else(|| mismatch(value, "an object"))?;
    let Some(fields) = SHAPES.get(shape) else { return Ok(members.clone()) };
    let mut kept = Map::new();
    for (name, member) in members {
        if let Some(kind) = fields.get(name.as_str()).filter(|_| !member.is_null()) {
            kept.insert(name.clone(), conform_to(kind, member)?);
        }
    }
    Ok(kept)
}

fn conform_to(kind: &str, value: &Value) -> Result<Value, ApiError> {
    let checked = |ok: bool, what: &str| if ok { Ok(value.clone()) } else { Err(mismatch(value, what)) };
    match kind {
        "s" => checked(value.is_string(), "a String"),
        "b" => checked(value.is_boolean(), "a Boolean"),
        "i" => checked(value.is_i64(), "an Integer"),
        "d" => checked(value.is_number(), "a Double"),
        "{}" => {
            let texts = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
            checked(texts, "a map of Strings")
        }
        _ => match kind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(item) => {
                let items = value.as_array().ok_or_else(|| mismatch(value, "a list"))?;
                items.iter().map(|one| conform_to(item, one)).collect::<Result<_, _>>().map(Value::Array)
            }
            None => conform(kind, value).map(Value::Object),
        },
    }
}

fn mismatch(value: &Value, wanted: &str) -> ApiError {
    let found = match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    ApiError::new("SerializationException", format!("{found} can not be converted to {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::{SHAPES, conform};
    use serde_json::json;

    #[test]
    fn unknown_fields_vanish_and_wrong_types_are_refused() {
        let sent = json!({"family": "web", "famliy": 1, "containerDefinitions": [{"name": "a", "enviroment": []}], "cpu": null});
        let kept = conform("RegisterTaskDefinition", &sent).unwrap();
        assert_eq!(json!(kept), json!({"family": "web", "containerDefinitions": [{"name": "a"}]}));
        for wrong in [
            json!({"cpu": 256}),
            json!({"containerDefinitions": {}}),
            json!({"containerDefinitions": [{"cpu": "1"}]}),
        ] {
            assert_eq!(conform("RegisterTaskDefinition", &wrong).unwrap_err().code, "SerializationException");
        }
    }

    #[test]
    fn every_shape_that_is_named_is_described() {
        for (name, fields) in SHAPES.iter() {
            for kind in fields.values() {
                let kind = kind.trim_matches(['[', ']']);
                assert!(
                    ["s", "i", "b", "d", "{}"].contains(&kind) || SHAPES.contains_key(kind),
                    "{name}: {kind}"
                );
            }
        }
    }
}
