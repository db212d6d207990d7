//! A real cluster of three nodes: killed, paused, restarted in turn, under load. One test, since
//! the cluster takes a while to start.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everlink::elasticsearch::{
    Bulk, ElasticClient, ElasticSettings, Error as Failed, ErrorKind, Outcome, Request, Sniff,
};
use everlink::link::LinkOptions;
use everlink::policy::Backoff;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::library::{Library, TestResult};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::lane::Ending;
use crate::support::opensearch::{OpenSearchCluster, installed};
use crate::support::waiting::Wait;

/// An election, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS: usize = 4;
/// Between two writes of a writer: without it they take the time that a node needs to start.
const PACE: Duration = Duration::from_millis(30);

fn settings(cluster: &OpenSearchCluster) -> ElasticSettings {
    let urls = cluster.nodes.iter().map(|node| node.url());
    let mut settings = ElasticSettings::from_urls(urls).expect("valid");
    // A node without the manager answers no check before there is a new one.
    settings.health.interval = Duration::from_secs(1);
    settings.health.timeout = Duration::from_secs(1);
    settings.timeouts.attempt = Duration::from_secs(5);
    settings.timeouts.request = PATIENCE;
    settings.link.stable_after = Duration::from_millis(500);
    // A server that takes long to start is not to wait for a long backoff besides.
    let restart = settings.link.restart.clone();
    let often = Backoff::fixed(Duration::from_millis(250)).expect("valid");
    settings.link.restart = restart.with_backoff(often);
    settings
}

/// Writers that each store one document after the other, until told to end.
struct Load {
    ended: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Written>>,
}

/// What became of the writes of one writer.
#[derive(Default)]
struct Written {
    stored: Vec<String>,
    /// Their outcome is open.
    unknown: Vec<String>,
    /// All other errors, which there must be none of.
    failed: Vec<Failed>,
}

impl Load {
    /// By `create` under ids of their own; marked idempotent or not.
    fn start(client: &ElasticClient, name: &'static str, idempotent: bool) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|writer| {
            let (client, ended) = (client.clone(), Arc::clone(&ended));
            actix_rt::spawn(async move {
                let mut written = Written::default();
                let mut n = 0;
                while !ended.load(Ordering::SeqCst) {
                    n += 1;
                    let id = format!("{name}-{writer}-{n}");
                    let path = format!("/books/_create/{id}");
                    let request = Request::put(path).json(json!({"writer": writer, "n": n}));
                    let request = match idempotent {
                        true => request.idempotent(),
                        false => request,
                    };
                    match client.send(request).await {
                        Ok(response) if response.is_success() => written.stored.push(id),
                        // It is there: a first try, ours or that of the cluster itself after it
                        // lost a primary, has stored it.
                        Ok(response) if response.status() == 409 => written.stored.push(id),
                        Ok(response) => {
                            let error = response.into_result().expect_err("no success");
                            match error.outcome() {
                                Outcome::Unknown => written.unknown.push(id),
                                _ => written.failed.push(error),
                            }
                        }
                        Err(error) if error.outcome() == Outcome::Unknown => {
                            written.unknown.push(id);
                        }
                        Err(error) => written.failed.push(error),
                    }
                    // No wait for anything: this is how often it writes.
                    sleep(PACE).await;
                }
                written
            })
        });
        Self {
            writers: writers.collect(),
            ended,
        }
    }

    async fn end(self) -> Written {
        self.ended.store(true, Ordering::SeqCst);
        let mut all = Written::default();
        for written in join_all(self.writers).await {
            let written = written.expect("no writer panics");
            all.stored.extend(written.stored);
            all.unknown.extend(written.unknown);
            all.failed.extend(written.failed);
        }
        all
    }
}

/// What the cluster holds, as a node tells without everlink: ids, and the highest sequence number
/// of the one primary shard. Each operation that was carried out has its number.
async fn held(cluster: &OpenSearchCluster) -> Result<(BTreeSet<String>, u64), Box<dyn Error>> {
    let node = &cluster.nodes[0];
    node.get("/books/_refresh").await.ok();
    let found = node
        .get("/books/_search?size=10000&_source=false&sort=_doc&track_total_hits=true")
        .await?;
    let hits = found["hits"]["hits"].as_array().ok_or("hits")?;
    let ids = hits
        .iter()
        .filter_map(|hit| hit["_id"].as_str())
        .map(str::to_owned);
    let ids: BTreeSet<String> = ids.collect();
    assert_eq!(found["hits"]["total"]["value"], ids.len(), "each id once");
    let stats = node.get("/books/_stats?level=shards").await?;
    let shards = stats["indices"]["books"]["shards"]["0"]
        .as_array()
        .ok_or("shards")?;
    let primary = shards
        .iter()
        .find(|shard| shard["routing"]["primary"] == true)
        .ok_or("a primary")?;
    let highest = primary["seq_no"]["max_seq_no"].as_u64().ok_or("a number")?;
    Ok((ids, highest))
}

