//! Random documents, and what AWS makes of them. Written apart from the rules, so that it does not share their
//! mistakes. Same seed, same documents.

use serde_json::{Map, Value, json};

/// A small generator (SplitMix64).
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn chance(&mut self) -> bool {
        self.next() & 1 == 0
    }

    fn pick(&mut self, choices: &[Value]) -> Value {
        choices[self.below(choices.len())].clone()
    }

    fn shuffle(&mut self, items: &mut [Value]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

/// Adds each of the fields with even odds.
fn some_of(random: &mut Random, fields: Value) -> Map<String, Value> {
    let Value::Object(fields) = fields else { return Map::new() };
    fields.into_iter().filter(|_| random.chance()).collect()
}

fn list(random: &mut Random, make: impl Fn(usize, &mut Random) -> Value) -> Value {
    (0..random.below(4)).map(|i| make(i, random)).collect()
}

/// A task definition as people write them.
pub(super) fn task_definition(random: &mut Random) -> Value {
    let awsvpc = random.chance();
    let mut spec = some_of(
        random,
        json!({"taskRoleArn": "arn:aws:iam::1:role/task", "executionRoleArn": "arn:aws:iam::1:role/exec",
            "cpu": "1 vCPU", "memory": "2 GB", "requiresCompatibilities": ["FARGATE", "EC2"], "pidMode": "task",
            "runtimePlatform": {"cpuArchitecture": "ARM64"}, "ephemeralStorage": {"sizeInGiB": 40},
            "tags": [{"key": "team", "value": "shop"}, {"key": "cost", "value": "7"}],
            "volumes": [{"name": "data"}, {"name": "efs", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
            "placementConstraints": [{"type": "memberOf", "expression": "attribute:a == b"}]}),
    );
    spec.insert("family".into(), json!("web"));
    if awsvpc {
        spec.insert("networkMode".into(), json!("awsvpc"));
    }
    let containers = 1 + random.below(3);
    let containers: Vec<Value> = (0..containers).map(|i| container(i, random, awsvpc)).collect();
    spec.insert("containerDefinitions".into(), Value::Array(containers));
    Value::Object(spec)
}

fn container(index: usize, random: &mut Random, awsvpc: bool) -> Value {
    let ports = list(random, |i, random| {
        let mut port = some_of(random, json!({"protocol": "udp", "name": format!("p{i}")}));
        port.insert("containerPort".into(), json!(8080 + i));
        if !awsvpc && random.chance() {
            port.insert("hostPort".into(), json!(80 + i));
        }
        Value::Object(port)
    });
    let environment = list(
        random,
        |i, random| json!({"name": format!("VAR_{i}"), "value": format!("{}", random.below(9))}),
    );
    let secrets =
        list(random, |i, _| json!({"name": format!("HIDDEN_{i}"), "valueFrom": format!("/shop/{i}")}));
    let mut container = some_of(
        random,
        json!({"cpu": 128, "memory": 256, "essential": false, "portMappings": ports, "environment": environment,
            "secrets": secrets, "command": ["sh", "-c", "exec app"], "user": "1000", "readonlyRootFilesystem": true,
            "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}, {"sourceVolume": "efs", "containerPath": "/efs"}],
            "dependsOn": [{"containerName": "a", "condition": "START"}, {"containerName": "b", "condition": "HEALTHY"}],
            "ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}, {"name": "core", "softLimit": 0, "hardLimit": 0}],
            "dockerLabels": {"a": "1", "b": "2"}, "healthCheck": {"command": ["CMD", "true"], "retries": 5},
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "web", "mode": "non-blocking"}},
            "linuxParameters": {"capabilities": {"drop": ["ALL", "NET_RAW"]}, "initProcessEnabled": true}}),
    );
    container.insert("name".into(), json!(format!("c{index}")));
    container.insert("image".into(), json!(format!("shop/web:{}", random.below(9))));
    Value::Object(container)
}

/// A service as people write them.
pub(super) fn service(random: &mut Random) -> Value {
    let mut spec = some_of(
        random,
        json!({"desiredCount": 3, "platformVersion": "1.4.0", "healthCheckGracePeriodSeconds": 60,
            "enableExecuteCommand": true, "propagateTags": "SERVICE", "role": "arn:aws:iam::1:role/elb",
            "loadBalancers": [
                {"targetGroupArn": "arn:aws:elasticloadbalancing:r:1:targetgroup/a/1", "containerName": "app", "containerPort": 8080},
                {"targetGroupArn": "arn:aws:elasticloadbalancing:r:1:targetgroup/b/2", "containerName": "app", "containerPort": 8081}],
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1, "base": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}],
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1", "sg-2"]}},
            "deploymentConfiguration": {"minimumHealthyPercent": 50, "deploymentCircuitBreaker": {"enable": true, "rollback": true}},
            "placementStrategy": [{"type": "spread", "field": "host"}, {"type": "binpack", "field": "CPU"}],
            "serviceConnectConfiguration": {"enabled": true, "namespace": "shop", "services": [{"portName": "http", "clientAliases": [{"port": 80}]}]},
            "tags": [{"key": "team", "value": "shop"}, {"key": "cost", "value": "7"}]}),
    );
    spec.insert("serviceName".into(), json!("web"));
    spec.insert("taskDefinition".into(), json!("web:3"));
    Value::Object(spec)
}

