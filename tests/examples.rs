//! Runs every example as a reader would, against real servers, and checks what it prints.

#![cfg(feature = "redis")]

mod support;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::ports::Port;
use support::redis_cluster::{RedisCluster, RedisClusterOptions};
use support::redis_server::{RedisServer, RedisServerOptions};
use support::waiting::Wait;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

const LIMIT: Duration = Duration::from_secs(60);

/// An example that runs. Dropping it kills it.
struct Example {
    name: &'static str,
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

/// `cargo test` builds the examples beside the folder of the tests; with `--test examples` it does
/// not, and they are as old as the last `cargo build --examples`.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let profile = test
        .parent()
        .and_then(|folder| folder.parent())
        .expect("a test is in target/<profile>/deps");
    let program = profile.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is missing; `cargo build --examples` makes it",
        program.display()
    );
    program
}

impl Example {
    fn start<A: AsRef<OsStr>>(name: &'static str, args: impl IntoIterator<Item = A>) -> Self {
        let mut process = Command::new(program(name))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the example starts");
        let output = process.stdout.take().expect("it is piped");
        Self {
            name,
            process,
            output: BufReader::new(output).lines(),
            seen: Vec::new(),
        }
    }

    /// Reads until a line begins like this, and gives the whole line.
    async fn line(&mut self, beginning: &str) -> String {
        let reading = async {
            while let Some(line) = self.output.next_line().await.expect("text") {
                self.seen.push(line.clone());
                if line.starts_with(beginning) {
                    return Some(line);
                }
            }
            None
        };
        let found = tokio::time::timeout(LIMIT, reading).await;
        match found {
            Ok(Some(line)) => line,
            Ok(None) | Err(_) => panic!("{} printed no {beginning:?}: {:#?}", self.name, self.seen),
        }
    }

    /// Ctrl-C.
    fn interrupt(&self) {
        let pid = self.process.id().expect("it runs");
        let pid = Pid::from_raw(pid.cast_signed()).expect("a pid is positive");
        kill_process(pid, Signal::INT).expect("it runs");
    }

    /// Waits for its end, which must be a good one, and gives all it printed and its errors.
    async fn end(mut self) -> (Vec<String>, String) {
        let ending = async {
            while let Some(line) = self.output.next_line().await.expect("text") {
                self.seen.push(line);
            }
            let mut errors = String::new();
            let mut stderr = self.process.stderr.take().expect("it is piped");
            stderr.read_to_string(&mut errors).await.expect("text");
            let status = self.process.wait().await.expect("it was started");
            assert!(
                status.success(),
                "{}: {status}\n{errors}\n{:#?}",
                self.name,
                self.seen
            );
            errors
        };
        let errors = tokio::time::timeout(LIMIT, ending).await;
        (self.seen, errors.expect("the example ends"))
    }
}

async fn server() -> (RedisServer, String) {
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await;
    let server = server.expect("a server");
    let url = format!("redis://127.0.0.1:{}", server.port());
    (server, url)
}

#[tokio::test]
async fn quickstart_greets_and_counts_its_runs() {
    let (_server, url) = server().await;
    for run in 1..=2 {
        let (printed, errors) = Example::start("quickstart", [&url]).end().await;
        assert_eq!(
            printed,
            [
                format!("hello, run {run}"),
                "5 bytes; nothing exists: false".to_owned()
            ]
        );
        assert_eq!(errors, "");
    }
}

#[tokio::test]
async fn quickstart_without_a_server_says_what_is_wrong_and_fails() {
    let port = Port::reserve().expect("a port");
    let url = format!("redis://127.0.0.1:{}?timeout=300ms", port.number());
    let example = Example::start("quickstart", [&url]);
    let output = tokio::time::timeout(LIMIT, example.process.wait_with_output()).await;
    let output = output.expect("it ends").expect("it was started");
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("Connection refused"), "{errors}");
}

