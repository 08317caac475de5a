//! Servers that hang, cut off, never end, or lie. Each is a clear error within the limit, and the mirror stays usable.

use super::git_servers::{HttpRules, HttpServer, git_daemon};
use super::git_support::{Fixture, noise, open, resolve};
use cutover::source::{ErrorKind, GitOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A TCP server that treats each connection with `handle`; its thread ends with the test's process.
fn serve(handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let handle = std::sync::Arc::new(handle);
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().flatten().enumerate() {
            let handle = handle.clone();
            std::thread::spawn(move || handle(stream, count));
        }
    });
    port
}

/// Passes everything on to the real server, and at most `limit` bytes of its answers.
fn cut_after(real: u16, limit: usize) -> u16 {
    serve(move |client, _| {
        let server = TcpStream::connect(("127.0.0.1", real)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut client = client;
        let _ = std::io::copy(&mut server.take(limit as u64), &mut client);
        let _ = client.shutdown(Shutdown::Both);
    })
}

fn hasty(fixture: &Fixture) -> GitOptions {
    let mut options = fixture.options();
    options.timeout = Duration::from_secs(2);
    options.idle_timeout = Duration::from_millis(500);
    options.auth.known_hosts = vec![];
    options
}

/// A repository whose pack is larger than any buffer.
fn large() -> Fixture {
    let fixture = Fixture::new();
    std::fs::write(fixture.work().join("other/noise.bin"), noise(600_000, 1)).unwrap();
    fixture.commit_all("Noise");
    fixture
}

#[test]
fn a_server_that_hangs_is_given_up_in_time() {
    let fixture = Fixture::new();
    let hung = serve(|mut stream, _| {
        let mut sink = [0; 1000];
        while stream.read(&mut sink).is_ok_and(|n| n > 0) {}
        std::thread::sleep(Duration::from_secs(60));
    });
    let options = hasty(&fixture);
    for url in
        ["http://127.0.0.1", "git://127.0.0.1", "ssh://x@127.0.0.1"].map(|u| format!("{u}:{hung}/repo.git"))
    {
        let start = Instant::now();
        let error = resolve(&url, &options, "main").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{url}: {error}");
        assert!(start.elapsed() < Duration::from_secs(45), "{url}: {:?}", start.elapsed());
        assert!(error.to_string().contains(&url), "{error}");
    }
}

#[test]
fn a_server_that_drips_is_given_up_at_the_deadline() {
    let fixture = Fixture::new();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n";
    let drip = |head: &'static str| {
        serve(move |mut stream, _| {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(b"0").is_ok() {
                std::thread::sleep(Duration::from_millis(100));
            }
        })
    };
    let options = hasty(&fixture);
    for url in [format!("http://127.0.0.1:{}/r", drip(head)), format!("git://127.0.0.1:{}/r", drip("ffff"))] {
        let start = Instant::now();
        let error = resolve(&url, &options, "main").unwrap_err();
        assert_ne!(error.kind, ErrorKind::Corrupt, "{url}: {error}");
        assert!(start.elapsed() < Duration::from_secs(45), "{url}: {:?} {error}", start.elapsed());
    }
}

#[test]
fn a_pack_that_is_cut_off_leaves_the_mirror_as_it_was() {
    let fixture = large();
    let http = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let daemon = git_daemon(fixture.folder.path());
    for (scheme, real) in [("http", http.address.port()), ("git", daemon.port)] {
        let front = serve_switch(real);
        let url = format!("{scheme}://127.0.0.1:{}/repo.git", front.port);
        let mut options = fixture.options();
        options.cache_dir = fixture.folder.path().join(format!("cache-{scheme}"));
        let mut repository = open(&url, &options);
        // Cut in the middle of the first fetch: there is no mirror yet.
        front.limit.store(100_000, std::sync::atomic::Ordering::SeqCst);
        let error = repository.resolve("main").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Network, "{scheme}: {error}");
        front.limit.store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
        let before = repository.resolve("main").unwrap();
        // Cut in the middle of a later one: what was there is still there.
        std::fs::write(fixture.work().join("other/noise.bin"), noise(600_000, 2 + u32::from(real))).unwrap();
        let id = fixture.commit_all("More noise");
        front.limit.store(100_000, std::sync::atomic::Ordering::SeqCst);
        let error = repository.resolve("main").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Network, "{scheme}: {error}");
        let still = repository.resolve(&before.id).unwrap();
        assert!(!still.fetched, "{scheme}: the mirror is intact");
        front.limit.store(usize::MAX, std::sync::atomic::Ordering::SeqCst);
        let after = repository.resolve("main").unwrap();
        assert_eq!((after.id, after.notices), (id, vec![]), "{scheme}");
        repository.tree(&repository.clone().resolve("main").unwrap(), ".").unwrap();
    }
}

