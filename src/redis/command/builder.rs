//! A command, encoded while it is built: [`cmd`], [`Command`].
//!
//! ```
//! use everlink::redis::command::cmd;
//!
//! let set = cmd("SET").arg("greeting").arg("hello").arg(("EX", 60));
//! assert_eq!(set.name(), "SET");
//! let get = cmd("CONFIG GET").arg("maxmemory");
//! assert_eq!(*get.wire(), *b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\nmaxmemory\r\n");
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::clock::{SHORT, now, soon};
use crate::redis::command::arg::{ArgWriter, ToArgs};
use crate::redis::command::encoded::{Args, CAPACITY, Encoded};
use crate::redis::retry::{RetryMode, RetryPolicy};
use crate::redis::slot::Slot;
use crate::redis::spares::{Depot, Spares};

/// Commands with larger buffers are not kept for the next ones.
const KEEP_CAPACITY: usize = 1024;

static SHARED_SPARES: Depot<Box<Parts>> = Depot::new();

thread_local! {
    static SPARES: Spares<Box<Parts>> = const { Spares::new(&SHARED_SPARES) };
}

/// A command with this name. A name of several words, such as `CLIENT LIST`, is split at its
/// spaces; the words after the first become arguments.
pub fn cmd(name: &str) -> Command {
    Command::new(name)
}

/// A command: its name, its arguments, and how this one call differs from the configuration.
///
/// Each argument is encoded when it is added, so that nothing is left to do when the command is
/// sent. `Debug` never shows arguments.
///
/// A command is made for one call: sent as a message, its deadline counts from when it was made,
/// so that the time in the mailbox is within it. A clone is made anew.
///
/// One word wide: on its way it is moved through a mailbox and a dozen calls.
#[must_use = "a command does nothing until it is sent"]
pub struct Command(Box<Parts>);

/// What there is to know of a command.
#[derive(Clone)]
struct Parts {
    encoded: Encoded,
    timeout: Option<Duration>,
    route: Option<Slot>,
    idempotent: bool,
    retry_mode: Option<RetryMode>,
    retry: Option<Arc<RetryPolicy>>,
    made: Instant,
}

impl Command {
    /// The same as [`cmd`].
    pub fn new(name: &str) -> Self {
        let made = soon();
        let mut command = match SPARES.try_with(Spares::take) {
            Ok(Some(mut spare)) => {
                spare.made = made;
                Self(spare)
            }
            Ok(None) | Err(_) => Self(Box::new(Parts {
                encoded: Encoded::new(),
                timeout: None,
                route: None,
                idempotent: false,
                retry_mode: None,
                retry: None,
                made,
            })),
        };
        let mut words = name.split_ascii_whitespace();
        // Without any name the command would be `*0`, which a server does not answer at all: the
        // next reply would go to the wrong caller. An empty name is answered with an error.
        command.push(words.next().unwrap_or(""));
        for word in words {
            command.push(word);
        }
        command
    }

    /// Adds what `args` writes: one argument, several, or none.
    pub fn arg(mut self, args: impl ToArgs) -> Self {
        self.push(&args);
        self
    }

