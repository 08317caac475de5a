//! Selection of the files that are read: `source.directory` and `.cutoverignore`.

use super::error::{ErrorKind, SourceError};
use super::ignore::{self, Rule};
use super::limits;
use crate::model::{Directory, Glob};

/// Comparisons of one entry with one pattern. A repository can't keep a controller busy with them.
const COMPARISONS: u64 = 2_000_000;
/// Names that are spelled out for each cause.
const NAMED: usize = 5;

/// What is taken, and what has been left out so far.
pub(super) struct Selection {
    directory: Directory,
    include: Option<Glob>,
    exclude: Option<Glob>,
    /// The application's folder, which the globs of `directory` are seen from.
    root: String,
    /// The files on the way to the present folder, the outermost first.
    ignores: Vec<IgnoreFile>,
    comparisons: u64,
    left_out: Vec<LeftOut>,
}

struct IgnoreFile {
    /// Its own path.
    path: String,
    /// The folder that it is in.
    folder: String,
    rules: Vec<Rule>,
}

/// What one cause has left out.
#[derive(Debug)]
struct LeftOut {
    cause: String,
    files: usize,
    folders: usize,
    first: Vec<String>,
}

impl Selection {
    /// That of an application with this folder.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a glob that is none.
    pub fn new(directory: &Directory, root: String) -> Result<Selection, SourceError> {
        let glob = |field: &str, text: &Option<String>| match text.as_deref().map(Glob::argo) {
            None => Ok(None),
            Some(Ok(glob)) => Ok(Some(glob)),
            Some(Err(why)) => {
                let message = format!("spec.source.directory.{field}: the glob {why}");
                Err(SourceError::new(ErrorKind::Usage, message))
            }
        };
        Ok(Selection {
            include: glob("include", &directory.include)?,
            exclude: glob("exclude", &directory.exclude)?,
            directory: directory.clone(),
            root,
            ignores: vec![],
            comparisons: 0,
            left_out: vec![],
        })
    }

    /// Begins a folder; the answer is for [`Selection::leave`].
    pub fn enter(&self) -> usize {
        self.ignores.len()
    }

    /// Ends a folder with its rules.
    pub fn leave(&mut self, before: usize) {
        self.ignores.truncate(before);
    }

    /// Takes the rules of the folder's own file.
    ///
    /// # Errors
    /// Those of [`ignore::parse`].
    pub fn take(&mut self, folder: &str, path: String, bytes: &[u8]) -> Result<(), SourceError> {
        let rules = ignore::parse(&path, bytes)?;
        self.ignores.push(IgnoreFile { path, folder: folder.to_owned(), rules });
        Ok(())
    }

    /// True if the file, or the folder with all that is in it, is not read. It is noted with the cause.
    ///
    /// # Errors
    /// [`ErrorKind::Limit`] if there are too many patterns for so many files.
    pub fn leaves_out(&mut self, path: &str, is_folder: bool) -> Result<bool, SourceError> {
        let cause = match self.ignored(path, is_folder)? {
            Some(file) => Some(file),
            None => self.not_in_directory(seen_from(&self.root, path), is_folder),
        };
        let Some(cause) = cause else { return Ok(false) };
        let known = self.left_out.iter_mut().position(|left| left.cause == cause);
        let known = known.unwrap_or_else(|| {
            self.left_out.push(LeftOut { cause, files: 0, folders: 0, first: vec![] });
            self.left_out.len() - 1
        });
        self.left_out[known].note(path, is_folder);
        Ok(true)
    }

    /// The file whose last rule that fits leaves the entry out. The innermost file that says anything decides.
    fn ignored(&mut self, path: &str, is_folder: bool) -> Result<Option<String>, SourceError> {
        self.comparisons += self.ignores.iter().map(|file| file.rules.len() as u64).sum::<u64>();
        limits::check(self.comparisons, COMPARISONS, "comparisons of files with patterns of .cutoverignore")?;
        let said = self.ignores.iter().rev().find_map(|file| {
            let path = seen_from(&file.folder, path);
            let rule = file.rules.iter().rev().find(|rule| rule.fits(path, is_folder))?;
            Some((rule.is_exception, &file.path))
        });
        Ok(said.filter(|(is_exception, _)| !is_exception).map(|(_, path)| path.clone()))
    }

    fn not_in_directory(&self, path: &str, is_folder: bool) -> Option<String> {
        let text = |glob: &Option<String>| glob.clone().unwrap_or_default();
        if is_folder {
            return (!self.directory.recurse).then(|| "spec.source.directory.recurse: false".to_owned());
        }
        if self.exclude.as_ref().is_some_and(|glob| glob.fits(path)) {
            return Some(format!("spec.source.directory.exclude: {}", text(&self.directory.exclude)));
        }
        let is_out = self.include.as_ref().is_some_and(|glob| !glob.fits(path));
        is_out.then(|| format!("spec.source.directory.include: {}", text(&self.directory.include)))
    }

    /// One sentence for each cause.
    pub fn notices(&self) -> impl Iterator<Item = String> {
        self.left_out.iter().map(LeftOut::sentence)
    }
}

impl LeftOut {
    fn note(&mut self, path: &str, is_folder: bool) {
        let (count, end) = if is_folder { (&mut self.folders, "/") } else { (&mut self.files, "") };
        *count += 1;
        if self.first.len() < NAMED {
            self.first.push(format!("{path}{end}"));
        }
    }

    fn sentence(&self) -> String {
        let number = |count: usize, noun: &str| match count {
            0 => None,
            1 => Some(format!("1 {noun}")),
            count => Some(format!("{count} {noun}s")),
        };
        let counted = [number(self.files, "file"), number(self.folders, "folder")];
        let counted = counted.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        let all = self.files + self.folders;
        let more = match all - self.first.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let is = if all == 1 { "is" } else { "are" };
        format!("{counted} {is} left out by {}: {}{more}", self.cause, self.first.join(", "))
    }
}

/// A path seen from a folder that it is in.
fn seen_from<'a>(folder: &str, path: &'a str) -> &'a str {
    path.strip_prefix(folder).map_or(path, |rest| rest.trim_start_matches('/'))
}
