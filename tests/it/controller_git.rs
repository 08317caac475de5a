//! Git for many Applications: one question a look, Secrets as credentials, and nobody sees what another one may read.

use super::git_servers::{HttpRules, HttpServer, Sshd};
use super::git_support::{Fixture, git};
use cutover::cli::controller::{GitRepositories, OperatorSecret, Trust};
use cutover::controller::{Repositories, RepositoryKey, SourceTrouble};
use cutover::model::{Directory, RepositoryPattern, Source, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

type Data = BTreeMap<String, Vec<u8>>;

/// The Secrets of a cluster, by `namespace/name`, and which were read.
#[derive(Clone, Default)]
struct Secrets {
    all: Arc<Mutex<BTreeMap<String, Data>>>,
    read: Arc<Mutex<Vec<String>>>,
}

impl Secrets {
    fn put(&self, name: &str, entries: &[(&str, &str)]) {
        let data =
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        self.all.lock().unwrap().insert(name.into(), data);
    }

    fn read(&self, namespace: &str, name: &str) -> Result<Data, SourceTrouble> {
        let name = format!("{namespace}/{name}");
        self.read.lock().unwrap().push(name.clone());
        let found = self.all.lock().unwrap().get(&name).cloned();
        found.ok_or_else(|| SourceTrouble { message: format!("no Secret {name}"), is_transient: false })
    }

    fn repositories(&self, fixture: &Fixture, own: &[(&str, &str)]) -> GitRepositories {
        let secrets = self.clone();
        let own = own.iter().map(|(pattern, secret)| OperatorSecret {
            repositories: RepositoryPattern((*pattern).into()),
            secret: (*secret).into(),
        });
        let trust = Trust::Cluster {
            read_secret: Box::new(move |namespace, name| secrets.read(namespace, name)),
            own: own.collect(),
            namespace: "cutover".into(),
        };
        GitRepositories::new(fixture.options(), trust)
    }
}

fn source(path: &str) -> Source {
    Source {
        repo_url: String::new(),
        target_revision: "main".into(),
        path: path.into(),
        directory: Directory::default(),
        secret_ref: None,
    }
}

fn key(url: &str, secret: Option<(&str, &str)>) -> RepositoryKey {
    RepositoryKey { url: url.into(), secret: secret.map(|(namespace, name)| (namespace.into(), name.into())) }
}

fn texts(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn private() -> HttpRules {
    HttpRules { basic: Some("robot:geheim".into()), ..HttpRules::default() }
}

#[test]
fn one_look_asks_once_for_all_revisions_and_fetches_only_what_moved() {
    let fixture = Fixture::new();
    git(&fixture.work(), &["tag", "-a", "v1", "-m", "Version 1"]);
    git(&fixture.work(), &["push", "-q", "origin", "v1"]);
    git(&fixture.work(), &["checkout", "-q", "-b", "next"]);
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let server = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let repositories = Secrets::default().repositories(&fixture, &[]);
    let key = key(&server.url(), None);
    let calls = || (repositories.calls().listed(), repositories.calls().fetched());
    let commit = fixture.id("main");
    let revisions = texts(&["main", "HEAD", "v1", "next", "no-such-branch", "main~1", &commit, &commit[..9]]);

    let found = repositories.look(&key, &revisions).unwrap();
    let ids: Vec<(&str, String)> = found
        .iter()
        .map(|(revision, found)| {
            let shown = found.as_ref().map_or_else(|e| e.message.clone(), |found| found.commit.clone());
            (revision.as_str(), shown.replace(&server.url(), "URL"))
        })
        .collect();
    let next = fixture.id("next");
    let mut want = vec![
        ("HEAD", commit.clone()),
        ("main", commit.clone()),
        ("main~1", "targetRevision `main~1`: expressions are not read; name a branch, a tag or a commit (7 to 40 digits)".into()),
        ("next", next),
        ("no-such-branch", "URL: `no-such-branch` is no branch, tag or commit".into()),
        ("v1", commit.clone()),
        (&commit[..9], commit.clone()),
        (&commit, commit.clone()),
    ];
    want.sort();
    assert_eq!(ids, want);
    let main = found["main"].clone().unwrap();
    assert_eq!(main.summary, "Shop: version 1");
    let time = git(&fixture.work(), &["show", "-s", "--format=%ct", "main"]).parse().unwrap();
    assert_eq!(main.time, Timestamp(time));
    // One list and one fetch for all of them, and one list for the abbreviation.
    assert_eq!(calls(), (2, 1));

    repositories.look(&key, &revisions).unwrap();
    assert_eq!(calls(), (3, 1), "nothing moved: one list");

    let branches = texts(&["main", "next", "v1"]);
    fixture.commit("apps/shop/web.yaml", "version: 3\n", "Shop: version 3");
    let found = repositories.look(&key, &branches).unwrap();
    assert_eq!(found["next"].clone().unwrap().commit, fixture.id("next"));
    assert_eq!(calls(), (5, 2));

    repositories.look(&key, &texts(&[&commit])).unwrap();
    assert_eq!(calls(), (5, 2), "a full commit that is here is the same for ever");
}

#[test]
fn a_commit_that_is_not_there_is_looked_for_in_the_history_once_for_the_same_references() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let repositories = Secrets::default().repositories(&fixture, &[]);
    let key = key(&server.url(), None);
    let nowhere = texts(&["main", "0123456789abcdef0123456789abcdef01234567", "fedcba9876"]);
    let look = || {
        let found = repositories.look(&key, &nowhere).unwrap();
        let missing: Vec<String> = found
            .values()
            .filter_map(|found| found.as_ref().err())
            .map(|error| error.message.clone())
            .collect();
        assert_eq!(missing.len(), 2, "{found:?}");
        missing
    };
    let calls = || (repositories.calls().listed(), repositories.calls().fetched());
    let first = look();
    let after_first = calls();
    assert_eq!(look(), first);
    assert_eq!(
        calls(),
        (after_first.0 + 1, after_first.1),
        "the second look asks for the references and no more"
    );
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    look();
    assert!(calls().1 > after_first.1 + 1, "new references may lead to it");
}

#[test]
fn what_is_at_a_commit_is_read_without_the_remote() {
    let fixture = Fixture::new();
    fixture.commit("apps/mail/mail.yaml", "version: 1\n", "Mail: version 1");
    let server = HttpServer::start(fixture.folder.path(), private());
    let secrets = Secrets::default();
    secrets.put("team-a/git", &[("username", "robot"), ("password", "geheim")]);
    let repositories = secrets.repositories(&fixture, &[]);
    let key = key(&server.url(), Some(("team-a", "git")));
    let commit = repositories.look(&key, &texts(&["main"])).unwrap()["main"].clone().unwrap().commit;
    drop(server);
    let before = secrets.read.lock().unwrap().len();
    let ids =
        repositories.tree_ids(&key, &commit, &texts(&["apps/shop", "apps/mail", ".", "apps/none", "../x"]));
    let ids = ids.unwrap();
    for path in [".", "apps/shop", "apps/mail"] {
        let object = if path == "." { "HEAD:".into() } else { format!("HEAD:{path}") };
        assert_eq!(ids[path], Ok(fixture.id(&object)), "{path}");
    }
    assert!(ids["apps/none"].as_ref().unwrap_err().message.contains("there is no such folder"));
    assert!(ids["../x"].is_err());
    let documents = repositories.documents(&key, &commit, &source("apps/shop")).unwrap();
    assert_eq!(documents.files.len(), 1);
    assert_eq!(documents.files[0].path, "apps/shop/web.yaml");
    assert_eq!(secrets.read.lock().unwrap().len(), before);
    assert_eq!(repositories.calls().listed(), 1);
}

#[test]
fn a_mirror_is_shown_only_to_the_identity_that_filled_it() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), private());
    let url = server.url();
    let secrets = Secrets::default();
    secrets.put("team-a/git", &[("username", "robot"), ("password", "geheim")]);
    secrets.put("team-b/git", &[("username", "robot"), ("password", "guessed")]);
    let repositories = secrets.repositories(&fixture, &[]);
    let main = texts(&["main"]);
    let a = key(&url, Some(("team-a", "git")));
    let commit = repositories.look(&a, &main).unwrap()["main"].clone().unwrap().commit;
    for (key, why) in [
        (key(&url, Some(("team-b", "git"))), "refuses the credential (Secret team-b/git, user robot)"),
        (key(&url, Some(("team-b", "none"))), "no Secret team-b/none"),
        (key(&url, None), "there is none: no Secret is named in spec.source.secretRef"),
    ] {
        for trouble in [
            repositories.look(&key, &main).unwrap_err(),
            repositories.documents(&key, &commit, &source("apps/shop")).unwrap_err(),
            repositories.tree_ids(&key, &commit, &texts(&["apps/shop"])).unwrap_err(),
            repositories.look(&key, &texts(&[&commit])).unwrap_err(),
        ] {
            assert!(trouble.message.contains(why), "{}", trouble.message);
            assert!(!trouble.message.contains("guessed") && !trouble.is_transient, "{trouble}");
        }
    }
}

