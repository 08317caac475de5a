//! Reading manifest files from a commit's tree. Only the folders on the way and those below the path are read.

use super::error::{ErrorKind, SourceError, escaped};
use super::limits::{self, Limits};
use super::objects;
use super::selection::Selection;
use super::tree_path::{TreePath, is_git_dir};
use crate::model::{Directory, SourceFile};
use git2::{FileMode, Oid, Repository};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The manifests of one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The folder's object id: as long as it is the same, so are all files.
    pub id: String,
    /// In the order of their paths, which are relative to the repository's root.
    pub files: Vec<SourceFile>,
    /// What was skipped, for people.
    pub notices: Vec<String>,
}

/// Notices of one kind that are spelled out.
const NOTICES: usize = 10;
/// Says in the syntax of `.gitignore` which files of its folder are no documents.
const IGNORE_FILE: &str = ".cutoverignore";
const IGNORE_BYTES: u64 = 64 << 10;

/// The folders on the way to others, each of them read once.
pub(super) struct Folders<'r> {
    repo: &'r Repository,
    commit: Oid,
    root: Oid,
    limits: &'r Limits,
    read: HashMap<Oid, git2::Tree<'r>>,
}

impl<'r> Folders<'r> {
    /// Those of a commit.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Limit`].
    pub fn new(repo: &'r Repository, commit: Oid, limits: &'r Limits) -> Result<Self, SourceError> {
        let root = objects::commit(repo, commit)?.tree_id();
        Ok(Folders { repo, commit, root, limits, read: HashMap::new() })
    }

    /// The id of the folder `path`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Symlink`] or [`ErrorKind::Usage`] if it is not a folder.
    pub fn id(&mut self, path: &TreePath) -> Result<Oid, SourceError> {
        let mut id = self.root;
        for (index, name) in path.iter().enumerate() {
            let here = path[..=index].join("/");
            let commit = self.commit;
            let wrong =
                |kind, text: &str| SourceError::new(kind, format!("{here} at {}: {text}", short(commit)));
            let tree = match self.read.entry(id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(objects::tree(self.repo, id, self.limits)?),
            };
            let Some(entry) = tree.get_name(name) else {
                return Err(wrong(
                    ErrorKind::NotFound,
                    "there is no such folder; check the application's path",
                ));
            };
            id = match entry.filemode() {
                mode if mode == i32::from(FileMode::Tree) => entry.id(),
                mode if mode == i32::from(FileMode::Link) => {
                    let text = "is a symbolic link, which is never followed; name the folder itself as path";
                    return Err(wrong(ErrorKind::Symlink, text));
                }
                mode if mode == i32::from(FileMode::Commit) => {
                    let text = "is a submodule, which is never followed; make it an application of its own";
                    return Err(wrong(ErrorKind::Usage, text));
                }
                _ => return Err(wrong(ErrorKind::Usage, "is a file; path must name a folder")),
            };
        }
        Ok(id)
    }
}

/// The id of the folder `path` at `commit`.
///
/// # Errors
/// Those of [`Folders::new`] and [`Folders::id`].
pub(super) fn id(
    repo: &Repository,
    commit: Oid,
    path: &TreePath,
    limits: &Limits,
) -> Result<Oid, SourceError> {
    Folders::new(repo, commit, limits)?.id(path)
}

/// The manifests below the folder `path` at `commit` that `directory` and the folders' `.cutoverignore` do not leave out.
///
/// # Errors
/// Those of [`Folders::id`], and [`ErrorKind::Limit`], [`ErrorKind::Symlink`], [`ErrorKind::Content`] for what is found;
/// [`ErrorKind::Usage`] for a glob that is none.
pub(super) fn read(
    repo: &Repository,
    commit: Oid,
    path: &TreePath,
    directory: &Directory,
    limits: &Limits,
) -> Result<Tree, SourceError> {
    let selection = Selection::new(directory, path.join("/"))?;
    let id = id(repo, commit, path, limits)?;
    let mut walk = Walk {
        repo,
        limits,
        selection,
        files: Vec::new(),
        entries: 0,
        bytes: 0,
        modules: Vec::new(),
        links: Vec::new(),
        linked: Vec::new(),
    };
    walk.folder(id, &path.join("/"), 0)?;
    if !walk.linked.is_empty() {
        return Err(SourceError::new(ErrorKind::Symlink, linked(&walk.linked)));
    }
    let mut files = walk.files;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut notices = Vec::new();
    notice(&mut notices, &walk.modules, "submodule", "is not followed; nothing in it is read");
    notice(&mut notices, &walk.links, "symbolic link", "is not followed");
    notices.extend(walk.selection.notices());
    Ok(Tree { id: id.to_string(), files, notices })
}

fn notice(notices: &mut Vec<String>, paths: &[String], kind: &str, what: &str) {
    notices.extend(paths.iter().take(NOTICES).map(|path| format!("{kind} {path} {what}")));
    if paths.len() > NOTICES {
        notices.push(format!("{} more: {kind} {what}", paths.len() - NOTICES));
    }
}

