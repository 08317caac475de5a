//! Credentials that are given as a Kubernetes Secret's data, in the keys that Flux and Argo CD use. They stay in memory.

use super::auth::{Auth, Token, TokenSource};
use super::error::{ErrorKind, SourceError};
use std::collections::BTreeMap;
use std::fmt;

/// What was given for one repository in place of what the environment offers. `Debug` shows where it comes from.
#[derive(Clone, Default)]
pub struct Given {
    /// For people: `Secret team-a/git`; `None` if there is no Secret.
    pub(super) origin: Option<String>,
    /// Sent as `Authorization: Bearer`.
    pub(super) bearer: Option<String>,
    /// A private key, and its passphrase if it has one.
    pub(super) ssh_key: Option<(String, Option<String>)>,
    /// In OpenSSH's format; takes the place of the files.
    pub(super) known_hosts: Option<Vec<u8>>,
    /// Certificates in PEM to trust beside those of the system.
    pub(super) authorities: Option<Vec<u8>>,
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin.as_deref().unwrap_or("nothing"))
    }
}

const KEYS: &str =
    "username and password, token, bearerToken, identity or sshPrivateKey, known_hosts, ca.crt or caFile";

impl Auth {
    /// Nobody: no agent, no helper, no key of this machine. Hosts are known by the files of `base`, and authorities too.
    pub fn nobody(base: &Auth) -> Auth {
        Auth {
            known_hosts: base.known_hosts.clone(),
            ca_file: base.ca_file.clone(),
            given: Some(Given::default()),
            ..Auth::default()
        }
    }

    /// Who the data of a Secret says, and nothing of this machine; see [`Auth::nobody`]. `origin` names the Secret.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] if the data holds no credential that is understood, or one that is no text.
    pub fn from_secret(
        base: &Auth,
        origin: &str,
        data: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Auth, SourceError> {
        let refused = |why: String| SourceError::new(ErrorKind::Auth, format!("{origin}: {why}"));
        let bytes = |names: &[&str]| names.iter().find_map(|name| data.get(*name)).filter(|b| !b.is_empty());
        let text = |names: &[&str]| {
            let text =
                bytes(names).map(|bytes| std::str::from_utf8(bytes).map(|text| text.trim().to_owned()));
            text.transpose().map_err(|_| refused(format!("the value of {} is no text", names[0])))
        };
        let username = text(&["username"])?;
        let password = text(&["password"])?;
        let ssh_key = text(&["identity", "sshPrivateKey"])?;
        let given = Given {
            origin: Some(origin.to_owned()),
            bearer: text(&["bearerToken"])?,
            // Flux keeps the key's passphrase in the password.
            ssh_key: ssh_key.map(|key| (key + "\n", password.clone())),
            known_hosts: bytes(&["known_hosts"]).cloned(),
            authorities: bytes(&["ca.crt", "caFile"]).cloned(),
        };
        if given.bearer.as_ref().is_some_and(|token| token.chars().any(|c| c.is_control() || !c.is_ascii())) {
            return Err(refused("the value of bearerToken is no token".into()));
        }
        let token = text(&["token"])?.or(password).map(|secret| Token {
            secret: TokenSource::Value { secret, origin: origin.to_owned() },
            username: username.clone(),
            host: None,
        });
        let is_empty = token.is_none()
            && given.bearer.is_none()
            && given.ssh_key.is_none()
            && given.known_hosts.is_none()
            && given.authorities.is_none();
        if is_empty {
            return Err(refused(format!("it holds none of the keys that are understood: {KEYS}")));
        }
        Ok(Auth { token, ssh_user: username, given: Some(given), ..Auth::nobody(base) })
    }
}

impl Given {
    /// Where the bearer token comes from, and the token.
    pub(super) fn bearer(&self) -> Option<(&str, &str)> {
        Some((self.origin.as_deref()?, self.bearer.as_deref()?))
    }

    /// The Secret's name.
    pub(super) fn name(&self) -> &str {
        self.origin.as_deref().unwrap_or("nobody")
    }

    /// Why there is no credential for http(s), and what to do.
    pub(super) fn missing_password(&self) -> String {
        match &self.origin {
            Some(origin) => format!("{origin} holds neither a password nor a token"),
            None => "no Secret is named in spec.source.secretRef".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> Result<Auth, SourceError> {
        let data =
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        Auth::from_secret(&Auth::default(), "Secret team-a/git", &data)
    }

    #[test]
    fn the_keys_of_flux_and_of_argo_are_understood() {
        for (entries, want) in [
            (&[("username", "robot"), ("password", "geheim")][..], "token robot"),
            (&[("token", "geheim")], "token -"),
            (&[("bearerToken", "geheim")], "bearer"),
            (&[("identity", "geheim"), ("known_hosts", "x")], "key known_hosts"),
            (&[("sshPrivateKey", "geheim"), ("type", "git"), ("url", "u")], "key"),
            (&[("ca.crt", "pem")], "authorities"),
            (&[("caFile", "pem"), ("username", "a"), ("password", "geheim")], "token a authorities"),
        ] {
            let auth = secret(entries).unwrap();
            assert!(!format!("{auth:?}").contains("geheim"), "{auth:?}");
            let given = auth.given.unwrap();
            let mut found = vec![];
            if let Some(token) = auth.token {
                found.push(format!("token {}", token.username.as_deref().unwrap_or("-")));
            }
            for (there, name) in [
                (given.bearer.is_some(), "bearer"),
                (given.ssh_key.is_some(), "key"),
                (given.known_hosts.is_some(), "known_hosts"),
                (given.authorities.is_some(), "authorities"),
            ] {
                found.extend(there.then(|| name.to_owned()));
            }
            assert_eq!(found.join(" "), want);
        }
    }

    #[test]
    fn a_secret_without_a_credential_is_refused_by_name() {
        let error = secret(&[("githubAppID", "1"), ("password", "")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Auth);
        let text = error.to_string();
        assert!(text.starts_with("Secret team-a/git: it holds none of the keys"), "{text}");
    }
}
