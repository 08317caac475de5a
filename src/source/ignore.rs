//! Reading `.cutoverignore`, which is written as `.gitignore` is.

use super::error::{ErrorKind, SourceError, printable};
use crate::model::Glob;

/// Patterns of one file.
const RULES: usize = 500;

/// One line of the file.
#[derive(Debug)]
pub(super) struct Rule {
    glob: Glob,
    /// `!`: what fits is read after all.
    pub is_exception: bool,
    /// Written with `/` at its end.
    is_for_folders: bool,
    /// Written with another `/`: it is held against the path and not against the name alone.
    is_anchored: bool,
}

impl Rule {
    /// True if the rule speaks of the entry at `path`, seen from the file's folder.
    pub fn fits(&self, path: &str, is_folder: bool) -> bool {
        if self.is_for_folders && !is_folder {
            return false;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        self.glob.fits(if self.is_anchored { path } else { name })
    }
}

/// The rules of the file at `path`, in their order.
///
/// # Errors
/// [`ErrorKind::Content`] for a line that is no pattern, [`ErrorKind::Limit`].
pub(super) fn parse(path: &str, bytes: &[u8]) -> Result<Vec<Rule>, SourceError> {
    let content = |message: String| SourceError::new(ErrorKind::Content, message);
    let text = std::str::from_utf8(bytes).map_err(|_| content(format!("{path} is not UTF-8")))?;
    let mut rules = vec![];
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let rule = rule(line).map_err(|why| {
            let shown = printable(line, 100);
            content(format!("{path}:{}: the pattern `{shown}` {why}", index + 1))
        })?;
        rules.extend(rule);
    }
    super::limits::check(rules.len() as u64, RULES as u64, format_args!("patterns in {path}"))?;
    Ok(rules)
}

fn rule(line: &str) -> Result<Option<Rule>, String> {
    let line = without_trailing_spaces(line);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (line, is_exception) = match line.strip_prefix('!') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (line, is_for_folders) = match line.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let is_anchored = line.contains('/');
    let pattern = line.strip_prefix('/').unwrap_or(line);
    if pattern.is_empty() {
        return Ok(None);
    }
    Ok(Some(Rule { glob: Glob::gitignore(pattern)?, is_exception, is_for_folders, is_anchored }))
}

/// Spaces at the end count only after `\`.
fn without_trailing_spaces(line: &str) -> &str {
    let bare = line.trim_end_matches(' ');
    let escapes = bare.len() - bare.trim_end_matches('\\').len();
    match line.len() > bare.len() && escapes % 2 == 1 {
        true => &line[..=bare.len()],
        false => bare,
    }
}
