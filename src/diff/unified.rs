//! A unified diff as data: text, colours and JSON are made from the same lines.

use super::yaml::to_yaml;
use serde::Serialize;
use serde_json::Value;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// Above this many lines on both sides together, lines are not matched: the work grows with lines × differences.
const MATCH_AT_MOST: usize = 20_000;

/// The difference of two YAML documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnifiedDiff {
    /// What stands after `---`.
    pub before: String,
    /// What stands after `+++`.
    pub after: String,
    pub hunks: Vec<Hunk>,
}

/// One stretch of lines that differ, with lines around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// 1-based, as in `@@ -3,4 +3,5 @@`; 0 if that side has no lines.
    pub before_start: usize,
    pub before_lines: usize,
    pub after_start: usize,
    pub after_lines: usize,
    /// Where in the document the hunk begins: `containerDefinitions › name: app › environment`; empty at the top.
    pub heading: String,
    pub lines: Vec<Line>,
}

/// One line, without its line break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    pub side: Side,
    pub text: String,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Both,
    Before,
    After,
}

impl Side {
    /// The sign in front of the line.
    pub fn sign(self) -> char {
        match self {
            Side::Both => ' ',
            Side::Before => '-',
            Side::After => '+',
        }
    }
}

impl Hunk {
    /// `@@ -3,4 +3,5 @@ containerDefinitions › name: app`.
    pub fn header(&self) -> String {
        let numbers = format!(
            "@@ -{},{} +{},{} @@",
            self.before_start, self.before_lines, self.after_start, self.after_lines
        );
        if self.heading.is_empty() { numbers } else { format!("{numbers} {}", self.heading) }
    }
}

impl UnifiedDiff {
    /// Both values as YAML, compared line by line; null has no lines. The values must already be masked.
    pub(super) fn new(before_name: &str, before: &Value, after_name: &str, after: &Value) -> UnifiedDiff {
        let (before, after) = (lines_of(before), lines_of(after));
        let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
        let ops = if old.len() + new.len() > MATCH_AT_MOST {
            vec![DiffOp::Replace { old_index: 0, old_len: old.len(), new_index: 0, new_len: new.len() }]
        } else {
            capture_diff_slices(Algorithm::Myers, &old, &new)
        };
        let hunks = group_diff_ops(ops, CONTEXT_LINES).iter().map(|ops| hunk(ops, &old, &new)).collect();
        UnifiedDiff { before: before_name.to_owned(), after: after_name.to_owned(), hunks }
    }
}

fn lines_of(value: &Value) -> String {
    let empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    if empty { String::new() } else { to_yaml(value) }
}

fn hunk(ops: &[DiffOp], old: &[&str], new: &[&str]) -> Hunk {
    let mut lines = Vec::new();
    for op in ops {
        let (tag, old_range, new_range) = op.as_tag_tuple();
        let line = |side, text: &&str| Line { side, text: (*text).to_owned() };
        if tag == DiffTag::Equal {
            lines.extend(old[old_range].iter().map(|text| line(Side::Both, text)));
        } else {
            lines.extend(old[old_range].iter().map(|text| line(Side::Before, text)));
            lines.extend(new[new_range].iter().map(|text| line(Side::After, text)));
        }
    }
    let count = |side| lines.iter().filter(|line| line.side == Side::Both || line.side == side).count();
    let (before_lines, after_lines) = (count(Side::Before), count(Side::After));
    let (old_start, new_start) =
        ops.first().map_or((0, 0), |op| (op.old_range().start, op.new_range().start));
    let heading = if before_lines > 0 { heading(old, old_start) } else { heading(new, new_start) };
    let start = |lines: usize, start: usize| if lines == 0 { start } else { start + 1 };
    Hunk {
        before_start: start(before_lines, old_start),
        before_lines,
        after_start: start(after_lines, new_start),
        after_lines,
        heading,
        lines,
    }
}

/// The keys that the line at `index` lies under, read from the indentation above it.
fn heading(lines: &[&str], index: usize) -> String {
    let Some(first) = lines.get(index) else { return String::new() };
    let mut depth = indentation(first);
    let mut keys = Vec::new();
    for line in lines[..index].iter().rev() {
        if depth == 0 {
            break;
        }
        let here = indentation(line);
        if here < depth && !line.is_empty() {
            depth = here;
            keys.push(line.trim_start().trim_start_matches("- ").trim_end_matches(':'));
        }
    }
    keys.reverse();
    keys.join(" › ")
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
