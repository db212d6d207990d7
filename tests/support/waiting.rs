//! Waiting for something with a deadline, and failing with what was last seen.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What a test returns: everything in it that can fail goes into it by `?`.
pub type TestResult = std::result::Result<(), Box<dyn std::error::Error>>;

/// Within this everything that is waited for must have happened, on a busy machine too.
pub const SOON: Duration = Duration::from_secs(20);

/// Why a fixture could not do what it was asked. Prints as plain text also through `Debug`, so
/// that `expect` and `?` in a test show it readably, server logs included.
pub struct Failure(String);

/// What fixtures return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same failure, told with what was being done.
    pub fn while_doing(self, what: impl fmt::Display) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A bounded wait, used in a loop: look; if it is not there yet, `wait.again(what_was_seen)`.
///
/// It is meant for what cannot tell by itself that it changed, such as another process.
pub struct Wait {
    what: String,
    started: Instant,
    limit: Duration,
    pause: Duration,
}

impl Wait {
    /// Starts a wait of at most `limit`; `what` completes the sentence "waited for …".
    pub fn up_to(limit: Duration, what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            started: Instant::now(),
            limit,
            pause: Duration::from_millis(2),
        }
    }

    /// Pauses shortly before the next look: 2 ms at first, doubling up to 50 ms.
    ///
    /// # Errors
    /// When the limit is over; it names what was waited for and what was `seen` last.
    pub async fn again(&mut self, seen: impl fmt::Display) -> Result<()> {
        if self.started.elapsed() >= self.limit {
            return Err(Failure(format!(
                "waited {:?} for {}; last seen: {seen}",
                self.limit, self.what
            )));
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        Ok(())
    }
}
