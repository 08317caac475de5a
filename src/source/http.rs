//! Smart HTTP (https:// and http://): a GET for the references, then a POST for each round of the protocol.
//! Credentials go to the URL's own host only, after it asked for them, and never over plain http:// to another machine.

use super::auth::{Basic, Found};
use super::call::Call;
use super::error::{ErrorKind, SourceError};
use super::http_error::{describe_status, describe_ureq};
use super::http_stream::{Post, Reading};
use super::tls;
use super::url::{Address, Remote, Scheme, redact};
use git2::transport::{Service, SmartSubtransportStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ureq::{Agent, Body, Proxy, http::Response};

/// One remote over HTTP; connections are kept for the whole operation.
pub(super) struct Client {
    call: Arc<Call>,
    agent: Agent,
    state: Mutex<State>,
}

struct State {
    /// The repository's URL without userinfo; after a redirect, where the server said it is.
    base: Remote,
    credential: Option<Basic>,
}

/// Redirects of one request that are followed.
const REDIRECTS: usize = 5;

impl Client {
    /// Sets up TLS and proxy; connects nowhere yet.
    pub fn new(call: Arc<Call>) -> Result<Self, SourceError> {
        let config = Agent::config_builder()
            .tls_config(tls::config(&call)?)
            .proxy(proxy(&call.remote)?)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("git/2 cutover/", env!("CARGO_PKG_VERSION")))
            .timeout_per_read(Some(call.read_limit()?))
            .timeout_per_write(Some(call.read_limit()?))
            .timeout_connect(Some(call.connect_limit()?))
            .build();
        let state = State { base: call.remote.clone(), credential: None };
        Ok(Client { call, agent: config.new_agent(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream libgit2 asked for: the list of references, or one POST that is sent when its answer is first read.
    pub fn stream(&self, service: Service) -> Result<Box<dyn SmartSubtransportStream>, SourceError> {
        let program = super::transport::program(service);
        match service {
            Service::UploadPackLs | Service::ReceivePackLs => {
                let body = self.references(program)?;
                Ok(Box::new(Reading::new(self.call.clone(), body.into_reader())))
            }
            Service::UploadPack | Service::ReceivePack => {
                self.call.begin_pack();
                let state = self.state();
                let authorization = state.credential.as_ref().map(|c| c.header().to_owned());
                let url = format!("{}/{program}", state.base.base());
                Ok(Box::new(Post::new(self.call.clone(), self.agent.clone(), url, program, authorization)))
            }
        }
    }

    /// `GET …/info/refs`, following redirects and answering one demand for a credential.
    fn references(&self, program: &str) -> Result<Body, SourceError> {
        let mut redirects = 0;
        loop {
            let response = self.get(program)?;
            let status = response.status().as_u16();
            match status {
                200 => return self.checked(response, program),
                301 | 302 | 303 | 307 | 308 if redirects < REDIRECTS => {
                    redirects += 1;
                    self.follow(&response, program)?;
                }
                301 | 302 | 303 | 307 | 308 => {
                    let message = format!("{} redirects more than {REDIRECTS} times", self.call.remote);
                    return Err(SourceError::new(ErrorKind::Network, message));
                }
                401 if self.state().credential.is_none() => self.authenticate()?,
                _ => {
                    let tried = self.state().credential.as_ref().map(|c| c.origin.clone());
                    return Err(describe_status(&self.call.remote, response, tried.as_deref()));
                }
            }
        }
    }

    fn get(&self, program: &str) -> Result<Response<Body>, SourceError> {
        let state = self.state();
        let url = format!("{}/info/refs?service={program}", state.base.base());
        let mut request = self.agent.get(&url).header("Cache-Control", "no-cache");
        if let Some(credential) = &state.credential {
            request = request.header("Authorization", credential.header());
        }
        let request = request.config().timeout_global(Some(self.call.remaining()?)).build();
        request.call().map_err(|error| describe_ureq(&self.call, error))
    }

    /// Finds a credential for a server that answered 401. A server we were redirected to gets none.
    fn authenticate(&self) -> Result<(), SourceError> {
        let mut state = self.state();
        let remote = &self.call.remote;
        let auth = |why: String| Err(SourceError::new(ErrorKind::Auth, why));
        if !is_same_server(remote, &state.base) {
            return auth(format!(
                "{remote} redirects to {}, which asks for a credential; credentials are not sent to another \
                 host, so write that URL as repoURL if you trust it",
                state.base
            ));
        }
        match self.call.auth.basic(remote, self.call.deadline)? {
            Found::Nothing(why) if self.call.auth.given.is_some() => {
                auth(format!("{remote} asks for a credential and there is none: {why}"))
            }
            Found::Nothing(why) => auth(format!(
                "{remote} asks for a credential and there is none: {why}. Give a token in CUTOVER_GIT_TOKEN, or \
                 in a file named by CUTOVER_GIT_TOKEN_FILE, or set up a credential helper for Git"
            )),
            Found::Basic(_) if state.base.scheme == Scheme::Http && !state.base.is_loopback() => {
                auth(format!(
                    "{remote} asks for a credential over plain http://, where everyone on the way can read it; \
                 it was not sent. Use https://"
                ))
            }
            Found::Basic(basic) => {
                state.credential = Some(basic);
                Ok(())
            }
        }
    }

    /// Takes the repository's new URL from a redirect of `info/refs`. A credential stays behind when the host changes.
    fn follow(&self, response: &Response<Body>, program: &str) -> Result<(), SourceError> {
        let mut state = self.state();
        let location = response.headers().get("location").and_then(|l| l.to_str().ok()).unwrap_or("");
        let wrong = |why: &str| {
            let message = format!("{} redirects to `{}`, {why}", self.call.remote, redact(location));
            Err(SourceError::new(ErrorKind::Network, message))
        };
        let url = if location.starts_with('/') && !location.starts_with("//") {
            format!("{}://{}{location}", scheme(&state.base), state.base.authority())
        } else {
            location.to_owned()
        };
        let Some(base) = url.strip_suffix(&format!("/info/refs?service={program}")) else {
            return wrong("which is no Git repository (a login page?); check the repoURL and its credential");
        };
        let Ok(Address::Remote(mut base)) = super::url::parse(base) else {
            return wrong("which is not a usable URL");
        };
        (base.user, base.password) = (None, None);
        if !matches!(base.scheme, Scheme::Http | Scheme::Https)
            || (state.base.scheme, base.scheme) == (Scheme::Https, Scheme::Http)
        {
            return wrong("which would leave https://; it was not followed");
        }
        if (&base.host, base.port(), base.scheme) != (&state.base.host, state.base.port(), state.base.scheme)
        {
            state.credential = None;
        }
        state.base = base;
        Ok(())
    }

    /// A 200 is a Git server's only with Git's content type.
    fn checked(&self, response: Response<Body>, program: &str) -> Result<Body, SourceError> {
        let kind = response.headers().get("content-type").and_then(|k| k.to_str().ok()).unwrap_or("");
        if kind == format!("application/x-{program}-advertisement") {
            return Ok(response.into_body());
        }
        let message = format!(
            "{} answers with `{}`, so it is no Git repository over smart HTTP; check the repoURL",
            self.call.remote,
            super::error::printable(kind, 60)
        );
        Err(SourceError::new(ErrorKind::Network, message))
    }
}

/// True if `now` is the server of the repoURL; the step from http:// to https:// on the usual ports stays on it.
fn is_same_server(url: &Remote, now: &Remote) -> bool {
    let upgraded =
        (url.scheme, url.port()) == (Scheme::Http, 80) && (now.scheme, now.port()) == (Scheme::Https, 443);
    url.host == now.host && (url.port() == now.port() && url.scheme == now.scheme || upgraded)
}

fn scheme(remote: &Remote) -> &'static str {
    if remote.scheme == Scheme::Https { "https" } else { "http" }
}

/// The proxy that the usual environment variables name for this host. `HTTP_PROXY` in capitals is not read: a CGI
/// request can set it by a `Proxy:` header. This machine itself is never asked for through a proxy.
fn proxy(remote: &Remote) -> Result<Option<Proxy>, SourceError> {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty()).map(|v| (name.to_owned(), v));
    let names: &[&str] = match remote.scheme {
        Scheme::Https => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, value)) = names.iter().find_map(|name| var(name)) else { return Ok(None) };
    let except = var("no_proxy").or_else(|| var("NO_PROXY")).map(|(_, v)| v).unwrap_or_default();
    if remote.is_loopback() || is_excepted(&remote.host, &except) {
        return Ok(None);
    }
    // Its value may hold a password, so it is not shown.
    let wrong = |_| SourceError::new(ErrorKind::Usage, format!("{name} is not a usable proxy URL"));
    Proxy::new(&value).map(Some).map_err(wrong)
}

/// True if `host` is in a `NO_PROXY` list: names match themselves and what ends in them, `*` matches everything.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).any(
        |entry| {
            let name = entry.trim_start_matches('*').trim_start_matches('.');
            entry == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::is_excepted;

    #[test]
    fn hosts_are_excepted_from_the_proxy_as_curl_does() {
        for (host, list, want) in [
            ("git.corp.example", "corp.example", true),
            ("git.corp.example", ".corp.example, x", true),
            ("git.corp.example", "*.corp.example", true),
            ("corp.example", "corp.example", true),
            ("evilcorp.example", "corp.example", false),
            ("h", "*", true),
            ("h", "", false),
        ] {
            assert_eq!(is_excepted(host, list), want, "{host} in {list}");
        }
    }
}
