//! What a collector gets: spans out of OTLP's protobuf, as much of it as a tree needs.

use std::collections::BTreeMap;
use std::fmt::Write;

/// One span.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub name: String,
    pub begun: u64,
    /// Texts and numbers; others are left out.
    pub attributes: BTreeMap<String, String>,
    /// The description of a status that is an error.
    pub error: Option<String>,
}

/// One field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, by number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first().expect("a number");
            *bytes = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        number
    }
    fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken
    }
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(number(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().expect("eight bytes"))),
            2 => {
                let length = number(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length))
            }
            5 => Field::Bytes(take(&mut bytes, 4)),
            wire => panic!("wire type {wire}"),
        };
        found.push((key >> 3, field));
    }
    found
}

/// The messages in the field of this number.
fn inner(bytes: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes).into_iter().filter_map(move |(number, field)| match field {
        Field::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn value(bytes: &[u8]) -> Option<String> {
    fields(bytes).into_iter().find_map(|(number, field)| match field {
        Field::Bytes(bytes) if number == 1 => Some(text(bytes)),
        Field::Number(value) if number == 3 => Some(value.to_string()),
        _ => None,
    })
}

fn span(bytes: &[u8]) -> Span {
    let one = |number| inner(bytes, number).next().unwrap_or_default();
    let begun = fields(bytes).into_iter().find_map(|(number, field)| match field {
        Field::Number(time) if number == 7 => Some(time),
        _ => None,
    });
    let attribute = |bytes: &[u8]| {
        let name = text(inner(bytes, 1).next()?);
        Some((name, value(inner(bytes, 2).next()?)?))
    };
    let status = one(15);
    let is_error =
        fields(status).iter().any(|(number, field)| *number == 3 && matches!(field, Field::Number(2)));
    Span {
        trace: one(1).to_vec(),
        id: one(2).to_vec(),
        parent: one(4).to_vec(),
        name: text(one(5)),
        begun: begun.expect("a time"),
        attributes: inner(bytes, 9).filter_map(attribute).collect(),
        error: is_error.then(|| text(inner(status, 2).next().unwrap_or_default())),
    }
}

/// The spans of one request (`ExportTraceServiceRequest`).
pub fn spans(body: &[u8]) -> Vec<Span> {
    let resources = inner(body, 1).collect::<Vec<_>>();
    let scopes = resources.into_iter().flat_map(|resource| inner(resource, 2).collect::<Vec<_>>());
    scopes.flat_map(|scope| inner(scope, 2).map(span).collect::<Vec<_>>()).collect()
}

/// The names below `root`, each indented below the span that it is part of, in the order in which they began; equal ones
/// that follow each other once.
pub fn tree(spans: &[Span], root: &Span) -> String {
    let mut out = String::new();
    add(spans, root, 0, &mut out);
    out
}

fn add(spans: &[Span], at: &Span, depth: usize, out: &mut String) {
    let error = at.error.as_ref().map(|error| format!(" ! {error}")).unwrap_or_default();
    let _ = writeln!(out, "{}{}{error}", "  ".repeat(depth), at.name);
    let mut parts: Vec<&Span> =
        spans.iter().filter(|span| span.trace == at.trace && span.parent == at.id).collect();
    parts.sort_by_key(|span| span.begun);
    let mut last = String::new();
    for part in parts {
        let mut text = String::new();
        add(spans, part, depth + 1, &mut text);
        if text != last {
            out.push_str(&text);
            last = text;
        }
    }
}