#[tokio::test]
async fn cluster_uses_both_doors_and_shows_every_link() {
    let options = RedisClusterOptions {
        replicas_per_primary: 0,
        server: RedisServerOptions::default().volatile(),
        ..RedisClusterOptions::default()
    };
    let cluster = RedisCluster::start(options).await.expect("a cluster");
    let (host, port) = &cluster.seeds()[0];
    let url = format!("redis-cluster://{host}:{port}");
    let (printed, errors) = Example::start("cluster", [&url]).end().await;
    assert_eq!(
        printed[..4],
        [
            "through the client: Oslo",
            "through the router: Oslo",
            "10 counters, the first is 1",
            "one slot: (\"Kim\", \"kim@host\")",
        ]
    );
    assert_eq!(
        printed[4],
        "two slots: MGET: keys are in different slots (not sent)"
    );
    for (host, port) in cluster.seeds() {
        let link = format!("redis/{host}:{port} ");
        assert!(
            printed.iter().any(|line| line.starts_with(&link)
                && line.split_whitespace().skip(1).eq(["up", "1", "0"])),
            "{link}: {printed:#?}"
        );
    }
    assert_eq!(printed.last().expect("lines"), "closed 3 of 3 links");
    assert_eq!(errors, "");
}

#[tokio::test]
async fn subscriber_hears_of_a_loss_by_actor_callback_and_log() {
    let (server, url) = server().await;
    let mut example = Example::start("subscriber", [&url]);
    let link = format!("redis/127.0.0.1:{}", server.port());
    example.line(&format!("callback: {link} is up again")).await;
    example.line("connection ").await;
    server.kill9().await.expect("killed");
    // The callback sees the second loss after the first one healed.
    example.line(&format!("callback: {link} is down")).await;
    server.restart().await.expect("restarted");
    example.line(&format!("callback: {link} is up again")).await;
    example.interrupt();
    let (printed, log) = example.end().await;
    for expected in [
        format!("callback: {link} is up"),
        format!("actor: {link} lost (closed), loss 1"),
        "ending".to_owned(),
    ] {
        assert!(printed.contains(&expected), "{expected}: {printed:#?}");
    }
    assert!(
        printed
            .iter()
            .any(|line| line.starts_with(&format!("actor: {link} is "))),
        "{printed:#?}"
    );
    assert!(
        printed
            .iter()
            .any(|line| line.starts_with(&format!("actor: {link} healed"))),
        "{printed:#?}"
    );
    for word in ["WARN", "disconnected", "reconnected", &link] {
        assert!(log.contains(word), "{word}: {log}");
    }
}

#[tokio::test]
async fn custom_backend_comes_back_twice() {
    let (printed, errors) = Example::start("custom_backend", [""; 0]).end().await;
    let got: Vec<&str> = printed
        .iter()
        .filter_map(|line| line.strip_prefix("got "))
        .collect();
    let expected: Vec<String> = (1..=3)
        .flat_map(|connection| {
            (1..=2).map(move |line| format!("line {line} of connection {connection}"))
        })
        .collect();
    assert_eq!(got, expected);
    let count = |beginning: &str| printed.iter().filter(|l| l.starts_with(beginning)).count();
    assert_eq!(count("up: connected"), 1, "{printed:#?}");
    assert_eq!(count("down: disconnected: closed"), 2, "{printed:#?}");
    assert_eq!(count("up again: "), 2, "{printed:#?}");
    let status = "feed is up: connected 3 times, lost 2 times".to_owned();
    assert!(printed.contains(&status), "{printed:#?}");
    assert_eq!(printed.last().expect("lines"), "done");
    assert_eq!(errors, "");
}

#[cfg(feature = "mysql")]
#[tokio::test]
async fn multi_backend_loses_and_regains_each_of_two_servers() {
    if !support::mariadb::is_installed() {
        return;
    }
    let example = Example::start("multi_backend", ["--rounds", "1"]);
    let (printed, errors) = example.end().await;
    let has = |beginning: &str| printed.iter().any(|line| line.starts_with(beginning));
    for line in [
        "both are up:",
        "  2 of 2 links are up",
        "  1 of 2 links are up",
        "MariaDB is killed:",
        "MariaDB is back:",
        "Redis is killed:",
        "Redis is back:",
        "  event: mariadb is up again",
        "  event: redis/127.0.0.1",
    ] {
        assert!(has(line), "{line}: {printed:#?}");
    }
    let kept = printed.iter().filter(|line| line.starts_with("  kept: "));
    assert_eq!(kept.count(), 4, "{printed:#?}");
    #[cfg(feature = "elasticsearch")]
    if support::opensearch::installed().is_some() {
        for line in ["the search node is killed:", "  3 of 3 links are up"] {
            assert!(has(line), "{line}: {printed:#?}");
        }
        assert!(has("  search: 100 of 100 documents"), "{printed:#?}");
    }
    assert_eq!(printed.last().expect("lines"), "all kept");
    assert_eq!(errors, "");
}

