//! Whether two URLs mean the same repository. Pure.

/// True if both lead to the same repository on the same host, whatever the scheme, user, port, a trailing `.git` or
/// slash and the case of the host: a webhook names a repository by its https URL where an Application may use ssh.
pub fn same_repository(one: &str, other: &str) -> bool {
    match (place(one), place(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Host in lower case and path without decoration; `None` for what is no URL of a remote.
fn place(url: &str) -> Option<(String, &str)> {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let (authority, path) = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        // git@host:path
        None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && !path.is_empty()).then(|| (host.to_ascii_lowercase(), path))
}

#[cfg(test)]
mod tests {
    use super::same_repository;

    #[test]
    fn the_way_to_a_repository_does_not_matter_and_another_repository_does() {
        let url = "https://git.example/shop/deploy.git";
        for same in [
            "https://git.example/shop/deploy",
            "https://GIT.example:443/shop/deploy.git/",
            "ssh://git@git.example:22/shop/deploy.git",
            "git@git.example:shop/deploy.git",
            "https://user:word@git.example/shop/deploy",
        ] {
            assert!(same_repository(url, same), "{same}");
        }
        for other in [
            "https://git.example/shop/deploy2",
            "https://git.example/Shop/deploy",
            "https://evil.example/git.example/shop/deploy",
            "https://git.example.evil/shop/deploy",
            "",
            "/shop/deploy",
        ] {
            assert!(!same_repository(url, other), "{other}");
        }
        assert!(same_repository("/srv/deploy", "/srv/deploy"));
    }
}
