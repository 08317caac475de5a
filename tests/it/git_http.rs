//! Smart HTTP: fetches, counts, credentials, redirects, TLS.

use super::git_servers::{Closed, HttpRules, HttpServer};
use super::git_support::{Fixture, git, open, read_only_file, resolve, token};
use cutover::source::{ErrorKind, GitOptions, TokenSource};
use std::sync::Arc;

const REFERENCES: &str = "GET /repo.git/info/refs?service=git-upload-pack";

fn start(fixture: &Fixture) -> HttpServer {
    HttpServer::start(fixture.folder.path(), HttpRules::default())
}

fn with_basic(fixture: &Fixture, basic: &str) -> HttpServer {
    HttpServer::start(fixture.folder.path(), HttpRules { basic: Some(basic.into()), redirect: None })
}

fn with_token(fixture: &Fixture, secret: &str) -> GitOptions {
    let mut options = fixture.options();
    options.auth.token = Some(token(secret));
    options
}

#[test]
fn one_depth_1_fetch_and_none_at_all_while_the_reference_stands() {
    let fixture = Fixture::new();
    for index in 0..5 {
        fixture.commit("other/file.txt", &format!("{index}\n"), "Elsewhere");
    }
    let server = start(&fixture);
    let options = fixture.options();
    let commit = resolve(&server.url(), &options, "main").unwrap();
    assert!(commit.fetched);
    assert_eq!(commit.id, fixture.id("HEAD"));
    let requests = server.requests();
    assert_eq!(requests[0], REFERENCES);
    assert!(requests[1..].iter().all(|r| r == "POST /repo.git/git-upload-pack"), "{requests:?}");
    let count = git(&fixture.mirror(), &["rev-list", "--all", "--count"]);
    assert_eq!(count, "1", "a depth-1 fetch brings one commit");

    // A fresh process: one list of references, no fetch. Reading needs no request.
    let mut repository = open(&server.url(), &options);
    let commit = repository.resolve("main").unwrap();
    assert!(!commit.fetched);
    assert_eq!(server.requests(), [REFERENCES]);
    assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n");
    assert_eq!(server.requests(), Vec::<String>::new());

    // A full commit that is in the mirror needs no connection at all.
    assert_eq!(repository.resolve(&commit.id).unwrap().id, commit.id);
    assert_eq!(server.requests(), Vec::<String>::new());

    // One more commit: one fetch, which brings what is new.
    fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let commit = repository.resolve("main").unwrap();
    assert!(commit.fetched);
    assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 2\n");
}

