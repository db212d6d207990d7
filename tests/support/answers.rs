//! Scripts for [`super::fake_node::FakeNode`]: a well-behaved node, and how it may differ.
//!
//! ```ignore
//! let slots = FakeTopology::even(&[7000, 7001]);
//! let node = FakeNode::start(
//!     Answers::new().slots(&slots).on("GET", |_| Action::reply(replies::nil())).script(),
//! )?;
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::background::locked;
use super::fake_node::{Action, Received};
use super::redis_cluster::SLOTS;
use super::replies;

/// The error of a server that does not know a command.
const UNKNOWN: &str = "ERR unknown command";
const NO_AUTH: &str = "NOAUTH Authentication required.";
const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

type Answer = Box<dyn Fn(&Received) -> Vec<Action> + Send + Sync>;

/// Builds a script. A new one signs everybody in and answers `HELLO`, `AUTH`, `CLIENT`, `PING`,
/// `SELECT`, `COMMAND` (an empty array), `READONLY`, `READWRITE`, `ASKING`, `CLUSTER MYID`,
/// `INFO`, `NODES` and `SLOTS`; anything else is an unknown command.
#[derive(Default)]
pub struct Answers {
    own: BTreeMap<String, Answer>,
    otherwise: Option<Answer>,
    credentials: Option<(String, String)>,
    old: bool,
    topology: Option<FakeTopology>,
    nodes: Option<String>,
    myself: Option<u16>,
}

impl Answers {
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers a command itself, the built-in ones included; it must be signed in for it.
    pub fn on(
        mut self,
        name: &str,
        answer: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static,
    ) -> Self {
        self.own.insert(name.to_uppercase(), Box::new(answer));
        self
    }

    /// Answers what nothing else answers.
    pub fn otherwise(
        mut self,
        answer: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static,
    ) -> Self {
        self.otherwise = Some(Box::new(answer));
        self
    }

    /// Demands this user and password: `NOAUTH` before, `WRONGPASS` for others.
    pub fn password(mut self, user: &str, password: &str) -> Self {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// Knows no `HELLO`, as before Redis 6.0.
    pub fn old_server(mut self) -> Self {
        self.old = true;
        self
    }

    /// Is a cluster node and answers `CLUSTER SLOTS` and `NODES` from this, as it is by then.
    pub fn slots(mut self, topology: &FakeTopology) -> Self {
        self.topology = Some(topology.clone());
        self
    }

    /// Answers `CLUSTER NODES` with this text.
    pub fn nodes(mut self, text: &str) -> Self {
        self.nodes = Some(text.to_owned());
        self
    }

    /// Is the member on this port: it has the flag `myself`.
    pub fn myself(mut self, port: u16) -> Self {
        self.myself = Some(port);
        self
    }

    /// The finished script.
    pub fn script(self) -> impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static {
        let signed_in = Mutex::new(BTreeSet::new());
        move |received| {
            if self.is_sign_in(&received.name()) {
                let (reply, accepted) = self.sign_in(received, &signed_in);
                if accepted {
                    locked(&signed_in).insert(received.connection);
                }
                return Action::reply(reply);
            }
            if self.credentials.is_some() && !locked(&signed_in).contains(&received.connection) {
                return Action::reply(replies::error(NO_AUTH));
            }
            self.answer(received)
        }
    }

    fn is_sign_in(&self, name: &str) -> bool {
        matches!(name, "AUTH" | "HELLO") && !self.own.contains_key(name)
    }

    fn sign_in(&self, received: &Received, signed_in: &Mutex<BTreeSet<usize>>) -> (Bytes, bool) {
        let hello = received.name() == "HELLO";
        if hello && self.old {
            return (replies::error(UNKNOWN), false);
        }
        let given = if hello {
            let words: Vec<String> = (1..received.args.len()).map(|i| received.text(i)).collect();
            words
                .windows(3)
                .find(|words| words[0].eq_ignore_ascii_case("AUTH"))
                .map(|words| (words[1].clone(), words[2].clone()))
        } else if received.args.len() > 2 {
            Some((received.text(1), received.text(2)))
        } else {
            Some(("default".to_owned(), received.text(1)))
        };
        let known = self.credentials.is_none() || locked(signed_in).contains(&received.connection);
        match given {
            Some(given) if self.credentials.as_ref().is_some_and(|own| *own != given) => {
                (replies::error(WRONG_PASS), false)
            }
            None if !known => {
                let text = "NOAUTH HELLO must be called with the client already authenticated";
                (replies::error(text), false)
            }
            Some(_) | None if hello => (self.hello(received), true),
            Some(_) | None => (replies::ok(), true),
        }
    }

    fn hello(&self, received: &Received) -> Bytes {
        let mode = if self.topology.is_some() {
            "cluster"
        } else {
            "standalone"
        };
        let version = if received.text(1) == "3" { 3 } else { 2 };
        let fields = [
            (replies::bulk("server"), replies::bulk("redis")),
            (replies::bulk("version"), replies::bulk("7.0.15")),
            (replies::bulk("proto"), replies::int(version)),
            (replies::bulk("id"), replies::int(1)),
            (replies::bulk("mode"), replies::bulk(mode)),
            (replies::bulk("role"), replies::bulk("master")),
            (replies::bulk("modules"), replies::array([])),
        ];
        let fields = fields.into_iter().flat_map(|(name, value)| [name, value]);
        if version == 3 {
            replies::map(fields)
        } else {
            replies::array(fields)
        }
    }

    fn answer(&self, received: &Received) -> Vec<Action> {
        let name = received.name();
        if let Some(own) = self.own.get(&name) {
            return own(received);
        }
        let cluster = self.topology.is_some() || self.nodes.is_some();
        match name.as_str() {
            "PING" => Action::reply(replies::simple("PONG")),
            "CLIENT" | "SELECT" | "READONLY" | "READWRITE" | "ASKING" => {
                Action::reply(replies::ok())
            }
            "COMMAND" => Action::reply(replies::array([])),
            "CLUSTER" if cluster => Action::reply(self.cluster(&received.text(1))),
            "CLUSTER" => {
                let text = "ERR This instance has cluster support disabled";
                Action::reply(replies::error(text))
            }
            _ => match &self.otherwise {
                Some(otherwise) => otherwise(received),
                None => Action::reply(replies::error(UNKNOWN)),
            },
        }
    }

    fn cluster(&self, what: &str) -> Bytes {
        let topology = self.topology.clone().unwrap_or_default();
        match what.to_uppercase().as_str() {
            "SLOTS" => topology.slots_reply(),
            "NODES" => match &self.nodes {
                Some(text) => replies::bulk(text),
                None => replies::bulk(topology.nodes_text(self.myself)),
            },
            "INFO" => replies::bulk("cluster_state:ok\r\ncluster_current_epoch:1\r\n"),
            "MYID" => replies::bulk(node_id(self.myself.unwrap_or_default())),
            _ => replies::error(UNKNOWN),
        }
    }
}

/// The id of the fake node on a port: 40 digits.
pub fn node_id(port: u16) -> String {
    format!("{port:040x}")
}

/// A range of slots and who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeRange {
    pub first: u16,
    pub last: u16,
    /// Host and port: the primary, then its replicas.
    pub members: Vec<(String, u16)>,
    /// The config epoch of the primary.
    pub epoch: u64,
}

