//! The error replies on which a router acts: [`Signal`], and the [`Redirect`] in two of them.

use std::fmt;

use crate::endpoint::Endpoint;
use crate::redis::slot::Slot;
use crate::redis::value::ServerError;

/// The longest host that is believed, in bytes. A DNS name has at most 253; Redis keeps at most
/// 255 of an announced host name.
const MAX_HOST: usize = 255;

/// What an error reply asks of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// `MOVED`: another node owns the slot, from now on.
    Moved(Redirect),
    /// `ASK`: another node serves this one command, after `ASKING`; the slot's owner stays.
    Ask(Redirect),
    /// `TRYAGAIN`: the keys of a multi-key command are on two nodes while a slot migrates.
    TryAgain,
    /// `CLUSTERDOWN`: slots are uncovered, or the node is in the minority of a partition.
    ClusterDown,
    /// `LOADING`: the node reads its data set from disk. It is alive.
    Loading,
    /// `READONLY`: the node is a replica; it was demoted, or the slot map is wrong.
    ReadOnly,
    /// `MASTERDOWN`: the node is a replica that lost its primary and may not serve stale data.
    MasterDown,
    /// Nothing: an ordinary error, for the caller. A malformed redirect is one too.
    None,
}

impl Signal {
    /// What `error`, received from `answered_by`, asks for. Most errors are ordinary, and are told
    /// by their first byte.
    pub fn of(error: &ServerError, answered_by: &Endpoint) -> Self {
        let Some(b'A' | b'C' | b'L' | b'M' | b'R' | b'T') = error.as_bytes().first() else {
            return Self::None;
        };
        match error.code() {
            "MOVED" | "ASK" => match Redirect::parse(error, answered_by) {
                Some(redirect) => match redirect.kind {
                    RedirectKind::Moved => Self::Moved(redirect),
                    RedirectKind::Ask => Self::Ask(redirect),
                },
                None => Self::None,
            },
            "TRYAGAIN" => Self::TryAgain,
            "CLUSTERDOWN" => Self::ClusterDown,
            "LOADING" => Self::Loading,
            "READONLY" => Self::ReadOnly,
            "MASTERDOWN" => Self::MasterDown,
            _ => Self::None,
        }
    }
}

/// A server's answer that another node serves the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redirect {
    /// For good, or for one command.
    pub kind: RedirectKind,
    /// The slot it is about.
    pub slot: Slot,
    /// Where to go.
    pub endpoint: RedirectTarget,
}

/// The two kinds of redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedirectKind {
    /// The slot has another owner: correct the map.
    Moved,
    /// Only this command goes elsewhere, after `ASKING`: leave the map as it is.
    Ask,
}

impl fmt::Display for RedirectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moved => "MOVED",
            Self::Ask => "ASK",
        })
    }
}

/// Where a redirect points to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectTarget {
    /// This endpoint, as the server calls it: a user's endpoint map is not applied yet.
    Node(Endpoint),
    /// The server cannot name it (`?`, or port 0): refresh the topology to learn it.
    Unknown,
}

impl Redirect {
    /// Reads `MOVED slot host:port` or `ASK slot host:port`; further words are ignored. None if
    /// the error is no redirect or not well formed.
    ///
    /// IPv6 hosts come with or without brackets. An empty host means the host of the node that
    /// answered (Redis Cluster specification, "MOVED redirection"), `?` means unknown.
    pub fn parse(error: &ServerError, answered_by: &Endpoint) -> Option<Self> {
        let line = std::str::from_utf8(error.as_bytes()).ok()?;
        let mut words = line.split(' ');
        let kind = match words.next()? {
            "MOVED" => RedirectKind::Moved,
            "ASK" => RedirectKind::Ask,
            _ => return None,
        };
        let slot = Slot::new(decimal(words.next()?)?)?;
        let (host, port) = host_and_port(words.next()?)?;
        let endpoint = match AnnouncedHost::read(host)?.at(port, answered_by) {
            Some(endpoint) => RedirectTarget::Node(endpoint),
            None => RedirectTarget::Unknown,
        };
        Some(Self {
            kind,
            slot,
            endpoint,
        })
    }
}

/// How a server names a host, in redirects, `CLUSTER SLOTS` and `CLUSTER NODES` alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum AnnouncedHost<'a> {
    /// By a name or an address.
    Named(&'a str),
    /// Empty or null: the host under which the answering node was reached.
    Answering,
    /// `?`: the server prefers host names and was told none for this node.
    Unknown,
}

impl<'a> AnnouncedHost<'a> {
    /// None if it is no host: too long, or with spaces or control characters in it.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let text = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        if text.len() > MAX_HOST || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return None;
        }
        Some(match text {
            "" => Self::Answering,
            "?" => Self::Unknown,
            named => Self::Named(named),
        })
    }

    /// What to dial. None if the host is unknown, the answering node was not reached over TCP, or
    /// the port is 0 (the node offers no port of the kind this connection uses).
    pub(super) fn at(self, port: u16, answering: &Endpoint) -> Option<Endpoint> {
        if port == 0 {
            return None;
        }
        let host = match self {
            Self::Named(host) => host,
            Self::Answering => answering.host()?,
            Self::Unknown => return None,
        };
        Some(Endpoint::tcp(host, port))
    }
}

/// Splits at the last colon, so that the colons of an IPv6 address stay in the host.
pub(super) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host, decimal(port)?))
}