struct Switch {
    port: u16,
    limit: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

/// A front before a real server that cuts answers off after a number of bytes that can be changed.
fn serve_switch(real: u16) -> Switch {
    let limit = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX));
    let seen = limit.clone();
    let port = serve(move |client, _| {
        let limit = seen.load(std::sync::atomic::Ordering::SeqCst);
        let server = TcpStream::connect(("127.0.0.1", real)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut client = client;
        let _ = std::io::copy(&mut server.take(limit as u64), &mut client);
        let _ = client.shutdown(Shutdown::Both);
    });
    Switch { port, limit }
}

#[test]
fn a_fetch_above_the_cap_is_stopped() {
    let fixture = large();
    let http = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let daemon = git_daemon(fixture.folder.path());
    let mut options = fixture.options();
    options.limits.transfer_bytes = 100_000;
    for url in [http.url(), format!("git://127.0.0.1:{}/repo.git", daemon.port)] {
        let error = resolve(&url, &options, "main").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        assert!(error.to_string().contains("more than 100000 bytes"), "{error}");
    }
}

#[test]
fn an_endless_list_and_an_endless_pack_are_stopped() {
    let fixture = Fixture::new();
    let endless = serve(|mut stream, _| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(b"001e# service=git-upload-pack\n0000");
        for number in 0_u64.. {
            let line = format!("{} refs/heads/{number:010}\n", "a".repeat(40));
            if stream.write_all(format!("{:04x}{line}", line.len() + 4).as_bytes()).is_err() {
                return;
            }
        }
    });
    let mut options = fixture.options();
    options.limits.advertisement_bytes = 1 << 20;
    let error = resolve(&format!("http://127.0.0.1:{endless}/r"), &options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("reference names"), "{error}");

    // A pack that says it has four thousand million objects and goes on with progress messages for ever.
    let id = fixture.id("HEAD");
    let endless = serve(move |mut stream, _| {
        let mut sink = [0; 1000];
        let _ = stream.read(&mut sink);
        let line = format!("{id} refs/heads/main\0side-band-64k shallow ofs-delta\n");
        let _ = stream.write_all(format!("{:04x}{line}0000", line.len() + 4).as_bytes());
        let _ = stream.read(&mut sink);
        let _ = stream.write_all(format!("0035shallow {id}0000").replace("0035", "0034").as_bytes());
        let _ = stream.read(&mut sink);
        let _ = stream.write_all(b"0008NAK\n");
        let packet = [b"0fff\x02".as_slice(), &vec![b'.'; 0xfff - 5]].concat();
        while stream.write_all(&packet).is_ok() {}
    });
    let mut options = fixture.options();
    options.limits.transfer_bytes = 1 << 20;
    let error = resolve(&format!("git://127.0.0.1:{endless}/r"), &options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
}

#[test]
fn a_web_page_is_no_repository() {
    let fixture = Fixture::new();
    let page = |head: &'static str| {
        serve(move |mut stream, _| {
            let mut sink = [0; 4000];
            let _ = stream.read(&mut sink);
            let _ = stream.write_all(head.as_bytes());
        })
    };
    for (answer, kind, part) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
            ErrorKind::Network,
            "text/html",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
            ErrorKind::Network,
            "login page",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nn\x1b[o",
            ErrorKind::Auth,
            "It says: n [o",
        ),
        ("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", ErrorKind::Network, "try again"),
        (
            "HTTP/1.1 302 F\r\nLocation: file:///etc/info/refs?service=git-upload-pack\r\nContent-Length: 0\r\n\r\n",
            ErrorKind::Network,
            "not a usable URL",
        ),
        ("nonsense\r\n\r\n", ErrorKind::Network, "http://127.0.0.1"),
    ] {
        let error =
            resolve(&format!("http://127.0.0.1:{}/r", page(answer)), &fixture.options(), "main").unwrap_err();
        assert_eq!(error.kind, kind, "{answer:?}: {error}");
        assert!(error.to_string().contains(part), "{answer:?}: {error}");
    }
}

#[test]
fn a_commit_that_the_server_forgot_in_between_is_no_riddle() {
    // The list of references names a commit that is gone when it is fetched.
    let fixture = Fixture::new();
    let real = HttpServer::start(fixture.folder.path(), HttpRules::default());
    let port = cut_after(real.address.port(), usize::MAX);
    std::fs::write(fixture.bare().join("refs/heads/ghost"), format!("{}\n", "1".repeat(40))).unwrap();
    let error =
        resolve(&format!("http://127.0.0.1:{port}/repo.git"), &fixture.options(), "ghost").unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NotFound | ErrorKind::Network), "{error}");
}
