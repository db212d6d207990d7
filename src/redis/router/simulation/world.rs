//! The cluster of a simulation: who owns what, what each node believes, and what was executed.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::rc::Rc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{Notify, mpsc};

use crate::endpoint::Endpoint;
use crate::redis::slot::Slot;

pub(super) const SHARDS: usize = 3;
/// A primary and a replica of each shard.
pub(super) const NODES: usize = 2 * SHARDS;
/// The slots move in so many pieces of the same size.
pub(super) const CHUNKS: usize = 16;
const CHUNK: usize = 16_384 / CHUNKS;

/// Who owns what, in truth or as a node believes.
#[derive(Clone)]
pub(super) struct View {
    /// The node that is a shard's primary.
    pub(super) primary: [usize; SHARDS],
    /// The shard that owns a chunk.
    pub(super) owner: [usize; CHUNKS],
    pub(super) epochs: [u64; SHARDS],
    /// Nodes that the cluster calls failed.
    pub(super) failed: [bool; NODES],
}

/// What a node answers to commands with keys, for a while.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mood {
    Well,
    Loading,
    ClusterDown,
    MasterDown,
    ReadOnly,
    /// Now and then: `TRYAGAIN`.
    Busy,
}

pub(super) struct Node {
    pub(super) view: View,
    pub(super) up: bool,
    pub(super) paused: bool,
    /// Dials to it are never answered.
    pub(super) unreachable: bool,
    pub(super) mood: Mood,
}

/// What becomes of a connection.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Live,
    /// Nothing is read and nothing written any more.
    Silent,
    /// It ends; what the kernel has is executed, or not.
    Cut {
        execute: bool,
        reset: bool,
    },
}

pub(super) struct Conn {
    pub(super) node: usize,
    pub(super) fate: Fate,
}

pub(super) struct State {
    pub(super) rng: StdRng,
    pub(super) truth: View,
    pub(super) nodes: Vec<Node>,
    /// To which shard a chunk is on its way.
    pub(super) migrating: [Option<usize>; CHUNKS],
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) next_conn: u64,
    /// Open sockets of each link, by its arbiter.
    pub(super) sockets: BTreeMap<(u64, Endpoint), u32>,
    pub(super) open: u32,
    /// How often each request was executed.
    pub(super) executed: BTreeMap<u64, u32>,
    pub(super) violations: Vec<String>,
    /// No fault any more.
    pub(super) calm: bool,
    tasks: mpsc::UnboundedSender<Task>,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Shared by all of a simulation.
#[derive(Clone)]
pub(super) struct World(Rc<(RefCell<State>, Notify)>);

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let truth = View {
            primary: [0, 1, 2],
            owner: std::array::from_fn(|chunk| chunk * SHARDS / CHUNKS),
            epochs: [1, 2, 3],
            failed: [false; NODES],
        };
        let node = |_| Node {
            view: truth.clone(),
            up: true,
            paused: false,
            unreachable: false,
            mood: Mood::Well,
        };
        let nodes = (0..NODES).map(node).collect();
        let (tasks, mut given) = mpsc::unbounded_channel();
        tokio::task::spawn_local(async move {
            while let Some(task) = given.recv().await {
                tokio::task::spawn_local(task);
            }
        });
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            truth,
            nodes,
            migrating: [None; CHUNKS],
            conns: BTreeMap::new(),
            next_conn: 0,
            sockets: BTreeMap::new(),
            open: 0,
            executed: BTreeMap::new(),
            violations: Vec::new(),
            calm: false,
            tasks,
        };
        Self(Rc::new((RefCell::new(state), Notify::new())))
    }

    pub(super) fn state(&self) -> Ref<'_, State> {
        self.0.0.borrow()
    }

    /// For a change that no connection has to know of.
    pub(super) fn quietly(&self) -> RefMut<'_, State> {
        self.0.0.borrow_mut()
    }

    /// Changes something, and wakes whoever waits for a change.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.quietly());
        self.0.1.notify_waiters();
        result
    }

    /// The next change; make it before looking at what may change.
    pub(super) fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.0.1.notified()
    }

    /// Runs beside the world's own tasks, whoever calls.
    pub(super) fn let_run(&self, task: impl Future<Output = ()> + 'static) {
        let given = self.quietly().tasks.send(Box::pin(task));
        assert!(given.is_ok(), "the world runs");
    }

    pub(super) fn violated(&self, what: String) {
        self.quietly().violations.push(what);
    }

    /// Actors and tasks that hold it.
    pub(super) fn holders(&self) -> usize {
        Rc::strong_count(&self.0)
    }
}

/// The node of an endpoint; none for the seed's name.
pub(super) fn node_at(endpoint: &Endpoint) -> Option<usize> {
    endpoint.host()?.strip_prefix("10.0.0.")?.parse().ok()
}

fn id(node: usize) -> String {
    format!("{node:040x}")
}

impl View {
    fn shard_of(&self, node: usize) -> usize {
        node % SHARDS
    }

