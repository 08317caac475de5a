//! Joins libgit2's smart protocol with our own connections: http(s) by ureq and rustls, ssh by russh, git by plain TCP.
//! Libgit2's own transports would need OpenSSL and libssh2, prompt, and know neither deadlines nor byte caps.

use super::call::Call;
use super::error::{ErrorKind, SourceError};
use super::url::Scheme;
use super::{http, ssh, tcp};
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

/// The only URL libgit2 ever sees. The real one stays in [`Call`], so that neither libgit2's messages nor a user's
/// `url.*.insteadOf` setting get hold of it.
pub(super) const URL: &str = "cutover://remote";

thread_local! {
    /// The operation this thread is in. Libgit2 calls a transport on the thread that called libgit2.
    static CURRENT: RefCell<Option<Arc<Call>>> = const { RefCell::new(None) };
}

/// Runs `work` with libgit2's network going to `call`, and gives its error the transport's own words.
pub(super) fn with_call<T>(
    call: &Arc<Call>,
    doing: &str,
    work: impl FnOnce() -> Result<T, git2::Error>,
) -> Result<T, SourceError> {
    register()?;
    // What went wrong while an earlier connection took leave is no problem of this one.
    call.take_problem();
    CURRENT.set(Some(call.clone()));
    let result = work();
    CURRENT.set(None);
    result.map_err(|error| {
        let what = format!("{doing} {}", call.remote);
        let fallback = || {
            if call.remaining().is_err() { call.timed_out() } else { SourceError::git(&what, &error) }
        };
        call.take_problem().unwrap_or_else(fallback)
    })
}

/// Registers the transport with libgit2, once for the process.
#[allow(unsafe_code)]
fn register() -> Result<(), SourceError> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        // SAFETY: registering must not run while another thread makes a transport. Every remote of this program is
        // made below `with_call`, which comes here first and waits for the one registration.
        let result = unsafe {
            git2::transport::register("cutover", |remote| {
                let call = CURRENT.with_borrow(Clone::clone);
                let call =
                    call.ok_or_else(|| git2::Error::from_str("a remote was used outside of a call"))?;
                let stateless = matches!(call.remote.scheme, Scheme::Http | Scheme::Https);
                Transport::smart(remote, stateless, Subtransport::new(call)?)
            })
        };
        result.map_err(|error| error.message().to_owned())
    });
    done.clone()
        .map_err(|why| SourceError::new(ErrorKind::Local, format!("libgit2 takes no transport: {why}")))
}

/// One connection, of whichever protocol.
enum Subtransport {
    Http(Arc<Call>, Box<http::Client>),
    Ssh(Arc<Call>),
    Tcp(Arc<Call>),
}

impl Subtransport {
    fn new(call: Arc<Call>) -> Result<Self, git2::Error> {
        Ok(match call.remote.scheme {
            Scheme::Http | Scheme::Https => {
                let client = http::Client::new(call.clone()).map_err(|e| call.fail_git(e))?;
                Subtransport::Http(call, Box::new(client))
            }
            Scheme::Ssh => Subtransport::Ssh(call),
            Scheme::Git => Subtransport::Tcp(call),
        })
    }
}

impl SmartSubtransport for Subtransport {
    fn action(&self, _url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let (call, stream) = match self {
            Subtransport::Http(call, client) => (call, client.stream(service)),
            Subtransport::Ssh(call) => (call, ssh::connect(call, program(service))),
            Subtransport::Tcp(call) => (call, tcp::open(call, program(service))),
        };
        stream.map_err(|error| call.fail_git(error))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// The program on the server that speaks the service's protocol.
pub(super) fn program(service: Service) -> &'static str {
    match service {
        Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
        Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
    }
}
