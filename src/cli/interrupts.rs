//! Ctrl-C and SIGTERM: the first asks for a stop at the next safe point, the second ends the program.

use super::screen;
use crate::engine::StopSignal;
use futures_util::FutureExt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

/// What comes so soon after the first signal is the same request: `timeout` sends its signal to the process and then to
/// the process's group, and who passes on a Ctrl-C that the terminal has sent to everybody does so, too.
const ONE_REQUEST: Duration = Duration::from_millis(500);

/// Watches for interrupts from now on, and tells what they bring about. Has to be called in a tokio runtime.
pub fn watch(stop: &StopSignal, tell: impl Fn(&str) + Send + Sync + 'static) {
    let stop = stop.clone();
    let mut interrupts = Interrupts::begin();
    tokio::spawn(async move {
        heed(|context| interrupts.poll(context), &stop, &tell).await;
        screen::set_live(vec![]);
        std::process::exit(130);
    });
}

/// Sets `stop` at the first request and returns at the second. `asked` is ready when there was one since the last time.
async fn heed(mut asked: impl FnMut(&mut Context<'_>) -> Poll<()>, stop: &StopSignal, tell: impl Fn(&str)) {
    poll_fn(&mut asked).await;
    stop.set();
    tell("stopping; press Ctrl-C again to stop at once, without waiting for a safe point");
    tokio::time::sleep(ONE_REQUEST).await;
    while poll_fn(&mut asked).now_or_never().is_some() {}
    poll_fn(asked).await;
    tell("stopped at once; the next sync continues from what it finds");
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

    /// Ready when somebody has asked.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut signals = self.0.iter_mut().flatten();
        match signals.any(|signal| signal.poll_recv(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

#[cfg(not(unix))]
struct Interrupts(Option<tokio::signal::windows::CtrlC>);

#[cfg(not(unix))]
impl Interrupts {
    fn begin() -> Interrupts {
        Interrupts(tokio::signal::windows::ctrl_c().ok())
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().map_or(Poll::Pending, |signal| signal.poll_recv(context).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::sync::mpsc;

    /// When something is told, in milliseconds since the beginning, if requests come at these times; whether a stop is asked
    /// for, and whether the program ends.
    async fn told_at(requests: &[u64]) -> (Vec<u128>, bool, bool) {
        let (ask, mut asked) = mpsc::unbounded_channel();
        let (stop, told, begun) = (StopSignal::default(), Mutex::new(vec![]), tokio::time::Instant::now());
        let asks = async {
            for at in requests {
                tokio::time::sleep_until(begun + Duration::from_millis(*at)).await;
                ask.send(()).unwrap();
            }
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        };
        let tell = |_: &str| told.lock().unwrap().push(begun.elapsed().as_millis());
        let ended = tokio::select! {
            () = heed(|context| asked.poll_recv(context).map(drop), &stop, tell) => true,
            () = asks => false,
        };
        (told.into_inner().unwrap(), stop.is_set(), ended)
    }

    #[tokio::test(start_paused = true)]
    async fn two_requests_end_the_program_but_one_that_is_told_twice_does_not() {
        for (requests, told, stops, ends) in [
            (&[][..], &[][..], false, false),
            (&[10], &[10], true, false),
            (&[10, 11], &[10], true, false),
            (&[10, 30, 250, 490], &[10], true, false),
            (&[10, 30, 5_000], &[10, 5_000], true, true),
            (&[10, 600], &[10, 600], true, true),
        ] {
            assert_eq!(told_at(requests).await, (told.to_vec(), stops, ends), "{requests:?}");
        }
    }
}
