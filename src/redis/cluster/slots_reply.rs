//! The reply of `CLUSTER SLOTS`, taken apart and checked: `SlotsReply`.
//!
//! The form has grown with the servers: a node is `[host, port]` in Redis 3, `[host, port, id]`
//! from Redis 4, `[host, port, id, metadata]` from Redis 7, where the host may be null.

use super::redirect::AnnouncedHost;
use crate::redis::slot::Slot;
use crate::redis::value::Value;

/// Nodes named in one reply, each counted as often as it is named. 16,384 ranges of one slot with
/// 15 replicas each stay below it.
const MAX_MENTIONS: usize = 16 * Slot::COUNT;

/// The longest node id that is believed, in bytes. Redis's have 40.
const MAX_ID: usize = 128;

/// A reply of `CLUSTER SLOTS` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotsReplyError {
    /// Something else stands where this was expected.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What should stand there.
        expected: &'static str,
        /// What stands there: its kind, or what is wrong with it.
        got: &'static str,
    },
    /// A range that ends before it begins, or beyond the last slot.
    #[error("slot range {start}-{end} is invalid")]
    Range {
        /// Its first slot, as reported.
        start: i64,
        /// Its last slot, as reported.
        end: i64,
    },
    /// A port beyond 65535.
    #[error("{0} is not a port")]
    Port(i64),
    /// More ranges than there are slots, or absurdly many nodes.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
}

/// The ranges of one reply. Borrows from it.
#[derive(Debug)]
pub(super) struct SlotsReply<'a> {
    pub(super) ranges: Vec<ReportedRange<'a>>,
}

/// Slots from `start` to `end`, both included.
#[derive(Debug)]
pub(super) struct ReportedRange<'a> {
    pub(super) start: Slot,
    pub(super) end: Slot,
    /// The primary, then its replicas. Empty if nobody owns the range.
    pub(super) nodes: Vec<ReportedNode<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReportedNode<'a> {
    pub(super) host: AnnouncedHost<'a>,
    /// The host was null, not merely empty: the server prefers `unknown-endpoint`.
    pub(super) host_is_null: bool,
    /// 0 if the node offers no port of the kind that the asking connection uses.
    pub(super) port: u16,
    /// None before Redis 4.
    pub(super) id: Option<&'a str>,
    /// From the metadata: told only where `host` is not the address.
    pub(super) ip: Option<&'a str>,
    /// From the metadata: told only where `host` is not the host name.
    pub(super) hostname: Option<&'a str>,
}

impl<'a> SlotsReply<'a> {
    pub(super) fn parse(reply: &'a Value) -> Result<Self, SlotsReplyError> {
        let entries = list(reply, "a list of slot ranges")?;
        if entries.len() > Slot::COUNT {
            return Err(SlotsReplyError::TooMany {
                what: "slot ranges",
                limit: Slot::COUNT,
            });
        }
        let mut mentions = 0;
        let mut ranges = Vec::with_capacity(entries.len());
        for entry in entries {
            let entry = list(entry, "a slot range")?;
            // The first two are slots.
            mentions += entry.len().saturating_sub(2);
            if mentions > MAX_MENTIONS {
                return Err(SlotsReplyError::TooMany {
                    what: "mentions of nodes",
                    limit: MAX_MENTIONS,
                });
            }
            ranges.push(range(entry)?);
        }
        Ok(Self { ranges })
    }

    /// Every mention of a node, in order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &ReportedNode<'a>> {
        self.ranges.iter().flat_map(|range| &range.nodes)
    }
}

fn range(entry: &[Value]) -> Result<ReportedRange<'_>, SlotsReplyError> {
    let [start, end, nodes @ ..] = entry else {
        return Err(unexpected("first and last slot", "a shorter list"));
    };
    let (start, end) = (integer(start, "a slot")?, integer(end, "a slot")?);
    let (Some(first), Some(last), true) = (slot(start), slot(end), start <= end) else {
        return Err(SlotsReplyError::Range { start, end });
    };
    Ok(ReportedRange {
        start: first,
        end: last,
        nodes: nodes.iter().map(node).collect::<Result<_, _>>()?,
    })
}

fn node(entry: &Value) -> Result<ReportedNode<'_>, SlotsReplyError> {
    let [host, port, rest @ ..] = list(entry, "a node")? else {
        return Err(unexpected("host and port of a node", "a shorter list"));
    };
    let host_is_null = matches!(host, Value::Nil);
    let host = if host_is_null {
        AnnouncedHost::Answering
    } else {
        AnnouncedHost::read(text(host, "a host")?)
            .ok_or_else(|| unexpected("a host", "text that is none"))?
    };
    let port = integer(port, "a port")?;
    let port = u16::try_from(port).map_err(|_| SlotsReplyError::Port(port))?;
    let id = rest.first().map(node_id).transpose()?;
    let metadata = rest.get(1);
    Ok(ReportedNode {
        host,
        host_is_null,
        port,
        id,
        ip: metadata.and_then(|metadata| name_in(metadata, "ip")),
        hostname: metadata.and_then(|metadata| name_in(metadata, "hostname")),
    })
}

