use super::*;

fn remote(text: &str) -> Remote {
    match parse(text) {
        Ok(Address::Remote(remote)) => remote,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn urls_are_read_as_git_reads_them() {
    for (text, shown, port, path) in [
        ("https://h.example/org/repo.git", "https://h.example/org/repo.git", 443, "/org/repo.git"),
        ("HTTPS://H.Example:8443/r/", "https://h.example:8443/r", 8443, "/r"),
        ("ssh://git@h/org/repo", "ssh://git@h/org/repo", 22, "/org/repo"),
        ("ssh://git@h:2222/~/repo", "ssh://git@h:2222/~/repo", 2222, "~/repo"),
        ("git@h.example:org/repo.git", "ssh://git@h.example/org/repo.git", 22, "org/repo.git"),
        ("h.example:/srv/repo", "ssh://h.example/srv/repo", 22, "/srv/repo"),
        ("git@[::1]:repo", "ssh://git@[::1]/repo", 22, "repo"),
        ("git://[::1]:9/r", "git://[::1]:9/r", 9, "/r"),
        ("ssh://h/a%20b", "ssh://h/a b", 22, "/a b"),
    ] {
        let remote = remote(text);
        assert_eq!((remote.to_string().as_str(), remote.port(), remote.path.as_str()), (shown, port, path));
    }
    for (text, path) in [
        ("/srv/repo", "/srv/repo"),
        ("../repo", "../repo"),
        ("./a:b", "./a:b"),
        ("/srv/my repo", "/srv/my repo"),
        ("file:///srv/a%20b", "/srv/a b"),
        ("file://localhost/srv", "/srv"),
    ] {
        assert_eq!(parse(text).unwrap(), Address::Local(path.into()), "{text}");
    }
}

#[test]
fn unusable_urls_are_refused_with_a_reason() {
    for (text, why) in [
        ("", "1 to 2000"),
        ("ftp://h/r", "protocol is not known"),
        ("https://h", "names no repository"),
        ("https://h/", "names no repository"),
        ("https:///r", "host's name"),
        ("https://h:0/r", "port"),
        ("https://h:x/r", "port"),
        ("https://h/r?private_token=geheim", "query"),
        ("ssh://-oProxyCommand=x/r", "host's name"),
        ("-oProxyCommand=x:r", "host's name"),
        ("git@h:-x", "names no repository"),
        ("ssh://h/a%0ab", "`%`"),
        ("file://host/r", "three slashes"),
        ("https://h/a b", "space"),
        ("https://[::x]/r", "IPv6"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Usage, "{text}");
        assert!(error.to_string().contains(why), "{text}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[test]
fn userinfo_is_never_shown() {
    for text in [
        "https://geheim@h/r",
        "https://user:geheim@h/r",
        "https://user:geheim/x@h/r",
        "https://user:ge@heim@h:x/r",
        "ftp://user:geheim@h/r",
        "https://user:geheim@h:99999/r",
        "ssh://git:geheim@h/r",
    ] {
        let shown = match parse(text) {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => error.to_string(),
        };
        assert!(!shown.contains("geheim") && !shown.contains("ge@heim"), "{text}: {shown}");
    }
    let remote = remote("https://user:p%40ss@h/r");
    assert_eq!((remote.user.as_deref(), remote.password.as_deref()), (Some("user"), Some("p@ss")));
}

#[test]
fn mirrors_of_different_repositories_have_different_names() {
    let names: std::collections::BTreeSet<_> = [
        "https://h/a/b",
        "https://h/a-b",
        "http://h/a/b",
        "https://h:8/a/b",
        "ssh://x@h/a/b",
        "ssh://y@h/a/b",
    ]
    .iter()
    .map(|text| remote(text).file_name())
    .collect();
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(remote("https://a:b@h/r").file_name(), remote("https://h/r").file_name());
    assert!(names.iter().all(|n| n.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))));
}
