//! Reading a status: nothing in it is trusted to be there or to have its shape.

use serde_json::Value;

/// The longest piece of somebody else's text in a message, in characters.
const LONGEST: usize = 240;

/// A whole number at a JSON pointer.
pub(super) fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer)?.as_u64()
}

/// A count, which the API leaves out when it is 0.
pub(super) fn count(object: &Value, pointer: &str) -> u64 {
    number(object, pointer).unwrap_or(0)
}

/// A text that is not empty.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

pub(super) fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

/// The elements of a list; nothing where there is none.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// A label, or an annotation with `of` = `annotations`.
pub(super) fn mark<'a>(object: &'a Value, of: &str, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get(of)?.get(key)?.as_str()
}

/// The API group without its version, and the kind.
pub(super) fn group_and_kind(object: &Value) -> (&str, &str) {
    let version = text(object, "/apiVersion").unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    (group, text(object, "/kind").unwrap_or_default())
}

/// One of `status.conditions`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition<'a> {
    pub status: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
    /// True if it speaks of an older spec than the present one.
    pub is_old: bool,
}

impl<'a> Condition<'a> {
    /// Reads one of a list of conditions of an object of this generation.
    pub fn read(value: &'a Value, generation: Option<u64>) -> Condition<'a> {
        let part = |field| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let seen = number(value, "/observedGeneration");
        Condition {
            status: part("status"),
            reason: part("reason"),
            message: part("message"),
            is_old: seen.zip(generation).is_some_and(|(seen, present)| seen < present),
        }
    }

    /// True where it is `True` and speaks of the present spec.
    pub fn holds(&self) -> bool {
        self.status == "True" && !self.is_old
    }

    /// True where it is `False` and speaks of the present spec.
    pub fn fails(&self) -> bool {
        self.status == "False" && !self.is_old
    }

    /// Its message or, without one, its reason.
    pub fn sentence(&self) -> String {
        clean(if self.message.trim().is_empty() { self.reason } else { self.message })
    }
}

/// The condition of this type in `status.conditions`.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    condition_in(object.pointer("/status/conditions"), kind, number(object, "/metadata/generation"))
}

/// The condition of this type in a list.
pub(super) fn condition_in<'a>(
    list: Option<&'a Value>,
    kind: &str,
    generation: Option<u64>,
) -> Option<Condition<'a>> {
    let found = list?.as_array()?.iter().find(|one| one.get("type").and_then(Value::as_str) == Some(kind))?;
    Some(Condition::read(found, generation))
}

/// Somebody else's text on one line, without control characters, cut to a bearable length.
pub(super) fn clean(words: &str) -> String {
    // Enough is taken for the cut below to see whether there was more, and no more than that of a hostile megabyte.
    let head: String = words.chars().take(4 * LONGEST).collect();
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let line = head.chars().map(visible).collect::<String>();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn foreign_text_becomes_one_short_line() {
        assert_eq!(clean("a\n\tb \u{1b}[31mred."), "a b [31mred");
        let long = clean(&"é".repeat(100_000));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_condition_about_an_older_spec_neither_holds_nor_fails() {
        let object = |status: &str, seen: u64| {
            json!({"metadata": {"generation": 3}, "status": {"conditions": [
                {"type": "Other", "status": "True"},
                {"type": "Ready", "status": status, "reason": "Why", "observedGeneration": seen}]}})
        };
        for (status, seen, holds, fails) in [
            ("True", 3, true, false),
            ("True", 2, false, false),
            ("False", 3, false, true),
            ("False", 2, false, false),
        ] {
            let object = object(status, seen);
            let ready = condition(&object, "Ready").expect("there");
            assert_eq!((ready.holds(), ready.fails()), (holds, fails), "{status} {seen}");
            assert_eq!(ready.sentence(), "Why");
        }
    }

    #[test]
    fn wrong_shapes_are_as_good_as_nothing() {
        for object in [json!(null), json!([]), json!({"status": {"conditions": "x", "replicas": -1}})] {
            assert!(condition(&object, "Ready").is_none());
            assert_eq!(count(&object, "/status/replicas"), 0);
            assert_eq!(items(&object, "/status/conditions").count(), 0);
        }
    }
}