/// All of them at once: whoever mends one has mended them all.
fn linked(paths: &[String]) -> String {
    let named = paths.iter().take(NOTICES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match paths.len() {
        1 => format!("{named} is a symbolic link, which is never followed; commit the file itself"),
        count if count <= NOTICES => {
            format!("{named} are symbolic links, which are never followed; commit the files themselves")
        }
        count => format!(
            "{named} and {} more are symbolic links, which are never followed; commit the files themselves",
            count - NOTICES
        ),
    }
}

fn short(commit: Oid) -> String {
    commit.to_string()[..7].to_owned()
}

struct Walk<'a> {
    repo: &'a Repository,
    limits: &'a Limits,
    selection: Selection,
    files: Vec<SourceFile>,
    entries: u64,
    bytes: u64,
    modules: Vec<String>,
    links: Vec<String>,
    /// Links in the place of documents.
    linked: Vec<String>,
}

impl Walk<'_> {
    fn folder(&mut self, id: Oid, path: &str, depth: u64) -> Result<(), SourceError> {
        let root = if path.is_empty() { "." } else { path };
        limits::check(depth, self.limits.depth, format_args!("folders deep in {root}"))?;
        let tree = objects::tree(self.repo, id, self.limits)?;
        let before = self.selection.enter();
        if let Some(entry) = tree.get_name(IGNORE_FILE) {
            self.ignore_file(&entry, path)?;
        }
        for entry in &tree {
            self.entries += 1;
            limits::check(self.entries, self.limits.entries, format_args!("files and folders in {root}"))?;
            let name = name(entry.name_bytes(), root)?;
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            self.entry(&entry, name, path, depth)?;
        }
        self.selection.leave(before);
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &git2::TreeEntry<'_>,
        name: &str,
        path: String,
        depth: u64,
    ) -> Result<(), SourceError> {
        let is_manifest = is_manifest(name);
        let is_folder = entry.filemode() == i32::from(FileMode::Tree);
        // What would not be read anyway is not left out.
        if (is_manifest || is_folder) && self.selection.leaves_out(&path, is_folder)? {
            return Ok(());
        }
        match entry.filemode() {
            _ if is_folder => self.folder(entry.id(), &path, depth + 1)?,
            mode if mode == i32::from(FileMode::Commit) => self.modules.push(path),
            mode if mode == i32::from(FileMode::Link) && is_manifest => self.linked.push(path),
            mode if mode == i32::from(FileMode::Link) => self.links.push(path),
            _ if is_manifest => self.file(entry.id(), path)?,
            _ => {}
        }
        Ok(())
    }

    fn ignore_file(&mut self, entry: &git2::TreeEntry<'_>, folder: &str) -> Result<(), SourceError> {
        let path = if folder.is_empty() { IGNORE_FILE.to_owned() } else { format!("{folder}/{IGNORE_FILE}") };
        let is_file = [FileMode::Blob, FileMode::BlobExecutable, FileMode::BlobGroupWritable];
        if !is_file.iter().any(|mode| entry.filemode() == i32::from(*mode)) {
            let message = format!("{path} is no file; it says what is left out, and nothing else can");
            return Err(SourceError::new(ErrorKind::Content, message));
        }
        let size = objects::size(self.repo, entry.id(), git2::ObjectType::Blob)?;
        limits::check(size, IGNORE_BYTES, format_args!("bytes in {path}"))?;
        let blob = self.repo.find_blob(entry.id());
        let blob = blob.map_err(|e| SourceError::git(format_args!("reading {path}"), &e))?;
        self.selection.take(folder, path, blob.content())
    }

    fn file(&mut self, id: Oid, path: String) -> Result<(), SourceError> {
        limits::check(self.files.len() as u64 + 1, self.limits.files, "manifest files under the path")?;
        let size = objects::size(self.repo, id, git2::ObjectType::Blob)?;
        limits::check(size, self.limits.file_bytes, format_args!("bytes in {path}"))?;
        self.bytes += size;
        limits::check(self.bytes, self.limits.total_bytes, "bytes in the manifest files under the path")?;
        let blob =
            self.repo.find_blob(id).map_err(|e| SourceError::git(format_args!("reading {path}"), &e))?;
        self.files.push(SourceFile { path, bytes: blob.content().to_vec() });
        Ok(())
    }
}

/// An entry's name, if it is one that Git could have made on purpose.
fn name<'a>(bytes: &'a [u8], folder: &str) -> Result<&'a str, SourceError> {
    let wrong = |why: &str| {
        let shown = escaped(bytes);
        SourceError::new(
            ErrorKind::Content,
            format!("in {folder}, the file name `{shown}` {why}; rename the file"),
        )
    };
    let name = std::str::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))?;
    if name.is_empty() || name == "." || name == ".." || name.contains('/') || is_git_dir(name) {
        return Err(wrong("is forged: Git does not allow it"));
    }
    if name.chars().any(char::is_control) {
        return Err(wrong("has a control character in it"));
    }
    Ok(name)
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}
