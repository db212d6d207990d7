//! Where people look: [`Screen`], lines that stay and below them one line that changes.
//!
//! On a terminal the last line is redrawn in place. Elsewhere, in a file or a pipe, there is no
//! animation and no colour: the progress is a line of its own every few seconds.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

/// How often the progress is written where it cannot be redrawn.
const PROGRESS_LINE_EVERY: Duration = Duration::from_secs(5);

/// How a piece of text looks where there is colour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look {
    Good,
    Bad,
    Doubtful,
    Quiet,
    Strong,
}

/// Standard output, or standard error where standard output carries the JSON.
#[derive(Debug)]
pub(crate) struct Screen {
    to_stderr: bool,
    terminal: bool,
    colour: bool,
    began: Instant,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    progress: String,
    written: Option<Instant>,
}

impl Screen {
    pub(crate) fn new(to_stderr: bool) -> Self {
        let terminal = if to_stderr {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal()
        };
        Self {
            to_stderr,
            terminal,
            colour: terminal && std::env::var_os("NO_COLOR").is_none(),
            began: Instant::now(),
            state: RefCell::default(),
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// The clock of the demo, as it stands in front of each event.
    pub(crate) fn clock(&self) -> String {
        format!("{:5.1} s", self.began.elapsed().as_secs_f64())
    }

    /// The clock starts anew.
    pub(crate) fn start_clock(&mut self) {
        self.began = Instant::now();
    }

    pub(crate) fn paint(&self, look: Look, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if !self.colour {
            return text.to_owned();
        }
        let code = match look {
            Look::Good => "32",
            Look::Bad => "31",
            Look::Doubtful => "33",
            Look::Quiet => "2",
            Look::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Writes a line that stays.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        let progress = self.state.borrow().progress.clone();
        if self.terminal {
            self.write(&format!("\r\x1b[K{}\n{}", text.as_ref(), cut(&progress)));
        } else {
            self.write(&format!("{}\n", text.as_ref()));
        }
    }

    /// Writes what the demo itself does, with the time.
    pub(crate) fn announce(&self, what: &str) {
        let clock = self.paint(Look::Quiet, self.clock());
        self.line(format!(
            "{clock}  {}",
            self.paint(Look::Strong, format!(">>> {what}"))
        ));
    }

    /// Changes the line at the bottom.
    pub(crate) fn progress(&self, text: String) {
        let mut state = self.state.borrow_mut();
        if self.terminal {
            self.write(&format!("\r\x1b[K{}", cut(&text)));
            state.progress = text;
            return;
        }
        let due = state
            .written
            .is_none_or(|at| at.elapsed() >= PROGRESS_LINE_EVERY);
        if due {
            state.written = Some(Instant::now());
            self.write(&format!("{text}\n"));
        }
    }

    /// There is no line at the bottom any more.
    pub(crate) fn end_progress(&self) {
        self.state.borrow_mut().progress.clear();
        if self.terminal {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        // Nobody to tell if nobody reads.
        let _ = if self.to_stderr {
            let mut out = io::stderr().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        } else {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
    }
}

/// A line longer than the terminal is cut by the terminal, instead of wrapped: a wrapped one could
/// not be redrawn in place.
fn cut(text: &str) -> String {
    format!("\x1b[?7l{text}\x1b[?7h")
}