/// What `DescribeTaskDefinition` answers for a registered document, tags put beside.
pub(super) fn described_task_definition(spec: &Value, random: &mut Random) -> Value {
    let mut live = spec.clone();
    let awsvpc = live.get("networkMode") == Some(&json!("awsvpc"));
    add(
        &mut live,
        json!({"taskDefinitionArn": "arn:aws:ecs:r:1:task-definition/web:3", "revision": 3, "status": "ACTIVE",
        "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}], "compatibilities": ["EC2"],
        "registeredAt": 1.7e9, "registeredBy": "arn:aws:iam::1:root", "volumes": [], "placementConstraints": []}),
    );
    maybe(random, &mut live, json!({"requiresCompatibilities": [], "enableFaultInjection": false}));
    respell(&mut live, "cpu", "1 vCPU", json!("1024"));
    respell(&mut live, "memory", "2 GB", json!("2048"));
    for volume in each(&mut live, "volumes") {
        maybe(random, volume, json!({"host": {}}));
        if let Some(efs) = volume.get_mut("efsVolumeConfiguration") {
            add(efs, json!({"rootDirectory": "/", "transitEncryption": "DISABLED"}));
        }
    }
    for tag in live.get_mut("tags").and_then(Value::as_array_mut).into_iter() {
        tag.push(json!({"key": "cutover.dev/content", "value": "abc"}));
        tag.push(json!({"key": "aws:cloudformation:stack-name", "value": "x"}));
    }
    for container in each(&mut live, "containerDefinitions") {
        for port in each(container, "portMappings") {
            add(port, json!({"protocol": "tcp"}));
            let host = if awsvpc { port.get("containerPort").cloned() } else { Some(json!(0)) };
            add(port, json!({"hostPort": host}));
        }
        for mount in each(container, "mountPoints") {
            maybe(random, mount, json!({"readOnly": false}));
        }
        if let Some(check) = container.get_mut("healthCheck") {
            add(check, json!({"interval": 30, "timeout": 5, "retries": 3}));
            maybe(random, check, json!({"startPeriod": 0}));
        }
        add(
            container,
            json!({"cpu": 0, "essential": true, "portMappings": [], "environment": [], "mountPoints": [], "volumesFrom": []}),
        );
        maybe(
            random,
            container,
            json!({"systemControls": [], "privileged": false, "links": null, "versionConsistency": "enabled",
            "dockerLabels": {}, "linuxParameters": {"initProcessEnabled": false, "devices": []}}),
        );
        for field in ["portMappings", "environment", "secrets", "mountPoints", "dependsOn", "ulimits"] {
            shuffle_field(container, field, random);
        }
        if let Some(capabilities) = container.pointer_mut("/linuxParameters/capabilities") {
            shuffle_field(capabilities, "drop", random);
        }
    }
    for field in ["containerDefinitions", "volumes", "tags", "requiresCompatibilities"] {
        shuffle_field(&mut live, field, random);
    }
    reorder_keys(&live, random)
}