    fn is_primary(&self, node: usize) -> bool {
        self.primary[self.shard_of(node)] == node
    }

    fn replica(&self, shard: usize) -> usize {
        let other = shard + SHARDS;
        if self.primary[shard] == other {
            shard
        } else {
            other
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.epochs.into_iter().max().unwrap_or(0)
    }

    fn slots(&self) -> String {
        let mut reply = format!("*{CHUNKS}\r\n");
        for (chunk, shard) in self.owner.into_iter().enumerate() {
            let (start, end) = (chunk * CHUNK, (chunk + 1) * CHUNK - 1);
            let replica = Some(self.replica(shard)).filter(|node| !self.failed[*node]);
            let nodes: Vec<_> = [Some(self.primary[shard]), replica]
                .into_iter()
                .flatten()
                .collect();
            write!(reply, "*{}\r\n:{start}\r\n:{end}\r\n", 2 + nodes.len()).expect("a string");
            for node in nodes {
                write!(
                    reply,
                    "*3\r\n$8\r\n10.0.0.{node}\r\n:6379\r\n$40\r\n{}\r\n",
                    id(node)
                )
                .expect("a string");
            }
        }
        reply
    }

    fn lines(&self, myself: usize) -> String {
        let mut text = String::new();
        for node in 0..NODES {
            let shard = self.shard_of(node);
            let me = if node == myself { "myself," } else { "" };
            let failed = if self.failed[node] { ",fail" } else { "" };
            let (role, primary) = match self.primary[shard] {
                primary if primary == node => ("master", "-".to_owned()),
                primary => ("slave", id(primary)),
            };
            let epoch = self.epochs[shard];
            write!(
                text,
                "{} 10.0.0.{node}:6379@16379 {me}{role}{failed} {primary} 0 0 {epoch} connected",
                id(node)
            )
            .expect("a string");
            for chunk in (0..CHUNKS).filter(|_| self.is_primary(node)) {
                if self.owner[chunk] == shard {
                    let (start, end) = (chunk * CHUNK, (chunk + 1) * CHUNK - 1);
                    write!(text, " {start}-{end}").expect("a string");
                }
            }
            text.push('\n');
        }
        format!("${}\r\n{text}\r\n", text.len())
    }
}

impl State {
    /// What a node says to a command.
    pub(super) fn answer(&mut self, node: usize, words: &[&str], asking: &mut bool) -> String {
        let asked = std::mem::take(asking);
        match words {
            ["HELLO", ..] => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
            ["COMMAND"] => "*0\r\n".to_owned(),
            ["PING"] => "+PONG\r\n".to_owned(),
            ["CLUSTER", "SLOTS"] => self.nodes[node].view.slots(),
            ["CLUSTER", "NODES"] => self.nodes[node].view.lines(node),
            ["ASKING"] => {
                *asking = true;
                "+OK\r\n".to_owned()
            }
            [_, key, id] => self.serve(node, key, id, asked),
            _ => "+OK\r\n".to_owned(),
        }
    }

    fn serve(&mut self, node: usize, key: &str, id: &str, asked: bool) -> String {
        let slot = usize::from(Slot::of(key.as_bytes()).get());
        let chunk = slot / CHUNK;
        match self.nodes[node].mood {
            Mood::Loading => return "-LOADING data\r\n".to_owned(),
            Mood::ClusterDown => return "-CLUSTERDOWN The cluster is down\r\n".to_owned(),
            Mood::MasterDown => return "-MASTERDOWN no link\r\n".to_owned(),
            Mood::ReadOnly => return "-READONLY a replica\r\n".to_owned(),
            Mood::Busy if self.rng.random_ratio(1, 2) => return "-TRYAGAIN later\r\n".to_owned(),
            Mood::Busy | Mood::Well => {}
        }
        let owner = self.truth.primary[self.truth.owner[chunk]];
        let target = self.migrating[chunk].map(|shard| self.truth.primary[shard]);
        let moved_on = slot.is_multiple_of(2);
        match target {
            Some(target) if node == owner && moved_on => {
                return format!("-ASK {slot} 10.0.0.{target}:6379\r\n");
            }
            Some(target) if node == target && asked => {
                if self.rng.random_ratio(1, 4) {
                    return "-TRYAGAIN later\r\n".to_owned();
                }
                return self.execute(id);
            }
            _ if node == owner => return self.execute(id),
            _ => {}
        }
        let view = &self.nodes[node].view;
        let believed = view.primary[view.owner[chunk]];
        if believed == node {
            return "-READONLY was demoted\r\n".to_owned();
        }
        if !self.calm && self.rng.random_ratio(1, 30) {
            return format!("-MOVED {slot} ?:0\r\n");
        }
        format!("-MOVED {slot} 10.0.0.{believed}:6379\r\n")
    }

    fn execute(&mut self, id: &str) -> String {
        let number = id.parse().expect("ids are numbers");
        *self.executed.entry(number).or_default() += 1;
        format!("${}\r\n{id}\r\n", id.len())
    }
}
