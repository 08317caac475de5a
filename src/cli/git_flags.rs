//! How Git repositories are reached.

use super::error::{CliError, ErrorKind};
use crate::model::parse_duration;
use crate::source::{Auth, GitOptions, Token, TokenSource, default_cache_dir};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Credentials, cache and time limit for Git.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Git")]
pub struct GitFlags {
    /// A file with the token for https (or put the token into CUTOVER_GIT_TOKEN, or have a credential helper)
    #[arg(long, value_name = "FILE")]
    pub git_token_file: Option<PathBuf>,
    /// A private key for ssh [default: the agent, then the keys in ~/.ssh]
    #[arg(long, value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// The file that the host keys of ssh servers are checked against [default: ~/.ssh/known_hosts]
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Where mirrors of repositories are kept [default: cutover in the user's cache folder]
    #[arg(long, value_name = "FOLDER", env = "CUTOVER_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// The longest a Git operation may take
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub git_timeout: u64,
}

impl GitFlags {
    /// The options, completed from the environment.
    ///
    /// # Errors
    /// If there is no place for the cache.
    pub fn options(&self) -> Result<GitOptions, CliError> {
        let cache = self.cache_dir.clone().or_else(default_cache_dir).ok_or_else(|| {
            CliError::new(ErrorKind::Local, "there is no home directory to keep mirrors in")
                .hint("name a folder with --cache-dir")
        })?;
        let mut auth = Auth::from_env();
        if let Some(path) = &self.git_token_file {
            let (username, host) =
                auth.token.take().map_or((None, None), |token| (token.username, token.host));
            let (username, host) = (username.or_else(|| var("USERNAME")), host.or_else(|| var("HOST")));
            auth.token = Some(Token { secret: TokenSource::File(path.clone()), username, host });
        }
        if let Some(key) = &self.ssh_key {
            if !key.exists() {
                return Err(CliError::usage(format!("there is no key file {}", key.display())));
            }
            // The named key and no other: servers count attempts.
            auth.ssh_agent = None;
            auth.ssh_keys = vec![key.clone()];
        }
        if let Some(known_hosts) = &self.known_hosts {
            if !known_hosts.exists() {
                return Err(CliError::usage(format!("there is no file {}", known_hosts.display())));
            }
            auth.known_hosts = vec![known_hosts.clone()];
        }
        let mut options = GitOptions::new(cache, auth);
        options.timeout = Duration::from_secs(self.git_timeout.max(1));
        options.idle_timeout = options.idle_timeout.min(options.timeout);
        Ok(options)
    }
}

fn var(name: &str) -> Option<String> {
    std::env::var(format!("CUTOVER_GIT_{name}")).ok().filter(|value| !value.is_empty())
}
