//! One form for what means the same: spellings, AWS's own fields, defaults, order. Works on one side alone; what needs
//! both sides (references, declared fields only) is in `align`.

use super::rules::{Node, Order, Spelling, rules_of, short_name};
use crate::model::{Kind, marks};
use serde_json::{Map, Number, Value};

/// Settings that `DescribeServices` answers on the primary deployment and not on the service.
const ON_THE_DEPLOYMENT: [&str; 3] =
    ["serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"];

/// The normal form of a document's spec or of AWS's answer for it: what AWS adds is gone, spellings are AWS's, values
/// equal to a default are gone, and `null`, `[]` and `{}` are absent. Lists keep their order.
pub fn normal_form(kind: Kind, value: &Value) -> Value {
    let spelt = spell(kind, value);
    strip(&spelt, rules_of(kind)).unwrap_or_else(|| Value::Object(Map::new()))
}

/// Spells every value AWS's way and leaves out what is not compared; defaults stay.
pub(super) fn spell(kind: Kind, value: &Value) -> Value {
    let lifted = if kind == Kind::Service { lift_service(value) } else { None };
    let mut spelt = spelt(lifted.as_ref().unwrap_or(value), rules_of(kind));
    if kind == Kind::TaskDefinition {
        host_ports(&mut spelt);
    }
    spelt
}

/// Brings `DescribeServices`' answer into `CreateService`'s shape; `None` if it is in that shape.
fn lift_service(live: &Value) -> Option<Value> {
    let live = live.as_object()?;
    let primary = live.get("deployments").and_then(Value::as_array).and_then(|deployments| {
        deployments.iter().find(|d| d.get("status").and_then(Value::as_str) == Some("PRIMARY"))
    });
    let role = live.get("roleArn");
    if primary.is_none() && role.is_none() {
        return None;
    }
    let mut service = live.clone();
    for name in ON_THE_DEPLOYMENT {
        if let Some(value) = primary.and_then(|d| d.get(name)) {
            service.entry(name).or_insert_with(|| value.clone());
        }
    }
    if let Some(role) = role {
        service.entry("role").or_insert_with(|| role.clone());
    }
    Some(Value::Object(service))
}

/// In these modes a host port can only be the container's own, and AWS fills it in.
fn host_ports(task_definition: &mut Value) {
    let mode = task_definition.get("networkMode").and_then(Value::as_str);
    if !matches!(mode, Some("awsvpc" | "host")) {
        return;
    }
    let containers = task_definition.get_mut("containerDefinitions").and_then(Value::as_array_mut);
    let ports = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container.get_mut("portMappings").and_then(Value::as_array_mut))
        .flatten()
        .filter_map(Value::as_object_mut);
    for port in ports {
        if port.contains_key("hostPort") && port.get("hostPort") == port.get("containerPort") {
            port.shift_remove("hostPort");
        }
    }
}

fn spelt(value: &Value, rules: &Node) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| !value.is_null() && !rules.field(name).skip);
            kept.map(|(name, value)| (name.clone(), spelt(value, rules.field(name)))).collect()
        }
        Value::Array(items) => {
            let kept = items.iter().filter(|item| !(item.is_null() || rules.tags && is_not_the_users(item)));
            kept.map(|item| spelt(item, rules.item())).collect()
        }
        scalar => spelt_scalar(scalar, rules.spelling),
    }
}

fn is_not_the_users(tag: &Value) -> bool {
    let key = tag.get("key").and_then(Value::as_str).unwrap_or_default();
    marks::is_ours(key) || key.starts_with("aws:")
}

fn spelt_scalar(value: &Value, spelling: Option<Spelling>) -> Value {
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => return spelt_number(number, spelling),
        Value::Bool(flag) if matches!(spelling, Some(Spelling::Text)) => {
            return Value::String(flag.to_string());
        }
        other => return other.clone(),
    };
    let found = match spelling {
        Some(Spelling::Number) => text.parse::<i64>().ok().map(Value::from),
        Some(Spelling::Flag) => text.to_ascii_lowercase().parse::<bool>().ok().map(Value::from),
        Some(Spelling::Cpu) => units(text, &[("vcpu", 1024)]).map(Value::from),
        Some(Spelling::Memory) => units(text, &[("gb", 1024), ("mb", 1)]).map(Value::from),
        Some(Spelling::ShortName) => Some(Value::from(short_name(text))),
        Some(Spelling::Alias(names)) => {
            names.iter().find(|(from, _)| *from == text).map(|(_, to)| Value::from(*to))
        }
        Some(Spelling::Text) | None => None,
    };
    found.unwrap_or_else(|| value.clone())
}

fn spelt_number(number: &Number, spelling: Option<Spelling>) -> Value {
    // 1.0 is 1 in JSON; 2^53 bounds what a float holds exactly.
    let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15 && number.is_f64());
    #[allow(clippy::cast_possible_truncation)]
    let number = whole.map_or_else(|| number.clone(), |n| Number::from(n as i64));
    match spelling {
        Some(Spelling::Text | Spelling::Cpu | Spelling::Memory) => Value::String(number.to_string()),
        _ => Value::Number(number),
    }
}

/// `1 vCPU`, `.5vcpu` or `1024` in the smallest unit, as text; `None` if it is nothing of the kind or not whole.
fn units(text: &str, names: &[(&str, u32)]) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (number, factor) = names
        .iter()
        .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((lower.as_str(), 1));
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !number.is_empty();
    let amount = if plain { number.parse::<f64>().ok()? * f64::from(factor) } else { return None };
    (amount.fract() == 0.0 && amount < 1.0e9).then(|| format!("{amount:.0}"))
}

/// Takes away what equals a default or is empty; `None` if nothing is left.
pub(super) fn strip(value: &Value, rules: &Node) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), strip(value, rules.field(name))?)))
                .collect();
            (!kept.is_empty() || rules.presence).then_some(Value::Object(kept))
        }
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(Value::Array(items.iter().map(|i| strip_item(i, rules)).collect())),
        Value::Null => None,
        scalar => (!rules.default.is_some_and(|default| default.is(scalar))).then(|| scalar.clone()),
    }
}

/// An element stays an element, even when all in it is default.
pub(super) fn strip_item(item: &Value, list: &Node) -> Value {
    match strip(item, list.item()) {
        Some(stripped) => stripped,
        None if item.is_object() => Value::Object(Map::new()),
        None => item.clone(),
    }
}

/// One text for all documents that mean the same: the normal form with sorted keys and sorted unordered lists.
pub(super) fn canonical(kind: Kind, value: &Value) -> String {
    let mut text = String::new();
    write_canonical(&normal_form(kind, value), rules_of(kind), &mut text);
    text
}

fn write_canonical(value: &Value, rules: &Node, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in sorted {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(value, rules.field(name), out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            let text = |item: &Value| {
                let mut text = String::new();
                write_canonical(item, rules.item(), &mut text);
                (rules.key_of(item), text)
            };
            let mut texts: Vec<_> = items.iter().map(text).collect();
            match rules.order {
                Order::Matters => {}
                Order::Set => texts.sort_unstable(),
                // Stable: of two environment variables of one name the last one wins, so their order is content.
                Order::Keyed(_) => texts.sort_by(|(one, _), (other, _)| one.cmp(other)),
            }
            out.push('[');
            for (_, text) in texts {
                out.push_str(&text);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
