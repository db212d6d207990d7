//! A real OpenSearch cluster on loopback ports, each node a process of its own, with its files in
//! a temporary folder.
//!
//! The server is what `scripts/opensearch` fetches: the library with its HTTP plugin, run by
//! `tests/java/SearchNode.java`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::background::locked;
use super::ports::Port;
use super::supervised::{Supervised, last_lines};
use super::waiting::{Failure, Result, Wait};

/// Three JVMs on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The folder of the server, if it was fetched.
pub fn found() -> Option<PathBuf> {
    let folder = match std::env::var_os("EVERLINK_OPENSEARCH") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/opensearch-2.19"),
    };
    folder.join("complete").is_file().then_some(folder)
}

/// The same. Where there is none a test may be passed over, loudly; where `CI=true` is set it
/// fails instead.
pub fn installed() -> Option<PathBuf> {
    if let Some(folder) = found() {
        return Some(folder);
    }
    let text = "OpenSearch is missing: `make setup` fetches it, or says why it cannot be had";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    eprintln!("\n*** NOT RUN: {text} ***\n");
    None
}

/// One node. Dropping it kills it, paused or not, and removes its folder.
pub struct OpenSearchNode {
    name: String,
    http: Port,
    transport: Port,
    // Before the folder, so that the node is gone when that is removed.
    process: Mutex<Option<Supervised>>,
    folder: TempDir,
}

/// Several nodes that are one cluster.
pub struct OpenSearchCluster {
    server: PathBuf,
    pub nodes: Vec<OpenSearchNode>,
}

impl OpenSearchCluster {
    /// Starts so many nodes from the server in this folder, and waits until each sees all.
    ///
    /// # Errors
    /// They do not find each other in time: then with a log.
    pub async fn start(server: PathBuf, nodes: usize) -> Result<Self> {
        let mut made = Vec::new();
        for n in 0..nodes {
            made.push(OpenSearchNode {
                name: format!("n{n}"),
                http: Port::reserve()?,
                transport: Port::reserve()?,
                process: Mutex::new(None),
                folder: tempfile::Builder::new()
                    .prefix("everlink-opensearch-")
                    .tempdir()?,
            });
        }
        let cluster = Self {
            server,
            nodes: made,
        };
        for node in &cluster.nodes {
            cluster.spawn(node)?;
        }
        for node in &cluster.nodes {
            cluster.complete(node).await?;
        }
        Ok(cluster)
    }

    fn spawn(&self, node: &OpenSearchNode) -> Result<()> {
        let all = |what: fn(&OpenSearchNode) -> String| {
            self.nodes.iter().map(what).collect::<Vec<_>>().join(",")
        };
        let seeds = all(|node| format!("127.0.0.1:{}", node.transport.number()));
        let names = all(|node| node.name.clone());
        let classes = self.server.join("classes.jsa");
        let arguments = [
            format!("-XX:SharedArchiveFile={}", classes.display()),
            "-Xshare:auto".to_owned(),
            "-Xlog:disable".to_owned(),
            "-Xms128m".to_owned(),
            "-Xmx256m".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            "-XX:-UsePerfData".to_owned(),
            "-cp".to_owned(),
            fs::read_to_string(self.server.join("classpath"))?,
            "SearchNode".to_owned(),
            format!("path.home={}", node.folder.path().display()),
            format!("node.name={}", node.name),
            "cluster.name=everlink-tests".to_owned(),
            "network.host=127.0.0.1".to_owned(),
            format!("http.port={}", node.port()),
            format!("transport.port={}", node.transport.number()),
            format!("discovery.seed_hosts={seeds}"),
            format!("cluster.initial_cluster_manager_nodes={names}"),
            // One that hangs is noticed in seconds.
            "cluster.fault_detection.leader_check.interval=500ms".to_owned(),
            "cluster.fault_detection.leader_check.timeout=2s".to_owned(),
            "cluster.fault_detection.follower_check.interval=500ms".to_owned(),
            "cluster.fault_detection.follower_check.timeout=2s".to_owned(),
            // They look for each other ten times a second, not once.
            "discovery.find_peers_interval=100ms".to_owned(),
            "cluster.routing.allocation.disk.threshold_enabled=false".to_owned(),
        ];
        let started = Supervised::start(node.folder.path(), "java", &arguments)?;
        *node.process() = Some(started);
        Ok(())
    }

    /// Waits until this node sees all the others that run, and all shards are there.
    ///
    /// # Errors
    /// It does not in time: then with its log.
    pub async fn complete(&self, node: &OpenSearchNode) -> Result<()> {
        let runs = |it: &&OpenSearchNode| it.process().is_some();
        let expected = self.nodes.iter().filter(runs).count();
        let mut wait = Wait::up_to(START_LIMIT, format!("OpenSearch on port {}", node.port()));
        loop {
            let seen = match node.get("/_cluster/health").await {
                Ok(health) => {
                    let well = health["number_of_nodes"] == expected
                        && health["status"] == "green"
                        && health["relocating_shards"] == 0;
                    if well {
                        return Ok(());
                    }
                    health.to_string()
                }
                Err(failure) => failure.to_string(),
            };
            if node.process().as_ref().is_none_or(Supervised::has_exited) {
                return Err(Failure::new(format!("it ended: {seen}\n{}", node.log())));
            }
            wait.again(seen)
                .await
                .map_err(|late| Failure::new(format!("{late}\n{}", node.log())))?;
        }
    }

    /// Starts a node that ended anew, on the same ports with the same files.
    ///
    /// # Errors
    /// No further process.
    pub fn restart(&self, node: &OpenSearchNode) -> Result<()> {
        self.spawn(node)
    }
}

impl OpenSearchNode {
    /// The port of HTTP.
    pub fn port(&self) -> u16 {
        self.http.number()
    }

    /// What everlink dials.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// Kills it with SIGKILL and waits until it is gone. Its files stay.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill9(&self) -> Result<()> {
        let mut process = self.taken()?;
        process.kill()?;
        process.gone().await
    }

    /// Asks it to end by SIGTERM and waits until it is gone. Its files stay.
    ///
    /// # Errors
    /// It does not run, or does not end.
    pub async fn end(&self) -> Result<()> {
        let mut process = self.taken()?;
        process.terminate()?;
        process.gone().await
    }

    /// SIGSTOP.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.process().as_mut().map_or_else(gone, Supervised::pause)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self) -> Result<()> {
        self.process()
            .as_mut()
            .map_or_else(gone, Supervised::resume)
    }

    /// Asks it, over a connection of its own and without everlink.
    ///
    /// # Errors
    /// It does not answer with JSON within 10 s.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let asking = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port())).await?;
            let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(ANSWER_LIMIT, asking)
            .await
            .map_err(|_| Failure::new(format!("no answer within {ANSWER_LIMIT:?}")))??;
        let text = String::from_utf8_lossy(&answer);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(|_| Failure::new(text.into_owned()))
    }

    /// The last lines that it has logged.
    pub fn log(&self) -> String {
        last_lines(&self.folder.path().join("stderr.log"))
    }

    fn process(&self) -> MutexGuard<'_, Option<Supervised>> {
        locked(&self.process)
    }

    fn taken(&self) -> Result<Supervised> {
        let taken = self.process().take();
        taken.ok_or_else(|| Failure::new("the node does not run"))
    }
}

fn gone() -> Result<()> {
    Err(Failure::new("the node does not run"))
}
