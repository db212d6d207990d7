//! A real Redis Cluster on loopback ports, formed without `redis-cli`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::cluster_view::{NodeLine, parse_nodes};
use super::raw::Reply;
use super::redis_server::{RedisServer, RedisServerOptions, field};
use super::waiting::{Failure, Result, Wait};

/// The number of slots of every cluster.
pub const SLOTS: u16 = 16_384;

const WAIT_LIMIT: Duration = Duration::from_secs(40);

/// How a cluster is built.
#[derive(Debug, Clone)]
pub struct RedisClusterOptions {
    /// At least 3, or no failover finds a majority.
    pub primaries: usize,
    pub replicas_per_primary: usize,
    /// `cluster-node-timeout`: after it a silent node is suspected; a replica takes over about a
    /// second later.
    pub node_timeout_ms: u32,
    /// `cluster-require-full-coverage`.
    pub require_full_coverage: bool,
    /// Everything else, for every node.
    pub server: RedisServerOptions,
}

impl Default for RedisClusterOptions {
    fn default() -> Self {
        Self {
            primaries: 3,
            replicas_per_primary: 1,
            node_timeout_ms: 1000,
            require_full_coverage: true,
            server: RedisServerOptions::default(),
        }
    }
}

/// A running cluster. Nodes are named by their index: first the primaries of the beginning, each
/// with an equal part of the slots, then the replicas, so that node `primaries + i` replicates
/// node `i`. Who is what later on, [`RedisCluster::primaries`] tells.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the servers, forms the cluster and waits until every node agrees on it and every
    /// replica is linked: about 3 s.
    ///
    /// # Errors
    /// A server does not start, or the cluster is not formed within 40 s.
    pub async fn start(options: RedisClusterOptions) -> Result<Self> {
        let coverage = if options.require_full_coverage {
            "yes"
        } else {
            "no"
        };
        let server = options
            .server
            .clone()
            .cluster()
            .config(&format!("cluster-node-timeout {}", options.node_timeout_ms))
            .config(&format!("cluster-require-full-coverage {coverage}"))
            // A replica may always take over, however long its primary was paused before, and
            // never leaves its primary for another.
            .config("cluster-replica-validity-factor 0")
            .config("cluster-migration-barrier 999");
        let count = options.primaries * (1 + options.replicas_per_primary);
        let nodes = (0..count)
            .map(|_| RedisServer::launch(&server))
            .collect::<Result<Vec<_>>>()?;
        let cluster = Self { nodes };
        cluster.form(options.primaries).await?;
        Ok(cluster)
    }

    async fn form(&self, primaries: usize) -> Result<()> {
        for (index, node) in self.nodes.iter().enumerate() {
            node.ready().await?;
            // Distinct epochs from the start: no collisions to be settled later.
            let epoch = (index + 1).to_string();
            self.tell(index, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .await?;
        }
        for index in 0..primaries {
            self.assign(index, part_of(index, primaries)).await?;
        }
        for node in &self.nodes[1..] {
            // Of a cluster with TLS this is the port from which that of the bus follows.
            let port = node.tls_port().unwrap_or(node.port()).to_string();
            self.tell(0, &["CLUSTER", "MEET", "127.0.0.1", &port])
                .await?;
        }
        self.wait_until_all_know_all().await?;
        for replica in primaries..self.nodes.len() {
            let id = self.id(replica % primaries).await?;
            self.tell(replica, &["CLUSTER", "REPLICATE", &id]).await?;
        }
        self.wait_ok().await
    }

    async fn assign(&self, index: usize, slots: RangeInclusive<u16>) -> Result<()> {
        let (first, last) = (slots.start().to_string(), slots.end().to_string());
        let range = ["CLUSTER", "ADDSLOTSRANGE", &first, &last];
        // ADDSLOTSRANGE came with Redis 7.0.
        if self.tell(index, &range).await.is_ok() {
            return Ok(());
        }
        let mut all = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
        all.extend(slots.map(|slot| slot.to_string()));
        self.tell(index, &all).await.map(drop)
    }

    async fn wait_until_all_know_all(&self) -> Result<()> {
        let mut wait = Wait::up_to(WAIT_LIMIT, "all nodes to know each other");
        loop {
            let mut missing = Vec::new();
            for index in 0..self.nodes.len() {
                let sound = self
                    .view(index)
                    .await?
                    .iter()
                    .filter(|line| line.is_sound())
                    .count();
                if sound < self.nodes.len() {
                    missing.push(format!("node {index} knows {sound}"));
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            wait.again(missing.join(", ")).await?;
        }
    }

    /// All nodes, by index.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Host and port of every node, to begin from.
    pub fn seeds(&self) -> Vec<(String, u16)> {
        self.nodes.iter().map(RedisServer::endpoint).collect()
    }

    /// The index of the node on `port`.
    pub fn index_of(&self, port: u16) -> Option<usize> {
        self.nodes.iter().position(|node| node.port() == port)
    }

    /// Kills a node with SIGKILL.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill9(&self, index: usize) -> Result<()> {
        self.nodes[index].kill9().await
    }

    /// Starts a node anew with its files; see also [`RedisCluster::wait_ok`].
    ///
    /// # Errors
    /// It does not answer in time.
    pub async fn restart(&self, index: usize) -> Result<()> {
        self.nodes[index].restart().await
    }

    /// Stops a node's clock: SIGSTOP.
    ///
    /// # Errors
    /// It does not run.
    pub async fn pause(&self, index: usize) -> Result<()> {
        self.nodes[index].pause().await
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self, index: usize) -> Result<()> {
        self.nodes[index].resume()
    }

    /// The indices of the nodes that serve slots now, each once.
    ///
    /// # Errors
    /// A running node does not answer.
    pub async fn primaries(&self) -> Result<Vec<usize>> {
        let claims = self.claims().await?;
        let owners: BTreeSet<usize> = (0..SLOTS).filter_map(|slot| owner(&claims, slot)).collect();
        Ok(owners.into_iter().collect())
    }

    /// The index of the node that serves `slot` now.
    ///
    /// # Errors
    /// No running node serves it.
    pub async fn primary_of_slot(&self, slot: u16) -> Result<usize> {
        let claims = self.claims().await?;
        owner(&claims, slot).ok_or_else(|| Failure::new(format!("no node serves slot {slot}")))
    }

    /// Waits until a node other than `old` serves `slot`, and returns when that was seen.
    ///
    /// # Errors
    /// It has not happened after 40 s.
    pub async fn wait_for_promotion(&self, slot: u16, old: usize) -> Result<Instant> {
        let mut wait = Wait::up_to(WAIT_LIMIT, format!("a successor of node {old}"));
        loop {
            let seen = match self.primary_of_slot(slot).await {
                Ok(now) if now != old => return Ok(Instant::now()),
                Ok(now) => format!("node {now} serves slot {slot}"),
                Err(failure) => failure.to_string(),
            };
            wait.again(seen).await?;
        }
    }

    /// Waits until all running nodes report `cluster_state:ok`, agree on who serves what and
    /// trust each other, and every running replica is linked with its primary and listed by all.
    ///
    /// # Errors
    /// It is not so after 40 s: with what is amiss.
    pub async fn wait_ok(&self) -> Result<()> {
        let mut wait = Wait::up_to(WAIT_LIMIT, "a sound cluster");
        loop {
            let amiss = match self.amiss().await {
                Ok(amiss) if amiss.is_empty() => return Ok(()),
                Ok(amiss) => amiss.join("; "),
                Err(failure) => failure.to_string(),
            };
            wait.again(amiss).await?;
        }
    }

    async fn amiss(&self) -> Result<Vec<String>> {
        let mut amiss = Vec::new();
        let own = self.own_lines().await?;
        for index in self.awake() {
            let info = self.text(index, &["CLUSTER", "INFO"]).await?;
            let state = field(&info, "cluster_state").unwrap_or("unknown");
            if state != "ok" {
                amiss.push(format!("node {index}: cluster_state:{state}"));
            }
            let view = self.view(index).await?;
            let listed = self.listed_ports(index).await?;
            for (other, line) in &own {
                let seen = view.iter().find(|seen| seen.id == line.id);
                let agrees = seen.is_some_and(|seen| {
                    seen.is_sound() && seen.primary == line.primary && seen.slots == line.slots
                });
                if !agrees {
                    amiss.push(format!("node {index} sees node {other} as {seen:?}"));
                }
                let serves = !line.is_primary() || !line.slots.is_empty();
                if serves && !listed.contains(&line.port) {
                    amiss.push(format!("node {index} does not list node {other}"));
                }
            }
        }
        for (index, line) in &own {
            if line.is_primary() {
                continue;
            }
            let info = self.nodes[*index].info("replication").await?;
            let link = field(&info, "master_link_status").unwrap_or("unknown");
            if link != "up" {
                amiss.push(format!("replica {index}: master_link_status:{link}"));
            }
        }
        Ok(amiss)
    }

    /// All ports in the answer of a node to `CLUSTER SLOTS`.
    async fn listed_ports(&self, index: usize) -> Result<BTreeSet<u16>> {
        let reply = self.tell(index, &["CLUSTER", "SLOTS"]).await?;
        let ranges = reply.elements().unwrap_or_default();
        Ok(ranges
            .iter()
            .flat_map(|range| range.elements().unwrap_or_default().iter().skip(2))
            .filter_map(|node| node.elements()?.get(1)?.int())
            .filter_map(|port| u16::try_from(port).ok())
            .collect())
    }

    /// Closes the connections of all clients on all running nodes, but for the fixtures' own.
    /// Returns how many there were.
    ///
    /// # Errors
    /// A running node does not answer.
    pub async fn client_kill_all(&self) -> Result<u64> {
        let mut killed = 0;
        for index in self.awake() {
            killed += self.nodes[index].client_kill_all().await?;
        }
        Ok(killed)
    }

    /// The id of a node.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn id(&self, index: usize) -> Result<String> {
        self.text(index, &["CLUSTER", "MYID"]).await
    }

    /// How one node sees the cluster.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn view(&self, index: usize) -> Result<Vec<NodeLine>> {
        parse_nodes(&self.text(index, &["CLUSTER", "NODES"]).await?)
    }

    /// Sends one command to a node; an error reply is a failure.
    ///
    /// # Errors
    /// The node refuses, or does not answer.
    pub async fn tell<A: AsRef<[u8]>>(&self, index: usize, args: &[A]) -> Result<Reply> {
        let reply = async { self.nodes[index].command(args).await?.refused() };
        reply.await.map_err(|failure| {
            let what = String::from_utf8_lossy(args[0].as_ref()).into_owned();
            failure.while_doing(format!("{what} to node {index}"))
        })
    }

    async fn text(&self, index: usize, args: &[&str]) -> Result<String> {
        let reply = self.tell(index, args).await?;
        Ok(reply.text().unwrap_or_default())
    }

    /// The nodes that run and do not stand still.
    fn awake(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|index| self.nodes[*index].is_running() && !self.nodes[*index].is_paused())
            .collect()
    }

    /// What each node that is awake says of itself.
    async fn own_lines(&self) -> Result<Vec<(usize, NodeLine)>> {
        let mut own = Vec::new();
        for index in self.awake() {
            let myself = self
                .view(index)
                .await?
                .into_iter()
                .find(NodeLine::is_myself);
            own.extend(myself.map(|line| (index, line)));
        }
        Ok(own)
    }

    /// The nodes that are awake and take themselves for primaries.
    async fn claims(&self) -> Result<Vec<(usize, NodeLine)>> {
        let mut own = self.own_lines().await?;
        own.retain(|(_, line)| line.is_primary());
        Ok(own)
    }
}

/// Of two nodes that claim a slot, such as a primary that has just come back and its successor,
/// the one with the newer epoch is right.
fn owner(claims: &[(usize, NodeLine)], slot: u16) -> Option<usize> {
    claims
        .iter()
        .filter(|(_, line)| line.serves(slot))
        .max_by_key(|(_, line)| line.config_epoch)
        .map(|(index, _)| *index)
}

/// The slots of the `index`-th of `count` equal parts.
fn part_of(index: usize, count: usize) -> RangeInclusive<u16> {
    let border = |part: usize| {
        u16::try_from(usize::from(SLOTS) * part / count).expect("a part of 16384 fits in a u16")
    };
    border(index)..=border(index + 1) - 1
}