#[test]
fn a_rotated_secret_is_seen_at_the_next_look() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), private());
    let secrets = Secrets::default();
    secrets.put("team-a/git", &[("username", "robot"), ("password", "old")]);
    let repositories = secrets.repositories(&fixture, &[]);
    let key = key(&server.url(), Some(("team-a", "git")));
    assert!(repositories.look(&key, &texts(&["main"])).is_err());
    secrets.put("team-a/git", &[("username", "robot"), ("password", "geheim\n")]);
    repositories.look(&key, &texts(&["main"])).unwrap();
}

#[test]
fn the_operators_credentials_are_used_where_their_pattern_fits_and_nowhere_else() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), private());
    let secrets = Secrets::default();
    secrets.put("cutover/git", &[("username", "robot"), ("password", "geheim")]);
    let base = format!("http://{}", server.address);
    let look = |own: &[(&str, &str)]| {
        let repositories = secrets.repositories(&fixture, own);
        repositories.look(&key(&server.url(), None), &texts(&["main"])).map(drop)
    };
    assert!(look(&[(&format!("{base}/other/*"), "git")]).is_err());
    assert_eq!(*secrets.read.lock().unwrap(), Vec::<String>::new());
    look(&[(&format!("{base}/other/*"), "none"), (&format!("{base}/*"), "git")]).unwrap();
    assert_eq!(*secrets.read.lock().unwrap(), ["cutover/git"]);
}

