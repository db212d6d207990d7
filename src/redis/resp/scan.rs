//! Finds the end of a frame in bytes that arrive piece by piece: [`Scanner`].

use super::error::ProtocolError;
use super::limits::ReplyLimits;
use super::line::{find_crlf, line_limit, parse_length, parse_short_header};

/// How far a frame has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The frame is the first so many bytes.
    Complete(usize),
    /// It needs at least so many bytes more: exactly what a string whose length is known still
    /// lacks, else 1.
    Incomplete { missing: usize },
}

/// Walks over the headers of one frame, and keeps its place between calls.
///
/// Each byte of a line is searched once for the line's end and read once when the line is
/// complete; payloads are never looked at. Only the header of a string that is still incomplete
/// is read once more. All limits are checked on the headers.
#[derive(Debug)]
pub(super) struct Scanner {
    limits: ReplyLimits,
    /// Where the element that is being read begins.
    element: usize,
    /// How far the end of its line has been searched for.
    searched: usize,
    /// Where the payload that is awaited ends, its CRLF not included.
    payload_end: Option<usize>,
    /// Elements still to begin on the innermost level.
    left: usize,
    /// The same of the levels around it, outermost first.
    outer: Vec<usize>,
    /// Elements announced so far.
    elements: usize,
    #[cfg(test)]
    pub(super) examined: usize,
}

impl Scanner {
    pub(super) fn new(limits: ReplyLimits) -> Self {
        Self {
            limits: limits.depth(limits.depth.min(ReplyLimits::MAX_DEPTH)),
            element: 0,
            searched: 0,
            payload_end: None,
            left: 1,
            outer: Vec::new(),
            elements: 0,
            #[cfg(test)]
            examined: 0,
        }
    }

    pub(super) fn limits(&self) -> &ReplyLimits {
        &self.limits
    }

