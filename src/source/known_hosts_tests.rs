use super::*;

const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC";

fn hosts(text: &str) -> KnownHosts {
    let text = text.replace("$A", &format!("ssh-ed25519 {A}")).replace("$B", &format!("ssh-ed25519 {B}"));
    KnownHosts { entries: parse(&text, Path::new("known_hosts")) }
}

fn key(base64: &str) -> PublicKey {
    parse_public_key_base64(base64).unwrap()
}

fn line(line: usize) -> Place {
    Place { file: "known_hosts".into(), line }
}

#[test]
fn a_recorded_key_is_known_and_any_other_is_a_change() {
    let hosts = hosts("# a comment\n\nother.example $B\ngit.example,10.0.0.1 $A a comment\n");
    assert_eq!(hosts.check("git.example", 22, &key(A)), Verdict::Known);
    assert_eq!(hosts.check("10.0.0.1", 22, &key(A)), Verdict::Known);
    assert_eq!(hosts.check("git.example", 22, &key(B)), Verdict::Changed(line(4)));
    assert_eq!(hosts.check("new.example", 22, &key(A)), Verdict::Unknown);
    assert_eq!(hosts.algorithms("git.example", 22), [Algorithm::Ed25519]);
}

#[test]
fn ports_are_part_of_the_name() {
    let both = hosts("[git.example]:2222 $A\ngit.example $B\n");
    assert_eq!(both.check("git.example", 2222, &key(A)), Verdict::Known);
    assert_eq!(both.check("git.example", 22, &key(A)), Verdict::Changed(line(2)));
    // A name without a port is good for each of them.
    assert_eq!(both.check("git.example", 2022, &key(B)), Verdict::Known);
    assert_eq!(both.check("git.example", 2022, &key(A)), Verdict::Unknown);
    assert_eq!(hosts("[::1]:9 $A").check("::1", 9, &key(A)), Verdict::Known);
}

#[test]
fn a_revoked_key_stays_revoked_whatever_other_lines_say() {
    let hosts = hosts("git.example $A\n@revoked * $A\n@cert-authority * $B\n");
    assert_eq!(hosts.check("git.example", 22, &key(A)), Verdict::Revoked(line(2)));
    assert_eq!(hosts.check("git.example", 2222, &key(A)), Verdict::Revoked(line(2)));
    assert_eq!(hosts.check("elsewhere.example", 22, &key(B)), Verdict::Unknown);
}

#[test]
fn hashed_names_and_patterns_are_matched() {
    // `printf 'git.example $A' > f; ssh-keygen -H -f f` gives such a line; this one is made the same way.
    let salt = [7_u8; 20];
    let mac = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    let tag = ring::hmac::sign(&mac, b"git.example");
    let encode = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let hashed = hosts(&format!("|1|{}|{} $A", encode(&salt), encode(tag.as_ref())));
    assert_eq!(hashed.check("git.example", 22, &key(A)), Verdict::Known);
    assert_eq!(hashed.check("git.example", 22, &key(B)), Verdict::Changed(line(1)));
    assert_eq!(hashed.check("git2.example", 22, &key(A)), Verdict::Unknown);

    let patterns = hosts("*.corp.example,!bad.corp.example,node?.x $A");
    for (host, want) in [
        ("git.CORP.example", Verdict::Known),
        ("bad.corp.example", Verdict::Unknown),
        ("corp.example", Verdict::Unknown),
        ("node1.x", Verdict::Known),
        ("node10.x", Verdict::Unknown),
    ] {
        assert_eq!(patterns.check(host, 22, &key(A)), want, "{host}");
    }
}

#[test]
fn lines_that_make_no_sense_record_nothing() {
    let hosts =
        hosts("x\nx y\ngit.example ssh-ed25519 !!!\n|1|x $A\n|1|x|y $A\n@revoked\n@revoked x\n@other x $A\n");
    assert_eq!(hosts.check("git.example", 22, &key(A)), Verdict::Unknown);
    assert_eq!(hosts.check("x", 22, &key(A)), Verdict::Unknown);
}

#[test]
fn an_unreadable_file_is_an_error_and_a_missing_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    assert!(KnownHosts::read(&[dir.path().join("none")]).unwrap().entries.is_empty());
    let Err(error) = KnownHosts::read(&[dir.path().to_owned()]) else { panic!("a folder was read") };
    assert_eq!(error.kind, ErrorKind::HostKey);
}
