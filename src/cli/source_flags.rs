//! Which documents a verb works on: an Application file, flags, or the checkout it is run in.

use super::error::{CliError, ErrorKind};
use super::git_flags::GitFlags;
use super::output::Output;
use crate::config;
use crate::model::{Application, Destination, Manifests, Source, SourceFile, Sync};
use crate::source::{self, Commit};
use clap::Args;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// An Application file is some lines; this is far more.
const FILE_LIMIT: u64 = 1 << 20;

/// Where the documents are. Flags win over the file.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Source")]
pub struct SourceFlags {
    /// An Application file; a relative repoURL in it means the checkout that the file is in
    #[arg(long, short, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The Git repository: a URL or a path [default: the checkout around the current folder]
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,
    /// Branch, tag or commit [default: HEAD]
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// The folder in the repository that holds the documents [default: the current folder, or the top]
    #[arg(long, value_name = "FOLDER")]
    pub path: Option<String>,
    #[command(flatten)]
    pub git: GitFlags,
}

/// What the flags and the file say together; nothing has been read from the repository yet.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The Application file's content, if one was given.
    pub file: Option<Application>,
    pub source: Source,
}

/// The documents of one commit.
#[derive(Clone, Debug)]
pub struct Documents {
    pub source: Source,
    pub commit: Commit,
    pub manifests: Manifests,
    /// What was skipped in the folder, for people.
    notices: Vec<String>,
}

impl SourceFlags {
    /// An Application file and nothing else.
    pub fn of_file(file: PathBuf) -> SourceFlags {
        let git = GitFlags {
            git_token_file: None,
            ssh_key: None,
            known_hosts: None,
            cache_dir: None,
            git_timeout: 300,
        };
        SourceFlags { file: Some(file), repo: None, revision: None, path: None, git }
    }

    /// Reads the Application file, if there is one, and settles where the documents are.
    ///
    /// # Errors
    /// If the file can't be read or is not valid, or if there is no checkout to fall back on.
    pub fn choose(&self) -> Result<Chosen, CliError> {
        let file = self.file.as_deref().map(read_application).transpose()?;
        let mut source = match (&file, &self.repo) {
            (Some(application), _) => application.source.clone(),
            (None, Some(_)) => Source {
                repo_url: String::new(),
                target_revision: "HEAD".into(),
                path: ".".into(),
                directory: crate::model::Directory::default(),
                secret_ref: None,
            },
            (None, None) => checkout_around_here()?,
        };
        if let Some(path) = &self.file {
            let folder = path.parent().unwrap_or(Path::new(""));
            source.repo_url = located(&source.repo_url, folder)?;
        }
        if let Some(repo) = &self.repo {
            source.repo_url = located(repo, Path::new(""))?;
        }
        if let Some(revision) = &self.revision {
            source.target_revision.clone_from(revision);
        }
        if let Some(path) = &self.path {
            source.path.clone_from(path);
        }
        Ok(Chosen { file, source })
    }

    /// Reads and checks the documents, which are for `destination` where it is known. `nothing` says what was not done if
    /// they are not valid.
    ///
    /// # Errors
    /// If the repository can't be read, or all that is wrong with the documents.
    pub async fn read(
        &self,
        source: &Source,
        destination: Option<&Destination>,
        output: Output,
        nothing: &'static str,
    ) -> Result<Documents, CliError> {
        let options = self.git.options()?;
        let source = source.clone();
        let destination = destination.cloned();
        let documents = blocking(move || {
            let mut repository = source::open(&source.repo_url, &options)?;
            let commit = repository.resolve(&source.target_revision)?;
            let tree = repository.tree_at(&commit.id, &source.path, &source.directory)?;
            let manifests = load(&tree.files, destination.as_ref(), nothing)?;
            Ok(Documents { source, commit, manifests, notices: tree.notices })
        })
        .await?;
        documents.commit.notices.iter().chain(&documents.notices).for_each(|notice| output.note(notice));
        documents.manifests.left_out.iter().for_each(|document| output.note(&document.to_string()));
        if documents.manifests.is_empty() {
            output.note(&format!(
                "there are no documents under {} at {}",
                documents.source.path, documents.commit.short
            ));
        }
        Ok(documents)
    }
}

