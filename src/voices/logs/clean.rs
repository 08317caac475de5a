//! Text from anywhere, made fit for one line of a log.

use std::fmt::Write;

/// Characters of one value that are kept.
pub const VALUE_CHARS: usize = 4_000;

/// The text on one line, cut at [`VALUE_CHARS`], without the userinfo of URLs, and with control characters and those that
/// turn the direction of writing escaped.
pub fn clean(text: &str) -> String {
    let mut fine = String::with_capacity(text.len().min(VALUE_CHARS));
    let mut chars = text.chars();
    for c in chars.by_ref().take(VALUE_CHARS) {
        match c {
            '\n' => fine.push_str("\\n"),
            '\t' => fine.push(' '),
            c if is_hostile(c) => {
                // Writing to a String can't fail.
                let _ = write!(fine, "\\u{{{:x}}}", u32::from(c));
            }
            c => fine.push(c),
        }
    }
    if chars.next().is_some() {
        fine.push('…');
    }
    without_userinfo(&fine)
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Takes `user:password@` out of every URL in the text: what other programs print is not always careful.
fn without_userinfo(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || "\"'<>`".contains(c));
        let authority = &after[..end.unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(at) => {
                clean.push('…');
                &after[at..]
            }
            None => after,
        };
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_bounded_line_without_passwords() {
        for (text, want) in [
            ("plain", "plain"),
            ("two\nlines\r\u{1b}[31m", "two\\nlines\\u{d}\\u{1b}[31m"),
            ("turn\u{202e}ed", "turn\\u{202e}ed"),
            ("GET https://robot:geheim@git.example/x failed", "GET https://…@git.example/x failed"),
            ("a http://u@h and b https://h/@x", "a http://…@h and b https://h/@x"),
            ("mail me@x.example", "mail me@x.example"),
        ] {
            assert_eq!(clean(text), want);
        }
        assert_eq!(clean(&"x".repeat(10_000)).chars().count(), VALUE_CHARS + 1);
    }
}
