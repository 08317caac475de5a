//! The live lines at the bottom of the terminal. A process has one terminal, so there is one of these.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

static LIVE: Mutex<Live> = Mutex::new(Live { lines: Vec::new(), drawn: 0 });

struct Live {
    lines: Vec<String>,
    /// How many of them are on the screen.
    drawn: usize,
}

/// Shows these lines in place of the live lines so far. Only for a terminal on stderr.
pub fn set_live(lines: Vec<String>) {
    let mut live = live();
    live.erase();
    live.lines = lines;
    live.draw();
}

/// Prints something that stays, above the live lines. A reader that has gone stops nothing.
pub fn above(print: impl FnOnce() -> io::Result<()>) {
    let mut live = live();
    live.erase();
    let _ = print();
    live.draw();
}

fn live() -> MutexGuard<'static, Live> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    fn erase(&mut self) {
        if self.drawn > 0 {
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\x1b[{}A\x1b[J", self.drawn).and_then(|()| stderr.flush());
            self.drawn = 0;
        }
    }

    fn draw(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        // Lines longer than the terminal is wide must not wrap, or they could not be erased.
        let text = format!("\x1b[?7l{}\n\x1b[?7h", self.lines.join("\n"));
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
        self.drawn = self.lines.len();
    }
}
