//! Authentication at an SSH server: the agent's keys first, then key files. It never asks for a passphrase.

use super::call::Call;
use super::error::{ErrorKind, SourceError, printable};
use super::given::Given;
use super::ssh::broken;
use super::ssh_host_key::Checker;
use russh::client::Handle;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, decode_secret_key, load_secret_key};
use std::path::Path;
use std::sync::Arc;

/// OpenSSH's server ends the connection after six attempts, so an agent full of keys must leave room for key files.
const AGENT_KEYS: usize = 5;

/// Tries what the caller allows; says what was tried if nothing was accepted.
pub(super) async fn authenticate(call: &Arc<Call>, handle: &mut Handle<Checker>) -> Result<(), SourceError> {
    let remote = &call.remote;
    let user = remote.user.clone().or_else(|| call.auth.ssh_user.clone()).unwrap_or_else(|| "git".into());
    let mut tried = Vec::new();
    let rsa = handle.best_supported_rsa_hash().await.map_err(|e| broken(call, &e))?;
    let rsa = rsa.flatten().or(Some(HashAlg::Sha512));
    if let Some(socket) = &call.auth.ssh_agent {
        match with_agent(handle, socket, &user, rsa).await {
            Ok(None) => return Ok(()),
            Ok(Some(keys)) => tried.push(format!("{keys} of the agent at {}", socket.display())),
            Err(why) => tried.push(format!("the agent at {} ({why})", socket.display())),
        }
    } else if call.auth.given.is_none() {
        tried.push("no agent (SSH_AUTH_SOCK is not set)".into());
    }
    if let Some(given) = &call.auth.given {
        match with_given(handle, given, &user, rsa).await {
            Ok(true) => return Ok(()),
            Ok(false) => tried.push(format!("the key of {} (refused)", given.name())),
            Err(why) => tried.push(why),
        }
    }
    for path in &call.auth.ssh_keys {
        if handle.is_closed() {
            tried.push("the server then closed the connection".into());
            break;
        }
        match with_file(handle, path, &user, rsa).await {
            Ok(Some(true)) => return Ok(()),
            Ok(Some(false)) => tried.push(format!("{} (refused)", path.display())),
            Ok(None) => {}
            Err(why) => tried.push(format!("{} ({why})", path.display())),
        }
    }
    let message = format!(
        "{remote} accepts none of the keys for user {}. Tried: {}. Add the public key on the host, or name the \
         right key",
        printable(&user, 60),
        tried.join("; ")
    );
    Err(SourceError::new(ErrorKind::Auth, message))
}

/// Nothing if the server accepted one of the agent's keys, else which were tried; the error says why the agent is of
/// no use.
async fn with_agent(
    handle: &mut Handle<Checker>,
    socket: &Path,
    user: &str,
    rsa: Option<HashAlg>,
) -> Result<Option<String>, String> {
    let text = |error: russh::keys::Error| printable(&error.to_string(), 100);
    let mut agent = AgentClient::connect_uds(socket).await.map_err(text)?;
    let identities = agent.request_identities().await.map_err(text)?;
    if identities.is_empty() {
        return Err("it holds no key; add one with ssh-add".into());
    }
    let count = identities.len();
    for identity in identities.into_iter().take(AGENT_KEYS) {
        let accepted = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                let hash = rsa.filter(|_| key.algorithm().is_rsa());
                handle.authenticate_publickey_with(user, key, hash, &mut agent).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                let hash = rsa.filter(|_| certificate.algorithm().is_rsa());
                handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await
            }
        };
        if accepted.map_err(|error| printable(&error.to_string(), 100))?.success() {
            return Ok(None);
        }
    }
    let left_out = count.saturating_sub(AGENT_KEYS);
    let left_out = if left_out > 0 { format!(" ({left_out} more were not)") } else { String::new() };
    Ok(Some(format!("{} keys{left_out}", count.min(AGENT_KEYS))))
}

/// True if the server accepted the key that was given; the error says why there is no such key.
async fn with_given(
    handle: &mut Handle<Checker>,
    given: &Given,
    user: &str,
    rsa: Option<HashAlg>,
) -> Result<bool, String> {
    use russh::keys::Error::KeyIsEncrypted;
    let Some((key, passphrase)) = &given.ssh_key else {
        return Err(match given.origin {
            Some(_) => format!("{} holds no key (identity or sshPrivateKey)", given.name()),
            None => "no Secret with a key is named in spec.source.secretRef".into(),
        });
    };
    let key = match decode_secret_key(key, None) {
        Err(KeyIsEncrypted) => decode_secret_key(key, passphrase.as_deref()),
        decoded => decoded,
    };
    // The error's text is not told on: it is about a secret.
    let key = key.map_err(|error| match error {
        KeyIsEncrypted => {
            format!("the key of {} is encrypted, and there is no `password` for it", given.name())
        }
        _ => format!("the key of {} can't be read", given.name()),
    })?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), rsa);
    let accepted = handle.authenticate_publickey(user, key).await;
    Ok(accepted.map_err(|error| printable(&error.to_string(), 100))?.success())
}

/// True if the server accepted the key of the file, nothing if there is no such file; the error says why it is of no use.
async fn with_file(
    handle: &mut Handle<Checker>,
    path: &Path,
    user: &str,
    rsa: Option<HashAlg>,
) -> Result<Option<bool>, String> {
    use russh::keys::Error::{IO, KeyIsEncrypted};
    let key = match load_secret_key(path, None) {
        Ok(key) => key,
        Err(IO(error)) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(KeyIsEncrypted) => {
            return Err(format!("encrypted; unlock it in an agent with `ssh-add {}`", path.display()));
        }
        Err(error) => return Err(printable(&error.to_string(), 100)),
    };
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), rsa);
    let accepted = handle.authenticate_publickey(user, key).await;
    Ok(Some(accepted.map_err(|error| printable(&error.to_string(), 100))?.success()))
}
