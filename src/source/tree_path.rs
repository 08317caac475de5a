//! The path of an application in its repository.

use super::error::{ErrorKind, SourceError, printable};

/// The folders from the root down; none for the root itself.
pub(super) type TreePath = Vec<String>;

/// Reads a path like `apps/shop`, `./apps/shop/` or `.`.
///
/// # Errors
/// [`ErrorKind::Usage`] for an absolute path, `..`, `.git` and control characters.
pub(super) fn parse(text: &str) -> Result<TreePath, SourceError> {
    let usage = |why: &str| {
        let shown = printable(text, 200);
        SourceError::new(
            ErrorKind::Usage,
            format!("path `{shown}`: {why}; write a folder of the repository, like apps/shop"),
        )
    };
    if text.starts_with('/') {
        return Err(usage("it starts with `/`"));
    }
    if text.len() > 4_000 {
        return Err(usage("it is longer than 4000 characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(usage("it has a control character in it"));
    }
    let parts: TreePath = text.split('/').filter(|p| !p.is_empty() && *p != ".").map(str::to_owned).collect();
    if parts.iter().any(|part| part == "..") {
        return Err(usage("`..` is never followed"));
    }
    if parts.iter().any(|part| is_git_dir(part)) {
        return Err(usage("Git's own folder is not read"));
    }
    Ok(parts)
}

/// True for the names of Git's own folder, in whatever case.
pub(super) fn is_git_dir(name: &str) -> bool {
    name.eq_ignore_ascii_case(".git") || name.eq_ignore_ascii_case("git~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_folders_of_the_repository() {
        assert_eq!(parse("./apps//shop/").unwrap(), ["apps", "shop"]);
        for root in ["", ".", "./", "././"] {
            assert!(parse(root).unwrap().is_empty(), "{root}");
        }
        assert_eq!(parse("..apps/.github").unwrap(), ["..apps", ".github"]);
        for bad in ["/etc", "..", "apps/../..", "a/.git", ".GIT/x", "a\0b", "a\nb"] {
            assert_eq!(parse(bad).unwrap_err().kind, ErrorKind::Usage, "{bad}");
        }
    }
}
