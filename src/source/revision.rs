//! What a `targetRevision` means, given the references of a repository.

use super::error::{ErrorKind, SourceError, printable};
use git2::{ErrorCode, Oid};

/// A revision as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// A full commit id: it means the same for ever.
    Full(Oid),
    /// `HEAD`, a branch, a tag, `refs/…` or an abbreviated commit.
    Name(String),
}

/// A reference of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// `HEAD` or `refs/…`.
    pub name: String,
    /// What it points to; an annotated tag's own id.
    pub id: Oid,
    /// The commit behind it: differs from `id` for annotated tags.
    pub commit: Oid,
}

/// All references of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct References {
    pub list: Vec<Reference>,
    /// The branch that HEAD is, as `refs/heads/…`; `None` if HEAD is detached or the server doesn't say.
    pub head: Option<String>,
}

/// What a revision names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    Reference(&'a Reference),
    Commit(Oid),
    /// An abbreviated commit, lower case.
    Prefix(String),
}

/// Fewer digits than Git itself shows are too likely to mean several commits.
const PREFIX_DIGITS: usize = 7;

/// Reads a revision.
///
/// # Errors
/// [`ErrorKind::Usage`] for Git's expressions (`main~1`, `a..b`) and names that no reference can have.
pub(super) fn parse(text: &str) -> Result<Revision, SourceError> {
    let usage = |why: &str| {
        let shown = printable(text, 100);
        SourceError::new(
            ErrorKind::Usage,
            format!("targetRevision `{shown}`: {why}; name a branch, a tag or a commit (7 to 40 digits)"),
        )
    };
    if text.len() == 40 && is_hex(text) {
        return full(text).map(Revision::Full);
    }
    if text.is_empty() || text.len() > 250 {
        return Err(usage("it must have 1 to 250 characters"));
    }
    let expression =
        text.contains(['~', '^', ':', '?', '*', '[', '\\']) || text.contains("..") || text.contains("@{");
    if expression {
        return Err(usage("expressions are not read"));
    }
    let as_branch = format!("refs/heads/{text}");
    if text.starts_with('-') || !git2::Reference::is_valid_name(&as_branch) {
        return Err(usage("no reference can have this name"));
    }
    Ok(Revision::Name(text.to_owned()))
}