    /// How long the whole call may take: waiting, redirects and retries included. Overrides the
    /// client's command deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(timeout);
        if timeout < SHORT {
            self.0.made = now();
        }
        self
    }

    /// Promises that executing the command twice does no harm: it may be sent again after its
    /// first outcome remained unknown. Commands that only read need no such promise.
    pub fn idempotent(mut self) -> Self {
        self.0.idempotent = true;
        self
    }

    /// When this command is sent again, in place of what the client's configuration says.
    pub fn retry(mut self, policy: impl Into<Arc<RetryPolicy>>) -> Self {
        self.0.retry = Some(policy.into());
        self
    }

    /// Whether this command may be sent again; how often and how far apart stays as it is
    /// configured. Comes before the mode of a policy given by [`Command::retry`].
    pub fn retry_mode(mut self, mode: RetryMode) -> Self {
        self.0.retry_mode = Some(mode);
        self
    }

    /// Sends the command to the node that owns this key, whatever its arguments say. For commands
    /// without keys, and for those whose keys cannot be known.
    pub fn route_by(mut self, key: impl AsRef<[u8]>) -> Self {
        self.0.route = Some(Slot::of(key.as_ref()));
        self
    }

    /// The first word of the name, as given.
    pub fn name(&self) -> &str {
        std::str::from_utf8(self.name_bytes()).expect("the name was a &str, split at spaces")
    }

    #[inline]
    pub(crate) fn name_bytes(&self) -> &[u8] {
        self.0.encoded.arg_at(0).unwrap_or_default()
    }

    /// Whether it is this command, in any case: `get`, or `client|reply` with a subcommand.
    pub(super) fn is(&self, name: &str) -> bool {
        let (name, subcommand) = match name.split_once('|') {
            Some((name, subcommand)) => (name, Some(subcommand)),
            None => (name, None),
        };
        self.name_bytes().eq_ignore_ascii_case(name.as_bytes())
            && subcommand.is_none_or(|wanted| {
                self.arg_at(1)
                    .is_some_and(|given| given.eq_ignore_ascii_case(wanted.as_bytes()))
            })
    }

    /// All arguments, as the server counts them: the name is argument 0.
    pub fn args(&self) -> Args<'_> {
        self.0.encoded.args()
    }

    /// One argument; the name is argument 0.
    #[inline]
    pub fn arg_at(&self, index: usize) -> Option<&[u8]> {
        self.0.encoded.arg_at(index)
    }

    /// How many arguments there are, the name included; at least 1.
    pub fn arg_count(&self) -> usize {
        self.0.encoded.count()
    }

    /// What [`Command::timeout`] was given.
    #[inline]
    pub fn own_timeout(&self) -> Option<Duration> {
        self.0.timeout
    }

    /// What [`Command::retry_mode`] was given, or else the mode of the policy that
    /// [`Command::retry`] was given.
    #[inline]
    pub fn own_retry_mode(&self) -> Option<RetryMode> {
        let policy = || Some(self.0.retry.as_ref()?.mode);
        self.0.retry_mode.or_else(policy)
    }

    #[inline]
    pub(crate) fn own_retry(&self) -> Option<&Arc<RetryPolicy>> {
        self.0.retry.as_ref()
    }

    /// Gives it a policy and a mode where it has none of its own.
    pub(crate) fn inherit_retry(
        &mut self,
        mode: Option<RetryMode>,
        retry: Option<&Arc<RetryPolicy>>,
    ) {
        if self.own_retry_mode().is_none() {
            self.0.retry_mode = mode;
        }
        if self.0.retry.is_none() {
            self.0.retry = retry.cloned();
        }
    }

    /// Whether [`Command::idempotent`] was called.
    #[inline]
    pub fn is_idempotent(&self) -> bool {
        self.0.idempotent
    }

    #[inline]
    pub(crate) fn made(&self) -> Instant {
        self.0.made
    }

    /// The slot of the key that [`Command::route_by`] was given.
    #[inline]
    pub fn own_route(&self) -> Option<Slot> {
        self.0.route
    }

    /// The encoded command: a RESP array of bulk strings. Copied if an argument is held elsewhere,
    /// as large [`Bytes`](bytes::Bytes) are.
    pub fn wire(&self) -> Cow<'_, [u8]> {
        self.0.encoded.wire()
    }

    #[inline]
    pub(crate) fn wire_len(&self) -> usize {
        self.0.encoded.wire_len()
    }

    /// What [`Command::wire`] gives, from this byte on, where it lies.
    pub(crate) fn pieces(&self, from: usize) -> impl Iterator<Item = &[u8]> {
        self.0.encoded.pieces(from)
    }

    #[inline]
    pub(crate) fn write_to(&self, out: &mut BytesMut) {
        self.0.encoded.write_to(out);
    }

    /// What it takes of a bound: its bytes, and what keeping it costs.
    #[inline]
    pub(crate) fn weight(&self) -> usize {
        self.0.encoded.weight() + size_of::<Parts>()
    }

    /// It is not needed any more: its memory is for the next command of this thread.
    #[inline]
    pub(crate) fn recycle(self) {
        let mut parts = self.0;
        if !(CAPACITY..=KEEP_CAPACITY).contains(&parts.encoded.capacity()) {
            return;
        }
        parts.encoded.clear();
        parts.timeout = None;
        parts.route = None;
        parts.idempotent = false;
        parts.retry_mode = None;
        if parts.retry.is_some() {
            parts.retry = None;
        }
        // An error means that the thread ends.
        let _ = SPARES.try_with(|spares| spares.keep(parts));
    }

    fn push<T: ToArgs + ?Sized>(&mut self, args: &T) {
        args.write_args(&mut ArgWriter::new(&mut self.0.encoded));
        self.0.encoded.write_header();
    }
}

