//! ssh:// and the scp form, by a real `sshd`.

use super::git_servers::{SshAgent, Sshd, ssh_keygen};
use super::git_support::{Fixture, git, open, read_only_file, resolve};
use cutover::source::{ErrorKind, GitOptions};
use std::process::Command;

struct Setup {
    fixture: Fixture,
    sshd: Sshd,
    options: GitOptions,
    url: String,
}

/// An sshd, a client that knows it, and no key yet.
fn setup() -> Setup {
    let fixture = Fixture::new();
    let sshd = Sshd::start(fixture.folder.path());
    let mut options = fixture.options();
    let known = fixture.folder.path().join("known_hosts");
    std::fs::write(&known, sshd.known_host()).unwrap();
    options.auth.known_hosts = vec![known];
    let url = format!("ssh://{}@127.0.0.1:{}{}", sshd.user, sshd.port, fixture.bare().display());
    Setup { fixture, sshd, options, url }
}

impl Setup {
    fn log(&self) -> String {
        std::fs::read_to_string(self.sshd.folder.join("sshd.log")).unwrap_or_default()
    }
}

#[test]
fn a_key_file_reads_a_repository_with_repeated_depth_1_fetches() {
    let mut setup = setup();
    setup.options.auth.ssh_keys = vec![setup.sshd.folder.join("none"), setup.sshd.folder.join("id")];
    let mut repository = open(&setup.url, &setup.options);
    for version in 2..5 {
        let text = format!("version: {version}\n");
        let id = setup.fixture.commit("apps/shop/web.yaml", &text, "Shop");
        let commit = repository.resolve("main").unwrap_or_else(|e| panic!("{e}\n{}", setup.log()));
        assert_eq!((commit.id, commit.fetched), (id, true));
        let commit = repository.resolve("main").unwrap();
        assert!(!commit.fetched);
        assert_eq!(read_only_file(&mut repository, &commit, "apps/shop"), text);
    }
    git(&setup.fixture.work(), &["reset", "-q", "--hard", "HEAD~2"]);
    git(&setup.fixture.work(), &["push", "-q", "-f", "origin", "HEAD"]);
    let commit = repository.resolve("main").unwrap();
    assert_eq!(commit.id, setup.fixture.id("HEAD"));
}

#[test]
fn an_agents_key_is_used() {
    let mut setup = setup();
    let agent = SshAgent::start(&setup.sshd.folder, &[setup.sshd.folder.join("id")]);
    setup.options.auth.ssh_agent = Some(agent.socket.clone());
    let commit =
        resolve(&setup.url, &setup.options, "main").unwrap_or_else(|e| panic!("{e}\n{}", setup.log()));
    assert_eq!(commit.id, setup.fixture.id("HEAD"));
}

#[test]
fn rsa_and_ecdsa_keys_work() {
    let mut setup = setup();
    let folder = setup.sshd.folder.clone();
    for kind in ["rsa", "ecdsa"] {
        ssh_keygen(&folder, kind, kind, "");
        let key = std::fs::read_to_string(folder.join(format!("{kind}.pub"))).unwrap();
        std::fs::write(folder.join("authorized_keys"), key).unwrap();
        setup.options.auth.ssh_keys = vec![folder.join(kind)];
        resolve(&setup.url, &setup.options, "main")
            .unwrap_or_else(|e| panic!("{kind}: {e}\n{}", setup.log()));
    }
}

#[test]
fn a_refused_key_says_what_was_tried() {
    let mut setup = setup();
    let folder = setup.sshd.folder.clone();
    ssh_keygen(&folder, "stranger", "ed25519", "");
    let agent = SshAgent::start(&folder, &[folder.join("stranger")]);
    setup.options.auth.ssh_agent = Some(agent.socket.clone());
    setup.options.auth.ssh_keys = vec![folder.join("stranger"), folder.join("locked")];
    let error = resolve(&setup.url, &setup.options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth);
    let text = error.to_string();
    for part in [
        "Tried: 1 keys of the agent",
        "stranger (refused)",
        "locked (encrypted; unlock it in an agent with `ssh-add",
    ] {
        assert!(text.contains(part), "{text}");
    }
    setup.options.auth.ssh_agent = None;
    setup.options.auth.ssh_keys = vec![];
    let error = resolve(&setup.url, &setup.options, "main").unwrap_err();
    assert!(error.to_string().contains("SSH_AUTH_SOCK is not set"), "{error}");
}

