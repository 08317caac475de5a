//! Walks a tree against a shape and notes everything that does not fit, with path and line.

use super::node::{Data, Entry, Node, Plain};
use super::problems::{Problems, clip, did_you_mean, guess};
use super::shape::{Form, Format, Shape, Table};
use crate::model::{Kind, Origin, Problem, parse_duration, parse_rfc3339};

/// Checks one document's `spec`. `unchecked` are paths (without indices) that are taken as they are.
pub struct Validator<'a> {
    pub file: &'a str,
    /// `Kind/name`
    pub document: &'a str,
    pub kind: Kind,
    pub unchecked: &'a [String],
    pub problems: &'a mut Problems,
}

impl Validator<'_> {
    /// Checks `spec`, which stands at `line`.
    pub fn validate(&mut self, spec: &Node, line: usize) {
        let table = Table::of(self.kind);
        self.check(
            &Place { table, shape: table.root(self.kind), line, show: true },
            spec,
            &mut Path::default(),
        );
    }

    fn note(&mut self, line: usize, path: &Path, message: String) {
        self.problems.push(Problem {
            origin: Origin { file: self.file.to_owned(), line },
            document: self.document.to_owned(),
            field: path.text.clone(),
            message,
        });
    }

    fn check(&mut self, place: &Place<'_>, node: &Node, path: &mut Path) {
        if !self.unchecked.is_empty() && self.unchecked.contains(&path.without_indices()) {
            return;
        }
        let shape = place.shape;
        let place = &Place { show: place.show && !shape.sensitive, ..*place };
        match (shape.form, &node.data) {
            (Form::Json, _) => {}
            (Form::Structure, Data::Map(_)) => self.check_structure(place, node, path),
            (Form::Map, Data::Map(entries)) => {
                for entry in entries {
                    // Free texts (log options, labels) may hold secrets: not printed.
                    let shape = place.table.item(shape);
                    let inner = Place { shape, line: entry.line, show: false, ..*place };
                    path.within(&entry.key, |path| self.check(&inner, &entry.node, path));
                }
            }
            (Form::List | Form::OneOrMany, Data::List(items)) => {
                self.check_size(place, items.len(), "entries", path);
                for (index, item) in items.iter().enumerate() {
                    let inner = Place { shape: place.table.item(shape), line: item.line, ..*place };
                    path.at(index, |path| self.check(&inner, item, path));
                }
            }
            (Form::OneOrMany, _) => {
                self.check(&Place { shape: place.table.item(shape), ..*place }, node, path);
            }
            (Form::String, Data::Text(text)) => self.check_text(place, text, path),
            (Form::String, Data::Plain { value: Plain::Number(number), written })
                if shape.format == Some(Format::Limit) && number.is_u64() =>
            {
                self.check_text(place, written, path);
            }
            (Form::Boolean, Data::Plain { value: Plain::Bool(_), .. }) => {}
            (Form::Integer | Form::Long | Form::Double, Data::Plain { value: Plain::Number(number), .. }) => {
                let fits = match shape.form {
                    Form::Integer => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
                    Form::Long => number.as_i64().is_some(),
                    _ => true,
                };
                if fits {
                    self.check_range(place, number.as_f64().unwrap_or_default(), path);
                } else {
                    let message =
                        format!("expected {}, found {}", expected(place), node.describe(place.show));
                    self.note(place.line, path, message);
                }
            }
            _ => {
                let message = wrong_type(place, node);
                self.note(place.line, path, message);
            }
        }
    }

    fn check_structure(&mut self, place: &Place<'_>, node: &Node, path: &mut Path) {
        let shape = place.shape;
        for entry in node.entries() {
            if let Some(member) = shape.members.get(&entry.key) {
                let inner = Place { shape: place.table.member(member), line: entry.line, ..*place };
                path.within(&entry.key, |path| self.check(&inner, &entry.node, path));
                continue;
            }
            let key = entry.key.clone();
            path.within(&key, |path| {
                let accepted = !self.unchecked.is_empty() && self.unchecked.contains(&path.without_indices());
                if accepted {
                    return;
                }
                let refused = (path.depth == 1).then(|| place.table.refusal(self.kind, &key)).flatten();
                let message = match refused {
                    Some(why) => why.to_owned(),
                    None if self.problems.is_full() => "unknown field".to_owned(),
                    None => {
                        let unused = shape.members.keys().map(String::as_str);
                        format!("unknown field{}", guess(&key, unused))
                    }
                };
                self.note(entry.line, path, message);
            });
        }
        if shape.exactly_one {
            self.check_exactly_one(place, node, path);
        }
        for field in &shape.required {
            // A misspelt field has been noted; that the right one is missing would be the same again.
            let is_misspelt = || {
                let unknown = node.entries().iter().filter(|entry| !shape.members.contains_key(&entry.key));
                did_you_mean(field, unknown.map(|entry| entry.key.as_str())).is_some()
            };
            if node.entry(field).is_none() && !is_misspelt() {
                let message = format!("the field \"{field}\" is missing");
                self.note(place.line, path, message);
            }
        }
    }

    fn check_exactly_one(&mut self, place: &Place<'_>, node: &Node, path: &Path) {
        let names: Vec<&str> = place.shape.members.keys().map(String::as_str).collect();
        let is_known = |entry: &&Entry| place.shape.members.contains_key(&entry.key);
        let mut known = node.entries().iter().filter(is_known);
        match (known.next(), known.next()) {
            // An unknown field has been noted, and may be the misspelt one.
            (None, _) if node.entries().is_empty() => {
                self.note(place.line, path, format!("one of {} is missing", names.join(", ")));
            }
            (_, Some(second)) => {
                self.note(second.line, path, format!("there can be only one of {}", names.join(", ")));
            }
            _ => {}
        }
    }

    fn check_text(&mut self, place: &Place<'_>, text: &str, path: &Path) {
        let shape = place.shape;
        if !shape.allowed.is_empty() && !shape.allowed.iter().any(|allowed| allowed == text) {
            let found = if place.show && text.len() <= 60 {
                format!("\"{}\" is not", text.escape_debug())
            } else {
                "not".into()
            };
            let hint = guess(text, shape.allowed.iter().map(String::as_str));
            let list = shape.allowed.join(", ");
            self.note(place.line, path, format!("{found} one of {list}{hint}"));
        }
        let wrong = match shape.format {
            None => None,
            Some(Format::Duration) if text.len() > 40 => {
                Some("is not a duration; write it like 30s or 1h30m".into())
            }
            Some(Format::Duration) => parse_duration(text).err(),
            Some(Format::Share) => (share(text).is_none_or(|n| n == 0))
                .then(|| format!("`{}` is not a share from 1% to 100%; write it like 100%", clip(text))),
            Some(Format::Time) => {
                parse_rfc3339(text).is_none().then(|| "is not a time like 2026-11-25T21:19:16Z".into())
            }
            Some(Format::Limit) => (share(text).is_none() && text.parse::<u32>().is_err())
                .then(|| format!("`{}` is neither a share like 30% nor a number", clip(text))),
        };
        if let Some(message) = wrong {
            self.note(place.line, path, message);
        }
        self.check_size(place, text.chars().count(), "characters", path);
    }

    fn check_size(&mut self, place: &Place<'_>, size: usize, unit: &str, path: &Path) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        match (place.shape.min, place.shape.max) {
            (Some(1), _) if size == 0 => self.note(place.line, path, "is empty".into()),
            (Some(min), _) if size < min => {
                self.note(place.line, path, format!("has {size} {unit}, at least {min} are needed"));
            }
            (_, Some(max)) if size > max => {
                self.note(place.line, path, format!("has {size} {unit}, at most {max} are allowed"));
            }
            _ => {}
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn check_range(&mut self, place: &Place<'_>, number: f64, path: &Path) {
        let (min, max) = (place.shape.min, place.shape.max);
        if min.is_some_and(|min| number < min as f64) || max.is_some_and(|max| number > max as f64) {
            let range = match (min, max) {
                (Some(min), Some(max)) => format!("from {min} to {max}"),
                (Some(min), None) => format!("{min} or more"),
                (None, max) => format!("{} or less", max.unwrap_or_default()),
            };
            self.note(place.line, path, format!("{number} is out of range; it must be {range}"));
        }
    }
}

