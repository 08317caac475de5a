//! Writes JSON values as YAML for people: block style, keys in their order, quotes only where they are needed.

use serde_json::Value;

/// Spaces a level.
const INDENT: usize = 2;

/// `value` as a YAML document that ends with a line break. Characters that a terminal would act on are escaped.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => write_block(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => write_block(value, 0, &mut out),
        scalar => {
            write_scalar(scalar, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// Writes a filled object or list, each of its lines indented by `depth` levels.
fn write_block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                indent(depth, out);
                write_entry(name, value, depth, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                indent(depth, out);
                out.push_str("- ");
                write_item(item, depth, out);
            }
        }
        _ => {}
    }
}

fn write_entry(name: &str, value: &Value, depth: usize, out: &mut String) {
    out.push_str(&text(name));
    out.push(':');
    if is_filled(value) {
        out.push('\n');
        write_block(value, depth + 1, out);
    } else {
        out.push(' ');
        write_scalar(value, depth + 1, out);
        out.push('\n');
    }
}

/// Writes what follows `- `: an object's first field on the same line.
fn write_item(item: &Value, depth: usize, out: &mut String) {
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    indent(depth + 1, out);
                }
                write_entry(name, value, depth + 1, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    indent(depth + 1, out);
                }
                out.push_str("- ");
                write_item(item, depth + 1, out);
            }
        }
        scalar => {
            write_scalar(scalar, depth + 1, out);
            out.push('\n');
        }
    }
}

fn is_filled(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty())
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', depth * INDENT));
}

fn write_scalar(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::String(string) if reads_as_lines(string) => write_lines(string, depth, out),
        Value::String(string) => out.push_str(&text(string)),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// A script of several lines is shown as such, so that a change is one line of the diff.
fn reads_as_lines(string: &str) -> bool {
    let body = string.strip_suffix('\n').unwrap_or(string);
    let plain_line =
        |line: &str| line.chars().all(|c| c == '\t' || is_printable(c)) && line.trim_end() == line;
    body.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        && body.split('\n').all(plain_line)
}

fn write_lines(string: &str, depth: usize, out: &mut String) {
    out.push_str(if string.ends_with('\n') { "|" } else { "|-" });
    for line in string.strip_suffix('\n').unwrap_or(string).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(depth, out);
            out.push_str(line);
        }
    }
}

/// A string as it stands or in double quotes.
fn text(string: &str) -> String {
    if is_plain(string) {
        return string.to_owned();
    }
    let mut quoted = String::with_capacity(string.len() + 2);
    quoted.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_printable(c) => quoted.push(c),
            c if u32::from(c) > 0xFFFF => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// False for control characters (a terminal acts on them), for those that turn the direction of text or are not seen,
/// and for what is not a character.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c), 0x00AD | 0x061C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFF9..=0xFFFF | 0xE0000..=0xE0FFF)
}

/// True if YAML reads the bare text as this very string, in all its dialects.
fn is_plain(string: &str) -> bool {
    let Some(first) = string.chars().next() else { return false };
    let inner = |c: char| c.is_alphanumeric() || "_-./+@%=,;()<>~^$!?*&|' ‹›".contains(c) || c == ':';
    let flag = string.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphabetic()) && first == '-';
    // Digits and what joins them are a number, a date or a time to somebody; `10m` and `1 GB` are not.
    let numeric = |c: char| c.is_ascii_hexdigit() || "xXoO:._+-,TZ ".contains(c);
    let measure = first.is_ascii_digit() && !string.chars().all(numeric);
    let starts_well =
        measure || first.is_ascii_alphabetic() || matches!(first, '/' | '_' | '$' | '(' | '‹') || flag;
    starts_well
        && string.chars().all(|c| inner(c) && is_printable(c))
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        && !string.contains(" #")
        && !reads_otherwise(string)
}

/// Words that some YAML reader takes for a boolean, a null or a number.
fn reads_otherwise(string: &str) -> bool {
    let lower = string.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "y" | "yes" | "n" | "no" | "true" | "false" | "on" | "off" | "null" | "nan" | "inf" | "infinity"
    ) || string.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({"plain": "web:1", "empty": "", "quoted": ["1", "true", "~", "- a", "a: b", "a #b", "12:30", "0x1f", "1e3"],
            "script": "set -e\n\texec app\n\ndone", "kept": "one\ntwo\n", "odd": " lead\nline ", "n": 1.5, "no": null, "off": false,
            "nested": [{"a": [{"b": {}}, []], "c": [["x", {"y": 1}], "z"]}], "unicode": "höflich ☃ 😀", "terminal": "\u{1b}[2J\u{9b}31m\u{202e}\u{feff}",
            "quote": "say \"hi\" \\ it's", "masked": "‹masked, changed›", "crlf": "a\r\nb", "trailing": "a\n\n", "@at": "*star", "ends": "a:"});
        let yaml = to_yaml(&value);
        let read: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
        assert_eq!(read, value, "{yaml}");
        assert!(yaml.chars().all(|c| c == '\n' || c == '\t' || is_printable(c)), "{yaml:?}");
    }

    #[test]
    fn a_document_reads_as_people_write_it() {
        let value = json!({"family": "web", "containerDefinitions": [{"name": "app", "image": "web:1", "portMappings": [{"containerPort": 8080}], "command": ["sh", "-c", "a\nb"]}], "volumes": []});
        insta::assert_snapshot!(to_yaml(&value), @r"
        family: web
        containerDefinitions:
          - name: app
            image: web:1
            portMappings:
              - containerPort: 8080
            command:
              - sh
              - -c
              - |-
                a
                b
        volumes: []
        ");
    }
}
