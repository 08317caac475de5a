//! Real Git servers on loopback: `git daemon`, `git http-backend` behind hyper, `sshd`. Each ends with its value.

use super::git_support::git;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A port where nobody listens and nobody else can: connections to it are refused as long as this value is there.
pub struct Closed {
    _socket: tokio::net::TcpSocket,
    pub address: SocketAddr,
}

impl Closed {
    pub fn new() -> Closed {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        Closed { _socket: socket, address }
    }
}

/// A program that serves one connection on its standard streams, started for each, as inetd does: a port that was looked
/// for and left to a server that wants a number may be somebody else's by then. All of it ends with this value.
pub struct Server {
    pub port: u16,
    /// `None` once it is over.
    children: Arc<Mutex<Option<Vec<Child>>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    fn start(command: impl Fn() -> Command + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let children = Arc::new(Mutex::new(Some(vec![])));
        let running: Arc<Mutex<Option<Vec<Child>>>> = Arc::clone(&children);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut running = running.lock().unwrap();
                let Some(running) = running.as_mut() else { return };
                running.retain_mut(|child| child.try_wait().is_ok_and(|ended| ended.is_none()));
                let input = OwnedFd::from(stream.try_clone().expect("a descriptor"));
                let child = command().stdin(input).stdout(OwnedFd::from(stream)).spawn();
                running.push(child.expect("the server's program"));
            }
        });
        Server { port, children, accepting: Some(accepting) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for mut child in self.children.lock().unwrap().take().unwrap_or_default() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Wakes whoever waits for the next connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

/// `git daemon` on all repositories in `folder`.
pub fn git_daemon(folder: &Path) -> Server {
    // Not through `git`, which would run the daemon as a child of its own and leave it behind.
    let program = PathBuf::from(git(folder, &["--exec-path"])).join("git-daemon");
    assert!(program.exists(), "{} must be installed (it is part of Git)", program.display());
    let folder = folder.to_owned();
    Server::start(move || {
        let mut command = Command::new(&program);
        command.args(["--inetd", "--export-all"]).arg(format!("--base-path={}", folder.display()));
        command.arg(&folder).env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.stderr(Stdio::null());
        command
    })
}

/// `sshd` with the folder's `sshd_config` as it is at each connection. What it has to say goes to `sshd.log` there.
fn sshd(folder: &Path) -> Server {
    let program = "/usr/sbin/sshd";
    assert!(
        Path::new(program).exists(),
        "{program} must be installed for these tests (Debian: apt-get install openssh-server)"
    );
    // A root's sshd wants this folder; anybody else's does not, and could not make it.
    let _ = std::fs::create_dir_all("/run/sshd");
    let (config, log) = (folder.join("sshd_config"), folder.join("sshd.log"));
    Server::start(move || {
        let log = std::fs::File::options().create(true).append(true).open(&log).expect("a log");
        let mut command = Command::new(program);
        command.args(["-i", "-e", "-f"]).arg(&config).stderr(log);
        command
    })
}

/// A request that came in: method and path with query, and whether it bore a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub request: String,
    pub authorized: bool,
}

/// What the HTTP server does besides serving.
#[derive(Clone, Default)]
pub struct HttpRules {
    /// `user:password` that every request must have.
    pub basic: Option<String>,
    /// Answer all requests for references with a redirect there (the request's path and query are appended).
    pub redirect: Option<String>,
}

/// Smart HTTP by `git http-backend`.
pub struct HttpServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _runtime: tokio::runtime::Runtime,
}

