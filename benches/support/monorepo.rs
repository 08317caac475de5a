//! The same few documents alone, and in a repository with many commits and a gigabyte of other files, both served by
//! `git daemon`: what the first sync fetches, what one changed document costs, what no change costs.

use super::repository::Bare;
use cutover::source::{Auth, GitOptions, open};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const MEGABYTE: usize = 1_000_000;
const A_BLOB: usize = 4;

pub fn table(commits: usize, megabytes: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    println!("A repository with {commits} commits and {megabytes} MB of other files, beside one without:");
    println!(
        "{:>12} {:>10} {:>16} {:>17} {:>14} {:>16}",
        "repository", "first ms", "first fetch MB", "one change ms", "its fetch kB", "no change ms"
    );
    let mut small = Bare::new(&folder.path().join("small.git"));
    small.commit(&documents(0));
    let mut large = Bare::new(&folder.path().join("large.git"));
    fill(&mut large, commits, megabytes);
    let server = Server::start(folder.path());
    for (name, bare) in [("small.git", &mut small), ("large.git", &mut large)] {
        measure(name, bare, folder.path(), server.port);
    }
}

fn measure(name: &str, bare: &mut Bare, folder: &Path, port: u16) {
    let cache = folder.join(format!("cache-{name}"));
    let options = GitOptions::new(cache.clone(), Auth::default());
    let url = format!("git://127.0.0.1:{port}/{name}");
    let sync = || {
        let began = Instant::now();
        let mut repository = open(&url, &options).expect("the repository");
        let commit = repository.resolve("main").expect("the branch");
        let tree = repository.tree(&commit, "apps/shop").expect("the documents");
        assert_eq!(tree.files.len(), 1);
        (began.elapsed().as_millis(), commit.fetched)
    };
    let first = sync().0;
    let size = bytes_below(&cache);
    bare.commit(&documents(1));
    let (change, fetched) = sync();
    assert!(fetched, "the change was fetched");
    let grown = bytes_below(&cache).saturating_sub(size);
    let (nothing, fetched) = sync();
    assert!(!fetched, "without a change nothing is fetched");
    println!(
        "{name:>12} {first:>10} {:>16.1} {change:>17} {:>14.1} {nothing:>16}",
        size as f64 / MEGABYTE as f64,
        grown as f64 / 1_000.0
    );
}

fn documents(version: usize) -> Vec<(String, Vec<u8>)> {
    let text = format!("# version {version}\n");
    vec![("apps/shop/web.yaml".into(), text.into_bytes())]
}

/// Random bytes, so that nothing compresses.
fn fill(bare: &mut Bare, commits: usize, megabytes: usize) {
    let mut state = 7u64;
    for number in 0..megabytes.div_ceil(A_BLOB) {
        let mut bytes = Vec::with_capacity(A_BLOB * MEGABYTE);
        while bytes.len() < A_BLOB * MEGABYTE {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        bare.commit(&[(format!("assets/{:03}/{number}.bin", number % 50), bytes)]);
    }
    for number in 0..commits {
        bare.commit(&[(
            format!("src/{:02}/file-{}.txt", number % 100, number % 1_000),
            number.to_string().into(),
        )]);
    }
    bare.commit(&documents(0));
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let child = Command::new("git")
            .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", folder.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon; install git");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Server { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