#[test]
fn the_controllers_own_files_are_no_repository_for_applications_of_a_cluster() {
    let fixture = Fixture::new();
    let path = fixture.bare().display().to_string();
    for url in [path.clone(), format!("file://{path}"), "../repo.git".to_owned()] {
        let repositories = Secrets::default().repositories(&fixture, &[]);
        let trouble = repositories.look(&key(&url, None), &texts(&["main"])).unwrap_err();
        assert!(trouble.message.contains("the controller's own files"), "{trouble}");
    }
    let repositories = GitRepositories::new(fixture.options(), Trust::Owner);
    let found = repositories.look(&key(&path, None), &texts(&["main", "none"])).unwrap();
    let commit = found["main"].clone().unwrap().commit;
    assert_eq!(commit, fixture.id("main"));
    assert!(found["none"].is_err());
    assert_eq!(repositories.documents(&key(&path, None), &commit, &source("apps")).unwrap().files.len(), 1);
    let secret = repositories.look(&key(&path, Some(("", "git"))), &texts(&["main"])).unwrap_err();
    assert!(secret.message.contains("there is no cluster to read it from"), "{secret}");
}

#[test]
fn a_server_that_is_away_is_told_from_one_that_refuses() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let key = key(&server.url(), None);
    let repositories = Secrets::default().repositories(&fixture, &[]);
    repositories.look(&key, &texts(&["main"])).unwrap();
    drop(server);
    let trouble = repositories.look(&key, &texts(&["main"])).unwrap_err();
    assert!(trouble.is_transient, "{trouble}");
}

#[test]
fn a_key_and_known_hosts_of_a_secret_open_an_ssh_repository() {
    let fixture = Fixture::new();
    let sshd = Sshd::start(fixture.folder.path());
    let file = |name: &str| std::fs::read_to_string(sshd.folder.join(name)).unwrap();
    let (known, id, locked) = (sshd.known_host(), file("id"), file("locked"));
    let url = format!("ssh://{}@127.0.0.1:{}{}", sshd.user, sshd.port, fixture.bare().display());
    let secrets = Secrets::default();
    secrets.put("a/flux", &[("identity", &id), ("known_hosts", &known)]);
    secrets.put("a/locked", &[("identity", &locked), ("known_hosts", &known), ("password", "geheim")]);
    secrets.put("a/argo", &[("sshPrivateKey", &id), ("type", "git")]);
    secrets.put("a/still-locked", &[("identity", &locked), ("known_hosts", &known)]);
    secrets.put("a/no-key", &[("known_hosts", &known)]);
    let repositories = secrets.repositories(&fixture, &[]);
    let look = |name: &str| {
        let found = repositories.look(&key(&url, Some(("a", name))), &texts(&["main"]));
        found.map(|found| found["main"].clone().unwrap().commit).map_err(|trouble| trouble.message)
    };
    assert_eq!(look("flux"), Ok(fixture.id("main")));
    assert_eq!(look("locked"), Ok(fixture.id("main")));
    for (name, why) in [
        ("argo", "put the line that ssh-keyscan prints for it under known_hosts in Secret a/argo"),
        ("still-locked", "the key of Secret a/still-locked is encrypted, and there is no `password` for it"),
        ("no-key", "Tried: Secret a/no-key holds no key (identity or sshPrivateKey)"),
    ] {
        let error = look(name).unwrap_err();
        assert!(error.contains(why), "{name}: {error}");
    }
}