    /// Whether nothing of a frame has been seen yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.element == 0 && self.searched == 0 && self.payload_end.is_none()
    }

    /// Begins a new frame. To be called after `Complete`.
    pub(super) fn reset(&mut self) {
        self.element = 0;
        self.searched = 0;
        self.payload_end = None;
        self.left = 1;
        self.outer.clear();
        self.elements = 0;
    }

    /// Goes on where it stopped. `buf` begins with the frame's first byte at every call, and only
    /// grows from one to the next.
    pub(super) fn scan(&mut self, buf: &[u8]) -> Result<Scan, ProtocolError> {
        loop {
            let next = if let Some(next) = self.pass_short_bulk(buf) {
                self.left -= 1;
                next
            } else if let Some(end) = self.payload_end {
                let Some(line_end) = buf.get(end..end + 2) else {
                    let missing = end + 2 - buf.len();
                    return Ok(Scan::Incomplete { missing });
                };
                if line_end != b"\r\n" {
                    return Err(ProtocolError::MissingLineEnd);
                }
                self.payload_end = None;
                end + 2
            } else {
                let Some(line_end) = self.find_line_end(buf)? else {
                    // A reply that is not complete is longer than what came of it.
                    self.within_reply(buf.len() + 1)?;
                    return Ok(Scan::Incomplete { missing: 1 });
                };
                let next = line_end + 2;
                self.within_reply(next)?;
                self.begin_element(&buf[self.element..line_end], next)?;
                if self.payload_end.is_some() {
                    continue;
                }
                next
            };
            self.element = next;
            self.searched = next;
            if self.close_levels() {
                return Ok(Scan::Complete(next));
            }
        }
    }

    /// Passes a string in one step if all of it is there, as most are; tells what follows it. Tried
    /// once for each element, so that incomplete ones are not looked at again.
    #[inline]
    fn pass_short_bulk(&mut self, buf: &[u8]) -> Option<usize> {
        let unseen = self.searched == self.element && self.payload_end.is_none();
        if !unseen || *buf.get(self.element)? != b'$' {
            return None;
        }
        let (length, begin) = parse_short_header(buf, self.element)?;
        #[cfg(test)]
        {
            self.examined += begin - self.element;
        }
        let next = begin + length + 2;
        let fine = length <= self.limits.bulk_bytes && next <= self.limits.reply_bytes;
        (fine && buf.get(next - 2..next)? == b"\r\n").then_some(next)
    }

    /// Where the line of the current element ends, if it has.
    fn find_line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let Some(&kind) = buf.get(self.element) else {
            return Ok(None);
        };
        let limit = line_limit(kind)?;
        let longest = self.element + 1 + limit + 2;
        let window = &buf[..buf.len().min(longest)];
        let from = self.searched.max(self.element + 1);
        let found = find_crlf(window, from);
        #[cfg(test)]
        {
            self.examined += found.map_or(window.len(), |end| end + 2) - from;
        }
        if found.is_some() {
            return Ok(found);
        }
        if window.len() == longest {
            return Err(ProtocolError::LineTooLong { kind, limit });
        }
        // A last CR may be the first half of the end.
        self.searched = match window.last() {
            Some(b'\r') => window.len() - 1,
            _ => window.len(),
        };
        Ok(None)
    }

    /// Takes in the header of an element, whose line is complete; `next` is what follows it.
    fn begin_element(&mut self, header: &[u8], next: usize) -> Result<(), ProtocolError> {
        let (kind, line) = (header[0], &header[1..]);
        #[cfg(test)]
        {
            self.examined += header.len();
        }
        match kind {
            b'$' | b'!' | b'=' => {
                self.left -= 1;
                let Some(length) = parse_length(kind, line)? else {
                    return Ok(());
                };
                let limit = self.limits.bulk_bytes;
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= limit)
                    .ok_or(ProtocolError::BulkTooLong {
                        announced: length,
                        limit,
                    })?;
                // A verbatim string begins with its format and a colon.
                if kind == b'=' && length < 4 {
                    return Err(ProtocolError::InvalidLength(kind));
                }
                let end = next.saturating_add(length);
                self.within_reply(end.saturating_add(2))?;
                self.payload_end = Some(end);
                Ok(())
            }
            b'*' | b'~' | b'>' => {
                self.left -= 1;
                let count = parse_length(kind, line)?;
                count.map_or(Ok(()), |count| self.open_level(count))
            }
            b'%' => {
                self.left -= 1;
                let pairs = parse_length(kind, line)?;
                pairs.map_or(Ok(()), |pairs| self.open_level(pairs.saturating_mul(2)))
            }
            // Attributes are no element of their own: they precede one.
            b'|' => {
                let pairs = parse_length(kind, line)?;
                pairs.map_or(Ok(()), |pairs| self.open_level(pairs.saturating_mul(2)))
            }
            _ => {
                self.left -= 1;
                Ok(())
            }
        }
    }

    fn open_level(&mut self, announced: u64) -> Result<(), ProtocolError> {
        let limit = self.limits.elements;
        let count = usize::try_from(announced)
            .ok()
            .filter(|count| *count <= limit - self.elements)
            .ok_or(ProtocolError::TooManyElements { announced, limit })?;
        // Empty ones count as a level too: the decoder enters them like any other.
        if self.outer.len() >= self.limits.depth {
            let limit = self.limits.depth;
            return Err(ProtocolError::TooDeep { limit });
        }
        self.elements += count;
        if count > 0 {
            self.outer.push(self.left);
            self.left = count;
        }
        Ok(())
    }

    /// Leaves the levels whose last element is complete; true if that was the frame's.
    fn close_levels(&mut self) -> bool {
        while self.left == 0 {
            let Some(left) = self.outer.pop() else {
                return true;
            };
            self.left = left;
        }
        false
    }

    fn within_reply(&self, bytes: usize) -> Result<(), ProtocolError> {
        let limit = self.limits.reply_bytes;
        if bytes > limit {
            return Err(ProtocolError::ReplyTooLong { limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::resp::line::{HEADER_MAX, LINE_MAX};

    fn scan(buf: &[u8]) -> Result<Scan, ProtocolError> {
        Scanner::new(ReplyLimits::default()).scan(buf)
    }

    fn scan_within(limits: ReplyLimits, buf: &[u8]) -> Result<Scan, ProtocolError> {
        Scanner::new(limits).scan(buf)
    }

    #[test]
    fn the_end_of_a_frame_is_found_and_what_follows_is_left_alone() {
        for frame in [
            "+OK\r\n",
            "-ERR no\r\n",
            ":1\r\n",
            "$3\r\nfoo\r\n",
            "$0\r\n\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "*0\r\n",
            "_\r\n",
            "#t\r\n",
            ",1.5\r\n",
            "(123\r\n",
            "!3\r\nERR\r\n",
            "=7\r\ntxt:abc\r\n",
            "*2\r\n*1\r\n:1\r\n%1\r\n+a\r\n~0\r\n",
            ">2\r\n+a\r\n*0\r\n",
            "|1\r\n+ttl\r\n:5\r\n*1\r\n|0\r\n:1\r\n",
        ] {
            let followed = format!("{frame}+next\r\n");
            let found = scan(followed.as_bytes());
            assert_eq!(found, Ok(Scan::Complete(frame.len())), "{frame:?}");
        }
    }

    #[test]
    fn a_string_tells_exactly_what_it_still_lacks() {
        let mut scanner = Scanner::new(ReplyLimits::default());
        let missing = |missing| Ok(Scan::Incomplete { missing });
        assert_eq!(scanner.scan(b"$10"), missing(1));
        assert_eq!(scanner.scan(b"$10\r\n"), missing(12));
        assert_eq!(scanner.scan(b"$10\r\n0123"), missing(8));
        assert_eq!(scanner.scan(b"$10\r\n0123456789\r"), missing(1));
        assert_eq!(
            scanner.scan(b"$10\r\n0123456789\r\n"),
            Ok(Scan::Complete(17))
        );
    }

    #[test]
    fn arrays_nested_160_kb_deep_are_refused_at_the_limit() {
        let attack = "*1\r\n".repeat(40_000);
        let too_deep = Err(ProtocolError::TooDeep { limit: 32 });
        assert_eq!(scan(attack.as_bytes()), too_deep);
        assert_eq!(scan("|1\r\n".repeat(40_000).as_bytes()), too_deep);

        let deepest = format!("{}:1\r\n", "*1\r\n".repeat(32));
        assert_eq!(scan(deepest.as_bytes()), Ok(Scan::Complete(deepest.len())));
        let deeper = format!("{}*0\r\n", "*1\r\n".repeat(32));
        assert_eq!(scan(deeper.as_bytes()), too_deep);
    }

    #[test]
    fn a_depth_that_was_not_validated_is_still_bounded() {
        let attack = "*1\r\n".repeat(40_000);
        let limits = ReplyLimits::default().depth(usize::MAX);
        let limit = ReplyLimits::MAX_DEPTH;
        assert_eq!(
            scan_within(limits, attack.as_bytes()),
            Err(ProtocolError::TooDeep { limit })
        );
    }

    #[test]
    fn announced_lengths_beyond_the_limit_are_refused_by_their_header() {
        for (attack, announced) in [
            ("$9999999999\r\n", 9_999_999_999),
            ("!536870913\r\n", 536_870_913),
            ("=9223372036854775808\r\n", 1 << 63),
            ("$99999999999999999999999\r\n", u64::MAX),
        ] {
            let limit = 536_870_912;
            let refused = ProtocolError::BulkTooLong { announced, limit };
            assert_eq!(scan(attack.as_bytes()), Err(refused), "{attack:?}");
        }
        let missing = 536_870_912 + 2;
        assert_eq!(scan(b"$536870912\r\n"), Ok(Scan::Incomplete { missing }));
    }

    #[test]
    fn announced_counts_beyond_the_limit_are_refused_by_their_header() {
        for (attack, announced) in [
            ("*1000000000\r\n", 1_000_000_000),
            ("~16777217\r\n", 16_777_217),
            ("%8388609\r\n", 16_777_218),
            ("|8388609\r\n", 16_777_218),
            (">9223372036854775808\r\n", 1 << 63),
            ("%9223372036854775808\r\n", u64::MAX),
        ] {
            let limit = 16_777_216;
            let refused = ProtocolError::TooManyElements { announced, limit };
            assert_eq!(scan(attack.as_bytes()), Err(refused), "{attack:?}");
        }
        let missing = 1;
        assert_eq!(scan(b"*16777216\r\n"), Ok(Scan::Incomplete { missing }));
    }

    #[test]
    fn elements_are_counted_over_the_whole_reply() {
        let limits = ReplyLimits::default().elements(5);
        let five = b"*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n:3\r\n";
        assert_eq!(scan_within(limits, five), Ok(Scan::Complete(five.len())));
        let (announced, limit) = (2, 5);
        assert_eq!(
            scan_within(limits, b"*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n"),
            Err(ProtocolError::TooManyElements { announced, limit })
        );
    }

    #[test]
    fn a_reply_is_bounded_in_all() {
        let limits = ReplyLimits::default().reply_bytes(20);
        let too_long = Err(ProtocolError::ReplyTooLong { limit: 20 });
        assert_eq!(scan_within(limits, b"$15\r\n"), too_long);
        assert_eq!(scan_within(limits, b"*9\r\n$3\r\nfoo\r\n$9\r\n"), too_long);
        assert_eq!(scan_within(limits, "|0\r\n".repeat(6).as_bytes()), too_long);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let endless = |kind: u8, length: usize| [&[kind][..], &vec![b'1'; length]].concat();
        let (limit, missing) = (LINE_MAX, 1);
        for kind in *b"+-,(" {
            let more = Ok(Scan::Incomplete { missing });
            assert_eq!(scan(&endless(kind, LINE_MAX + 1)), more);
            let refused = Err(ProtocolError::LineTooLong { kind, limit });
            assert_eq!(scan(&endless(kind, LINE_MAX + 2)), refused);
        }
        let limit = HEADER_MAX;
        for kind in *b"$*:_#!=%~>|" {
            let refused = Err(ProtocolError::LineTooLong { kind, limit });
            assert_eq!(scan(&endless(kind, HEADER_MAX + 2)), refused);
        }
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        use ProtocolError::{InvalidLength, MissingLineEnd, Streamed, UnknownType};
        for (bytes, refused) in [
            ("HTTP/1.1 400 Bad Request\r\n", UnknownType(b'H')),
            ("\r\n", UnknownType(b'\r')),
            ("*2\r\n:1\r\nx", UnknownType(b'x')),
            ("$-2\r\n", InvalidLength(b'$')),
            ("*-2\r\n", InvalidLength(b'*')),
            ("%-1\r\n", InvalidLength(b'%')),
            ("!-1\r\n", InvalidLength(b'!')),
            ("$\r\n", InvalidLength(b'$')),
            ("$+1\r\n", InvalidLength(b'$')),
            ("*1x\r\n", InvalidLength(b'*')),
            ("*1\n\r\n", InvalidLength(b'*')),
            ("=3\r\ntxt\r\n", InvalidLength(b'=')),
            ("$?\r\n", Streamed(b'$')),
            ("*?\r\n", Streamed(b'*')),
            (";4\r\n", Streamed(b';')),
            (".\r\n", Streamed(b'.')),
            ("$3\r\nfour\r\n", MissingLineEnd),
            ("$3\r\nfoo\n\r", MissingLineEnd),
        ] {
            assert_eq!(scan(bytes.as_bytes()), Err(refused), "{bytes:?}");
        }
    }

    #[test]
    fn no_byte_is_searched_twice_however_the_frame_arrives() {
        let mut frame = b"*100000\r\n".to_vec();
        for _ in 0..50_000 {
            frame.extend_from_slice(b"$8\r\npayload.\r\n:12345\r\n");
        }
        let examined_in = |step: usize| {
            let mut scanner = Scanner::new(ReplyLimits::default());
            for end in (step..frame.len()).step_by(step) {
                let so_far = scanner.scan(&frame[..end]);
                assert!(matches!(so_far, Ok(Scan::Incomplete { .. })), "{so_far:?}");
            }
            assert_eq!(scanner.scan(&frame), Ok(Scan::Complete(frame.len())));
            scanner.examined
        };
        let whole = examined_in(frame.len());
        assert!(whole <= 2 * frame.len());
        for step in [1, 7, 1_448, 16_384] {
            let examined = examined_in(step);
            // A CR that came last is looked at again.
            assert!(examined <= whole + whole / 4, "{examined} for {whole}");
        }
    }

    #[test]
    fn a_large_payload_is_not_looked_at() {
        let frame = [b"$1000000\r\n", &[b'\r'; 1_000_000][..], b"\r\n"].concat();
        let mut scanner = Scanner::new(ReplyLimits::default());
        for end in (1..frame.len()).step_by(1_000) {
            scanner.scan(&frame[..end]).expect("valid");
        }
        assert_eq!(scanner.scan(&frame), Ok(Scan::Complete(frame.len())));
        assert!(scanner.examined < 32, "{}", scanner.examined);
    }
}