#[test]
fn an_unknown_host_is_refused_with_the_way_out() {
    let mut setup = setup();
    setup.options.auth.ssh_keys = vec![setup.sshd.folder.join("id")];
    let known = setup.fixture.folder.path().join("known");
    setup.options.auth.known_hosts = vec![known.clone()];
    let error = resolve(&setup.url, &setup.options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::HostKey);
    let text = error.to_string();
    let print =
        Command::new("ssh-keygen").arg("-lf").arg(setup.sshd.folder.join("host_key.pub")).output().unwrap();
    let print = String::from_utf8(print.stdout).unwrap();
    let print = print.split(' ').nth(1).unwrap();
    assert!(text.contains(print), "{text} has no {print}");
    // The way out works as it stands.
    let start = text.find("`ssh-keyscan").unwrap() + 1;
    let line = &text[start..start + text[start..].find('`').unwrap()];
    let out = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
    resolve(&setup.url, &setup.options, "main").unwrap();
}

#[test]
fn a_changed_and_a_revoked_host_key_are_refused() {
    let mut setup = setup();
    setup.options.auth.ssh_keys = vec![setup.sshd.folder.join("id")];
    let known = setup.options.auth.known_hosts[0].clone();
    let other = std::fs::read_to_string(setup.sshd.folder.join("id.pub")).unwrap();
    std::fs::write(&known, format!("# a comment\n[127.0.0.1]:{} {other}", setup.sshd.port)).unwrap();
    let error = resolve(&setup.url, &setup.options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::HostKey);
    assert!(error.to_string().contains(&format!("not the one in {}:2", known.display())), "{error}");

    let line = setup.sshd.known_host();
    std::fs::write(&known, format!("{line}@revoked {line}")).unwrap();
    let error = resolve(&setup.url, &setup.options, "main").unwrap_err();
    assert!(error.to_string().contains("is revoked by"), "{error}");
}

#[test]
fn hashed_known_hosts_of_ssh_keygen_are_read() {
    let mut setup = setup();
    setup.options.auth.ssh_keys = vec![setup.sshd.folder.join("id")];
    let known = setup.options.auth.known_hosts[0].clone();
    let hashed = Command::new("ssh-keygen").args(["-H", "-f"]).arg(&known).output().unwrap();
    assert!(hashed.status.success());
    assert!(std::fs::read_to_string(&known).unwrap().starts_with("|1|"));
    resolve(&setup.url, &setup.options, "main").unwrap();
}

#[test]
fn the_host_is_asked_for_the_kind_of_key_that_is_known() {
    // The server has an ed25519 and an RSA key; only the RSA key is recorded.
    let mut setup = setup();
    let folder = setup.sshd.folder.clone();
    ssh_keygen(&folder, "host_rsa", "rsa", "");
    let config = std::fs::read_to_string(folder.join("sshd_config")).unwrap();
    let config = format!("HostKey {}/host_rsa\n{config}", folder.display());
    std::fs::write(folder.join("sshd_config"), config).unwrap();
    let key = std::fs::read_to_string(folder.join("host_rsa.pub")).unwrap();
    let known = format!("[127.0.0.1]:{} {key}", setup.sshd.port);
    std::fs::write(&setup.options.auth.known_hosts[0], known).unwrap();
    setup.options.auth.ssh_keys = vec![folder.join("id")];
    let resolved = resolve(&setup.url, &setup.options, "main");
    assert_eq!(resolved.unwrap().id, setup.fixture.id("HEAD"));
}

#[test]
fn a_missing_repository_is_what_the_server_says() {
    let mut setup = setup();
    setup.options.auth.ssh_keys = vec![setup.sshd.folder.join("id")];
    let url = setup.url.replace("repo.git", "it's none.git").replace(' ', "%20");
    let error = resolve(&url, &setup.options, "main").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("it's none.git"), "{error}");
}