impl Clone for Command {
    fn clone(&self) -> Self {
        let mut parts = self.0.clone();
        let is_short = parts.timeout.is_some_and(|timeout| timeout < SHORT);
        parts.made = if is_short { now() } else { soon() };
        Self(parts)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Command({}, {} argument(s))",
            self.name(),
            self.arg_count() - 1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_several_words_is_split() {
        let list = cmd("CLIENT  LIST").arg("TYPE").arg("normal");
        assert_eq!(list.name(), "CLIENT");
        let args: Vec<_> = list.args().collect();
        assert_eq!(args, [&b"CLIENT"[..], b"LIST", b"TYPE", b"normal"]);
        assert!(list.is("client") && list.is("client|list") && !list.is("client|kill"));
    }

    #[test]
    fn a_command_without_a_name_is_still_one_the_server_answers() {
        for name in ["", " "] {
            assert_eq!(*cmd(name).wire(), *b"*1\r\n$0\r\n\r\n");
        }
    }

    #[test]
    fn nothing_of_a_command_that_is_done_is_left_in_the_next() {
        std::thread::spawn(|| {
            let set = cmd("SET").arg(("k", vec!["v"; 20]));
            let set = set.route_by("foo").idempotent();
            let set = set.timeout(Duration::from_secs(1));
            let set = set.retry(RetryPolicy::default());
            let set = set.retry_mode(RetryMode::Never);
            let place = set.wire().as_ptr_range().end;
            set.recycle();
            let next = cmd("GET");
            assert!(place > next.wire().as_ptr(), "the same memory");
            assert_eq!(*next.wire(), *b"*1\r\n$3\r\nGET\r\n");
            assert_eq!((next.arg_at(1), next.own_route()), (None, None));
            assert_eq!((next.own_timeout(), next.own_retry_mode()), (None, None));
            assert!(!next.is_idempotent() && next.own_retry().is_none());
        })
        .join()
        .expect("a thread of its own, with no spares");
    }

    #[test]
    fn debug_shows_no_argument() {
        let auth = cmd("AUTH").arg("user").arg("secret");
        assert_eq!(format!("{auth:?}"), "Command(AUTH, 2 argument(s))");
        assert_eq!(format!("{:?}", auth.args()), "Args(3 left)");
    }

    #[test]
    fn settings_of_one_call_are_kept() {
        let plain = cmd("GET").arg("k");
        assert_eq!(plain.own_timeout(), None);
        assert_eq!(plain.own_route(), None);
        assert!(!plain.is_idempotent());
        let set = plain
            .timeout(Duration::from_secs(1))
            .idempotent()
            .route_by("foo");
        assert_eq!(set.own_timeout(), Some(Duration::from_secs(1)));
        assert_eq!(set.own_route(), Slot::new(12_182));
        assert!(set.is_idempotent());
    }
}
