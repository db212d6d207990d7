//! A command, encoded while it is built: [`cmd`], [`Command`].
//!
//! ```
//! use everlink::redis::command::cmd;
//!
//! let set = cmd("SET").arg("greeting").arg("hello").arg(("EX", 60));
//! assert_eq!(set.name(), "SET");
//! let get = cmd("CONFIG GET").arg("maxmemory");
//! assert_eq!(get.wire(), b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$9\r\nmaxmemory\r\n");
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::redis::command::arg::{ArgWriter, Decimal, ToArgs};
use crate::redis::command::wire::{Args, HEADER, Wire, spare_buffer};
use crate::redis::retry::{RetryMode, RetryPolicy};
use crate::redis::slot::Slot;

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
#[must_use = "a command does nothing until it is sent"]
pub struct Command {
    /// `HEADER` bytes, then each argument as a bulk string, the name first.
    buf: Vec<u8>,
    /// How many arguments there are, the name included: at least 1.
    count: usize,
    timeout: Option<Duration>,
    route: Option<Slot>,
    /// Where in the header the first line starts.
    start: u8,
    idempotent: bool,
    retry_mode: Option<RetryMode>,
    retry: Option<Arc<RetryPolicy>>,
    made: Instant,
}

impl Command {
    /// The same as [`cmd`].
    pub fn new(name: &str) -> Self {
        let mut buf = spare_buffer();
        buf.extend_from_slice(b"              \r\n");
        let mut command = Self {
            buf,
            count: 0,
            timeout: None,
            route: None,
            start: 0,
            idempotent: false,
            retry_mode: None,
            retry: None,
            made: tokio::time::Instant::now().into_std(),
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
        self.timeout = Some(timeout);
        self
    }

    /// Promises that executing the command twice does no harm: it may be sent again after its
    /// first outcome remained unknown. Commands that only read need no such promise.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// When this command is sent again, in place of what the client's configuration says.
    pub fn retry(mut self, policy: impl Into<Arc<RetryPolicy>>) -> Self {
        self.retry = Some(policy.into());
        self
    }

    /// Whether this command may be sent again; how often and how far apart stays as it is
    /// configured. Comes before the mode of a policy given by [`Command::retry`].
    pub fn retry_mode(mut self, mode: RetryMode) -> Self {
        self.retry_mode = Some(mode);
        self
    }

    /// Sends the command to the node that owns this key, whatever its arguments say. For commands
    /// without keys, and for those whose keys cannot be known.
    pub fn route_by(mut self, key: impl AsRef<[u8]>) -> Self {
        self.route = Some(Slot::of(key.as_ref()));
        self
    }

    /// The first word of the name, as given.
    pub fn name(&self) -> &str {
        std::str::from_utf8(self.name_bytes()).expect("the name was a &str, split at spaces")
    }

    #[inline]
    pub(crate) fn name_bytes(&self) -> &[u8] {
        self.args().next().unwrap_or_default()
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
        Args {
            rest: &self.buf[HEADER..],
        }
    }

    /// One argument; the name is argument 0.
    pub fn arg_at(&self, index: usize) -> Option<&[u8]> {
        self.args().nth(index)
    }

    /// How many arguments there are, the name included; at least 1.
    pub fn arg_count(&self) -> usize {
        self.count
    }

    /// What [`Command::timeout`] was given.
    #[inline]
    pub fn own_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// What [`Command::retry_mode`] was given, or else the mode of the policy that
    /// [`Command::retry`] was given.
    #[inline]
    pub fn own_retry_mode(&self) -> Option<RetryMode> {
        self.retry_mode.or_else(|| Some(self.retry.as_ref()?.mode))
    }

    #[inline]
    pub(crate) fn own_retry(&self) -> Option<&Arc<RetryPolicy>> {
        self.retry.as_ref()
    }

    /// Gives it a policy and a mode where it has none of its own.
    pub(crate) fn inherit_retry(
        &mut self,
        mode: Option<RetryMode>,
        retry: Option<&Arc<RetryPolicy>>,
    ) {
        if self.own_retry_mode().is_none() {
            self.retry_mode = mode;
        }
        if self.retry.is_none() {
            self.retry = retry.cloned();
        }
    }

    /// Whether [`Command::idempotent`] was called.
    #[inline]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    #[inline]
    pub(crate) fn made(&self) -> Instant {
        self.made
    }

    /// The slot of the key that [`Command::route_by`] was given.
    #[inline]
    pub fn own_route(&self) -> Option<Slot> {
        self.route
    }

    /// The encoded command: a RESP array of bulk strings.
    pub fn wire(&self) -> &[u8] {
        &self.buf[usize::from(self.start)..]
    }

    /// The encoded command, without a copy.
    #[inline]
    pub fn into_wire(self) -> Wire {
        Wire {
            buf: self.buf,
            start: usize::from(self.start),
        }
    }

    fn push<T: ToArgs + ?Sized>(&mut self, args: &T) {
        args.write_args(&mut ArgWriter::new(&mut self.buf, &mut self.count));
        self.write_header();
    }

    #[inline]
    fn write_header(&mut self) {
        let header = &mut self.buf[..HEADER];
        if self.count < 10 {
            // As nearly always: one store.
            let line = [b'*', b'0' + self.count as u8, b'\r', b'\n'];
            header[HEADER - line.len()..].copy_from_slice(&line);
            self.start = (HEADER - line.len()) as u8;
            return;
        }
        let start = Decimal::write(self.count as u128, &mut header[..HEADER - 2]) - 1;
        header[start] = b'*';
        // Lossless: it is less than HEADER.
        self.start = start as u8;
    }
}

impl Clone for Command {
    fn clone(&self) -> Self {
        Self {
            buf: self.buf.clone(),
            retry: self.retry.clone(),
            made: tokio::time::Instant::now().into_std(),
            ..*self
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Command({}, {} argument(s))",
            self.name(),
            self.count - 1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::wire::CAPACITY;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn encode(args: &[Vec<u8>]) -> Vec<u8> {
        let mut wire = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            wire.extend(format!("${}\r\n", arg.len()).bytes());
            wire.extend(arg);
            wire.extend(b"\r\n");
        }
        wire
    }

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
            assert_eq!(cmd(name).wire(), b"*1\r\n$0\r\n\r\n");
        }
    }

