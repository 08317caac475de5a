//! Brings the live side beside the declared one: same order, same spelling of references, and, for services, only
//! what is declared.

use super::normalise::{strip, strip_item};
use super::rules::{Node, Order, same_reference};
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};

/// Which live fields count.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scope {
    /// Those that are declared: a service is changed field by field.
    Declared,
    /// All: a task definition is registered whole, so a field taken away is a change.
    Whole,
}

/// `live` in the order of `declared`. Both are spelt.
pub(super) fn align(live: &Value, declared: &Value, rules: &Node, scope: Scope) -> Value {
    match (live, declared) {
        (Value::Object(live), Value::Object(declared)) => {
            Value::Object(align_fields(live, declared, rules, scope))
        }
        (Value::Array(live), Value::Array(declared)) => {
            Value::Array(align_items(live, declared, rules, scope))
        }
        (Value::String(one), Value::String(other)) if rules.reference && same_reference(one, other) => {
            declared.clone()
        }
        _ => live.clone(),
    }
}

fn align_fields(
    live: &Map<String, Value>,
    declared: &Map<String, Value>,
    rules: &Node,
    scope: Scope,
) -> Map<String, Value> {
    let mut aligned = Map::new();
    for (name, wanted) in declared {
        if let Some(value) = live.get(name) {
            aligned.insert(name.clone(), align(value, wanted, rules.field(name), scope));
        }
    }
    if scope == Scope::Whole || rules.map {
        let rest = live.iter().filter(|(name, _)| !declared.contains_key(*name) && !rules.field(name).tags);
        aligned.extend(rest.map(|(name, value)| (name.clone(), value.clone())));
    }
    aligned
}

fn align_items(live: &[Value], declared: &[Value], rules: &Node, scope: Scope) -> Vec<Value> {
    let mut aligned = Vec::with_capacity(live.len());
    let mut rest = Vec::new();
    for pair in pair_items(live, declared, rules) {
        match pair {
            (Some(l), Some(d)) => aligned.push(align(&live[l], &declared[d], rules.item(), scope)),
            (Some(_), None) if rules.tags => {}
            (Some(l), None) => rest.push(live[l].clone()),
            (None, _) => {}
        }
    }
    aligned.append(&mut rest);
    aligned
}

/// Places in the live and in the declared list.
pub(super) type Pair = (Option<usize>, Option<usize>);

/// Pairs the elements of two lists: by place where order matters, else by what they are known by. The declared ones
/// come first and in their order, then the live ones that are left.
pub(super) fn pair_items(live: &[Value], declared: &[Value], rules: &Node) -> Vec<Pair> {
    let place = |index: usize, list: &[Value]| (index < list.len()).then_some(index);
    if rules.order == Order::Matters {
        let longest = live.len().max(declared.len());
        return (0..longest).map(|i| (place(i, live), place(i, declared))).collect();
    }
    let key = |item: &Value| rules.key_of(item).unwrap_or_else(|| strip_item(item, rules).to_string());
    let mut waiting: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (index, item) in live.iter().enumerate() {
        waiting.entry(key(item)).or_default().push_back(index);
    }
    let mut taken = vec![false; live.len()];
    let mut pairs: Vec<Pair> = Vec::with_capacity(live.len().max(declared.len()));
    for (index, wanted) in declared.iter().enumerate() {
        let found = waiting.get_mut(&key(wanted)).and_then(VecDeque::pop_front);
        if let Some(found) = found {
            taken[found] = true;
        }
        pairs.push((found, Some(index)));
    }
    pairs.extend((0..live.len()).filter(|index| !taken[*index]).map(|index| (Some(index), None)));
    pairs
}

/// Takes away what says the same on both sides by default. What differs stays as it is spelt, so that `200` against
/// an absent default is shown as `200`.
pub(super) fn trim(
    before: Option<&Value>,
    after: Option<&Value>,
    rules: &Node,
) -> (Option<Value>, Option<Value>) {
    let stripped = |side: Option<&Value>| side.and_then(|value| strip(value, rules));
    let (old, new) = (stripped(before), stripped(after));
    if old == new {
        return (old, new);
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let mut sides = (Map::new(), Map::new());
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            for name in after.keys().chain(gone) {
                let (old, new) = trim(before.get(name), after.get(name), rules.field(name));
                sides.0.extend(old.map(|value| (name.clone(), value)));
                sides.1.extend(new.map(|value| (name.clone(), value)));
            }
            (Some(Value::Object(sides.0)), Some(Value::Object(sides.1)))
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            let mut sides = (Vec::new(), Vec::new());
            let bare = |item: &Value| strip_item(item, rules);
            for (old, new) in pair_items(before, after, rules) {
                let (one, other) = (old.map(|i| &before[i]), new.map(|i| &after[i]));
                let (old, new) = match (one, other) {
                    (Some(one), Some(other)) => {
                        let (old, new) = trim(Some(one), Some(other), rules.item());
                        (Some(old.unwrap_or_else(|| bare(one))), Some(new.unwrap_or_else(|| bare(other))))
                    }
                    (one, other) => (one.map(bare), other.map(bare)),
                };
                sides.0.extend(old);
                sides.1.extend(new);
            }
            (Some(Value::Array(sides.0)), Some(Value::Array(sides.1)))
        }
        // The explicit default is kept where the other side has something else.
        (before, after) => (old.or_else(|| before.cloned()), new.or_else(|| after.cloned())),
    }
}