/// What `DescribeServices` answers for a created document, tags included.
pub(super) fn described_service(spec: &Value, random: &mut Random) -> Value {
    let mut live = spec.clone();
    let connect = live.as_object_mut().and_then(|fields| fields.remove("serviceConnectConfiguration"));
    let role = live.as_object_mut().and_then(|fields| fields.remove("role"));
    live["taskDefinition"] = json!("arn:aws:ecs:r:1:task-definition/web:3");
    add(
        &mut live,
        json!({"serviceArn": "arn:aws:ecs:r:1:service/prod/web", "clusterArn": "arn:aws:ecs:r:1:cluster/prod", "status": "ACTIVE",
        "desiredCount": 1, "runningCount": 3, "pendingCount": 0, "launchType": "FARGATE", "platformVersion": "LATEST", "platformFamily": "Linux",
        "loadBalancers": [], "serviceRegistries": [], "deploymentConfiguration": {}, "events": [{"message": "steady"}],
        "roleArn": role.unwrap_or(json!("arn:aws:iam::1:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS")),
        "deployments": [{"status": "ACTIVE", "serviceConnectConfiguration": {"enabled": false}},
            {"status": "PRIMARY", "serviceConnectConfiguration": connect}],
        "schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"}, "propagateTags": "NONE",
        "enableECSManagedTags": false, "enableExecuteCommand": false, "placementConstraints": [], "placementStrategy": [],
        "availabilityZoneRebalancing": "ENABLED", "healthCheckGracePeriodSeconds": 0, "createdBy": "arn:aws:iam::1:root"}),
    );
    add(
        &mut live["deploymentConfiguration"],
        json!({"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING",
        "deploymentCircuitBreaker": {"enable": false, "rollback": false}, "bakeTimeInMinutes": 0}),
    );
    if let Some(network) = live.pointer_mut("/networkConfiguration/awsvpcConfiguration") {
        add(network, json!({"assignPublicIp": "DISABLED"}));
        shuffle_field(network, "subnets", random);
        shuffle_field(network, "securityGroups", random);
    }
    for provider in each(&mut live, "capacityProviderStrategy") {
        add(provider, json!({"base": 0, "weight": 0}));
    }
    for strategy in each(&mut live, "placementStrategy") {
        respell(strategy, "field", "host", json!("instanceId"));
        respell(strategy, "field", "CPU", json!("cpu"));
    }
    add(&mut live, json!({"tags": []}));
    if let Some(tags) = live["tags"].as_array_mut() {
        tags.push(json!({"key": "cutover.dev/application", "value": "shop"}));
        tags.push(json!({"key": "aws:ecs:serviceName", "value": "web"}));
        tags.push(json!({"key": "somebody-elses", "value": "1"}));
    }
    for field in ["loadBalancers", "capacityProviderStrategy", "tags"] {
        shuffle_field(&mut live, field, random);
    }
    reorder_keys(&live, random)
}

fn add(object: &mut Value, fields: Value) {
    let (Value::Object(object), Value::Object(fields)) = (object, fields) else { return };
    for (name, value) in fields {
        object.entry(name).or_insert(value);
    }
}

fn maybe(random: &mut Random, object: &mut Value, fields: Value) {
    let fields = some_of(random, fields);
    add(object, Value::Object(fields));
}

fn respell(object: &mut Value, field: &str, from: &str, to: Value) {
    if object.get(field) == Some(&json!(from)) {
        object[field] = to;
    }
}

fn each<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn shuffle_field(object: &mut Value, field: &str, random: &mut Random) {
    if let Some(items) = object.get_mut(field).and_then(Value::as_array_mut) {
        random.shuffle(items);
    }
}

/// The same value with its keys in another order.
fn reorder_keys(value: &Value, random: &mut Random) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<Value> = fields.keys().map(|name| json!(name)).collect();
            random.shuffle(&mut names);
            let names = names.iter().filter_map(Value::as_str);
            names.map(|name| (name.to_owned(), reorder_keys(&fields[name], random))).collect()
        }
        Value::Array(items) => items.iter().map(|item| reorder_keys(item, random)).collect(),
        scalar => scalar.clone(),
    }
}

/// A real change somewhere in `value`: one text, number or boolean is another one, or one field is gone. `None` if it
/// hit a place without content. Returns the path of what was changed.
pub(super) fn change_something(value: &mut Value, random: &mut Random) -> Option<String> {
    let mut leaves = Vec::new();
    collect_leaves(value, String::new(), &mut leaves);
    let path = leaves.get(random.below(leaves.len().max(1)))?.clone();
    let leaf = value.pointer_mut(&path)?;
    *leaf = match leaf {
        Value::String(text) => random.pick(&[json!(format!("{text}x")), json!(format!("x{text}"))]),
        Value::Number(number) => json!(number.as_i64()? + 1),
        Value::Bool(flag) => json!(!*flag),
        _ => return None,
    };
    Some(path)
}

fn collect_leaves(value: &Value, path: String, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| {
                collect_leaves(value, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), out)
            });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| collect_leaves(item, format!("{path}/{i}"), out));
        }
        Value::Null => {}
        _ => out.push(path),
    }
}