#[actix::test]
async fn nodes_die_stand_still_and_restart_and_nothing_is_lost_or_written_twice() -> TestResult {
    let Some(server) = installed() else {
        return Ok(());
    };
    let cluster = OpenSearchCluster::start(server, 3).await?;
    let library = Library::ready(settings(&cluster)).await;
    let client = &library.client;
    let shape = json!({"settings": {
        "number_of_shards": 1, "number_of_replicas": 2,
        "unassigned.node_left.delayed_timeout": "0s"}});
    client
        .send(Request::put("/books").json(shape))
        .await?
        .into_result()?;
    cluster.complete(&cluster.nodes[0]).await?;
    let mut stored = BTreeSet::new();
    let mut open = BTreeSet::new();

    bulk_and_sequence_numbers(client).await?;
    stored.insert("b1".to_owned());
    stored.extend(writes_through_resets(&cluster).await?);

    // One of three is killed and comes back: every request that may be repeated succeeds.
    let load = Load::start(client, "killed", true);
    cluster.nodes[2].kill9().await?;
    library.told("disconnected", 1).await;
    reads(client, 50).await?;
    cluster.restart(&cluster.nodes[2])?;
    library.until_within(PATIENCE, |it| it.up == 3).await;
    let written = load.end().await;
    assert!(
        written.failed.is_empty() && written.unknown.is_empty(),
        "{:?}",
        written.failed
    );
    assert!(!written.stored.is_empty());
    stored.extend(written.stored);
    cluster.complete(&cluster.nodes[0]).await?;

    // One stands still: its kernel goes on to accept connections.
    let load = Load::start(client, "paused", false);
    cluster.nodes[1].pause()?;
    library.told("disconnected", 2).await;
    reads(client, 50).await?;
    cluster.nodes[1].resume()?;
    library.until_within(PATIENCE, |it| it.up == 3).await;
    let written = load.end().await;
    assert!(written.failed.is_empty(), "{:?}", written.failed);
    stored.extend(written.stored);
    open.extend(written.unknown);
    cluster.complete(&cluster.nodes[0]).await?;

    // All are restarted in turn.
    let load = Load::start(client, "rolling", true);
    for (n, node) in cluster.nodes.iter().enumerate() {
        node.end().await?;
        library.told("disconnected", 3 + n).await;
        cluster.restart(node)?;
        library.until_within(PATIENCE, |it| it.up == 3).await;
        cluster.complete(node).await?;
    }
    let written = load.end().await;
    assert!(
        written.failed.is_empty() && written.unknown.is_empty(),
        "{:?}",
        written.failed
    );
    stored.extend(written.stored);

    all_dead_and_back(&cluster).await?;

    // What was told as stored is there, and nothing else but what was left open.
    let (ids, highest) = held(&cluster).await?;
    let missing: Vec<_> = stored.difference(&ids).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let surplus: Vec<_> = ids
        .difference(&stored)
        .filter(|id| !open.contains(*id))
        .collect();
    assert!(surplus.is_empty(), "{surplus:?}");
    // A create that is carried out twice is refused the second time and takes no number; each that
    // was carried out has one, and a new primary fills the numbers of those that were lost.
    assert!(
        highest + 1 >= ids.len() as u64,
        "{highest} for {}",
        ids.len()
    );
    let names = library.names_at(cluster.nodes[2].port());
    assert_eq!(names[..3], ["connecting", "connected", "disconnected"]);
    Ok(())
}

