//! The rules of comparing as data: which of AWS's fields have which default, spelling, order and secrecy. A field
//! without a rule is compared as it is, so fields that AWS adds next year work too.

use super::task_definition_rules::TASK_DEFINITION;
use crate::model::Kind;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A literal in a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Literal {
    Flag(bool),
    Number(i64),
    Text(&'static str),
}

impl Literal {
    pub(super) fn is(self, value: &Value) -> bool {
        match self {
            Literal::Flag(flag) => value.as_bool() == Some(flag),
            Literal::Number(number) => value.as_i64() == Some(number),
            Literal::Text(text) => value.as_str() == Some(text),
        }
    }
}

/// How one field is treated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// AWS sets it, the program sets it, or it is the resource's identity: not compared.
    Skip,
    /// Absent means this.
    Default(Literal),
    /// A number, also when written as text.
    Number,
    /// A boolean, also when written as text.
    Flag,
    /// Text, also when written as a number or boolean.
    Text,
    /// CPU units as text: `1 vCPU` is `1024`.
    Cpu,
    /// MiB as text: `2 GB` is `2048`.
    Memory,
    /// Spellings that AWS answers differently from how they were sent.
    Alias(&'static [(&'static str, &'static str)]),
    /// An ARN or the short name in it.
    Reference,
    /// Always the short name in an ARN, since account and region can only be our own.
    ShortName,
    /// A list whose order does not matter.
    Set,
    /// A list whose order does not matter and whose elements are known by these fields.
    Keyed(&'static [&'static str]),
    /// A list of tags: keyed; ours and AWS's are left out, and those that others put on are never a difference.
    Tags,
    /// A map whose keys are the user's, compared as a whole.
    Map,
    /// An object that means something even when it is empty.
    Presence,
    /// Never shown.
    Secret,
}

/// Whether the order of a list's elements matters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Order {
    #[default]
    Matters,
    Set,
    Keyed(&'static [&'static str]),
}

/// How a scalar is spelt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spelling {
    Number,
    Flag,
    Text,
    Cpu,
    Memory,
    ShortName,
    Alias(&'static [(&'static str, &'static str)]),
}

/// The rules of one field and of what lies under it.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub skip: bool,
    pub default: Option<Literal>,
    pub spelling: Option<Spelling>,
    pub reference: bool,
    pub order: Order,
    pub tags: bool,
    pub map: bool,
    pub presence: bool,
    pub secret: bool,
    fields: HashMap<&'static str, Node>,
    items: Option<Box<Node>>,
}

static NO_RULES: LazyLock<Node> = LazyLock::new(Node::default);
static MAP_VALUE: LazyLock<Node> =
    LazyLock::new(|| Node { spelling: Some(Spelling::Text), ..Node::default() });
static TASK_DEFINITION_NODE: LazyLock<Node> = LazyLock::new(|| Node::compile(TASK_DEFINITION));
static SERVICE_NODE: LazyLock<Node> = LazyLock::new(|| Node::compile(SERVICE));

/// The rules for the spec of a document of `kind`.
pub(super) fn rules_of(kind: Kind) -> &'static Node {
    match kind {
        Kind::TaskDefinition => &TASK_DEFINITION_NODE,
        Kind::Service => &SERVICE_NODE,
        Kind::Application | Kind::BlueGreen | Kind::ControllerConfiguration => &NO_RULES,
    }
}