/// One request over a connection of its own: the status, and the body as JSON.
async fn http(address: &str, request: &str) -> (u16, serde_json::Value) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut answer = String::new();
    let reading = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer));
    reading
        .await
        .expect("an answer in time")
        .expect("an answer");
    let status = answer
        .split_whitespace()
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer}"));
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    (status, body)
}

#[tokio::test]
async fn actix_web_counts_reports_and_ends_in_order() {
    let (server, url) = server().await;
    let port = Port::reserve().expect("a port");
    let address = format!("127.0.0.1:{}", port.number());
    let mut example = Example::start("actix_web", [&address, &url]);
    example.line("listening on ").await;

    for value in 1..=3 {
        let answer = http(&address, "POST /counters/visits").await;
        assert_eq!(answer, (200, serde_json::json!({ "value": value })));
    }
    let read = http(&address, "GET /counters/visits").await;
    assert_eq!(read, (200, serde_json::json!({ "value": 3 })));
    let untouched = http(&address, "GET /counters/none").await;
    assert_eq!(untouched, (200, serde_json::json!({ "value": 0 })));
    let (status, health) = http(&address, "GET /health").await;
    assert_eq!((status, &health["healthy"]), (200, &true.into()));
    assert_eq!(health["nodes"][0]["status"]["status"], "ok");
    let (status, links) = http(&address, "GET /status").await;
    assert_eq!((status, &links[0]["state"]), (200, &"up".into()));
    let links = links.as_array().expect("a list");
    let of_workers = links
        .iter()
        .filter(|it| it["link"].to_string().contains('@'));
    assert_eq!(of_workers.count(), 2, "{links:?}");

    server.kill9().await.expect("killed");
    let mut wait = Wait::up_to(LIMIT, "an unhealthy answer");
    loop {
        let (status, health) = http(&address, "GET /health").await;
        if status == 503 {
            assert_eq!(health["nodes"][0]["status"]["status"], "ping_failed");
            break;
        }
        wait.again(health).await.expect("unhealthy");
    }
    let (status, failed) = http(&address, "POST /counters/visits").await;
    assert_eq!((status, &failed["safe_to_repeat"]), (503, &true.into()));
    let error = failed["error"].as_str().expect("a text");
    assert!(error.contains("Connection refused"), "{error}");

    server.restart().await.expect("restarted");
    let mut wait = Wait::up_to(LIMIT, "a counter that counts again");
    loop {
        let (status, answer) = http(&address, "POST /counters/visits").await;
        if status == 200 {
            break;
        }
        wait.again(answer).await.expect("healed");
    }

    example.interrupt();
    let (printed, errors) = example.end().await;
    let [.., stopped, closed] = &printed[..] else {
        panic!("{printed:?}");
    };
    assert_eq!(stopped, "the web server has stopped");
    // Those of the workers end with the workers, perhaps a moment later.
    assert!(closed.starts_with("closed "), "{closed}");
    assert_eq!(errors, "");
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn trading_stops_where_a_circuit_opens_and_resumes_when_it_closes() {
    let (printed, errors) = Example::start("trading", ["--rounds", "1"]).end().await;
    let at = |text: &str| {
        let found = printed.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no {text:?}: {printed:#?}"))
    };
    let in_order = [
        "alpha is killed",
        "alpha: circuit opened",
        "trading on alpha stops",
        "alpha is back",
        "alpha: circuit closed",
        "trading on alpha resumes",
        "all subscriptions are restored",
        "exchange  prices",
    ]
    .map(at);
    assert!(in_order.is_sorted(), "{printed:#?}");
    at("beta: disconnected: unhealthy");
    at("gamma: disconnected: stalled");
    at("connected: alpha, beta, gamma; not connected: none");
    assert_eq!(printed.last().expect("lines"), "all exchanges trade");
    assert_eq!(errors, "");
}
