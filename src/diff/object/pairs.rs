//! Which element of one list is which of another.

use serde_json::Value;
use std::collections::HashMap;

/// Fields that elements are known by, in the order in which they are tried. A list is keyed by the first one that every
/// element on both sides has, with another value each.
const KEYS: [&str; 9] =
    ["name", "containerPort", "port", "mountPath", "devicePath", "ip", "key", "type", "path"];

/// A place in the one list, in the other one, and what the element is called in paths.
pub(super) type Pair = (Option<usize>, Option<usize>, String);

/// Pairs the elements of two lists: by key, or by index if both are as long; `None` if neither can be done.
pub(super) fn pairs(before: &[Value], after: &[Value]) -> Option<Vec<Pair>> {
    let keyed = KEYS.iter().find_map(|key| Some((names(before, key)?, names(after, key)?)));
    if let Some((old, new)) = keyed {
        let places: HashMap<&str, usize> =
            old.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let mut found: Vec<Pair> = new
            .iter()
            .enumerate()
            .map(|(index, name)| (places.get(name.as_str()).copied(), Some(index), name.clone()))
            .collect();
        let kept: std::collections::HashSet<&str> = new.iter().map(String::as_str).collect();
        let gone = old.iter().enumerate().filter(|(_, name)| !kept.contains(name.as_str()));
        found.extend(gone.map(|(index, name)| (Some(index), None, name.clone())));
        return Some(found);
    }
    let same_length = before.len() == after.len();
    same_length
        .then(|| (0..before.len()).map(|index| (Some(index), Some(index), index.to_string())).collect())
}

/// The values of `key`; `None` unless all elements are objects with another one each.
fn names(items: &[Value], key: &str) -> Option<Vec<String>> {
    let name = |item: &Value| match item.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    let distinct: std::collections::HashSet<&String> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}