    #[test]
    fn a_short_command_allocates_once() {
        let set = cmd("SET")
            .arg("some:key:0001")
            .arg("a value of a few words");
        assert_eq!(set.buf.capacity(), CAPACITY);
    }

    #[test]
    fn debug_shows_no_argument() {
        let auth = cmd("AUTH").arg("user").arg("secret");
        assert_eq!(format!("{auth:?}"), "Command(AUTH, 2 argument(s))");
        assert_eq!(format!("{:?}", auth.args()), "Args(3 left)");
        assert_eq!(format!("{:?}", auth.into_wire()), "Wire(36 bytes)");
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

    proptest! {
        #[test]
        fn encodes_as_the_protocol_says(name in "[A-Za-z]{1,12}", args in vec(vec(any::<u8>(), 0..1200), 0..15)) {
            let command = args.iter().fold(cmd(&name), |command, arg| command.arg(arg));
            let mut all = vec![name.into_bytes()];
            all.extend(args);
            let expected = encode(&all);
            prop_assert_eq!(command.arg_count(), all.len());
            prop_assert!(command.args().eq(all.iter().map(Vec::as_slice)));
            prop_assert_eq!(command.wire(), &expected);
            let wire = command.into_wire();
            prop_assert_eq!(wire.as_bytes(), &expected);
            prop_assert_eq!(wire.into_bytes(), expected);
        }

        #[test]
        fn counts_arguments_of_any_number(count in 0usize..2000) {
            let command = cmd("DEL").arg(vec!["k"; count]);
            prop_assert_eq!(command.arg_count(), count + 1);
            let head = format!("*{}\r\n$3\r\nDEL\r\n", count + 1);
            prop_assert!(command.wire().starts_with(head.as_bytes()));
            prop_assert_eq!(command.arg_at(count + 1), None);
        }
    }
}
