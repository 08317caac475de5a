//! Makes Git repositories without a work tree.

use git2::{Oid, Repository, Signature};
use std::path::Path;

/// A bare repository with one branch, `main`.
pub struct Bare {
    pub repository: Repository,
    tip: Option<Oid>,
}

impl Bare {
    pub fn new(path: &Path) -> Bare {
        let mut options = git2::RepositoryInitOptions::new();
        let repository =
            Repository::init_opts(path, options.bare(true).initial_head("main")).expect("a repository");
        Bare { repository, tip: None }
    }

    /// Commits files on top of what is there; paths may have folders.
    pub fn commit(&mut self, files: &[(String, Vec<u8>)]) {
        let repository = &self.repository;
        let parent = self.tip.map(|tip| repository.find_commit(tip).expect("the tip"));
        let base = parent.as_ref().map(|commit| commit.tree().expect("its tree"));
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, bytes) in files {
            let blob = repository.blob(bytes).expect("a blob");
            update.upsert(path.as_str(), blob, git2::FileMode::Blob);
        }
        let empty = repository.treebuilder(None).and_then(|builder| builder.write()).expect("an empty tree");
        let base = base.unwrap_or_else(|| repository.find_tree(empty).expect("the empty tree"));
        let tree = update.create_updated(repository, &base).expect("a tree");
        let tree = repository.find_tree(tree).expect("the tree");
        let author = Signature::now("bench", "bench@example.invalid").expect("a signature");
        let parents: Vec<_> = parent.iter().collect();
        let commit = repository
            .commit(Some("refs/heads/main"), &author, &author, "change", &tree, &parents)
            .expect("a commit");
        self.tip = Some(commit);
    }
}