/// Reads a full commit id.
///
/// # Errors
/// [`ErrorKind::Usage`] for anything but 40 hex digits.
pub(super) fn full(text: &str) -> Result<Oid, SourceError> {
    let id = Oid::from_str(text).ok().filter(|_| text.len() == 40);
    id.ok_or_else(|| {
        let message = format!("`{}` is not a full commit id", printable(text, 100));
        SourceError::new(ErrorKind::Usage, message)
    })
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

impl References {
    /// The reference with this full name.
    pub fn get(&self, name: &str) -> Option<&Reference> {
        self.list.iter().find(|r| r.name == name)
    }

    /// A reference to this very commit, branches first.
    pub fn to(&self, commit: Oid) -> Option<&Reference> {
        let to = |r: &&Reference| r.commit == commit && r.name != "HEAD";
        let branch = self.list.iter().filter(|r| r.name.starts_with("refs/heads/")).find(to);
        branch.or_else(|| self.list.iter().find(to))
    }

    /// What `revision` names here. A name that is both a branch and a tag is ambiguous unless they agree.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with names that look alike, [`ErrorKind::Ambiguous`].
    pub fn choose(&self, revision: &Revision) -> Result<Choice<'_>, SourceError> {
        let name = match revision {
            Revision::Full(id) => return Ok(Choice::Commit(*id)),
            Revision::Name(name) => name.as_str(),
        };
        if name == "HEAD" {
            let head = self.head.as_deref().and_then(|head| self.get(head)).or_else(|| self.get("HEAD"));
            return head.map(Choice::Reference).ok_or_else(|| self.missing(name));
        }
        if name.starts_with("refs/") {
            return self.get(name).map(Choice::Reference).ok_or_else(|| self.missing(name));
        }
        let branch = self.get(&format!("refs/heads/{name}"));
        let tag = self.get(&format!("refs/tags/{name}"));
        match (branch, tag) {
            (Some(branch), Some(tag)) if branch.commit != tag.commit => Err(SourceError::new(
                ErrorKind::Ambiguous,
                format!("`{name}` is both a branch and a tag; write refs/heads/{name} or refs/tags/{name}"),
            )),
            (Some(found), _) | (None, Some(found)) => Ok(Choice::Reference(found)),
            (None, None) if is_hex(name) && name.len() >= PREFIX_DIGITS => {
                Ok(Choice::Prefix(name.to_ascii_lowercase()))
            }
            (None, None) => Err(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> SourceError {
        if self.list.is_empty() {
            return SourceError::new(ErrorKind::NotFound, "the repository has no commit yet; push one");
        }
        if name == "HEAD" {
            let head = self.head.as_deref().unwrap_or("nothing");
            let message = format!(
                "the repository's HEAD names {}, which does not exist; name a branch",
                printable(head, 100)
            );
            return SourceError::new(ErrorKind::NotFound, message);
        }
        let what = if is_hex(name) && name.len() >= 4 {
            format!(
                "`{name}` is no branch or tag, and too short for a commit (at least {PREFIX_DIGITS} digits)"
            )
        } else {
            format!("`{name}` is no branch, tag or commit")
        };
        let short = |r: &'_ Reference| {
            let name = r.name.strip_prefix("refs/heads/").or_else(|| r.name.strip_prefix("refs/tags/"));
            name.map(str::to_owned)
        };
        let mut alike: Vec<(f64, String)> = self
            .list
            .iter()
            .filter_map(short)
            .take(10_000)
            .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
            .filter(|(likeness, _)| *likeness > 0.8)
            .collect();
        alike.sort_by(|a, b| b.0.total_cmp(&a.0));
        let alike: Vec<String> =
            alike.into_iter().take(3).map(|(_, n)| format!("`{}`", printable(&n, 100))).collect();
        let hint =
            if alike.is_empty() { String::new() } else { format!("; did you mean {}?", alike.join(", ")) };
        SourceError::new(ErrorKind::NotFound, format!("{what}{hint}"))
    }

    /// The commits that references name and whose id begins with `prefix`.
    pub fn with_prefix(&self, prefix: &str) -> Vec<Oid> {
        let starts = |id: &Oid| id.to_string().starts_with(prefix);
        self.list.iter().map(|r| r.commit).filter(starts).collect()
    }
}

/// The one commit among `candidates`, if there is any.
///
/// # Errors
/// [`ErrorKind::Ambiguous`], naming them, if there are several.
pub(super) fn only(prefix: &str, mut candidates: Vec<Oid>) -> Result<Option<Oid>, SourceError> {
    candidates.sort_unstable();
    candidates.dedup();
    if candidates.len() > 1 {
        let named: Vec<String> = candidates.iter().take(5).map(ToString::to_string).collect();
        let message = format!("`{prefix}` may be any of {} commits: {}", candidates.len(), named.join(", "));
        return Err(SourceError::new(ErrorKind::Ambiguous, format!("{message}; write more digits")));
    }
    Ok(candidates.pop())
}

/// All commits in a repository's object database whose id begins with `prefix`.
///
/// # Errors
/// [`ErrorKind::Corrupt`].
pub(super) fn in_database(repo: &git2::Repository, prefix: &str) -> Result<Vec<Oid>, SourceError> {
    let wrong = |error: git2::Error| SourceError::git("searching the object database", &error);
    let odb = repo.odb().map_err(wrong)?;
    // Every object is looked at, so the first byte is compared before an id is spelled out.
    let first = prefix.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let mut found = Vec::new();
    odb.foreach(|id| {
        if id.as_bytes().first().copied() == first && id.to_string().starts_with(prefix) {
            found.push(*id);
        }
        true
    })
    .map_err(wrong)?;
    found.sort_unstable();
    found.dedup();
    let mut commits = Vec::new();
    for id in found {
        match odb.read_header(id) {
            Ok((_, git2::ObjectType::Commit)) => commits.push(id),
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(wrong(error)),
        }
    }
    Ok(commits)
}

#[cfg(test)]
#[path = "revision_tests.rs"]
mod tests;