impl Node {
    fn compile(rows: &[(&'static str, &[Rule])]) -> Node {
        let mut root = Node::default();
        for (path, rules) in rows {
            let mut node = &mut root;
            for part in path.split('.') {
                let name = part.trim_end_matches("[]");
                node = node.fields.entry(name).or_default();
                if name.len() < part.len() {
                    node = node.items.get_or_insert_default();
                }
            }
            for rule in *rules {
                node.apply(*rule);
            }
        }
        root
    }

    fn apply(&mut self, rule: Rule) {
        match rule {
            Rule::Skip => self.skip = true,
            Rule::Default(literal) => self.default = Some(literal),
            Rule::Number => self.spelling = Some(Spelling::Number),
            Rule::Flag => self.spelling = Some(Spelling::Flag),
            Rule::Text => self.spelling = Some(Spelling::Text),
            Rule::Cpu => self.spelling = Some(Spelling::Cpu),
            Rule::Memory => self.spelling = Some(Spelling::Memory),
            Rule::Alias(names) => self.spelling = Some(Spelling::Alias(names)),
            Rule::Reference => self.reference = true,
            Rule::ShortName => self.spelling = Some(Spelling::ShortName),
            Rule::Set => self.order = Order::Set,
            Rule::Keyed(keys) => self.order = Order::Keyed(keys),
            Rule::Tags => {
                self.order = Order::Keyed(&["key"]);
                self.tags = true;
            }
            Rule::Map => self.map = true,
            Rule::Presence => self.presence = true,
            Rule::Secret => self.secret = true,
        }
    }

    /// The rules of the field `name`.
    pub(super) fn field(&self, name: &str) -> &Node {
        if self.map { &MAP_VALUE } else { self.fields.get(name).unwrap_or(&NO_RULES) }
    }

    /// The rules of a list's elements.
    pub(super) fn item(&self) -> &Node {
        self.items.as_deref().unwrap_or(&NO_RULES)
    }

    /// What an element of a keyed list is known by, defaults and ARNs aside: `8080/udp`. `None` for other lists.
    pub(super) fn key_of(&self, element: &Value) -> Option<String> {
        let Order::Keyed(names) = self.order else { return None };
        let mut key = String::new();
        for name in names {
            let rules = self.item().field(name);
            let Some(value) = element.get(*name) else { continue };
            if rules.default.is_some_and(|default| default.is(value)) {
                continue;
            }
            if !key.is_empty() {
                key.push('/');
            }
            match value {
                Value::String(text) if rules.reference => key.push_str(short_name(text)),
                Value::String(text) => key.push_str(text),
                other => key.push_str(&other.to_string()),
            }
        }
        Some(key)
    }
}

/// The short name in an ARN (`web:42`, `web-tg`, `my-role`); other text as it is.
pub(super) fn short_name(text: &str) -> &str {
    if !text.starts_with("arn:") {
        return text;
    }
    let resource = text.splitn(6, ':').nth(5).unwrap_or(text);
    match resource.split_once('/') {
        // targetgroup/NAME/ID is the one resource whose name is not last.
        Some(("targetgroup", rest)) => rest.split('/').next().unwrap_or(rest),
        Some((_, rest)) => rest.rsplit('/').next().unwrap_or(rest),
        None => resource,
    }
}

/// True if both name the same resource: equal, or one is an ARN and the other the short name in it. Two ARNs must be
/// equal in full, since a corrected account or region is a change.
pub fn same_reference(one: &str, other: &str) -> bool {
    let arn = |text: &str| text.starts_with("arn:");
    one == other || (arn(one) != arn(other) && short_name(one) == short_name(other))
}

pub(super) const OFF: Rule = Rule::Default(Literal::Flag(false));
pub(super) const ZERO: Rule = Rule::Default(Literal::Number(0));
pub(super) const DISABLED: Rule = Rule::Default(Literal::Text("DISABLED"));

/// The service's rules. `serviceName` is what the service was found by, `cluster` where, so neither is compared.
const SERVICE: &[(&str, &[Rule])] = {
    use Rule::{Default, Flag, Keyed, Map, Number, Reference, Secret, Set, ShortName, Skip, Tags, Text};
    &[
        ("cluster", &[Skip]),
        ("serviceName", &[Skip]),
        ("clientToken", &[Skip]),
        ("taskDefinition", &[ShortName]),
        ("role", &[Reference]),
        ("desiredCount", &[Number]),
        ("availabilityZoneRebalancing", &[DISABLED]),
        (
            "loadBalancers",
            &[Keyed(&["targetGroupArn", "loadBalancerName", "containerName", "containerPort"])],
        ),
        ("loadBalancers[].targetGroupArn", &[Reference]),
        ("loadBalancers[].containerPort", &[Number]),
        ("loadBalancers[].advancedConfiguration.roleArn", &[Reference]),
        ("serviceRegistries", &[Keyed(&["registryArn", "containerName", "containerPort"])]),
        ("serviceRegistries[].port", &[Number]),
        ("serviceRegistries[].containerPort", &[Number]),
        ("capacityProviderStrategy", &[Keyed(&["capacityProvider"])]),
        ("capacityProviderStrategy[].capacityProvider", &[Reference]),
        ("capacityProviderStrategy[].base", &[Number, ZERO]),
        ("capacityProviderStrategy[].weight", &[Number, ZERO]),
        ("platformVersion", &[Default(Literal::Text("LATEST"))]),
        ("deploymentConfiguration.deploymentCircuitBreaker.enable", &[Flag, OFF]),
        ("deploymentConfiguration.deploymentCircuitBreaker.rollback", &[Flag, OFF]),
        ("deploymentConfiguration.maximumPercent", &[Number, Default(Literal::Number(200))]),
        ("deploymentConfiguration.minimumHealthyPercent", &[Number, Default(Literal::Number(100))]),
        ("deploymentConfiguration.alarms.alarmNames", &[Set]),
        ("deploymentConfiguration.alarms.enable", &[Flag, OFF]),
        ("deploymentConfiguration.alarms.rollback", &[Flag, OFF]),
        ("deploymentConfiguration.strategy", &[Default(Literal::Text("ROLLING"))]),
        ("deploymentConfiguration.bakeTimeInMinutes", &[Number, ZERO]),
        ("deploymentConfiguration.lifecycleHooks[].roleArn", &[Reference]),
        ("deploymentConfiguration.lifecycleHooks[].lifecycleStages", &[Set]),
        ("deploymentConfiguration.lifecycleHooks[].hookDetails", &[Map]),
        ("placementConstraints", &[Keyed(&["type", "expression"])]),
        ("placementStrategy[].field", &[Rule::Alias(PLACEMENT_FIELDS)]),
        ("networkConfiguration.awsvpcConfiguration.subnets", &[Set]),
        ("networkConfiguration.awsvpcConfiguration.securityGroups", &[Set]),
        ("networkConfiguration.awsvpcConfiguration.assignPublicIp", &[DISABLED]),
        ("healthCheckGracePeriodSeconds", &[Number, ZERO]),
        ("schedulingStrategy", &[Default(Literal::Text("REPLICA"))]),
        ("deploymentController.type", &[Default(Literal::Text("ECS"))]),
        ("tags", &[Tags]),
        ("tags[].value", &[Text, Default(Literal::Text(""))]),
        ("enableECSManagedTags", &[Flag, OFF]),
        ("enableExecuteCommand", &[Flag, OFF]),
        ("propagateTags", &[Default(Literal::Text("NONE"))]),
        ("serviceConnectConfiguration.enabled", &[Flag, OFF]),
        ("serviceConnectConfiguration.namespace", &[Reference]),
        ("serviceConnectConfiguration.services", &[Keyed(&["portName"])]),
        ("serviceConnectConfiguration.services[].clientAliases", &[Keyed(&["port"])]),
        ("serviceConnectConfiguration.services[].clientAliases[].port", &[Number]),
        ("serviceConnectConfiguration.services[].ingressPortOverride", &[Number]),
        ("serviceConnectConfiguration.services[].tls.kmsKey", &[Reference]),
        ("serviceConnectConfiguration.services[].tls.roleArn", &[Reference]),
        ("serviceConnectConfiguration.logConfiguration.options", &[Map]),
        ("serviceConnectConfiguration.logConfiguration.secretOptions", &[Keyed(&["name"])]),
        ("serviceConnectConfiguration.logConfiguration.secretOptions[].valueFrom", &[Secret]),
        ("serviceConnectConfiguration.accessLogConfiguration.includeQueryParameters", &[DISABLED]),
        ("volumeConfigurations", &[Keyed(&["name"])]),
        ("volumeConfigurations[].managedEBSVolume.encrypted", &[Flag]),
        ("volumeConfigurations[].managedEBSVolume.kmsKeyId", &[Reference]),
        ("volumeConfigurations[].managedEBSVolume.sizeInGiB", &[Number]),
        ("volumeConfigurations[].managedEBSVolume.iops", &[Number]),
        ("volumeConfigurations[].managedEBSVolume.throughput", &[Number]),
        ("volumeConfigurations[].managedEBSVolume.roleArn", &[Reference]),
        ("volumeConfigurations[].managedEBSVolume.tagSpecifications[].tags", &[Keyed(&["key"])]),
        ("vpcLatticeConfigurations", &[Keyed(&["targetGroupArn", "portName"])]),
        ("vpcLatticeConfigurations[].roleArn", &[Reference]),
    ]
};

/// ECS answers `host` as `instanceId` and spells the attributes of `binpack` in either case.
const PLACEMENT_FIELDS: &[(&str, &str)] =
    &[("host", "instanceId"), ("instanceid", "instanceId"), ("CPU", "cpu"), ("MEMORY", "memory")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_its_short_name_but_not_another_arn() {
        let pairs = [
            ("arn:aws:ecs:eu-central-1:1:task-definition/web:42", "web:42", true),
            ("arn:aws:iam::1:role/team/deploy", "deploy", true),
            ("arn:aws:elasticloadbalancing:r:1:targetgroup/web-blue/0a1b", "web-blue", true),
            ("web:42", "web:42", true),
            ("web:42", "web:43", false),
            ("arn:aws:iam::1:role/deploy", "arn:aws:iam::2:role/deploy", false),
            ("arn:aws:iam::1:role/deploy", "arn:aws:iam::1:role/team/deploy", false),
        ];
        for (one, other, want) in pairs {
            assert_eq!(same_reference(one, other), want, "{one} {other}");
            assert_eq!(same_reference(other, one), want, "{other} {one}");
        }
    }

    #[test]
    fn every_row_is_compiled_into_its_place() {
        let protocol = rules_of(Kind::TaskDefinition).field("containerDefinitions").item();
        let protocol = protocol.field("portMappings").item().field("protocol");
        assert_eq!(protocol.default, Some(Literal::Text("tcp")));
        assert!(rules_of(Kind::TaskDefinition).field("status").skip);
        assert!(rules_of(Kind::Service).field("unheardOf").default.is_none());
    }
}
