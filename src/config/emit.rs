//! JSON values as YAML text that every YAML reader understands alike: whatever could be taken for something else than
//! text is quoted.

use super::scalar::resolve_plain;
use serde_json::Value;
use std::fmt::Write;

/// A key longer than this needs the explicit form (`? key`); YAML allows 1024 characters in the short one.
const SHORT_KEY: usize = 1000;

/// `value` as block-style YAML, with a line break at the end. Maps keep their order.
pub fn yaml_text(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, 0, &mut out);
    // A value that is no map or list begins with the space that would separate it from its key.
    out.trim_start_matches([' ', '\n']).to_owned()
}

/// Writes what follows `key:` or `-`, line break included. Maps and lists begin on a new line at `indent`.
fn write_value(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            write_fields(value, indent, false, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                pad(indent, out);
                out.push('-');
                match item {
                    Value::Object(fields) if !fields.is_empty() => {
                        out.push(' ');
                        write_fields(item, indent + 2, true, out);
                    }
                    _ => write_value(item, indent + 2, out),
                }
            }
        }
        Value::Object(_) => out.push_str(" {}\n"),
        Value::Array(_) => out.push_str(" []\n"),
        Value::Null => out.push_str(" null\n"),
        Value::Bool(value) => {
            let _ = writeln!(out, " {value}");
        }
        Value::Number(value) => {
            let _ = writeln!(out, " {value}");
        }
        Value::String(text) => write_text(text, indent, out),
    }
}

fn write_fields(map: &Value, indent: usize, first_is_placed: bool, out: &mut String) {
    for (at, (key, value)) in map.as_object().into_iter().flatten().enumerate() {
        if at > 0 || !first_is_placed {
            pad(indent, out);
        }
        let key = if is_plain(key) { key.clone() } else { quoted(key) };
        if key.chars().count() > SHORT_KEY {
            let _ = writeln!(out, "? {key}");
            pad(indent, out);
        } else {
            out.push_str(&key);
        }
        out.push(':');
        write_value(value, indent + 2, out);
    }
}

fn write_text(text: &str, indent: usize, out: &mut String) {
    if is_plain(text) {
        let _ = writeln!(out, " {text}");
    } else if indent > 0 && is_block(text) {
        out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
        for line in text.lines() {
            if !line.is_empty() {
                pad(indent, out);
                out.push_str(line);
            }
            out.push('\n');
        }
    } else {
        let _ = writeln!(out, " {}", quoted(text));
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// True if the text can stand without quotes and is text to every reader of YAML 1.1 and 1.2.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "_./:@%+,=- ".contains(c));
    let starts = first.is_ascii_alphanumeric() || first == '_' || first == '/';
    let ends = !text.ends_with([' ', ':']);
    // Digits, hexadecimal digits and what joins them: a number, date or time to somebody.
    let like_number =
        first.is_ascii_digit() && text.chars().all(|c| c.is_ascii_hexdigit() || "xXoO:._+-,TZ ".contains(c));
    let is_text = matches!(resolve_plain(text), Ok(None));
    letters && starts && ends && !text.contains(": ") && !like_number && is_text && text.len() <= 4096
}

/// True if several lines can stand as they are in a literal block.
fn is_block(text: &str) -> bool {
    let begins = !text.starts_with([' ', '\t', '\n']);
    let letters = text.chars().all(|c| c == '\n' || c == '\t' || !needs_escape(c));
    let ends = !text.ends_with("\n\n") && !text.trim_end_matches('\n').ends_with([' ', '\t']);
    let blank = text.lines().any(|line| !line.is_empty() && line.trim().is_empty());
    text.trim_end_matches('\n').contains('\n') && begins && letters && ends && !blank
}

fn needs_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The text in double quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{problems::Problems, yaml};
    use crate::model::SourceFile;
    use serde_json::json;

    fn read_back(value: &Value) -> Value {
        let text = yaml_text(value);
        let file = SourceFile { path: "a.yaml".into(), bytes: text.clone().into_bytes() };
        let mut problems = Problems::default();
        let documents = yaml::parse(&file, &mut yaml::Budget::default(), &mut problems);
        let problems = problems.into_sorted();
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        assert_eq!(documents.len(), 1, "{text}");
        documents[0].to_json()
    }

    #[test]
    fn text_that_looks_like_something_else_stays_text() {
        let texts = [
            "",
            " ",
            "yes",
            "n",
            "on",
            "null",
            "~",
            "0644",
            "012",
            "0o17",
            "0b11",
            "1_000",
            "1.0",
            "1e3",
            ".5",
            ".inf",
            "2001-01-01",
            "12:30:45",
            "12:30",
            "<<",
            "=",
            "a: b",
            "a #b",
            "a:",
            "- a",
            "-",
            "---",
            "...",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "a\\b",
            " a",
            "a ",
            "a\tb",
            "\ta",
            "é",
            "日本",
            "😀",
            "\u{feff}x",
            "\u{85}",
            "\u{2028}",
            "\u{7f}",
            "\u{1}",
            "a\r\nb",
            "0xab",
            "123abc",
            "10m",
            "30%",
            "a,b",
            "?",
            "? a",
            ":",
            "|",
            ">",
            "#",
            "arn:aws:iam::123456789012:role/x",
            "nginx:1.25@sha256:abc",
        ];
        for text in texts {
            assert_eq!(
                read_back(&json!({"k": text, "l": [text]})),
                json!({"k": text, "l": [text]}),
                "{text:?}"
            );
        }
        for text in texts.iter().filter(|text| !text.is_empty()) {
            assert_eq!(read_back(&json!({*text: 1})), json!({*text: 1}), "{text:?}");
        }
    }

    #[test]
    fn several_lines_stay_as_they_are() {
        for text in [
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "\na",
            "\n",
            "\n\n",
            "a\n\nb\n",
            "a\n  b\n",
            "  a\nb",
            "a\n \nb",
            "a\n\tb",
            "a\n\n",
            "a \nb ",
            "a\nb ",
            "a\n# b\n",
            "---\na\n",
            "a\n---\nb\n",
            "{\n  \"a\": 1\n}\n",
        ] {
            let value = json!({"k": text, "l": [{"m": text, "n": [text]}], "z": 1});
            assert_eq!(read_back(&value), value, "{text:?}\n{}", yaml_text(&value));
        }
    }

    #[test]
    fn nested_values_and_numbers_come_back() {
        let value = json!({
            "a": {"b": [], "c": {}, "d": [[1, [2, []]], {"e": {"f": null}}, [{"g": 1, "h": [true]}]]},
            "n": [0, -1, 1.5, u64::MAX, i64::MIN, 1e300, 5e-324, 18_446_744_073_709_551_616.0_f64],
        });
        assert_eq!(read_back(&value), value, "{}", yaml_text(&value));
        let long = json!({"k".repeat(500): 1, "\u{1}".repeat(400): {"x": [1]}});
        assert_eq!(read_back(&long), long);
    }

    #[test]
    fn the_text_is_readable() {
        let value = json!({"spec": {"family": "web", "cpu": "256", "containerDefinitions": [
            {"name": "app", "command": ["sh", "-c", "a\nb"]}]}, "x": []});
        let want = "spec:\n  family: web\n  cpu: \"256\"\n  containerDefinitions:\n    - name: app\n      command:\n        - sh\n        - \"-c\"\n        - |-\n          a\n          b\nx: []\n";
        assert_eq!(yaml_text(&value), want);
        assert_eq!(yaml_text(&json!("a")), "a\n");
        assert_eq!(yaml_text(&json!([1])), "- 1\n");
    }
}
