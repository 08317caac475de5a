//! The bytes of one file to its documents. Everything in here is bounded: the parser pushes events instead of
//! recursing, aliases are charged for what they expand to, and depth, keys and documents are counted.

use super::node::{Data, Entry, Node, Plain};
use super::problems::Problems;
use super::scalar::resolve_plain;
use crate::model::SourceFile;
use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag, options};
use std::collections::{HashMap, HashSet};

/// Bytes of one file.
const MAX_FILE_BYTES: usize = 32 << 20;
/// Levels of lists and maps; ECS's own requests need fewer than fifteen.
const MAX_DEPTH: usize = 64;
/// Bytes of one key; written with escapes it still fits the 1024 characters that YAML allows.
const MAX_KEY_BYTES: usize = 256;
/// Values that the aliases of one file may add, so that ten lines cannot become a billion.
const MAX_ALIASED: usize = 100_000;
/// Keys given twice in one document, after which it is not read on.
const MAX_DUPLICATES: usize = 100;
/// Maps with fewer entries are looked through, larger ones are indexed.
const SMALL_MAP: usize = 16;
/// Documents of one repository; empty ones count, too.
const MAX_DOCUMENTS: usize = 50_000;
/// Values of one repository; 10 000 documents have some 500 000.
const MAX_VALUES: usize = 2_000_000;

/// What all files of a repository together may hold.
pub struct Budget {
    documents: usize,
    values: usize,
    is_spent: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { documents: MAX_DOCUMENTS, values: MAX_VALUES, is_spent: false }
    }
}

/// Reads all documents of a file, empty ones left out. What is wrong is noted, and the other documents are still read,
/// until the budget is spent or there are more problems than are kept.
pub fn parse(file: &SourceFile, budget: &mut Budget, problems: &mut Problems) -> Vec<Node> {
    if budget.is_spent || problems.is_full() {
        return vec![];
    }
    let text = match decode(&file.bytes) {
        Ok(text) => text,
        Err((line, message)) => {
            problems.file(&file.path, line, message);
            return vec![];
        }
    };
    let parser_options = options! {
        emit_comments: false,
        simple_key_max_lookahead: 1024,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut parser = Parser::new_from_str_with_options(text, parser_options);
    let mut documents = vec![];
    let mut aliased = 0;
    loop {
        let mut builder = Builder::new(&mut aliased, &mut budget.values);
        let trouble = loop {
            match parser.next_event() {
                None | Some(Ok((Event::StreamEnd, _))) => return documents,
                Some(Ok((Event::DocumentEnd, _))) => break None,
                Some(Ok((event, span))) => {
                    if let Err(trouble) = builder.take(event, span.start.line()) {
                        break Some(trouble);
                    }
                }
                Some(Err(error)) => {
                    break Some(Trouble { line: error.marker().line(), message: explain(&error) });
                }
            }
        };
        let is_broken = trouble.is_some();
        let root = builder.root.filter(|node| !is_broken && !node.is_null());
        for trouble in builder.duplicates.into_iter().chain(trouble) {
            problems.file(&file.path, trouble.line, trouble.message);
        }
        documents.extend(root);
        budget.documents = budget.documents.saturating_sub(1);
        if budget.documents == 0 || budget.values == 0 {
            budget.is_spent = true;
            let message = format!(
                "the repository has more than {MAX_DOCUMENTS} documents or {MAX_VALUES} values up to here; split it into several Applications"
            );
            problems.file(&file.path, 1, message);
            return documents;
        }
        if problems.is_full() || (is_broken && !matches!(parser.proceed_next_document(), Ok(true))) {
            return documents;
        }
    }
}

/// What is wrong, and where.
struct Trouble {
    line: usize,
    message: String,
}

/// Checks the encoding: UTF-8, with or without a byte order mark, and no control characters.
fn decode(bytes: &[u8]) -> Result<&str, (usize, String)> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20);
        return Err((1, message));
    }
    if bytes.starts_with(b"\0GITCRYPT\0") {
        let message = "the file is encrypted by git-crypt, whose key nobody has but people; a secret gets here by a \
                       controller that reads it from a store, and its reference by Git";
        return Err((1, message.into()));
    }
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let halves = bytes.len() >= 2 && (bytes[0] == 0) != (bytes[1] == 0);
    if utf16 || halves {
        return Err((1, "the file is UTF-16; save it as UTF-8".into()));
    }
    let line_at = |at: usize| 1 + bytes[..at].iter().filter(|b| **b == b'\n').count();
    let text = std::str::from_utf8(bytes).map_err(|error| {
        (line_at(error.valid_up_to()), "the file is not UTF-8 from here on; save it as UTF-8".to_owned())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let odd = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{feff}' => false, // the parser knows where it may stand
        c => c.is_control() || c == '\u{fffe}' || c == '\u{ffff}',
    };
    if let Some((at, c)) = text.char_indices().find(|(_, c)| odd(*c)) {
        let line = 1 + text[..at].bytes().filter(|b| *b == b'\n').count();
        return Err((
            line,
            format!("control character U+{:04X}; write it as an escape in double quotes", c as u32),
        ));
    }
    Ok(text)
}