/// The value of `key`, in a map (RESP3) or in a list of keys and values (RESP2). What else the
/// metadata holds, in whatever form, is for later servers to know.
fn name_in<'a>(metadata: &'a Value, key: &str) -> Option<&'a str> {
    let is_key = |value: &Value| value.as_bytes().is_some_and(|b| b == key.as_bytes());
    let value = match metadata {
        Value::Map(pairs) => pairs.iter().find(|(k, _)| is_key(k)).map(|(_, v)| v),
        Value::Array(items) => items
            .chunks_exact(2)
            .find(|pair| is_key(&pair[0]))
            .map(|pair| &pair[1]),
        _ => None,
    }?;
    match AnnouncedHost::read(std::str::from_utf8(value.as_bytes()?).ok()?)? {
        AnnouncedHost::Named(name) => Some(name),
        AnnouncedHost::Answering | AnnouncedHost::Unknown => None,
    }
}

fn node_id(value: &Value) -> Result<&str, SlotsReplyError> {
    let id = text(value, "a node id")?;
    if !is_node_id(id) {
        return Err(unexpected("a node id", "text that is none"));
    }
    Ok(id)
}

/// Printable, without spaces and not too long. Servers other than Redis have ids of other lengths.
pub(super) fn is_node_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ID && text.bytes().all(|b| b.is_ascii_graphic())
}

fn slot(number: i64) -> Option<Slot> {
    Slot::new(u16::try_from(number).ok()?)
}

fn list<'a>(value: &'a Value, expected: &'static str) -> Result<&'a [Value], SlotsReplyError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(unexpected(expected, other.kind())),
    }
}

fn integer(value: &Value, expected: &'static str) -> Result<i64, SlotsReplyError> {
    match value {
        Value::Int(number) => Ok(*number),
        other => Err(unexpected(expected, other.kind())),
    }
}

fn text<'a>(value: &'a Value, expected: &'static str) -> Result<&'a str, SlotsReplyError> {
    let bytes = value
        .as_bytes()
        .ok_or_else(|| unexpected(expected, value.kind()))?;
    std::str::from_utf8(bytes).map_err(|_| unexpected(expected, "bytes that are not UTF-8"))
}

