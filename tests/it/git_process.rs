//! What only a process of its own can show: other environment variables, and sudden death.

use super::cli_support::signal;
use super::git_servers::{HttpRules, HttpServer, git_daemon};
use super::git_support::{Fixture, git, noise, resolve};
use cutover::source::{Auth, GitOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Not a test of its own: what the tests below start this program for. It resolves `main` and prints what came of it.
#[test]
fn child() {
    let Ok(url) = std::env::var("TEST_CHILD_URL") else { return };
    let mut options = GitOptions::new(std::env::var("TEST_CHILD_CACHE").unwrap().into(), Auth::from_env());
    options.timeout = Duration::from_secs(60);
    match resolve(&url, &options, "main") {
        Ok(commit) => println!("resolved {}", commit.id),
        Err(error) => println!("failed: {error}"),
    }
}

/// Starts the child with nothing in its environment that could change the outcome but `variables`.
fn start(fixture: &Fixture, url: &str, variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "git_process::child", "--nocapture"]).env_clear();
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", fixture.folder.path()).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("TEST_CHILD_URL", url).env("TEST_CHILD_CACHE", fixture.folder.path().join("cache"));
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).spawn().unwrap()
}

fn run(fixture: &Fixture, url: &str, variables: &[(&str, &str)]) -> String {
    let output = start(fixture, url, variables).wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tokens_and_authorities_are_taken_from_the_environment() {
    let fixture = Fixture::new();
    let rules = HttpRules { basic: Some("x-access-token:geheim".into()), redirect: None };
    let server = HttpServer::start(fixture.folder.path(), rules);
    let (port, _tls) = super::git_http::tls_front(server.address);
    let url = format!("https://localhost:{port}/repo.git");
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/ca.pem");
    let good = format!("resolved {}", fixture.id("HEAD"));
    let output = run(&fixture, &url, &[("CUTOVER_GIT_TOKEN", "geheim"), ("SSL_CERT_FILE", authority)]);
    assert!(output.contains(&good), "{output}");
    let output = run(&fixture, &url, &[("CUTOVER_GIT_TOKEN", "falsch"), ("SSL_CERT_FILE", authority)]);
    assert!(
        output.contains("environment variable CUTOVER_GIT_TOKEN") && !output.contains("falsch"),
        "{output}"
    );
    let file = fixture.folder.path().join("token");
    std::fs::write(&file, "geheim\n").unwrap();
    let from_file = [("CUTOVER_GIT_TOKEN_FILE", file.to_str().unwrap()), ("SSL_CERT_FILE", authority)];
    assert!(run(&fixture, &url, &from_file).contains(&good));
    let other =
        [("CUTOVER_GIT_TOKEN", "geheim"), ("CUTOVER_GIT_HOST", "x.example"), ("SSL_CERT_FILE", authority)];
    let output = run(&fixture, &url, &other);
    assert!(output.contains("only for x.example"), "{output}");
}

#[test]
fn a_credential_helpers_answer_is_used() {
    let fixture = Fixture::new();
    let rules = HttpRules { basic: Some("helped:geheim".into()), redirect: None };
    let server = HttpServer::start(fixture.folder.path(), rules);
    let with = |helper: &str| {
        let text = format!("[credential]\n\thelper = {helper}\n");
        std::fs::write(fixture.folder.path().join(".gitconfig"), text).unwrap();
        run(&fixture, &server.url(), &[])
    };
    let log = fixture.folder.path().join("asked");
    let answer =
        format!("\"!f() {{ cat > {}; echo username=helped; echo password=geheim; }}; f\"", log.display());
    let output = with(&answer);
    assert!(output.contains(&format!("resolved {}", fixture.id("HEAD"))), "{output}");
    let asked = std::fs::read_to_string(&log).unwrap();
    assert!(asked.contains("protocol=http\n"), "{asked}");
    assert!(asked.contains(&format!("host={}\n", server.address)), "{asked}");
    let output = with("\"!f() { exit 1; }; f\"");
    assert!(output.contains("failed: ") && output.contains("credential helper has nothing"), "{output}");
    let output = with("");
    assert!(output.contains("no credential helper configured"), "{output}");
}

/// An HTTP proxy that notes what it is asked for, says yes, and then answers as a server that wants a credential.
fn proxy() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let asked = read_head(&mut stream);
            let _ = send.send(asked);
            let _ = stream.write_all(b"HTTP/1.1 200 Go on\r\n\r\n");
            let request = read_head(&mut stream);
            let _ = send.send(request);
            let _ = stream.write_all(b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (port, receive)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn the_proxy_of_the_environment_is_used_and_plain_http_gets_no_credential() {
    let fixture = Fixture::new();
    let (port, asked) = proxy();
    let proxy = format!("http://user:geheim@127.0.0.1:{port}");
    let token = ("CUTOVER_GIT_TOKEN", "streng-geheim");
    let output = run(&fixture, "http://git.invalid/r", &[("http_proxy", &proxy), token]);
    assert!(output.contains("over plain http://"), "{output}");
    assert!(!output.contains("geheim"), "{output}");
    let requests: Vec<String> = asked.try_iter().collect();
    assert!(requests[0].starts_with("CONNECT git.invalid:80 "), "{requests:?}");
    assert!(requests[1].starts_with("GET /r/info/refs"), "{requests:?}");
    assert!(!requests[1].to_lowercase().contains("authorization"), "{requests:?}");
    assert_eq!(requests.len(), 2, "{requests:?}");

    let output = run(&fixture, "https://git.invalid/r", &[("https_proxy", &proxy)]);
    assert!(output.contains("failed: ") && !output.contains("geheim"), "{output}");
    assert!(asked.recv_timeout(Duration::from_secs(60)).unwrap().starts_with("CONNECT git.invalid:443 "));

    let output = run(&fixture, "http://git.invalid/r", &[("http_proxy", &proxy), ("no_proxy", "invalid")]);
    assert!(output.contains("git.invalid"), "{output}");
    let output = run(&fixture, "http://git.invalid/r", &[("http_proxy", "http://u:geheim@[x")]);
    assert!(
        output.contains("http_proxy is not a usable proxy URL") && !output.contains("geheim"),
        "{output}"
    );
}

/// A front before a real server: of each answer it passes `limit` bytes on, says that it came so far, and passes on the
/// rest when the sender is dropped.
fn holding(real: u16, limit: u64) -> (u16, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, held) = channel();
    let (go, told) = channel::<()>();
    let told = Arc::new(Mutex::new(told));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (send, told) = (send.clone(), Arc::clone(&told));
            std::thread::spawn(move || {
                let server = TcpStream::connect(("127.0.0.1", real)).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let copied = std::io::copy(&mut (&server).take(limit), &mut &client);
                if copied.is_ok_and(|n| n == limit) {
                    let _ = send.send(());
                    let _ = told.lock().unwrap().recv();
                    let _ = std::io::copy(&mut &server, &mut &client);
                    let _ = client.shutdown(Shutdown::Write);
                }
            });
        }
    });
    (port, held, go)
}