impl HttpServer {
    /// Serves all repositories in `folder`; pushing is allowed.
    pub fn start(folder: &Path, rules: HttpRules) -> HttpServer {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (folder, log) = (folder.to_owned(), seen.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (folder, rules, log) = (folder.clone(), rules.clone(), log.clone());
                let service = hyper::service::service_fn(move |request| {
                    answer(request, folder.clone(), rules.clone(), log.clone())
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        HttpServer { address, seen, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("http://{}/repo.git", self.address)
    }

    /// The requests since the last call.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The paths of the requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.request).collect()
    }
}

type Answer = Result<Response<Full<Bytes>>, std::convert::Infallible>;

async fn answer(
    request: Request<Incoming>,
    folder: PathBuf,
    rules: HttpRules,
    log: Arc<Mutex<Vec<Seen>>>,
) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or("").to_owned();
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let authorization = header("authorization");
    let shown = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
    let request = format!("{} {shown}", head.method);
    log.lock().unwrap().push(Seen { request, authorized: !authorization.is_empty() });
    let plain = |status: u16, text: &str| {
        let builder = Response::builder().status(status).header("content-type", "text/plain");
        builder.header("www-authenticate", "Basic realm=\"test\"").body(Full::from(text.to_owned())).unwrap()
    };
    if let Some(base) = &rules.redirect
        && path.ends_with("/info/refs")
    {
        let location = format!("{base}{shown}");
        return Ok(Response::builder()
            .status(302)
            .header("location", location)
            .body(Full::default())
            .unwrap());
    }
    if let Some(basic) = &rules.basic {
        let want = format!("Basic {}", data_encoding::BASE64.encode(basic.as_bytes()));
        if authorization != want {
            return Ok(plain(401, "who are you?"));
        }
    }
    let body = body.collect().await.unwrap().to_bytes();
    let (kind, encoding, method) =
        (header("content-type"), header("content-encoding"), head.method.to_string());
    let run = move || {
        let mut child = Command::new("git")
            .args(["-c", "http.receivepack=true", "-c", "safe.directory=*", "http-backend"])
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_PROJECT_ROOT", &folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", method)
            .env("CONTENT_TYPE", kind)
            .env("HTTP_CONTENT_ENCODING", encoding)
            .env("CONTENT_LENGTH", body.len().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&body));
        let output = child.wait_with_output().unwrap().stdout;
        let _ = writer.join();
        output
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let end = output.windows(4).position(|w| w == b"\r\n\r\n").expect("http-backend answers with headers");
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            response = response.status(value[..3].parse::<u16>().unwrap());
        } else {
            response = response.header(name, value);
        }
    }
    Ok(response.body(Full::from(Bytes::copy_from_slice(&output[end + 4..]))).unwrap())
}

/// An `sshd` of the test's own, with its own host key, that lets in the current user with `authorized.pub`.
pub struct Sshd {
    _server: Server,
    pub port: u16,
    pub user: String,
    /// Holds `host_key.pub`, and the users' keys `id` (plain) and `locked` (with the passphrase `geheim`).
    pub folder: PathBuf,
}

/// Makes a key pair `name` and `name.pub`.
pub fn ssh_keygen(folder: &Path, name: &str, kind: &str, passphrase: &str) {
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"])
        .arg(folder.join(name))
        .output()
        .expect("ssh-keygen must be installed for these tests (Debian: apt-get install openssh-client)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Sshd {
    pub fn start(folder: &Path) -> Sshd {
        ssh_keygen(folder, "host_key", "ed25519", "");
        ssh_keygen(folder, "id", "ed25519", "");
        ssh_keygen(folder, "locked", "ed25519", "geheim");
        let keys = ["id.pub", "locked.pub"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
        std::fs::write(folder.join("authorized_keys"), keys.concat()).unwrap();
        let config = format!(
            "HostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel ERROR\n\
             SetEnv GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL={0}/gitconfig\n",
            folder.display()
        );
        std::fs::write(folder.join("gitconfig"), "[safe]\n\tdirectory = *\n").unwrap();
        std::fs::write(folder.join("sshd_config"), config).unwrap();
        let server = sshd(folder);
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        Sshd { port: server.port, _server: server, user, folder: folder.to_owned() }
    }

    /// A line for `known_hosts` with the server's key.
    pub fn known_host(&self) -> String {
        let key = std::fs::read_to_string(self.folder.join("host_key.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }
}

/// An agent that holds the given private key files.
pub struct SshAgent {
    child: Child,
    pub socket: PathBuf,
}

impl SshAgent {
    pub fn start(folder: &Path, keys: &[PathBuf]) -> SshAgent {
        let socket = folder.join("agent.sock");
        let mut child =
            Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while !socket.exists() {
            assert!(
                child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(60),
                "ssh-agent"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        for key in keys {
            let added =
                Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status().unwrap();
            assert!(added.success());
        }
        SshAgent { child, socket }
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
