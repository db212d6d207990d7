//! How large a reply may be: [`ReplyLimits`].

use serde::{Deserialize, Serialize};

use crate::redis::{Error, Result};

const MIB: usize = 1024 * 1024;

/// The bounds of one reply. What exceeds them is a protocol error and ends the connection, by
/// the header that is too much: nothing is allocated for that.
///
/// They stand against a stream that lost its place, or a peer that is no Redis server: 160 KB of
/// nested arrays overflow the stack of a decoder without a bound, and `$9999999999` makes one
/// wait for ever.
///
/// ```
/// use everlink::redis::resp::ReplyLimits;
///
/// let limits = ReplyLimits::default().bulk_bytes(16 * 1024 * 1024).depth(8);
/// assert!(limits.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ReplyLimits {
    /// Bytes of one bulk string, blob error or verbatim string. Default 512 MiB, which is the
    /// server's own default (`proto-max-bulk-len`).
    pub bulk_bytes: usize,
    /// Elements of all its arrays, sets and maps together; a pair of a map counts as two. Default
    /// 16 Mi. Each element takes 40 bytes of memory beside
    /// its payload: 640 MiB at the limit. A verbatim string, of RESP3, takes 80.
    pub elements: usize,
    /// How deep arrays, sets and maps may be nested, 1 to [`ReplyLimits::MAX_DEPTH`]. Default 32.
    pub depth: usize,
    /// Bytes of the whole reply, as they come over the wire. Default 1 GiB.
    pub reply_bytes: usize,
}

impl ReplyLimits {
    /// The largest [`depth`](Self::depth): values are decoded, converted and dropped recursively,
    /// so that their depth must leave the stack of a small thread alone.
    pub const MAX_DEPTH: usize = 128;

    /// Sets [`bulk_bytes`](Self#structfield.bulk_bytes).
    #[must_use]
    pub fn bulk_bytes(mut self, bytes: usize) -> Self {
        self.bulk_bytes = bytes;
        self
    }

    /// Sets [`elements`](Self#structfield.elements).
    #[must_use]
    pub fn elements(mut self, count: usize) -> Self {
        self.elements = count;
        self
    }

    /// Sets [`depth`](Self#structfield.depth).
    #[must_use]
    pub fn depth(mut self, levels: usize) -> Self {
        self.depth = levels;
        self
    }

    /// Sets [`reply_bytes`](Self#structfield.reply_bytes).
    #[must_use]
    pub fn reply_bytes(mut self, bytes: usize) -> Self {
        self.reply_bytes = bytes;
        self
    }

    /// Whether a client can work with them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::redis::ErrorKind::Config) when a limit is zero or the depth is
    /// above [`MAX_DEPTH`](Self::MAX_DEPTH).
    pub fn validate(&self) -> Result<()> {
        let all = [
            ("bulk_bytes", self.bulk_bytes),
            ("elements", self.elements),
            ("depth", self.depth),
            ("reply_bytes", self.reply_bytes),
        ];
        if let Some((name, _)) = all.iter().find(|(_, limit)| *limit == 0) {
            return Err(Error::config(format!("reply limit {name} must not be 0")));
        }
        if self.depth > Self::MAX_DEPTH {
            let max = Self::MAX_DEPTH;
            return Err(Error::config(format!(
                "reply limit depth must be at most {max}"
            )));
        }
        Ok(())
    }
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self {
            bulk_bytes: 512 * MIB,
            elements: 16 * MIB,
            depth: 32,
            reply_bytes: 1024 * MIB,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones_and_valid() {
        let limits = ReplyLimits::default();
        assert_eq!(limits.bulk_bytes, 536_870_912);
        assert_eq!(limits.elements, 16_777_216);
        assert_eq!(limits.depth, 32);
        assert_eq!(limits.reply_bytes, 1_073_741_824);
        assert!(limits.validate().is_ok());
    }

    #[test]
    fn an_element_takes_the_documented_memory() {
        assert_eq!(size_of::<crate::redis::Value>(), 40);
    }

    #[test]
    fn a_limit_of_zero_and_a_depth_beyond_the_stack_are_refused() {
        let limits = ReplyLimits::default;
        assert!(limits().bulk_bytes(0).validate().is_err());
        assert!(limits().elements(0).validate().is_err());
        assert!(limits().depth(0).validate().is_err());
        assert!(limits().reply_bytes(0).validate().is_err());
        assert!(limits().depth(ReplyLimits::MAX_DEPTH).validate().is_ok());
        let error = limits()
            .depth(ReplyLimits::MAX_DEPTH + 1)
            .validate()
            .expect_err("too deep");
        assert!(error.to_string().contains("at most 128"), "{error}");
    }

    #[test]
    fn a_configuration_may_name_some_limits_and_no_others() {
        let some: ReplyLimits = toml::from_str("depth = 8").expect("valid");
        assert_eq!(some, ReplyLimits::default().depth(8));
        assert!(toml::from_str::<ReplyLimits>("deepness = 8").is_err());
    }
}