#[test]
fn branches_tags_and_commits_are_resolved_over_http() {
    let fixture = Fixture::new();
    let first = fixture.id("HEAD");
    git(&fixture.work(), &["tag", "-a", "v1", "-m", "a tag"]);
    git(&fixture.work(), &["tag", "light"]);
    let second = fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
    let third = fixture.commit("apps/shop/web.yaml", "version: 3\n", "Shop: version 3");
    git(&fixture.work(), &["push", "-q", "origin", "--tags"]);
    let server = start(&fixture);
    for (revision, want, version) in [
        ("HEAD", &third, 3),
        ("main", &third, 3),
        ("v1", &first, 1),
        ("light", &first, 1),
        ("refs/tags/v1", &first, 1),
        (third.as_str(), &third, 3),
        (second.as_str(), &second, 2),
        (&second[..8], &second, 2),
        (&third[..7], &third, 3),
    ] {
        // With an empty mirror each time, and then with what the first time left.
        let mut options = fixture.options();
        let cache = tempfile::tempdir().unwrap();
        options.cache_dir = cache.path().to_owned();
        for round in 0..2 {
            let mut repository = open(&server.url(), &options);
            let commit =
                repository.resolve(revision).unwrap_or_else(|e| panic!("{revision}, round {round}: {e}"));
            assert_eq!((&commit.id, commit.fetched), (want, round == 0), "{revision}");
            assert_eq!(
                read_only_file(&mut repository, &commit, "apps/shop"),
                format!("version: {version}\n")
            );
        }
    }
    let error = resolve(&server.url(), &fixture.options(), &"1".repeat(40)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    let error = resolve(&server.url(), &fixture.options(), "abcdef1").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
}

#[test]
fn a_commit_is_found_whether_or_not_the_server_gives_out_commits_by_id() {
    for allow in ["false", "true"] {
        let fixture = Fixture::new();
        git(&fixture.bare(), &["config", "uploadpack.allowAnySHA1InWant", allow]);
        let first = fixture.id("HEAD");
        for index in 0..40 {
            fixture.commit("other/file.txt", &format!("{index}\n"), "Elsewhere");
        }
        let server = start(&fixture);
        let mut repository = open(&server.url(), &fixture.options());
        repository.resolve("main").unwrap();
        let commit = repository.resolve(&first).unwrap();
        assert_eq!(commit.id, first);
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 1\n");
        let count = git(&fixture.mirror(), &["cat-file", "--batch-check", "--batch-all-objects"]);
        let commits = count.lines().filter(|l| l.contains(" commit ")).count();
        assert_eq!(commits, if allow == "true" { 2 } else { 41 });
        // And then on with the branch.
        let last = fixture.commit("apps/shop/web.yaml", "version: 2\n", "Shop: version 2");
        let commit = repository.resolve("main").unwrap();
        assert_eq!(commit.id, last);
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), "version: 2\n");
    }
}

#[test]
fn a_token_is_sent_after_the_server_asked_and_only_then() {
    let fixture = Fixture::new();
    let server = with_basic(&fixture, "robot:geheim");
    let commit = resolve(&server.url(), &with_token(&fixture, "geheim"), "main").unwrap();
    assert_eq!(commit.id, fixture.id("HEAD"));
    let seen = server.seen();
    assert!(!seen[0].authorized && seen[1..].iter().all(|s| s.authorized), "{seen:?}");

    let open_server = start(&fixture);
    resolve(&open_server.url(), &with_token(&fixture, "geheim"), "main").unwrap();
    assert!(open_server.seen().iter().all(|s| !s.authorized), "nobody asked for the token");
}

