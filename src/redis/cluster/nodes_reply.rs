//! The reply of `CLUSTER NODES`, taken apart and checked: a `NodeLine` for each node.
//!
//! A line reads `id host:port@bus[,hostname[,key=value…]] flags primary ping pong epoch link
//! [slots…]`. The slots, and the markers of slots that migrate, stay unread: the map comes from
//! `CLUSTER SLOTS`, which names the hosts as the operator prefers.

use super::redirect::{AnnouncedHost, decimal, host_and_port};
use super::slots_reply::is_node_id;
use crate::redis::value::Value;

/// The longest reply that is read: 1,000 nodes with the slots of all shards wildly fragmented
/// stay far below it.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The longest list of nodes that is read. The specification recommends at most about 1,000.
pub(super) const MAX_NODES: usize = 16_384;

/// A reply of `CLUSTER NODES` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodesReplyError {
    /// The reply is of another type.
    #[error("expected text, got {0}")]
    NotText(&'static str),
    /// The text is longer, or has more lines, than any cluster's.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A line is not well formed.
    #[error("line {line}: {field} is missing or malformed")]
    Malformed {
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong in it.
        field: &'static str,
    },
}

/// What one line says. Borrows from the reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NodeLine<'a> {
    pub(super) id: &'a str,
    /// `Answering` only for the node that answered; others without a host are `Unknown`.
    pub(super) host: AnnouncedHost<'a>,
    /// 0 if the node has no known address or no port of the kind the asking connection uses.
    pub(super) port: u16,
    pub(super) hostname: Option<&'a str>,
    /// It is a replica; of whom, if it knows.
    pub(super) replica: Option<Option<&'a str>>,
    /// The cluster agreed that it failed, or it cannot be reached at all (`noaddr`), or it is not
    /// a member yet (`handshake`). Not set by `fail?`, one node's suspicion.
    pub(super) failed: bool,
    pub(super) config_epoch: u64,
    pub(super) link_up: bool,
}

/// Reads the whole reply.
pub(super) fn parse(reply: &Value) -> Result<Vec<NodeLine<'_>>, NodesReplyError> {
    let bytes = match reply {
        Value::Bulk(bytes) | Value::Simple(bytes) => bytes,
        Value::Verbatim(verbatim) => &verbatim.text,
        other => return Err(NodesReplyError::NotText(other.kind())),
    };
    if bytes.len() > MAX_BYTES {
        return Err(NodesReplyError::TooMany {
            what: "bytes",
            limit: MAX_BYTES,
        });
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| NodesReplyError::NotText("bytes not UTF-8"))?;
    let mut nodes = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // `vars currentEpoch …` stands in the servers' files, which some proxies pass on.
        if line.trim().is_empty() || line.starts_with("vars ") {
            continue;
        }
        if nodes.len() == MAX_NODES {
            return Err(NodesReplyError::TooMany {
                what: "nodes",
                limit: MAX_NODES,
            });
        }
        let node = node(line).map_err(|field| NodesReplyError::Malformed {
            line: index + 1,
            field,
        })?;
        nodes.push(node);
    }
    Ok(nodes)
}

/// Reads one line, or says which field is wrong.
fn node(line: &str) -> Result<NodeLine<'_>, &'static str> {
    let mut fields = line.split_ascii_whitespace();
    let id = fields.next().filter(|id| is_node_id(id)).ok_or("node id")?;
    let address = fields.next().ok_or("address")?;
    let flags = fields.next().ok_or("flags")?;
    let primary = fields.next().ok_or("primary")?;
    // When it was pinged, when it answered: the asked node's clock says nothing to us.
    let epoch = fields.nth(2).ok_or("config epoch")?;
    let link = fields.next().ok_or("link state")?;

    let mut replica = false;
    let mut myself = false;
    let mut failed = false;
    for flag in flags.split(',') {
        match flag {
            "myself" => myself = true,
            "slave" | "replica" => replica = true,
            "fail" | "noaddr" | "handshake" => failed = true,
            // `fail?`, `master`, `nofailover`, `noflags`, and what later servers add.
            _ => {}
        }
    }
    let (host, port, hostname) = address_parts(address).ok_or("address")?;
    let host = match host {
        AnnouncedHost::Answering if !myself => AnnouncedHost::Unknown,
        host => host,
    };
    Ok(NodeLine {
        id,
        host,
        port,
        hostname,
        replica: replica.then(|| Some(primary).filter(|id| *id != "-" && is_node_id(id))),
        failed,
        config_epoch: decimal(epoch).ok_or("config epoch")?,
        link_up: match link {
            "connected" => true,
            "disconnected" => false,
            _ => return Err("link state"),
        },
    })
}