impl Chosen {
    /// The destination that the Application file names, if there is a file.
    pub fn destination(&self) -> Option<&Destination> {
        self.file.as_ref().map(|application| &application.destination)
    }

    /// The application: the file's, or one made up for the destination that the flags name.
    ///
    /// # Errors
    /// If no destination is named, or the name is not one.
    pub fn application(
        &self,
        made_up: Option<Destination>,
        name: Option<&str>,
    ) -> Result<Application, CliError> {
        let mut application = match (&self.file, made_up) {
            (Some(application), _) => application.clone(),
            (None, Some(destination)) => Application {
                name: default_name(&self.source),
                origin: crate::model::Origin { file: "the command line".into(), line: 1 },
                source: self.source.clone(),
                destination,
                sync: Sync::default(),
                suspend: false,
                deletion: Default::default(),
                depends_on: vec![],
                service_account_name: None,
                ignore_differences: vec![],
            },
            (None, None) => {
                return Err(CliError::usage("it is not said which cluster is meant").hint(
                    "give --cluster NAME for ECS or --namespace NAME for Kubernetes, or an Application file with -f",
                ));
            }
        };
        application.source = self.source.clone();
        if let Some(name) = name {
            application.name = valid_name(name)?;
        }
        Ok(application)
    }
}

/// Checks documents, which are for `destination` where it is known. `nothing` says what was not done if they are not valid.
///
/// # Errors
/// All that is wrong with them.
pub fn load(
    files: &[SourceFile],
    destination: Option<&Destination>,
    nothing: &'static str,
) -> Result<Manifests, CliError> {
    let wrong = |problems| CliError::documents(problems, nothing);
    let mut manifests = config::load(files, destination.map(Destination::platform)).map_err(wrong)?;
    if let Some(Destination::Kubernetes { namespace, .. }) = destination {
        config::check_namespace(&mut manifests, namespace).map_err(wrong)?;
    }
    Ok(manifests)
}

/// The Application that a file holds.
///
/// # Errors
/// If it can't be read, or is not one valid Application.
pub fn read_application(path: &Path) -> Result<Application, CliError> {
    let shown = path.display();
    let wrong = |error: std::io::Error| {
        CliError::new(ErrorKind::Local, format!("the Application file {shown} can't be read: {error}"))
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(wrong)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(CliError::new(ErrorKind::Local, format!("{shown} is larger than 1 MiB"))
            .hint("-f wants a file with one Application; --path names the folder with the documents"));
    }
    let file = SourceFile { path: path.to_string_lossy().into_owned(), bytes };
    config::load_application(&file)
        .map_err(|problems| CliError::documents(problems, "the Application file is not usable"))
}

/// A relative path of a repository, seen from `folder`: the checkout that is around it. URLs and absolute paths are
/// left as they are.
///
/// # Errors
/// If there is no checkout around it.
pub fn located(repo: &str, folder: &Path) -> Result<String, CliError> {
    let is_relative = repo == "." || repo == ".." || repo.starts_with("./") || repo.starts_with("../");
    if !is_relative {
        return Ok(repo.to_owned());
    }
    let path = if folder.as_os_str().is_empty() { PathBuf::from(repo) } else { folder.join(repo) };
    top_of(&path).map(|top| top.to_string_lossy().into_owned())
}

