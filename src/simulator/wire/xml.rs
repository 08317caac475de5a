//! Answers of the query protocol.

use super::date::iso_date;
use serde_json::Value;
use std::fmt::Write;

/// Writes the members of a structure as elements; lists have `member` elements.
pub(super) fn write_members(xml: &mut String, value: &Value) {
    let Some(members) = value.as_object() else { return };
    for (name, member) in members {
        if !member.is_null() {
            write_element(xml, name, member);
        }
    }
}

/// Writes one element.
pub(super) fn write_element(xml: &mut String, name: &str, value: &Value) {
    let _ = write!(xml, "<{name}>");
    match value {
        Value::Null => {}
        Value::Bool(flag) => xml.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64() {
            Some(seconds) if name.ends_with("Timestamp") => {
                xml.push_str(&iso_date((seconds * 1_000.0) as u64))
            }
            _ => xml.push_str(&number.to_string()),
        },
        Value::String(text) => escape(xml, text),
        Value::Array(items) => items.iter().for_each(|item| write_element(xml, "member", item)),
        Value::Object(_) => write_members(xml, value),
    }
    let _ = write!(xml, "</{name}>");
}

/// Appends text; characters that XML 1.0 can't hold become a replacement character.
pub(super) fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#13;"),
            '\t' | '\n' => xml.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::write_members;
    use serde_json::json;

    #[test]
    fn values_become_elements() {
        let mut xml = String::new();
        write_members(
            &mut xml,
            &json!({"A": "<&>\u{1}", "L": [{"N": 1}, {"N": true}], "No": null, "E": [], "T": {}}),
        );
        assert_eq!(
            xml,
            "<A>&lt;&amp;&gt;\u{fffd}</A><L><member><N>1</N></member><member><N>true</N></member></L><E></E><T></T>"
        );
    }
}