/// The parser's message, in this program's words where its own do not help.
fn explain(error: &ScanError) -> String {
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => format!("nested deeper than {MAX_DEPTH} levels"),
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            "not valid YAML: a tab is used for indentation; use spaces".into()
        }
        ErrorKind::UnknownAnchor => {
            "an alias (*name) has no anchor (&name) before it in this document".into()
        }
        kind => format!("not valid YAML: {kind}"),
    }
}

/// A list or map that is still open.
enum Open {
    List(Vec<Node>),
    /// `lines` is filled for large maps only; small ones are quicker to look through.
    Map {
        entries: Vec<Entry>,
        lines: HashMap<String, usize>,
        key: Option<Key>,
        merges: Vec<Node>,
    },
}

/// A key whose value has not come yet.
enum Key {
    Named {
        name: String,
        line: usize,
    },
    /// `<<`
    Merge {
        line: usize,
    },
}

struct Frame {
    line: usize,
    anchor: usize,
    open: Open,
}

/// Builds one document's tree from events.
struct Builder<'a> {
    stack: Vec<Frame>,
    root: Option<Node>,
    /// Complete anchored values and how many nodes each is.
    anchors: HashMap<usize, (Node, usize)>,
    aliased: &'a mut usize,
    values_left: &'a mut usize,
    duplicates: Vec<Trouble>,
}