/// Writes through a proxy that resets its connections again and again, while no node fails: each
/// that was carried out has one number and leaves its document at version 1. Gives their ids.
async fn writes_through_resets(cluster: &OpenSearchCluster) -> Result<Vec<String>, Box<dyn Error>> {
    const EACH: usize = 40;
    let proxy = FaultProxy::start(cluster.nodes[0].port())?;
    let urls = [
        format!("http://127.0.0.1:{}", proxy.port()),
        cluster.nodes[1].url(),
    ];
    let mut settings = ElasticSettings::from_urls(urls)?;
    settings.node_failure_threshold = 1_000;
    let library = Library::ready(settings).await;
    let (_, before) = held(cluster).await?;
    let writers = (0..WRITERS).map(|writer| {
        let client = library.client.clone();
        actix_rt::spawn(async move {
            let (mut stored, mut unknown) = (0, 0);
            for n in 0..EACH {
                // `_doc`: carried out twice it would leave version 2.
                let path = format!("/books/_doc/reset-{writer}-{n}");
                match client.send(Request::put(path).json(json!({"n": n}))).await {
                    Ok(response) => stored += usize::from(response.status() == 201),
                    Err(error) if error.outcome() == Outcome::Unknown => unknown += 1,
                    Err(error) => panic!("{error}"),
                }
            }
            (stored, unknown)
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut cuts = 0;
    while !writers.iter().all(JoinHandle::is_finished) {
        // In the middle of a request or of an answer, each time elsewhere.
        cuts += 1;
        let way = [Way::ToServer, Way::ToClient][cuts % 2];
        let before = proxy.connections();
        proxy.cut_after(way, 300 + cuts * 137 % 900, Ending::Reset);
        let mut wait = Wait::up_to(PATIENCE, "a connection in place of the one that was cut");
        while proxy.connections() == before && !writers.iter().all(JoinHandle::is_finished) {
            wait.again(before).await?;
        }
    }
    let (mut stored, mut unknown) = (0, 0);
    for writer in writers {
        let (more_stored, more_unknown) = writer.await?;
        stored += more_stored;
        unknown += more_unknown;
    }
    assert_eq!(stored + unknown, WRITERS * EACH);
    assert!(
        unknown > 0,
        "no write was under way when a connection was reset"
    );
    let (ids, after) = held(cluster).await?;
    let ids: Vec<String> = ids
        .into_iter()
        .filter(|id| id.starts_with("reset-"))
        .collect();
    assert!(
        (stored..=stored + unknown).contains(&ids.len()),
        "{}",
        ids.len()
    );
    assert_eq!(
        after - before,
        ids.len() as u64,
        "one number for each write"
    );
    let path = "/books/_search?size=10000&version=true&_source=false&q=_exists_:n";
    let found = cluster.nodes[0].get(path).await?;
    for hit in found["hits"]["hits"].as_array().ok_or("hits")? {
        assert_eq!(hit["_version"], 1, "{hit}");
    }
    Ok(ids)
}

async fn reads(client: &ElasticClient, count: usize) -> TestResult {
    let read = || client.send(Request::get("/books/_count"));
    for answer in join_all((0..count).map(|_| read())).await {
        answer?.into_result()?;
    }
    Ok(())
}

/// Each write that is carried out has a number of its own; a conflict has none.
async fn bulk_and_sequence_numbers(client: &ElasticClient) -> TestResult {
    let bulk = || Bulk::into_index("books").create("b1", json!({"n": 1}));
    let first = client.bulk(bulk()).await?;
    assert_eq!(
        (first.items[0].status, first.items[0].seq_no),
        (201, Some(0))
    );
    let again = client.bulk(bulk()).await?;
    assert_eq!((again.items[0].status, again.items[0].seq_no), (409, None));
    assert_eq!(again.items[0].outcome(), Some(Outcome::Refused));
    let got: Value = client.send(Request::get("/books/_doc/b1")).await?.json()?;
    assert_eq!((&got["_seq_no"], &got["_version"]), (&json!(0), &json!(1)));
    Ok(())
}

/// All are killed: what waits goes within a second of the first return of a healthy cluster.
async fn all_dead_and_back(cluster: &OpenSearchCluster) -> TestResult {
    // With the usual backoff, which is longer than that.
    let mut usual = settings(cluster);
    usual.link.restart = LinkOptions::default().restart;
    let library = Library::ready(usual).await;
    for node in &cluster.nodes {
        node.kill9().await?;
    }
    library.until(|it| it.up == 0).await;
    let short = Request::get("/books/_count").timeout(Duration::from_millis(500));
    let error = library.client.send(short).await.expect_err("all are dead");
    assert!(matches!(error.kind(), ErrorKind::NoNode { .. }), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let client = library.client.clone();
    let waiting = actix_rt::spawn(async move {
        let answer = client.send(Request::get("/books/_count")).await;
        (answer, Instant::now())
    });
    for node in &cluster.nodes {
        cluster.restart(node)?;
    }
    // The first that a check would call healthy.
    let mut wait = Wait::up_to(PATIENCE, "the first node");
    let back = 'back: loop {
        for node in &cluster.nodes {
            let health = node.get("/_cluster/health").await.unwrap_or_default();
            if health["status"] == "yellow" || health["status"] == "green" {
                break 'back Instant::now();
            }
        }
        wait.again("none").await?;
    };
    let (answer, at) = waiting.await?;
    answer?.into_result()?;
    let took = at.saturating_duration_since(back);
    assert!(took < Duration::from_secs(1), "{took:?}");
    cluster.complete(&cluster.nodes[0]).await?;

    // One seed is enough: the others are found.
    let mut one = ElasticSettings::from_urls([cluster.nodes[0].url()])?;
    one.sniff = Some(Sniff::default());
    let sniffing = Library::open(one).await;
    sniffing.until_within(PATIENCE, |it| it.up == 3).await;
    Ok(())
}