/// `host:port`, from Redis 4 `host:port@bus`, from Redis 7 with `,hostname` and further keys.
fn address_parts(address: &str) -> Option<(AnnouncedHost<'_>, u16, Option<&str>)> {
    let mut parts = address.split(',');
    let dialled = parts.next()?;
    let dialled = dialled.split_once('@').map_or(dialled, |(front, _)| front);
    let (host, port) = host_and_port(dialled)?;
    let hostname = match AnnouncedHost::read(parts.next().unwrap_or_default())? {
        AnnouncedHost::Named(name) => Some(name),
        AnnouncedHost::Answering | AnnouncedHost::Unknown => None,
    };
    Some((AnnouncedHost::read(host)?, port, hostname))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::captured::{self, bulk};
    use super::*;
    use crate::redis::value::Verbatim;

    /// Port, replica, failed, epoch, link of each line.
    fn short(text: &'static str) -> Vec<(u16, bool, bool, u64, bool)> {
        parse(&bulk(text))
            .expect("a real reply")
            .iter()
            .map(|n| {
                (
                    n.port,
                    n.replica.is_some(),
                    n.failed,
                    n.config_epoch,
                    n.link_up,
                )
            })
            .collect()
    }

    #[test]
    fn reads_every_field_of_a_real_reply() {
        let reply = bulk(captured::NODES_HOSTNAMES);
        let nodes = parse(&reply).expect("a real reply");
        assert_eq!(
            nodes[4],
            NodeLine {
                id: "9acfe6f601f5255d2b3cff1e51a8d5f697746c70",
                host: AnnouncedHost::Named("127.0.0.1"),
                port: 17105,
                hostname: Some("node-17105.example"),
                replica: Some(Some("de36055b10f3702aa0b754096b63afc3f034aec4")),
                failed: false,
                config_epoch: 2,
                link_up: true,
            }
        );
        assert_eq!(nodes[1].hostname, None);
    }

    #[test]
    fn a_killed_primary_is_failed_after_the_failover() {
        let all = short(captured::NODES_AFTER_FAILOVER);
        assert_eq!(all[0], (17101, false, true, 1, false));
        assert_eq!(all[2], (17104, false, false, 7, true));
        assert_eq!(all.iter().filter(|node| node.2).count(), 1);
    }

    #[test]
    fn a_suspected_node_is_not_failed() {
        assert_eq!(
            short(captured::NODES_SUSPECTED),
            [(17103, false, false, 3, true)]
        );
    }

    #[test]
    fn markers_of_migrating_slots_change_nothing() {
        assert_eq!(
            short(captured::NODES_AT_FIRST)[5],
            (17101, false, false, 1, true)
        );
        assert_eq!(
            short(captured::NODES_IMPORTING),
            [(17102, false, false, 2, true)]
        );
    }

    #[test]
    fn a_node_that_does_not_know_its_address_is_the_answering_one() {
        let reply = bulk(captured::NODES_LONE);
        let nodes = parse(&reply).expect("a real reply");
        assert_eq!(nodes[0].host, AnnouncedHost::Answering);
        assert!(nodes[1].failed, "a handshake is no membership");
        let lost = parse(&Value::Nil).expect_err("not text");
        assert_eq!(lost.to_string(), "expected text, got nil");
        let noaddr = bulk("abc :0@0 slave,fail,noaddr - 1 1 3 disconnected");
        let nodes = parse(&noaddr).expect("a node without an address");
        assert_eq!((nodes[0].host, nodes[0].port), (AnnouncedHost::Unknown, 0));
        assert_eq!((nodes[0].failed, nodes[0].replica), (true, Some(None)));
    }

    #[test]
    fn reads_the_forms_of_other_servers() {
        for (address, host, port, hostname) in [
            ("10.0.0.1:7000", "10.0.0.1", 7000, None),
            ("::1:7000@17000", "::1", 7000, None),
            ("[::1]:7000@17000", "::1", 7000, None),
            ("h:7000@17000,", "h", 7000, None),
            ("h:7000@17000,,shard-id=ab", "h", 7000, None),
            (
                "h:7000@17000,n.example,shard-id=ab,tls-port=1",
                "h",
                7000,
                Some("n.example"),
            ),
        ] {
            let (read, read_port, name) = address_parts(address).expect(address);
            assert_eq!(
                (read, read_port, name),
                (AnnouncedHost::Named(host), port, hostname)
            );
        }
        let file = bulk(
            "a h:1@2 master,nofailover,later - 0 0 1 connected\r\nvars currentEpoch 7 lastVoteEpoch 0\r\n\r\n",
        );
        assert_eq!(parse(&file).map(|nodes| nodes.len()), Ok(1));
        let verbatim = Value::Verbatim(Box::new(Verbatim {
            format: *b"txt",
            text: captured::NODES_AFTER_FAILOVER.into(),
        }));
        assert_eq!(
            parse(&verbatim),
            parse(&bulk(captured::NODES_AFTER_FAILOVER))
        );
    }

    #[test]
    fn says_which_line_and_field_is_wrong() {
        for (line, field) in [
            ("a", "address"),
            ("a h:1", "flags"),
            ("a h:1 master", "primary"),
            ("a h:1 master - 0 0", "config epoch"),
            ("a h:1 master - 0 0 1", "link state"),
            ("a h:1 master - 0 0 1 maybe", "link state"),
            ("a h:1 master - 0 0 -1 connected", "config epoch"),
            (
                "a h:1 master - 0 0 99999999999999999999 connected",
                "config epoch",
            ),
            ("a h master - 0 0 1 connected", "address"),
            ("a h:65536 master - 0 0 1 connected", "address"),
            ("\u{e9} h:1 master - 0 0 1 connected", "node id"),
        ] {
            let text = format!("a h:1 master - 0 0 1 connected\n{line}");
            let error = parse(&Value::Bulk(text.into()))
                .expect_err(line)
                .to_string();
            assert_eq!(
                error,
                format!("line 2: {field} is missing or malformed"),
                "{line}"
            );
        }
    }

    #[test]
    fn refuses_absurd_sizes() {
        let line = "a h:1@2 master - 0 0 1 connected\n";
        let many = Value::Bulk(line.repeat(MAX_NODES + 1).into());
        let long = Value::Bulk("\n".repeat(MAX_BYTES + 1).into());
        for (reply, message) in [
            (many, "more than 16384 nodes"),
            (long, "more than 16777216 bytes"),
        ] {
            assert_eq!(parse(&reply).expect_err("absurd").to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&Value::Bulk(bytes.into()));
        }

        #[test]
        fn a_damaged_reply_is_read_without_a_panic(
            damage in prop::collection::vec((0..captured::NODES_AFTER_FAILOVER.len(), any::<u8>()), 1..8),
        ) {
            let mut text = captured::NODES_AFTER_FAILOVER.as_bytes().to_vec();
            for (at, byte) in damage {
                text[at] = byte;
            }
            let _ = parse(&Value::Bulk(text.into()));
        }
    }
}