impl<'a> Builder<'a> {
    fn new(aliased: &'a mut usize, values_left: &'a mut usize) -> Self {
        let (stack, duplicates, anchors) = (vec![], vec![], HashMap::new());
        Builder { stack, root: None, anchors, aliased, values_left, duplicates }
    }

    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Trouble> {
        let trouble = |message: String| Trouble { line, message };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.wants_key() {
                    if anchor != 0 {
                        return Err(trouble("an anchor on a key is not supported".into()));
                    }
                    return self.set_key(&text, style, tag.as_deref(), line);
                }
                let data = scalar(text.into_owned(), style, tag.as_deref()).map_err(trouble)?;
                self.put(Node { line, data }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_collection(tag.as_deref(), "seq", line)?;
                self.stack.push(Frame { line, anchor, open: Open::List(vec![]) });
                Ok(())
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_collection(tag.as_deref(), "map", line)?;
                let open = Open::Map { entries: vec![], lines: HashMap::new(), key: None, merges: vec![] };
                self.stack.push(Frame { line, anchor, open });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => {
                if self.wants_key() {
                    return Err(trouble("an alias as a key is not supported".into()));
                }
                let Some((node, size)) = self.anchors.get(&id) else {
                    return Err(trouble("an alias stands inside of what it names".into()));
                };
                *self.aliased += size;
                if *self.aliased > MAX_ALIASED {
                    return Err(trouble(format!(
                        "the aliases of this file add more than {MAX_ALIASED} values"
                    )));
                }
                let node = node.clone();
                self.put(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { open: Open::Map { key: None, .. }, .. }))
    }

    fn check_collection(&self, tag: Option<&Tag>, wanted: &str, line: usize) -> Result<(), Trouble> {
        if self.wants_key() {
            return Err(Trouble { line, message: "a list or map as a key is not supported".into() });
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(Trouble { line, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        match tag {
            Some(tag) if tag.original() != "!" && tag.core_suffix() != Some(wanted) => {
                Err(Trouble { line, message: unknown_tag(tag) })
            }
            _ => Ok(()),
        }
    }

    fn set_key(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<(), Trouble> {
        let trouble = |message: String| Err(Trouble { line, message });
        let Some(Frame { open: Open::Map { entries, key, lines, .. }, .. }) = self.stack.last_mut() else {
            return Ok(());
        };
        if text.chars().any(char::is_control) {
            return trouble("a key has a control character or a line break in it".into());
        }
        if text.len() > MAX_KEY_BYTES {
            return trouble(format!("a key is longer than {MAX_KEY_BYTES} bytes"));
        }
        if style == ScalarStyle::Plain && tag.is_none() && text == "<<" {
            *key = Some(Key::Merge { line });
            return Ok(());
        }
        let name = match scalar(text.to_owned(), style, tag) {
            Ok(Data::Text(name)) => name,
            Ok(Data::Plain { value: Plain::Null, .. }) => {
                return trouble("a key is missing before the colon".into());
            }
            Ok(Data::Plain { value, .. }) => {
                let reads = match value {
                    Plain::Null => "nothing".to_owned(),
                    Plain::Bool(value) => format!("the boolean {value}"),
                    Plain::Number(value) => format!("the number {value}"),
                };
                return trouble(format!("the key `{text}` reads as {reads}; write \"{text}\" in quotes"));
            }
            Ok(Data::List(_) | Data::Map(_)) => return trouble("a key must be text".into()),
            Err(message) => return trouble(message),
        };
        if entries.len() == SMALL_MAP {
            lines.extend(entries.iter().map(|entry| (entry.key.clone(), entry.line)));
        }
        let first = match entries.len() < SMALL_MAP {
            true => entries.iter().find(|entry| entry.key == name).map(|entry| entry.line),
            false => lines.insert(name.clone(), line),
        };
        if let Some(first) = first {
            let message = format!("the key \"{}\" was already given in line {first}", name.escape_debug());
            if self.duplicates.len() >= MAX_DUPLICATES {
                return trouble(message);
            }
            self.duplicates.push(Trouble { line, message });
        }
        *key = Some(Key::Named { name, line });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Trouble> {
        *self.values_left = self.values_left.saturating_sub(1);
        if *self.values_left == 0 {
            return Err(Trouble { line: node.line, message: "there are too many values".into() });
        }
        if anchor != 0 {
            let size = count(&node);
            // Anchored values are kept twice; nested anchors would be kept once a level.
            *self.aliased += size;
            if *self.aliased > MAX_ALIASED {
                let message = format!("the anchors of this file hold more than {MAX_ALIASED} values");
                return Err(Trouble { line: node.line, message });
            }
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map { entries, key, merges, .. }) => match key.take() {
                Some(Key::Named { name, line }) => entries.push(Entry { key: name, line, node }),
                Some(Key::Merge { line }) => match node.data {
                    Data::Map(_) => merges.push(node),
                    Data::List(items) if items.iter().all(|item| matches!(item.data, Data::Map(_))) => {
                        merges.extend(items);
                    }
                    _ => {
                        let message = "the merge key << takes a map or a list of maps".into();
                        return Err(Trouble { line, message });
                    }
                },
                None => {}
            },
        }
        Ok(())
    }

    /// Ends the innermost list or map.
    fn close(&mut self) -> Result<(), Trouble> {
        let Some(Frame { line, anchor, open }) = self.stack.pop() else { return Ok(()) };
        let data = match open {
            Open::List(items) => Data::List(items),
            Open::Map { entries, merges, .. } if merges.is_empty() => Data::Map(entries),
            Open::Map { mut entries, merges, .. } => {
                let mut seen: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
                // What is written here wins over what is merged, the earlier of two merged maps over the later.
                for entry in merges.into_iter().flat_map(|node| match node.data {
                    Data::Map(entries) => entries,
                    _ => vec![],
                }) {
                    if seen.insert(entry.key.clone()) {
                        entries.push(entry);
                    }
                }
                Data::Map(entries)
            }
        };
        self.put(Node { line, data }, anchor)
    }
}

/// How many values a tree has; long text counts for more, since copies of it take memory too.
fn count(node: &Node) -> usize {
    1 + match &node.data {
        Data::Text(text) => text.len() / 64,
        Data::Plain { written, .. } => written.len() / 64,
        Data::List(items) => items.iter().map(count).sum(),
        Data::Map(entries) => entries.iter().map(|entry| entry.key.len() / 64 + count(&entry.node)).sum(),
    }
}

fn unknown_tag(tag: &Tag) -> String {
    let tag: String = tag.original().chars().take(60).collect();
    format!("the tag {tag} is not supported")
}

/// What a scalar is, by its tag and style.
fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Result<Data, String> {
    if text.contains('\0') {
        return Err("text with the character U+0000 is not supported".into());
    }
    let tag_name = tag.filter(|tag| tag.original() != "!");
    let Some(tag_name) = tag_name else {
        if style != ScalarStyle::Plain || tag.is_some() {
            return Ok(Data::Text(text));
        }
        return plain(text);
    };
    let suffix = tag_name.suffix_in_namespace("tag:yaml.org,2002:");
    let fits = |value: &Plain| match (suffix.as_deref(), value) {
        (Some("int"), Plain::Number(number)) => !number.is_f64(),
        (Some("float"), Plain::Number(_)) | (Some("bool"), Plain::Bool(_)) | (Some("null"), Plain::Null) => {
            true
        }
        _ => false,
    };
    match suffix.as_deref() {
        Some("str" | "timestamp") => Ok(Data::Text(text)),
        Some(name @ ("int" | "float" | "bool" | "null")) => match plain(text)? {
            Data::Plain { value, written } if fits(&value) => Ok(Data::Plain { value, written }),
            _ => Err(format!("this is not what its tag !!{name} says")),
        },
        _ => Err(unknown_tag(tag_name)),
    }
}

fn plain(text: String) -> Result<Data, String> {
    match resolve_plain(&text) {
        Ok(None) => Ok(Data::Text(text)),
        Ok(Some(value)) => Ok(Data::Plain { value, written: text.into() }),
        Err(why) => Err(format!("`{text}` {why}")),
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