/// What fake nodes report as the topology. Clones share it, so that several nodes tell the same,
/// and [`FakeTopology::set`] changes it for all.
#[derive(Debug, Clone, Default)]
pub struct FakeTopology(Arc<Mutex<Vec<FakeRange>>>);

impl FakeTopology {
    /// All slots in equal parts over these ports of 127.0.0.1, without replicas.
    pub fn even(ports: &[u16]) -> Self {
        let border = |part: usize| usize::from(SLOTS) * part / ports.len();
        let slot = |slot: usize| u16::try_from(slot).expect("a part of 16384 fits in a u16");
        let ranges = ports.iter().enumerate().map(|(index, port)| FakeRange {
            first: slot(border(index)),
            last: slot(border(index + 1) - 1),
            members: vec![("127.0.0.1".to_owned(), *port)],
            epoch: index as u64 + 1,
        });
        Self(Arc::new(Mutex::new(ranges.collect())))
    }

    /// Reports these ranges from now on.
    pub fn set(&self, ranges: Vec<FakeRange>) {
        *locked(&self.0) = ranges;
    }

    /// What is reported now.
    pub fn ranges(&self) -> Vec<FakeRange> {
        locked(&self.0).clone()
    }

    fn slots_reply(&self) -> Bytes {
        replies::array(self.ranges().into_iter().map(|range| {
            let borders = [range.first, range.last].map(|slot| replies::int(slot.into()));
            let members = range.members.into_iter().map(|(host, port)| {
                let id = replies::bulk(node_id(port));
                replies::array([replies::bulk(host), replies::int(port.into()), id])
            });
            replies::array(borders.into_iter().chain(members))
        }))
    }

    fn nodes_text(&self, myself: Option<u16>) -> String {
        // One line per node, however many ranges it has.
        let mut lines: BTreeMap<u16, String> = BTreeMap::new();
        for range in self.ranges() {
            let primary = range.members.first().map_or(0, |(_, port)| *port);
            for (index, (host, port)) in range.members.iter().enumerate() {
                let flag = if Some(*port) == myself { "myself," } else { "" };
                let bus = u32::from(*port) + 10_000;
                let (role, of) = match index {
                    0 => ("master", "-".to_owned()),
                    _ => ("slave", node_id(primary)),
                };
                let line = lines.entry(*port).or_insert_with(|| {
                    let (id, epoch) = (node_id(*port), range.epoch);
                    format!("{id} {host}:{port}@{bus} {flag}{role} {of} 0 0 {epoch} connected")
                });
                if index == 0 {
                    line.push_str(&format!(" {}-{}", range.first, range.last));
                }
            }
        }
        lines.into_values().map(|line| line + "\n").collect()
    }
}
