//! A YAML document as a tree in which every value knows its line.

use serde_json::{Map, Number, Value};

/// One value and where it begins (1-based line).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub line: usize,
    pub data: Data,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Text: quoted, a block scalar, or a plain scalar that is nothing else.
    Text(String),
    /// Null, a boolean or a number, with the text it was written as.
    Plain {
        value: Plain,
        written: Box<str>,
    },
    List(Vec<Node>),
    /// In written order; keys are unique.
    Map(Vec<Entry>),
}

/// A scalar that is no text.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    Null,
    Bool(bool),
    Number(Number),
}

/// One key of a map and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    /// The key's line (1-based).
    pub line: usize,
    pub node: Node,
}

impl Node {
    /// A value that was in no file: all its lines are 0.
    pub fn from_json(value: &Value) -> Node {
        let plain = |plain| Data::Plain { value: plain, written: value.to_string().into() };
        let data = match value {
            Value::Null => plain(Plain::Null),
            Value::Bool(value) => plain(Plain::Bool(*value)),
            Value::Number(number) => plain(Plain::Number(number.clone())),
            Value::String(text) => Data::Text(text.clone()),
            Value::Array(items) => Data::List(items.iter().map(Node::from_json).collect()),
            Value::Object(fields) => {
                let entry = |(key, value): (&String, &Value)| Entry {
                    key: key.clone(),
                    line: 0,
                    node: Node::from_json(value),
                };
                Data::Map(fields.iter().map(entry).collect())
            }
        };
        Node { line: 0, data }
    }

    /// The value of `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of `key`, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; empty for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            Data::Text(_) | Data::Plain { .. } | Data::List(_) => &[],
        }
    }

    /// The text, if this is text.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Plain { .. } | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// True for null, written or left empty.
    pub fn is_null(&self) -> bool {
        matches!(&self.data, Data::Plain { value: Plain::Null, .. })
    }

    /// What this is, for a message: `a list`, `the number 256`, …; `show` allows a short value to be printed.
    pub fn describe(&self, show: bool) -> String {
        match &self.data {
            Data::Text(text) if show && text.chars().count() <= 40 => {
                format!("the text \"{}\"", text.escape_debug())
            }
            Data::Text(_) => "text".into(),
            Data::List(_) => "a list".into(),
            Data::Map(_) => "a map".into(),
            Data::Plain { value: Plain::Null, .. } => "nothing".into(),
            Data::Plain { value, written } => {
                let what = if matches!(value, Plain::Bool(_)) { "boolean" } else { "number" };
                if show && written.len() <= 40 {
                    format!("the {what} {written}")
                } else {
                    format!("a {what}")
                }
            }
        }
    }

    /// The line of the value at `path` (`alb.targetGroups.blue`, `steps[1].weight`), or of the nearest thing around it.
    pub fn line_of(&self, path: &str) -> usize {
        let mut node = self;
        let mut line = self.line;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let found = match (&node.data, part.strip_suffix(']')) {
                (Data::List(items), Some(index)) => {
                    index.parse().ok().and_then(|i: usize| items.get(i)).map(|item| (item.line, item))
                }
                _ => node.entry(part).map(|entry| (entry.line, &entry.node)),
            };
            let Some((next_line, next)) = found else { return line };
            (line, node) = (next_line, next);
        }
        line
    }

    /// The same as JSON, without lines.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Text(text) => Value::String(text.clone()),
            Data::Plain { value: Plain::Null, .. } => Value::Null,
            Data::Plain { value: Plain::Bool(value), .. } => Value::Bool(*value),
            Data::Plain { value: Plain::Number(value), .. } => Value::Number(value.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for entry in entries {
                    map.insert(entry.key.clone(), entry.node.to_json());
                }
                Value::Object(map)
            }
        }
    }
}
