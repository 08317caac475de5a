//! Who the program is towards Git servers. Nothing in here is ever printed: `Debug` shows where a secret comes from.

use super::credential;
use super::error::{ErrorKind, SourceError};
use super::given::Given;
use super::url::Remote;
use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

/// The ways to authenticate that the caller allows. `Auth::default()` is nobody: only public repositories can be read.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// A token for http(s), sent as basic auth after the server asked for it.
    pub token: Option<Token>,
    /// Ask `git credential fill` for http(s), if Git is installed and a helper is configured. It never prompts.
    pub credential_helper: bool,
    /// The SSH agent's socket.
    pub ssh_agent: Option<PathBuf>,
    /// Private key files for SSH, tried in this order after the agent; those that do not exist are skipped.
    pub ssh_keys: Vec<PathBuf>,
    /// Files in the format of OpenSSH's `known_hosts`; those that do not exist are skipped.
    pub known_hosts: Vec<PathBuf>,
    /// The user for SSH URLs that name none.
    pub ssh_user: Option<String>,
    /// PEM certificates to trust for https, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What a Secret says; takes the place of the agent, the helper and the key files.
    pub given: Option<Given>,
}

/// A token and the only host that may see it.
#[derive(Clone, Debug)]
pub struct Token {
    pub secret: TokenSource,
    /// The user it belongs to; most hosts take any.
    pub username: Option<String>,
    /// Sent to this host only; `None`: to whichever host of a repository asks for it.
    pub host: Option<String>,
}

/// Where a token is kept.
#[derive(Clone)]
pub enum TokenSource {
    /// The token itself, with words for people that say where it comes from.
    Value { secret: String, origin: String },
    /// A file, read for each use, so that a rotated token is seen.
    File(PathBuf),
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl TokenSource {
    fn origin(&self) -> String {
        match self {
            TokenSource::Value { origin, .. } => origin.clone(),
            TokenSource::File(path) => format!("file {}", path.display()),
        }
    }
}

impl Auth {
    /// What the environment offers: `CUTOVER_GIT_TOKEN` or `CUTOVER_GIT_TOKEN_FILE`, `CUTOVER_GIT_USERNAME`,
    /// `CUTOVER_GIT_HOST`, Git's credential helpers, `SSH_AUTH_SOCK`, and the keys and known hosts of `~/.ssh`, or
    /// those that `CUTOVER_GIT_SSH_KEY` and `CUTOVER_GIT_KNOWN_HOSTS` name in their place.
    pub fn from_env() -> Auth {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let value = var("CUTOVER_GIT_TOKEN").map(|secret| TokenSource::Value {
            secret,
            origin: "environment variable CUTOVER_GIT_TOKEN".into(),
        });
        let secret = value.or_else(|| var("CUTOVER_GIT_TOKEN_FILE").map(|p| TokenSource::File(p.into())));
        let token = secret.map(|secret| Token {
            secret,
            username: var("CUTOVER_GIT_USERNAME"),
            host: var("CUTOVER_GIT_HOST"),
        });
        let ssh = std::env::home_dir().map(|home| home.join(".ssh"));
        let in_ssh = |names: &[&str]| {
            ssh.iter().flat_map(|dir| names.iter().map(move |name| dir.join(name))).collect::<Vec<_>>()
        };
        let named = |name: &str| var(name).map(|path| vec![PathBuf::from(path)]);
        let known_hosts = named("CUTOVER_GIT_KNOWN_HOSTS").unwrap_or_else(|| {
            let mut files = in_ssh(&["known_hosts", "known_hosts2"]);
            files.push("/etc/ssh/ssh_known_hosts".into());
            files
        });
        let usual_keys = || in_ssh(&["id_ed25519", "id_ecdsa", "id_rsa"]);
        Auth {
            token,
            credential_helper: true,
            ssh_agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
            ssh_keys: named("CUTOVER_GIT_SSH_KEY").unwrap_or_else(usual_keys),
            known_hosts,
            ssh_user: var("USER").or_else(|| var("LOGNAME")),
            ca_file: None,
            given: None,
        }
    }

    /// The credential for an http(s) server that asked for one, or words that say why there is none.
    pub(super) fn basic(&self, remote: &Remote, deadline: Instant) -> Result<Found, SourceError> {
        let mut missing = Vec::new();
        if let Some(password) = &remote.password {
            let user = remote.user.clone().unwrap_or_default();
            return Ok(Found::Basic(Basic::new(
                user,
                password.clone(),
                "the repoURL's own user and password",
            )));
        }
        if let Some((origin, bearer)) = self.given.as_ref().and_then(Given::bearer) {
            return Ok(Found::Basic(Basic { header: format!("Bearer {bearer}"), origin: origin.to_owned() }));
        }
        match (&self.token, &self.given) {
            (None, Some(given)) => missing.push(given.missing_password()),
            (None, None) => {
                missing.push("no token is set (CUTOVER_GIT_TOKEN or CUTOVER_GIT_TOKEN_FILE)".to_owned())
            }
            (Some(token), _) => match &token.host {
                Some(host) if !host.eq_ignore_ascii_case(&remote.host) => missing.push(format!(
                    "the token of {} is only for {host} (CUTOVER_GIT_HOST)",
                    token.secret.origin()
                )),
                _ => {
                    let user = token.username.clone().or_else(|| remote.user.clone());
                    let user = user.unwrap_or_else(|| "x-access-token".into());
                    let found = Basic::new(user, token.secret.read()?, &token.secret.origin());
                    return Ok(Found::Basic(found));
                }
            },
        }
        if self.credential_helper {
            match credential::fill(remote, deadline)? {
                credential::Answer::Filled(user, password) => {
                    return Ok(Found::Basic(Basic::new(user, password, "Git's credential helper")));
                }
                credential::Answer::Nothing(why) => missing.push(why.to_owned()),
            }
        }
        Ok(Found::Nothing(missing.join("; ")))
    }
}

impl TokenSource {
    fn read(&self) -> Result<String, SourceError> {
        let text = match self {
            TokenSource::Value { secret, .. } => secret.clone(),
            TokenSource::File(path) => std::fs::read_to_string(path).map_err(|error| {
                let message = format!("cannot read the Git token in {}: {error}", path.display());
                SourceError::new(ErrorKind::Auth, message)
            })?,
        };
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            let message = format!("the Git token in {} is empty or has several lines", self.origin());
            return Err(SourceError::new(ErrorKind::Auth, message));
        }
        Ok(text.to_owned())
    }
}

/// What was found for a server that asks who one is.
pub(super) enum Found {
    Basic(Basic),
    /// Why there is nothing.
    Nothing(String),
}

/// What proves who one is, and where it comes from.
pub(super) struct Basic {
    header: String,
    pub origin: String,
}

impl Basic {
    fn new(user: String, password: String, origin: &str) -> Self {
        let pair = format!("{user}:{password}");
        let header = format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
        Basic { header, origin: format!("{origin}, user {}", super::error::printable(&user, 60)) }
    }

    /// The value of the `Authorization` header.
    pub fn header(&self) -> &str {
        &self.header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let secret = TokenSource::Value { secret: "geheim".into(), origin: "a test".into() };
        let auth = Auth { token: Some(Token { secret, username: None, host: None }), ..Auth::default() };
        let shown = format!("{auth:?}");
        assert!(shown.contains("a test") && !shown.contains("geheim"), "{shown}");
    }
}