fn pack_leftovers(mirror: &Path) -> usize {
    let entries = std::fs::read_dir(mirror.join("objects/pack")).into_iter().flatten().flatten();
    entries.filter(|e| e.file_name().to_string_lossy().starts_with("pack_git2_")).count()
}

#[test]
fn a_process_killed_in_the_middle_of_a_fetch_leaves_no_lock_and_no_trap() {
    let fixture = Fixture::new();
    std::fs::write(fixture.work().join("other/noise.bin"), noise(400_000, 1)).unwrap();
    fixture.commit_all("Noise");
    let server = HttpServer::start(fixture.folder.path(), HttpRules::default());
    // The mirror is one of the front's URL, so the front stays and only its patience changes.
    let (port, stalled, _go) = holding(server.address.port(), 50_000);
    let url = format!("http://127.0.0.1:{port}/repo.git");
    let mut child = start(&fixture, &url, &[]);
    stalled.recv_timeout(Duration::from_secs(60)).expect("the child's fetch came to the stall");
    // A second process waits for the first one and does not spoil its work …
    let mut options = fixture.options();
    options.timeout = Duration::from_secs(3);
    let error = resolve(&url, &options, "main").unwrap_err();
    assert_eq!(error.kind, cutover::source::ErrorKind::Busy, "{error}");
    // … and goes on as soon as it is dead.
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = Instant::now();
    options.timeout = Duration::from_secs(3);
    options.idle_timeout = Duration::from_secs(1);
    let error = resolve(&url, &options, "main").unwrap_err();
    assert_eq!(error.kind, cutover::source::ErrorKind::Timeout, "the server still stalls: {error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "the server stalls until the end of this test");
    let left = std::fs::read_dir(fixture.folder.path().join("cache/git")).unwrap();
    let left: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "only the lock: {left:?}");
}

#[test]
fn a_process_killed_while_it_fetches_into_a_mirror_leaves_that_mirror_usable() {
    let fixture = Fixture::new();
    let server = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let (port, stalled, _go) = holding(server.address.port(), 50_000);
    let url = format!("http://127.0.0.1:{port}/repo.git");
    let before = resolve(&url, &fixture.options(), "main").unwrap();
    std::fs::write(fixture.work().join("other/noise.bin"), noise(400_000, 1)).unwrap();
    fixture.commit_all("Noise");
    let mut child = start(&fixture, &url, &[]);
    stalled.recv_timeout(Duration::from_secs(60)).expect("the child's fetch came to the stall");
    // What was sent is not yet written: the child has to get to it.
    let patience = Instant::now();
    while pack_leftovers(&fixture.mirror()) == 0 && patience.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(pack_leftovers(&fixture.mirror()), 1, "the half-written pack of the dead process");
    let commit = resolve(&url, &fixture.options(), &before.id).unwrap();
    assert!(!commit.fetched);
    // A branch without the noise comes through the front, into the same mirror.
    git(&fixture.work(), &["checkout", "-q", "-b", "small", "HEAD~1"]);
    let id = fixture.commit("apps/shop/web.yaml", "version: 2\n", "Small");
    let commit = resolve(&url, &fixture.options(), "small").unwrap();
    assert_eq!((commit.id, commit.notices), (id, vec![]));
    assert_eq!(pack_leftovers(&fixture.mirror()), 0);
    git(&fixture.mirror(), &["fsck", "--no-dangling"]);
}

#[test]
fn a_process_that_is_stopped_and_continued_in_the_middle_of_an_answer_reads_on() {
    let fixture = Fixture::new();
    let http = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let daemon = git_daemon(fixture.folder.path());
    for (scheme, real) in [("http", http.address.port()), ("git", daemon.port)] {
        let (port, held, go) = holding(real, 20);
        let child = start(&fixture, &format!("{scheme}://127.0.0.1:{port}/repo.git"), &[]);
        held.recv_timeout(Duration::from_secs(60)).expect("the child reads the list of references");
        // When it has read what came and waits for more is not seen from here, so it is done a few times.
        for _ in 0..20 {
            signal(&child, "STOP");
            signal(&child, "CONT");
        }
        // From here on nothing is held back.
        drop(go);
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(output.contains(&format!("resolved {}", fixture.id("HEAD"))), "{scheme}: {output}");
    }
}