fn unexpected(expected: &'static str, got: &'static str) -> SlotsReplyError {
    SlotsReplyError::Unexpected { expected, got }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::captured::{self, bulk, decode};
    use super::*;

    fn reply_with(node: Value) -> Value {
        Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(1), node])])
    }

    fn error_of(reply: &Value) -> String {
        SlotsReply::parse(reply).expect_err("malformed").to_string()
    }

    #[test]
    fn reads_ranges_and_nodes_with_the_primary_first() {
        let value = decode(captured::SLOTS_AFTER_FAILOVER);
        let reply = SlotsReply::parse(&value).expect("a real reply");
        let shape: Vec<_> = reply
            .ranges
            .iter()
            .map(|r| {
                let ports: Vec<_> = r.nodes.iter().map(|n| n.port).collect();
                (r.start.get(), r.end.get(), ports)
            })
            .collect();
        assert_eq!(
            shape,
            [
                (0, 5460, vec![17104]),
                (5461, 10922, vec![17102, 17105]),
                (10923, 16383, vec![17103, 17106]),
            ]
        );
        assert_eq!(
            reply.ranges[0].nodes[0],
            ReportedNode {
                host: AnnouncedHost::Named("127.0.0.1"),
                host_is_null: false,
                port: 17104,
                id: Some("5731b02a3440d17fe5833ee02e40803d1e13e620"),
                ip: None,
                hostname: None,
            }
        );
    }

    #[test]
    fn both_protocols_say_the_same() {
        for (resp2, resp3) in [
            (
                captured::SLOTS_AFTER_FAILOVER,
                captured::SLOTS_AFTER_FAILOVER_RESP3,
            ),
            (captured::SLOTS_HOSTNAMES, captured::SLOTS_HOSTNAMES_RESP3),
            (captured::SLOTS_UNKNOWN, captured::SLOTS_UNKNOWN_RESP3),
        ] {
            let (resp2, resp3) = (decode(resp2), decode(resp3));
            let resp2 = SlotsReply::parse(&resp2).expect("a real reply");
            let resp3 = SlotsReply::parse(&resp3).expect("a real reply");
            assert!(resp2.nodes().eq(resp3.nodes()));
        }
    }

    #[test]
    fn keeps_hosts_that_are_null_unknown_or_empty_apart() {
        use AnnouncedHost::{Answering, Named, Unknown};
        use captured::{SLOTS_HOSTNAMES, SLOTS_HOSTNAMES_TOLD, SLOTS_LONE, SLOTS_UNKNOWN};
        let (name, ip) = ("node-17104.example", "127.0.0.1");
        for (wire, index, host, is_null, told) in [
            (SLOTS_HOSTNAMES, 0, Named(name), false, [Some(ip), None]),
            (SLOTS_HOSTNAMES, 4, Unknown, false, [Some(ip), None]),
            (
                SLOTS_HOSTNAMES_TOLD,
                0,
                Named(ip),
                false,
                [None, Some(name)],
            ),
            (SLOTS_UNKNOWN, 0, Answering, true, [Some(ip), Some(name)]),
            (SLOTS_LONE, 0, Answering, false, [None, None]),
        ] {
            let value = decode(wire);
            let reply = SlotsReply::parse(&value).expect("a real reply");
            let node = reply.nodes().nth(index).expect("so many nodes");
            assert_eq!((node.host, node.host_is_null), (host, is_null));
            assert_eq!([node.ip, node.hostname], told);
        }
    }

    #[test]
    fn reads_nodes_of_old_servers_and_ranges_without_nodes() {
        let value = reply_with(decode("*2\r\n$1\r\nh\r\n:1\r\n"));
        let reply = SlotsReply::parse(&value).expect("the form of Redis 3");
        assert_eq!(reply.ranges[0].nodes[0].id, None);
        let value = decode("*1\r\n*2\r\n:0\r\n:1\r\n");
        let reply = SlotsReply::parse(&value).expect("a range without nodes");
        assert!(reply.ranges[0].nodes.is_empty());
    }

    #[test]
    fn says_what_is_wrong_with_a_malformed_reply() {
        for (wire, message) in [
            ("_\r\n", "expected a list of slot ranges, got nil"),
            ("*1\r\n:1\r\n", "expected a slot range, got integer"),
            (
                "*1\r\n*1\r\n:1\r\n",
                "expected first and last slot, got a shorter list",
            ),
            ("*1\r\n*2\r\n:5\r\n:4\r\n", "slot range 5-4 is invalid"),
            (
                "*1\r\n*2\r\n:0\r\n:16384\r\n",
                "slot range 0-16384 is invalid",
            ),
            (
                "*1\r\n*2\r\n:-1\r\n:9223372036854775807\r\n",
                "slot range -1-9223372036854775807 is invalid",
            ),
        ] {
            assert_eq!(error_of(&decode(wire)), message);
        }
        for (node, message) in [
            ("$1\r\nh\r\n", "expected a node, got bulk string"),
            (
                "*1\r\n$1\r\nh\r\n",
                "expected host and port of a node, got a shorter list",
            ),
            ("*2\r\n$1\r\nh\r\n:65536\r\n", "65536 is not a port"),
            (
                "*2\r\n$1\r\nh\r\n$1\r\n1\r\n",
                "expected a port, got bulk string",
            ),
            ("*2\r\n:1\r\n:1\r\n", "expected a host, got integer"),
            (
                "*2\r\n$3\r\na b\r\n:1\r\n",
                "expected a host, got text that is none",
            ),
            (
                "*3\r\n$1\r\nh\r\n:1\r\n$0\r\n\r\n",
                "expected a node id, got text that is none",
            ),
        ] {
            assert_eq!(error_of(&reply_with(decode(node))), message);
        }
        let host = Value::Bulk(b"\xff"[..].into());
        let node = Value::Array(vec![host, Value::Int(1)]);
        let message = "expected a host, got bytes that are not UTF-8";
        assert_eq!(error_of(&reply_with(node)), message);
    }

    #[test]
    fn refuses_absurd_sizes() {
        let one = Value::Array(vec![Value::Int(0), Value::Int(0)]);
        let reply = Value::Array(vec![one; Slot::COUNT + 1]);
        assert_eq!(error_of(&reply), "more than 16384 slot ranges");
        let node = Value::Array(vec![bulk("h"), Value::Int(1)]);
        let mut range = vec![Value::Int(0), Value::Int(0)];
        range.resize(2 + MAX_MENTIONS, node.clone());
        let most = Value::Array(vec![Value::Array(range.clone())]);
        assert!(SlotsReply::parse(&most).is_ok());
        range.push(node);
        let reply = Value::Array(vec![Value::Array(range)]);
        assert_eq!(error_of(&reply), "more than 262144 mentions of nodes");
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_a_panic(
            reply in captured::any_value(),
            (start, end) in (0i64..20_000, 0i64..20_000),
        ) {
            let _ = SlotsReply::parse(&reply);
            let range = vec![Value::Int(start), Value::Int(end), reply];
            let _ = SlotsReply::parse(&Value::Array(vec![Value::Array(range)]));
        }
    }
}
