//! Which repositories an operator means by `https://git.example/team-a/*`, and which URLs mean the same repository.

use super::Pattern;
use serde::Deserialize;

/// URLs of repositories: one, or many by `*`, which stands for any text within the host or within the path and never
/// reaches from one into the other. `*` alone is every repository. Users, default ports, a `.git` at the end and the
/// letters' case in the host make no difference; `git@host:path` is `ssh://host/path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct RepositoryPattern(pub String);

impl RepositoryPattern {
    /// True if it can describe any repository.
    pub fn is_usable(&self) -> bool {
        self.0 == "*" || parts(&self.0).is_some()
    }

    /// True if the URL is what the pattern describes. What a server might take for another path (`..`, escaped slashes)
    /// fits nothing but `*`.
    pub fn fits(&self, url: &str) -> bool {
        if self.0 == "*" {
            return true;
        }
        let (Some(pattern), Some(url)) = (parts(&self.0), parts(url)) else { return false };
        pattern.scheme == url.scheme
            && Pattern(pattern.host).fits(&url.host)
            && Pattern(pattern.path).fits(&url.path)
    }
}

/// True if both URLs lead to the same repository on the same host, whatever the scheme, user, port, a trailing `.git` or
/// slash and the letters' case: a webhook names a repository by its https URL where an Application may use ssh, and in the
/// server's own spelling. No more comes of it than a look; a permission needs a [`RepositoryPattern`]. What has no plain
/// meaning is the same only letter by letter.
pub fn same_repository(one: &str, other: &str) -> bool {
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => {
            one.host_name() == other.host_name() && one.path.eq_ignore_ascii_case(&other.path)
        }
        _ => one == other,
    }
}

/// The name of the host that `url` leads to, in lower case and without a port, and the path there, without a trailing slash
/// or `.git`. Nothing for a local path, for a URL without a path, and for what has no plain meaning.
pub fn host_and_path(url: &str) -> Option<(String, String)> {
    parts(url).map(|parts| (parts.host_name().to_owned(), parts.path))
}

struct Parts {
    scheme: String,
    /// With the port, unless it is the usual one.
    host: String,
    path: String,
}

impl Parts {
    /// Without the port.
    fn host_name(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }
}

/// Nothing for a local path, and for what has no plain meaning.
fn parts(url: &str) -> Option<Parts> {
    let (scheme, authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/')?;
            (scheme.to_ascii_lowercase(), authority, path)
        }
        None => {
            let (authority, path) = url.split_once(':')?;
            ("ssh".to_owned(), Some(authority).filter(|a| !a.contains('/'))?, path.trim_start_matches('/'))
        }
    };
    let usual = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        "ssh" => ":22",
        "git" => ":9418",
        _ => return None,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let host = host.strip_suffix(usual).unwrap_or(&host).to_owned();
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let lower = path.to_ascii_lowercase();
    let is_unclear = ["%2e", "%2f", "%5c", "\\", "?", "#"].iter().any(|text| lower.contains(text))
        || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    (!host.is_empty() && !is_unclear).then(|| Parts { scheme, host, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_one_team_fits_no_other_teams_repository() {
        for (pattern, url, want) in [
            ("*", "anything", true),
            ("https://git.example/team-a/*", "https://git.example/team-a/deploy.git", true),
            ("https://git.example/team-a/*", "https://robot@GIT.example:443/team-a/deploy", true),
            ("https://git.example/team-a/*", "https://git.example/team-a/x/y.git/", true),
            ("https://git.example/team-a/*", "https://git.example/team-a/../team-b/deploy.git", false),
            ("https://git.example/team-a/*", "https://git.example/team-a/%2e%2E/team-b/deploy.git", false),
            ("https://git.example/team-a/*", "https://git.example/team-a%2Fx/deploy.git", false),
            ("https://git.example/team-a/*", "https://git.example@evil.example/team-a/deploy.git", false),
            ("https://git.example/team-a/*", "http://git.example/team-a/deploy.git", false),
            ("https://git.example/team-a/*", "https://git.example:8443/team-a/deploy.git", false),
            ("https://*.example/*", "https://git.example/x", true),
            ("https://*.example/*", "https://evil.org/git.example/x", false),
            ("https://git.example/a.git", "https://git.example/a", true),
            ("https://git.example/a", "https://git.example/ab", false),
            ("git@git.example:team-a/*", "ssh://git@git.example/team-a/deploy.git", true),
            ("ssh://git.example/team-a/*", "git@git.example:team-a/deploy.git", true),
            ("ssh://git.example/team-a/*", "git@git.example:team-b/deploy.git", false),
            ("https://git.example/*", "/srv/git.example/x", false),
            ("file:///srv/*", "file:///srv/x", false),
        ] {
            assert_eq!(RepositoryPattern(pattern.into()).fits(url), want, "{pattern} {url}");
        }
    }

    #[test]
    fn the_way_to_a_repository_does_not_matter_and_another_repository_does() {
        let url = "https://git.example/shop/deploy.git";
        for same in [
            "https://git.example/shop/deploy",
            "https://GIT.example:443/shop/deploy.git/",
            "https://git.example:8443/shop/deploy.git",
            "ssh://git@git.example:22/shop/deploy.git",
            "git@git.example:shop/deploy.git",
            "https://git.example/Shop/Deploy",
            "https://user:word@git.example/shop/deploy",
        ] {
            assert!(same_repository(url, same), "{same}");
        }
        for other in [
            "https://git.example/shop/deploy2",
            "https://evil.example/git.example/shop/deploy",
            "https://git.example.evil/shop/deploy",
            "https://git.example/x/../shop/deploy",
            "",
            "/shop/deploy",
        ] {
            assert!(!same_repository(url, other), "{other}");
        }
        assert!(same_repository("/srv/deploy", "/srv/deploy"));
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_known_as_such() {
        for (pattern, want) in [("*", true), ("https://h/*", true), ("https://h", false), ("team-a/*", false)]
        {
            assert_eq!(RepositoryPattern(pattern.into()).is_usable(), want, "{pattern}");
        }
    }
}
