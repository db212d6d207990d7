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
mod tests;