/// The top of the checkout (or the bare repository) around `path`.
fn top_of(path: &Path) -> Result<PathBuf, CliError> {
    let repository = git2::Repository::discover(path).map_err(|error| {
        let shown = path.display();
        match error.code() {
            git2::ErrorCode::NotFound => {
                CliError::new(ErrorKind::Git, format!("{shown} is not in a Git repository"))
                    .hint("name the repository with --repo, or an Application file with -f")
            }
            _ => CliError::new(ErrorKind::Git, format!("{shown}: {}", error.message())),
        }
    })?;
    Ok(repository.workdir().unwrap_or_else(|| repository.path()).to_owned())
}

/// The checkout around the current folder; the current folder is the path.
fn checkout_around_here() -> Result<Source, CliError> {
    let here = Path::new(".");
    let top = top_of(here)?;
    let inside = match (here.canonicalize(), top.canonicalize()) {
        (Ok(here), Ok(top)) => here.strip_prefix(top).ok().map(|rest| rest.to_string_lossy().into_owned()),
        _ => None,
    };
    let path = inside.filter(|path| !path.is_empty()).unwrap_or_else(|| ".".into());
    Ok(Source {
        repo_url: top.to_string_lossy().into_owned(),
        target_revision: "HEAD".into(),
        path,
        directory: crate::model::Directory::default(),
        secret_ref: None,
    })
}

/// The last part of the path, or of the repository's URL, as a name.
fn default_name(source: &Source) -> String {
    let last = |text: &str| {
        let text = text.trim_end_matches('/').trim_end_matches(".git");
        text.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
    };
    let name = Some(last(&source.path)).filter(|name| !name.is_empty() && name != ".");
    let name = name.unwrap_or_else(|| last(&source.repo_url));
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(allowed).take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "default".into() } else { name.to_owned() }
}

fn valid_name(name: &str) -> Result<String, CliError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edges = name.starts_with('-') || name.ends_with('-');
    if name.is_empty() || name.len() > 253 || edges || !name.chars().all(allowed) {
        return Err(CliError::usage(format!("`{name}` is no name for an application"))
            .hint("use lower-case letters, digits and `-`, at most 253 of them"));
    }
    Ok(name.to_owned())
}

/// Runs work that blocks (Git, files) beside the runtime.
///
/// # Errors
/// Those of `work`.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CliError> + Send + 'static,
) -> Result<T, CliError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(CliError::new(ErrorKind::Local, format!("this is a bug: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(repo_url: &str, path: &str) -> Source {
        Source {
            repo_url: repo_url.into(),
            target_revision: "HEAD".into(),
            path: path.into(),
            directory: crate::model::Directory::default(),
            secret_ref: None,
        }
    }

    #[test]
    fn an_application_is_named_after_its_folder_or_its_repository() {
        for (repo_url, path, name) in [
            ("https://x.example/deploy.git", "apps/Shop_1", "shop-1"),
            ("https://x.example/deploy.git", ".", "deploy"),
            ("git@x.example:deploy.git", ".", "deploy"),
            ("/srv/checkout/", ".", "checkout"),
            ("/", ".", "default"),
        ] {
            assert_eq!(default_name(&source(repo_url, path)), name);
        }
    }

    #[test]
    fn without_a_file_the_cluster_has_to_be_named() {
        let chosen = Chosen { file: None, source: source("/srv/shop", ".") };
        let error = chosen.application(None, None).expect_err("no cluster");
        assert_eq!(error.kind, ErrorKind::Usage);
        let prod = Destination::Ecs { region: None, cluster: "prod".into() };
        let application = chosen.application(Some(prod.clone()), Some("web")).expect("an application");
        assert_eq!((application.name.as_str(), application.destination), ("web", prod));
    }

    #[test]
    fn a_name_must_be_one() {
        for name in ["", "A", "-a", "a-", "a b", "ä", "a/b"] {
            assert!(valid_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn urls_and_absolute_paths_stay_as_they_are() {
        for repo in ["https://x.example/a.git", "git@x.example:a.git", "/srv/a", "a.git"] {
            assert_eq!(located(repo, Path::new("/nowhere")).expect(repo), repo);
        }
    }
}