/// What is expected, and where.
#[derive(Clone, Copy)]
struct Place<'a> {
    table: &'a Table,
    shape: &'a Shape,
    /// The line to name: that of the key or list entry.
    line: usize,
    /// False where values may be secret.
    show: bool,
}

/// A field's path as people write it: `containerDefinitions[0].image`.
#[derive(Default)]
struct Path {
    text: String,
    depth: usize,
}

impl Path {
    fn within(&mut self, field: &str, then: impl FnOnce(&mut Path)) {
        let length = self.text.len();
        if length > 0 {
            self.text.push('.');
        }
        self.text.extend(field.chars().take(80).flat_map(char::escape_debug));
        self.depth += 1;
        then(self);
        self.depth -= 1;
        self.text.truncate(length);
    }

    fn at(&mut self, index: usize, then: impl FnOnce(&mut Path)) {
        let length = self.text.len();
        self.text.push_str(&format!("[{index}]"));
        then(self);
        self.text.truncate(length);
    }

    fn without_indices(&self) -> String {
        let mut inside = false;
        let outside = self.text.chars().filter(|c| {
            inside = *c == '[' || (inside && *c != ']');
            !inside && *c != ']'
        });
        outside.collect()
    }
}

fn expected(place: &Place<'_>) -> &'static str {
    match place.shape.form {
        Form::Structure | Form::Map => "a map",
        Form::List => "a list",
        Form::String => "text",
        Form::Integer => "a whole number of 32 bits",
        Form::Long => "a whole number of 64 bits",
        Form::Double => "a number",
        Form::Boolean => "true or false",
        Form::OneOrMany => "text or a list",
        Form::Json => "anything",
    }
}

fn wrong_type(place: &Place<'_>, node: &Node) -> String {
    if node.is_null() {
        return format!("has no value; expected {}, or leave the field out", expected(place));
    }
    if !place.shape.allowed.is_empty() {
        let list = place.shape.allowed.join(", ");
        return format!("expected one of {list}, found {}", node.describe(place.show));
    }
    let found = format!("expected {}, found {}", expected(place), node.describe(place.show));
    let hint = match (place.shape.form, &node.data) {
        (Form::String, Data::Plain { written, .. }) if place.show && written.len() <= 40 => {
            format!("; write \"{written}\" in quotes")
        }
        (Form::String, Data::Plain { .. }) => "; write it in quotes".into(),
        (Form::Integer | Form::Long | Form::Double, Data::Text(text)) if text.parse::<f64>().is_ok() => {
            "; write it without quotes".into()
        }
        (Form::Boolean, Data::Text(text)) if text == "true" || text == "false" => {
            "; write it without quotes".into()
        }
        (Form::List, Data::Map(_) | Data::Text(_) | Data::Plain { .. }) => {
            "; begin each entry with \"- \"".into()
        }
        _ => String::new(),
    };
    found + &hint
}

fn share(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('%')?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|n| *n <= 100)
}
