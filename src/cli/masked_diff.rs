//! A textual diff of manifests, fit to be shown: what looks secret in it is hidden. A value is hidden by its name
//! (`DB_PASSWORD: …`, or `name: DB_PASSWORD` near `value: …`), by its look, and if it says where a secret is kept.

use crate::diff::{MASKED, is_secret_name, is_secret_text};
use std::ops::Range;

/// Lines around a `value` in which its `name` is looked for.
const NEAR: usize = 2;

/// `diff` with its secrets hidden.
pub fn mask_diff(diff: &str) -> String {
    let lines: Vec<&str> = diff.lines().collect();
    let mut out = String::with_capacity(diff.len());
    // The column of the key whose hidden value goes on below.
    let mut block: Option<usize> = None;
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - body(line).len();
        if let Some(outer) = block {
            if body(line).is_empty() || indent > outer {
                out.push_str(&line[..indent]);
                out.push_str(MASKED);
                out.push('\n');
                continue;
            }
            block = None;
        }
        let mut rest = 0;
        for (key, value) in pairs(line) {
            let text = line[value.clone()].trim_matches(['"', '\'']);
            // The name of a text that goes over many lines may be far below it.
            let is_block = text.starts_with(['|', '>']);
            let hidden = is_secret_name(key)
                || key == "valueFrom"
                || is_secret_text(text)
                || (key == "value" && (is_block || named_secret(&lines, index)));
            if !hidden || text.is_empty() {
                continue;
            }
            if is_block {
                block = Some(key.as_ptr() as usize - line.as_ptr() as usize);
            } else {
                out.push_str(&line[rest..value.start]);
                out.push_str(MASKED);
                rest = value.end;
            }
        }
        out.push_str(&line[rest..]);
        out.push('\n');
    }
    out
}

/// The line without the diff's sign and without indentation.
fn body(line: &str) -> &str {
    line.strip_prefix(['+', '-', ' ']).unwrap_or(line).trim_start()
}

/// True if the `name` that belongs to the `value` on this line looks secret: on the same line, or the nearest one above,
/// or, if the value is the first of its item or none is above, the nearest one below.
fn named_secret(lines: &[&str], index: usize) -> bool {
    let above = lines[index.saturating_sub(NEAR)..index].iter().rev();
    let below = lines[index + 1..].iter().take(NEAR);
    let here = std::iter::once(&lines[index]);
    let mut names = if body(lines[index]).starts_with("- ") {
        here.chain(below).filter_map(|line| has_secret_name(line)).collect::<Vec<_>>()
    } else {
        here.chain(above).chain(below).filter_map(|line| has_secret_name(line)).collect()
    };
    names.truncate(1);
    // Without any name in sight nobody can tell.
    names.first().copied().unwrap_or(true)
}

/// Whether the `name` on this line looks secret; `None` without one.
fn has_secret_name(line: &str) -> Option<bool> {
    let pairs = pairs(line);
    let mut names = pairs.iter().filter(|(key, _)| matches!(*key, "name" | "key")).peekable();
    names.peek()?;
    Some(names.any(|(_, value)| is_secret_name(line[value.clone()].trim_matches(['"', '\'']))))
}

/// The `key: value` pairs of a line of YAML or JSON, in block or flow style, each value as a range of the line.
fn pairs(line: &str) -> Vec<(&str, Range<usize>)> {
    let is_key = |c: char| c.is_alphanumeric() || "_-./".contains(c);
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(colon) = line[from..].find(':').map(|at| from + at) {
        from = colon + 1;
        let after = &line[from..];
        if !after.is_empty() && !after.starts_with([' ', '"']) {
            continue;
        }
        let before = line[..colon].trim_end_matches(['"', '\'']);
        let start = before
            .rfind(|c| !is_key(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let begin = line.len() - after.trim_start().len();
        let end = end_of_value(line, begin);
        found.push((before[start..].trim_start_matches(['-', '+']), begin..end));
        from = end.max(from);
    }
    found
}

/// Where the value that begins at `begin` ends: at its closing quote, at a flow's comma or bracket, or with the line.
fn end_of_value(line: &str, begin: usize) -> usize {
    let value = &line[begin..];
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let mut escaped = false;
        for (at, c) in value.char_indices().skip(1) {
            if c == quote && !escaped {
                return begin + at + 1;
            }
            escaped = quote == '"' && c == '\\' && !escaped;
        }
        return line.len();
    }
    let in_flow = line[..begin].contains('{');
    // A flow that opens here has pairs of its own.
    if value.starts_with(['{', '[']) {
        return begin;
    }
    if in_flow { value.find([',', '}']).map_or(line.len(), |at| begin + at) } else { line.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_secret_does_not_reach_the_terminal() {
        let diff = "\
+        - name: DB_PASSWORD
+          value: hunter2
-        - {name: API_TOKEN, value: \"s3cr,et\"}
 {\"name\": \"DB_PASSWORD\", \"value\": \"hunter3\"}
+      valueFrom: arn:aws:ssm:hunter4
+  API_KEY: hunter5
+          - value: |
+              hunter6
+              hunter7
+            name: PRIVATE_KEY
+      image: AKIAABCDEFGHIJKLMNOP
";
        let shown = mask_diff(diff);
        for secret in ["hunter", "s3cr", "et\"", "AKIA"] {
            assert!(!shown.contains(secret), "{secret} in\n{shown}");
        }
        assert_eq!(shown.lines().count(), diff.lines().count());
        assert!(shown.contains("{name: API_TOKEN, value: ‹masked›}"), "{shown}");
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let diff = "\
diff --git a/shop/web.yaml b/shop/web.yaml
@@ -1,4 +1,4 @@
 metadata:
   name: web
-      image: registry.example:5000/web:v1
+      image: registry.example:5000/web:v2
+      environment: [{name: LOG_LEVEL, value: debug}]
+        - name: MODE
+          value: fast
 # wörld: ünicode
";
        assert_eq!(mask_diff(diff), diff);
    }
}