/// Digits only: `parse` alone would also take a plus sign.
pub(super) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(line: &str) -> ServerError {
        ServerError::new(line.to_owned().into())
    }

    fn asked() -> Endpoint {
        Endpoint::tcp("10.0.0.9", 7000)
    }

    fn target(line: &str) -> Option<RedirectTarget> {
        Redirect::parse(&error(line), &asked()).map(|redirect| redirect.endpoint)
    }

    #[test]
    fn reads_the_redirects_that_servers_send() {
        for (line, host, port) in [
            ("MOVED 12182 127.0.0.1:17103", "127.0.0.1", 17103),
            ("ASK 5061 127.0.0.1:17102", "127.0.0.1", 17102),
            (
                "MOVED 866 node-17104.example:17104",
                "node-17104.example",
                17104,
            ),
            // Sent by Redis 7.0 under `cluster-preferred-endpoint-type unknown-endpoint`.
            ("MOVED 866 :17104", "10.0.0.9", 17104),
            ("MOVED 1 ::1:6381", "::1", 6381),
            ("MOVED 1 [::1]:6381", "::1", 6381),
            ("MOVED 1 fe80::1%eth0:6381", "fe80::1%eth0", 6381),
            ("MOVED 16383 h:65535", "h", 65535),
            ("MOVED 1 h:6381 and more words", "h", 6381),
        ] {
            assert_eq!(
                target(line),
                Some(RedirectTarget::Node(Endpoint::tcp(host, port))),
                "{line}"
            );
        }
    }

    #[test]
    fn tells_kind_and_slot() {
        let moved = Redirect::parse(&error("MOVED 3999 h:1"), &asked()).expect("well formed");
        assert_eq!((moved.kind, moved.slot.get()), (RedirectKind::Moved, 3999));
        let ask = Redirect::parse(&error("ASK 0 h:1"), &asked()).expect("well formed");
        assert_eq!((ask.kind, ask.slot.get()), (RedirectKind::Ask, 0));
    }

    #[test]
    fn a_node_without_a_name_or_a_port_is_unknown() {
        assert_eq!(target("MOVED 1 ?:6381"), Some(RedirectTarget::Unknown));
        assert_eq!(target("MOVED 1 h:0"), Some(RedirectTarget::Unknown));
        let unix = Endpoint::unix("/run/redis.sock");
        let redirect = Redirect::parse(&error("MOVED 1 :6381"), &unix).expect("well formed");
        assert_eq!(redirect.endpoint, RedirectTarget::Unknown);
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        for line in [
            "",
            "MOVED",
            "MOVED ",
            "MOVED 1",
            "MOVED 1 ",
            "MOVED 1 h",
            "MOVED 1 h:",
            "MOVED 1 h:65536",
            "MOVED 1 h:-1",
            "MOVED 1 h:+1",
            "MOVED 16384 h:1",
            "MOVED -1 h:1",
            "MOVED +1 h:1",
            "MOVED x h:1",
            "MOVED  1 h:1",
            "MOVED 1 h\t:1",
            "MOVEDX 1 h:1",
            "moved 1 h:1",
            "ERR MOVED 1 h:1",
        ] {
            assert_eq!(target(line), None, "{line:?}");
            assert_eq!(Signal::of(&error(line), &asked()), Signal::None, "{line:?}");
        }
        assert_eq!(target(&format!("MOVED 1 {}:1", "h".repeat(256))), None);
    }

    #[test]
    fn classifies_the_errors_on_which_a_router_acts() {
        let moved = Redirect::parse(&error("MOVED 1 h:1"), &asked()).expect("well formed");
        let ask = Redirect::parse(&error("ASK 1 h:1"), &asked()).expect("well formed");
        for (line, signal) in [
            ("MOVED 1 h:1", Signal::Moved(moved)),
            ("ASK 1 h:1", Signal::Ask(ask)),
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Signal::TryAgain,
            ),
            ("CLUSTERDOWN Hash slot not served", Signal::ClusterDown),
            ("CLUSTERDOWN The cluster is down", Signal::ClusterDown),
            (
                "LOADING Redis is loading the dataset in memory",
                Signal::Loading,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Signal::ReadOnly,
            ),
            (
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                Signal::MasterDown,
            ),
            ("LOADING", Signal::Loading),
        ] {
            assert_eq!(Signal::of(&error(line), &asked()), signal, "{line}");
        }
    }

    #[test]
    fn leaves_ordinary_errors_to_the_caller() {
        for line in [
            "",
            "ERR unknown command 'FOO'",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "CROSSSLOT Keys in request don't hash to the same slot",
            "NOAUTH Authentication required.",
            "MISCONF Redis is configured to save RDB snapshots",
            "LOADINGS no",
            "READONLYX no",
        ] {
            assert_eq!(Signal::of(&error(line), &asked()), Signal::None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            line in prop::collection::vec(any::<u8>(), 0..64),
            word in "(MOVED|ASK) [0-9]{0,6} ?[\\[\\]:?a-f0-9.]{0,20}:?[0-9]{0,6}",
        ) {
            Signal::of(&ServerError::new(line.into()), &asked());
            Signal::of(&error(&word), &asked());
        }

        #[test]
        fn any_endpoint_survives_the_wire(slot in 0u16..16384, host in "[a-z0-9.-]{1,40}", port in 1u16..) {
            let line = error(&format!("MOVED {slot} {host}:{port}"));
            let redirect = Redirect::parse(&line, &asked()).expect("well formed");
            prop_assert_eq!(redirect.slot.get(), slot);
            prop_assert_eq!(redirect.endpoint, RedirectTarget::Node(Endpoint::tcp(host, port)));
        }
    }
}
