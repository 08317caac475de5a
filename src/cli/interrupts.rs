//! Ctrl-C and SIGTERM: the first asks for a stop at the next safe point, the second ends the program.

use super::screen;
use crate::engine::StopSignal;

/// Watches for interrupts from now on, and tells what they bring about.
pub fn watch(stop: &StopSignal, tell: impl Fn(&str) + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move {
        interrupted().await;
        stop.set();
        tell("stopping; press Ctrl-C again to stop at once, without waiting for a safe point");
        interrupted().await;
        tell("stopped at once; the next sync continues from what it finds");
        screen::set_live(vec![]);
        std::process::exit(130);
    });
}

/// Returns when somebody asks this process to end.
pub async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler there is nothing to wait for: the signal ends the process by itself.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
