//! Where each field of an object is written.

use crate::config::node::{Data, Entry, Node};
use crate::model::FieldLines;

/// The lines of all fields; those that stand on the line of what holds them are found by that.
pub fn lines(root: &Node) -> FieldLines {
    let mut lines = FieldLines::default();
    add_fields(root, root.line, &mut lines);
    lines
}

fn add_fields(node: &Node, line: usize, lines: &mut FieldLines) {
    let mut add = |name: &str, at: usize, inner: &Node| {
        let is_leaf = !matches!(inner.data, Data::Map(_) | Data::List(_));
        if at != line || !is_leaf {
            lines.add(name, at, |lines| add_fields(inner, at, lines));
        }
    };
    match &node.data {
        Data::Map(entries) => entries.iter().for_each(|Entry { key, line, node }| add(key, *line, node)),
        Data::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| add(&format!("[{index}]"), item.line, item));
        }
        Data::Text(_) | Data::Plain { .. } => {}
    }
}