#[test]
fn a_token_from_a_file_and_one_in_the_url_work() {
    let fixture = Fixture::new();
    let server = with_basic(&fixture, "robot:geheim");
    let file = fixture.folder.path().join("token");
    std::fs::write(&file, "geheim\n").unwrap();
    let mut options = with_token(&fixture, "");
    options.auth.token.as_mut().unwrap().secret = TokenSource::File(file.clone());
    resolve(&server.url(), &options, "main").unwrap();

    let url = server.url().replace("http://", "http://robot:geheim@");
    let repository = open(&url, &fixture.options());
    assert!(!repository.shown_url().contains("geheim"));
    resolve(&url, &fixture.options(), "main").unwrap();

    std::fs::remove_file(&file).unwrap();
    let error = resolve(&server.url(), &options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

#[test]
fn a_missing_and_a_wrong_credential_say_what_was_tried_without_showing_it() {
    let fixture = Fixture::new();
    let server = with_basic(&fixture, "robot:geheim");
    let error = resolve(&server.url(), &fixture.options(), "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.to_string().contains("CUTOVER_GIT_TOKEN"), "{error}");

    let error = resolve(&server.url(), &with_token(&fixture, "falsch"), "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    let text = error.to_string();
    assert!(text.contains("environment variable CUTOVER_GIT_TOKEN") && text.contains("robot"), "{text}");
    assert!(text.contains("who are you?") && !text.contains("falsch"), "{text}");
    assert_eq!(server.requests().len(), 3, "a refused credential is not tried again");

    let mut options = with_token(&fixture, "geheim");
    options.auth.token.as_mut().unwrap().host = Some("git.example".into());
    let error = resolve(&server.url(), &options, "main").unwrap_err();
    assert!(error.to_string().contains("only for git.example"), "{error}");
    assert!(server.seen().iter().all(|s| !s.authorized), "a token for another host is not sent");
}

#[test]
fn a_credential_never_follows_a_redirect_to_another_host() {
    let fixture = Fixture::new();
    let target = with_basic(&fixture, "robot:geheim");
    let rules = HttpRules { redirect: Some(format!("http://{}", target.address)), basic: None };
    let first = HttpServer::start(fixture.folder.path(), rules);
    let error = resolve(&first.url(), &with_token(&fixture, "geheim"), "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    assert!(error.to_string().contains(&format!("redirects to http://{}", target.address)), "{error}");
    assert!(target.seen().iter().all(|s| !s.authorized));

    // Nor one that is written in the URL.
    let url = first.url().replace("http://", "http://robot:geheim@");
    let error = resolve(&url, &fixture.options(), "main").unwrap_err();
    assert!(!error.to_string().contains("geheim"), "{error}");
    assert!(target.seen().iter().all(|s| !s.authorized));
}

#[test]
fn redirects_are_followed_for_the_whole_fetch_and_are_bounded() {
    let fixture = Fixture::new();
    let target = start(&fixture);
    let rules = HttpRules { redirect: Some(format!("http://{}", target.address)), basic: None };
    let first = HttpServer::start(fixture.folder.path(), rules);
    let commit = resolve(&first.url(), &fixture.options(), "main").unwrap();
    assert_eq!(commit.id, fixture.id("HEAD"));
    assert_eq!(first.requests(), [REFERENCES]);
    assert!(target.requests().iter().any(|r| r.starts_with("POST")));

    let rules = HttpRules { redirect: Some(String::new()), basic: None };
    let circle = HttpServer::start(fixture.folder.path(), rules);
    let error = resolve(&circle.url(), &fixture.options(), "main").unwrap_err();
    assert!(error.to_string().contains("more than 5 times"), "{error}");
    assert_eq!(circle.requests().len(), 6);
}

#[test]
fn a_missing_repository_and_a_host_that_is_none_are_named() {
    let fixture = Fixture::new();
    let server = start(&fixture);
    let url = server.url().replace("repo.git", "none.git");
    let error = resolve(&url, &fixture.options(), "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains(&url), "{error}");

    let closed = Closed::new();
    let closed_url = format!("http://{}/repo.git", closed.address);
    let error = resolve(&closed_url, &fixture.options(), "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    let error = resolve("http://no-such-host.invalid/repo.git", &fixture.options(), "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}

/// Ends TLS with the test's certificate in front of a plain server.
pub fn tls_front(target: std::net::SocketAddr) -> (u16, tokio::runtime::Runtime) {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let certificate = CertificateDer::from_pem_file(format!("{fixtures}/server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{fixtures}/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut plain = tokio::net::TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    (port, runtime)
}

#[test]
fn https_needs_a_certificate_of_a_trusted_authority_for_this_host() {
    let fixture = Fixture::new();
    let server = with_basic(&fixture, "robot:geheim");
    let (port, _runtime) = tls_front(server.address);
    let mut options = with_token(&fixture, "geheim");
    let url = |host: &str| format!("https://{host}:{port}/repo.git");
    let error = resolve(&url("localhost"), &options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
    assert!(
        error.to_string().contains("no safe connection") || error.to_string().contains("SSL_CERT_FILE"),
        "{error}"
    );
    assert_eq!(server.requests(), Vec::<String>::new(), "nothing is sent to a server that is not trusted");

    options.auth.ca_file = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem").into());
    let commit = resolve(&url("localhost"), &options, "main").unwrap();
    assert_eq!(commit.id, fixture.id("HEAD"));
    server.requests();
    // The certificate is for localhost only.
    let error = resolve(&url("127.0.0.1"), &options, "main").unwrap_err();
    assert_eq!(server.requests(), Vec::<String>::new());
    assert!(error.to_string().contains("no safe connection"), "{error}");
}
