//! Ctrl-C and SIGTERM: the first asks for a stop at the next safe point, the second ends the program.

use super::screen;
use crate::engine::StopSignal;

/// Watches for interrupts from now on, and tells what they bring about. Has to be called in a tokio runtime.
pub fn watch(stop: &StopSignal, tell: impl Fn(&str) + Send + 'static) {
    let stop = stop.clone();
    let mut interrupts = Interrupts::begin();
    tokio::spawn(async move {
        interrupts.next().await;
        stop.set();
        tell("stopping; press Ctrl-C again to stop at once, without waiting for a safe point");
        interrupts.next().await;
        tell("stopped at once; the next sync continues from what it finds");
        screen::set_live(vec![]);
        std::process::exit(130);
    });
}

/// What asks this process to end. Before there is such a value a signal ends it without further ado.
#[cfg(unix)]
struct Interrupts([Option<tokio::signal::unix::Signal>; 2]);

#[cfg(unix)]
impl Interrupts {
    fn begin() -> Interrupts {
        use tokio::signal::unix::{SignalKind, signal};
        // Without a handler there is nothing to wait for: the signal ends the process by itself.
        Interrupts([SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok()))
    }

    /// Returns when somebody asks.
    async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let mut signals = self.0.iter_mut().flatten();
            match signals.any(|signal| signal.poll_recv(context).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        })
        .await;
    }
}

#[cfg(not(unix))]
struct Interrupts;

#[cfg(not(unix))]
impl Interrupts {
    fn begin() -> Interrupts {
        Interrupts
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
