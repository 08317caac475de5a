//! Repository URLs: what is understood, and how they are shown without their secrets.

use super::error::{ErrorKind, SourceError, printable};
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::PathBuf;

/// A repository's address, taken apart. `Display` never shows a password or a user of http(s), who may be a token.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Address {
    Local(PathBuf),
    Remote(Remote),
}

/// A repository behind a network protocol.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Remote {
    pub scheme: Scheme,
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub password: Option<String>,
    /// As the server gets it: with a leading `/`, except for a scp form's path, which starts in the user's home.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Ssh,
    Git,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ssh => "ssh",
            Scheme::Git => "git",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Ssh => 22,
            Scheme::Git => 9418,
        }
    }
}

const FORMS: &str = "write https://host/path, ssh://user@host/path, user@host:path, git://host/path, \
                     file:///path or the path of a local repository";

/// Takes a repository's URL apart.
///
/// # Errors
/// [`ErrorKind::Usage`], without the URL's userinfo.
pub(super) fn parse(text: &str) -> Result<Address, SourceError> {
    let wrong = |why: &str| {
        let shown = redact(text);
        SourceError::new(ErrorKind::Usage, format!("repoURL `{shown}`: {why}"))
    };
    if text.is_empty() || text.len() > 2_000 {
        return Err(wrong("it must have 1 to 2000 characters"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() && !text.starts_with(['/', '.'])) {
        return Err(wrong("it has a space or a control character in it"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return match scp(text) {
            Some(remote) => remote.map(Address::Remote).map_err(|why| wrong(&why)),
            None => Ok(Address::Local(PathBuf::from(text))),
        };
    };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "file" => return file(rest).map(Address::Local).map_err(|why| wrong(&why)),
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "ssh" | "git+ssh" | "ssh+git" => Scheme::Ssh,
        "git" => Scheme::Git,
        _ => return Err(wrong(&format!("this protocol is not known; {FORMS}"))),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, password, host, port) = split_authority(authority).map_err(|why| wrong(&why))?;
    let path = if scheme == Scheme::Ssh || scheme == Scheme::Git {
        percent_decode(path).map_err(|why| wrong(&why))?
    } else {
        path.trim_end_matches('/').to_owned()
    };
    if path.trim_matches('/').is_empty() {
        return Err(wrong("it names no repository on the host"));
    }
    if matches!(scheme, Scheme::Http | Scheme::Https) && path.contains(['?', '#']) {
        return Err(wrong("it has a query or a fragment; give the plain clone URL"));
    }
    // `/~user/repo` is the home of a user on the server; Git wants it without the slash.
    let path = if scheme == Scheme::Ssh && path.starts_with("/~") { path[1..].to_owned() } else { path };
    Ok(Address::Remote(Remote { scheme, host, port, user, password, path }))
}

/// `[user@]host:path`, Git's short form of ssh; `None` if `text` is a local path.
fn scp(text: &str) -> Option<Result<Remote, String>> {
    let end = if let Some(start) = text.find('[') { start + text[start..].find(']')? } else { 0 };
    let colon = end + text[end..].find(':')?;
    let (authority, path) = (&text[..colon], &text[colon + 1..]);
    if authority.is_empty() || authority.contains('/') {
        return None;
    }
    Some(split_authority(authority).and_then(|(user, _, host, _)| {
        if path.is_empty() || path.starts_with('-') {
            return Err("it names no repository on the host".into());
        }
        let path = path.strip_prefix("/~").map_or(path.to_owned(), |home| format!("~{home}"));
        Ok(Remote { scheme: Scheme::Ssh, host, port: None, user, password: None, path })
    }))
}

type Authority = (Option<String>, Option<String>, String, Option<u16>);

fn split_authority(text: &str) -> Result<Authority, String> {
    let (userinfo, host_port) = text.rsplit_once('@').map_or((None, text), |(u, h)| (Some(u), h));
    let (user, password) = match userinfo.map(|u| u.split_once(':').map_or((u, None), |(u, p)| (u, Some(p))))
    {
        None => (None, None),
        Some((user, password)) => (
            Some(percent_decode(user)?).filter(|u| !u.is_empty()),
            password.map(percent_decode).transpose()?.filter(|p| !p.is_empty()),
        ),
    };
    let (host, port) = if let Some(rest) = host_port.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the host's `[` has no `]`")?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| "between `[` and `]` there is no IPv6 address")?;
        (host, rest.strip_prefix(':'))
    } else {
        host_port.split_once(':').map_or((host_port, None), |(h, p)| (h, Some(p)))
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => {
            Some(port.parse().ok().filter(|p| *p != 0).ok_or("the port is not a number from 1 to 65535")?)
        }
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || host.starts_with('-') || !host.chars().all(fine) {
        return Err("the host's name is not usable".into());
    }
    Ok((user, password, host.to_ascii_lowercase(), port))
}

fn file(rest: &str) -> Result<PathBuf, String> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("a file URL has three slashes: file:///path/to/repository".into());
    }
    Ok(PathBuf::from(percent_decode(path)?))
}

fn percent_decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match (first, digits.and_then(|d| u8::from_str_radix(d, 16).ok())) {
            (b'%', Some(byte)) if byte >= b' ' && byte != 0x7f => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'%', _) => {
                return Err("it has a `%` that is not followed by the two digits of a character".into());
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "its percent-encoded text is not UTF-8".into())
}

/// Any text that may be a URL, with what stands before the last `@` of its authority taken out.
pub(super) fn redact(text: &str) -> String {
    let text = printable(text, 300);
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password with a slash in it would end the authority early, so the last `@` of all counts.
    let at = rest.rfind('@').filter(|at| *at < end || rest[..*at].contains(':'));
    let host = at.map_or(rest, |at| &rest[at + 1..]);
    let host = host.split(['?', '#']).next().unwrap_or(host);
    if at.is_some() { format!("{scheme}://…@{host}") } else { format!("{scheme}://{host}") }
}

impl Remote {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// True if nothing that is sent leaves this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// `host`, `host:port` or `[::1]:port`, as it stands in URLs.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }

    /// The URL without userinfo.
    pub fn base(&self) -> String {
        format!("{}://{}{}", self.scheme.name(), self.authority(), self.path)
    }

    /// A name for files on disk: readable, and different for different repositories; passwords play no part.
    pub fn file_name(&self) -> String {
        let user = if self.scheme == Scheme::Ssh { self.user.as_deref().unwrap_or("") } else { "" };
        let digest = Sha256::digest(format!("{user}@{}", self.base()).as_bytes());
        let digest: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let readable = format!("{}-{}", self.host, self.path.trim_end_matches(".git"));
        let fine = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let readable: String = readable.chars().map(fine).take(80).collect();
        format!("{}-{digest}", readable.replace("--", "-").trim_matches(['.', '-']))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = match (self.scheme, &self.user) {
            (Scheme::Ssh, Some(user)) => format!("{}@", printable(user, 60)),
            _ => String::new(),
        };
        let slash = if self.path.starts_with('/') { "" } else { "/" };
        write!(f, "{}://{user}{}{slash}{}", self.scheme.name(), self.authority(), printable(&self.path, 300))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Local(path) => write!(f, "{}", printable(&path.to_string_lossy(), 300)),
            Address::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[path = "url_tests.rs"]
mod tests;
