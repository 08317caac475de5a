//! Globs as Argo CD reads them (`gobwas/glob` without separators) and as `.gitignore` writes them.

use regex_lite::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// Longer patterns are refused.
const MAX_LENGTH: usize = 2_000;
/// Braces within braces.
const MAX_DEPTH: usize = 20;

/// A pattern that a whole text fits or does not.
#[derive(Clone, Debug)]
pub struct Glob(Regex);

impl Glob {
    /// `*` and `**` stand for any text, also over `/`; `?` for one character; `[a-z]`, `[!abc]` and `{one,other}` as in a
    /// shell; `\` takes the next character as it is.
    ///
    /// # Errors
    /// A phrase that says what is wrong with the pattern.
    pub fn argo(pattern: &str) -> Result<Glob, String> {
        let mut regex = String::new();
        let mut depth = 0;
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '[' => class(&mut rest, "", &mut regex)?,
                '\\' => escaped(rest.next().ok_or("ends with `\\`")?, &mut regex),
                '{' => {
                    depth += 1;
                    regex.push_str("(?:");
                }
                '}' if depth > 0 => {
                    depth -= 1;
                    regex.push(')');
                }
                ',' if depth > 0 => regex.push('|'),
                c => escaped(c, &mut regex),
            }
            if depth > MAX_DEPTH {
                return Err(format!("has more than {MAX_DEPTH} `{{` within each other"));
            }
        }
        if depth > 0 {
            return Err("has a `{` without its `}`".into());
        }
        built(pattern, &regex)
    }

    /// A pattern of `.gitignore` without `!` and without `/` at its ends: `*` and `?` stop at `/`; `**/`, `/**` and
    /// `/**/` stand for any folders.
    ///
    /// # Errors
    /// A phrase that says what is wrong with the pattern.
    pub fn gitignore(pattern: &str) -> Result<Glob, String> {
        let mut regex = String::new();
        let parts: Vec<&str> = pattern.split('/').collect();
        let last = parts.len() - 1;
        for (at, part) in parts.iter().enumerate() {
            match (*part, at == last) {
                // Everything in the folder, and not the folder itself.
                ("**", true) => regex.push_str(".+"),
                ("**", false) => regex.push_str("(?:[^/]+/)*"),
                (part, is_last) => {
                    within_folder(part, &mut regex)?;
                    if !is_last {
                        regex.push('/');
                    }
                }
            }
        }
        built(pattern, &regex)
    }

    /// True if the pattern describes all of the text.
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

fn within_folder(part: &str, regex: &mut String) -> Result<(), String> {
    let mut rest = part.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str("[^/]"),
            '[' => class(&mut rest, "/", regex)?,
            '\\' => escaped(rest.next().ok_or("ends with `\\`")?, regex),
            c => escaped(c, regex),
        }
    }
    Ok(())
}

/// What comes after `[`. `never` are characters that no class fits.
fn class(rest: &mut Peekable<Chars<'_>>, never: &str, regex: &mut String) -> Result<(), String> {
    let open = || "has a `[` without its `]`".to_owned();
    let is_not = rest.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges: Vec<(char, char)> = vec![];
    loop {
        let c = rest.next().ok_or_else(open)?;
        let first = match c {
            ']' if !ranges.is_empty() => break,
            '\\' => rest.next().ok_or_else(open)?,
            '[' if rest.peek() == Some(&':') => {
                return Err("names a class like `[:alpha:]`; write the characters, like `[a-z]`".into());
            }
            c => c,
        };
        let mut ahead = rest.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' => {
                *rest = ahead;
                if last == '\\' { rest.next().ok_or_else(open)? } else { last }
            }
            _ => first,
        };
        if last < first {
            return Err(format!("has the range `{first}-{last}`, which ends before it begins"));
        }
        ranges.push((first, last));
    }
    regex.push_str(if is_not { "[^" } else { "[" });
    for (first, last) in ranges {
        // A range may run over what no class fits: it is cut there.
        for (first, last) in without(first, last, if is_not { "" } else { never }) {
            escaped(first, regex);
            regex.push('-');
            escaped(last, regex);
        }
    }
    if is_not {
        never.chars().for_each(|c| escaped(c, regex));
    }
    regex.push(']');
    if regex.ends_with("[]") {
        return Err("has a class in `[…]` that no file name fits".into());
    }
    Ok(())
}

/// The parts of a range around the characters of `never`.
fn without(first: char, last: char, never: &str) -> Vec<(char, char)> {
    let Some(cut) = never.chars().next().filter(|cut| (first..=last).contains(cut)) else {
        return vec![(first, last)];
    };
    let before = char::from_u32(u32::from(cut) - 1).filter(|before| first <= *before);
    let after = char::from_u32(u32::from(cut) + 1).filter(|after| *after <= last);
    before.map(|before| (first, before)).into_iter().chain(after.map(|after| (after, last))).collect()
}

fn escaped(c: char, regex: &mut String) {
    if c.is_ascii_punctuation() {
        regex.push('\\');
    }
    regex.push(c);
}

fn built(pattern: &str, regex: &str) -> Result<Glob, String> {
    if pattern.len() > MAX_LENGTH {
        return Err(format!("is longer than {MAX_LENGTH} characters"));
    }
    let whole = format!("^(?:{regex})$");
    let built = RegexBuilder::new(&whole).dot_matches_new_line(true).size_limit(1 << 20).build();
    built.map(Glob).map_err(|_| "is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_of_argo_reach_over_folders() {
        for (pattern, fits, others) in [
            ("*.yaml", &["a.yaml", "a/b.yaml"][..], &["a.yml", "a.yaml.bak"][..]),
            ("{*.yml,*.yaml}", &["a.yml", "b/c.yaml"], &["a.json", "a.yml.x"]),
            (
                "{config.json,env-use2/*}",
                &["config.json", "env-use2/x/y.yaml"],
                &["a/config.json", "env-use2"],
            ),
            ("some-directory/**", &["some-directory/a/b"], &["other/some-directory/a"]),
            ("a?[0-9].y*ml", &["ax1.yaml", "a/9.yml"], &["a1.yml", "axx.yml"]),
            ("[!ab]*", &["c", "ca"], &["a", "bc", ""]),
            ("[^a]", &["b"], &["a"]),
            ("{a,{b,c}d}", &["a", "bd", "cd"], &["d", "b"]),
            ("{,x}y", &["y", "xy"], &["zy"]),
            (r"a\*", &["a*"], &["ab"]),
            ("a}b,c", &["a}b,c"], &["ab"]),
            ("(x)+|$", &["(x)+|$"], &["x"]),
            ("ä?", &["äö"], &["ä"]),
        ] {
            let glob = Glob::argo(pattern).unwrap();
            assert!(fits.iter().all(|text| glob.fits(text)), "{pattern}: {fits:?}");
            assert!(!others.iter().any(|text| glob.fits(text)), "{pattern}: {others:?}");
        }
    }

    #[test]
    fn wrong_globs_say_what_is_wrong() {
        for (pattern, want) in [
            ("{a,b", "has a `{` without its `}`"),
            ("[ab", "has a `[` without its `]`"),
            ("[", "has a `[` without its `]`"),
            ("[b-a]", "has the range `b-a`, which ends before it begins"),
            ("a\\", "ends with `\\`"),
            ("[[:alpha:]]", "names a class"),
            (&"{".repeat(21), "has more than 20"),
            (&"a".repeat(2_001), "is longer than 2000"),
        ] {
            assert!(Glob::argo(pattern).unwrap_err().starts_with(want), "{pattern}");
        }
        assert!(Glob::gitignore("[/]").is_err());
    }
}
