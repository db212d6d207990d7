//! What a newcomer reads when the first attempt fails: each text must say at once what is wrong.
#![cfg(feature = "redis")]

mod support;

use std::time::Duration;

use everlink::redis::config::WhenDown;
use everlink::redis::{Client, Config, Error, Outcome, cmd};
use support::background;
use support::ports::Port;
use support::redis_cluster::{RedisCluster, RedisClusterOptions};
use support::redis_server::{RedisServer, RedisServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the first command and the wait for readiness say, with the port left out.
struct Told {
    command: String,
    ready: String,
    outcome: Outcome,
}

async fn told(config: Config) -> Told {
    let port = config.endpoints[0].port().expect("a port").to_string();
    // Long enough for a loaded machine to refuse a dial, too short to wait for anything else.
    let config = config.command_timeout(Duration::from_secs(1));
    let client = Client::open(config).await.expect("it can be tried");
    let (answer, ready) = tokio::join!(
        client.query::<String>(cmd("GET").arg("key")),
        client.ready(Duration::from_secs(1))
    );
    let error = answer.expect_err("it cannot work");
    let text = |error: &Error| error.to_string().replace(&port, "PORT");
    Told {
        command: text(&error),
        ready: ready.map_or_else(|error| text(&error), |()| "ready".to_owned()),
        outcome: error.outcome(),
    }
}

fn config(scheme: &str, login: &str, port: u16) -> Config {
    Config::from_url(&format!("{scheme}://{login}127.0.0.1:{port}")).expect("a URL")
}

async fn server(options: RedisServerOptions) -> RedisServer {
    RedisServer::start(options.volatile())
        .await
        .expect("a server")
}

#[tokio::test]
async fn no_server_there() {
    let port = Port::reserve().expect("a port");
    let told = told(config("redis", "", port.number())).await;
    assert_eq!(
        told.command,
        "GET at 127.0.0.1:PORT: deadline of 1s passed, not connected: \
         refused: Connection refused (os error 111) (not sent)"
    );
    assert_eq!(
        told.ready,
        "127.0.0.1:PORT: deadline of 1s passed, not connected: \
         refused: Connection refused (os error 111) (not sent)"
    );
    assert_eq!(told.outcome, Outcome::NotSent);
}

#[tokio::test]
async fn no_server_there_and_not_to_be_waited_for() {
    let port = Port::reserve().expect("a port");
    let config = config("redis", "", port.number()).when_down(WhenDown::Fail);
    let client = Client::open(config).await.expect("it can be tried");
    let error = client.ready(Duration::from_secs(1)).await;
    error.expect_err("nobody is there");
    let error = client.call(cmd("GET").arg("key")).await;
    assert_eq!(
        error.expect_err("nobody is there").to_string(),
        format!(
            "GET at 127.0.0.1:{}: link is down: refused: Connection refused (os error 111) \
             (not sent)",
            port.number()
        )
    );
}

#[tokio::test]
async fn no_cluster_there() {
    let port = Port::reserve().expect("a port");
    let told = told(config("redis-cluster", "", port.number())).await;
    let expected = "deadline of 1s passed, not connected: \
         refused: Connection refused (os error 111) (not sent)";
    assert_eq!(told.command, format!("GET: {expected}"));
    assert_eq!(told.ready, expected);
}

#[tokio::test]
async fn the_port_of_a_web_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    background::handle().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            // What the other end does with the answer is its own affair.
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let told = told(config("redis", "", port)).await;
    assert_eq!(
        told.command,
        "GET at 127.0.0.1:PORT: deadline of 1s passed, not connected: protocol: no reply begins \
         with 'H'; is this a Redis server? (not sent)"
    );
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing() {
    let server = server(RedisServerOptions::default()).await;
    server.pause().await.expect("paused");
    let told = told(config("redis", "", server.port())).await;
    assert_eq!(
        told.command,
        "GET at 127.0.0.1:PORT: deadline of 1s passed, not connected: \
         unavailable: the first attempt has no answer yet (not sent)"
    );
}

#[tokio::test]
async fn the_url_of_a_cluster_and_a_standalone_server() {
    let server = server(RedisServerOptions::default()).await;
    let told = told(config("redis-cluster", "", server.port())).await;
    let cause = "misconfigured: the server is not part of a cluster; use redis:// or \
                 Config::standalone";
    assert_eq!(
        told.command,
        format!("GET: link is parked: {cause} (not sent)")
    );
    assert_eq!(told.ready, format!("link is parked: {cause} (not sent)"));
}

#[tokio::test]
async fn the_url_of_a_standalone_server_and_a_node_of_a_cluster() {
    let options = RedisClusterOptions {
        replicas_per_primary: 0,
        server: RedisServerOptions::default().volatile(),
        ..RedisClusterOptions::default()
    };
    let cluster = RedisCluster::start(options).await.expect("a cluster");
    let (_, port) = cluster.seeds()[0];
    let (_, owner) = cluster.seeds()[2];
    let told = told(config("redis", "", port)).await;
    assert_eq!(
        told.command,
        format!(
            "GET at 127.0.0.1:PORT: server error: MOVED 12539 127.0.0.1:{owner}; the server is \
             part of a cluster; use redis-cluster:// or Config::cluster (refused)"
        )
    );
    assert_eq!(told.outcome, Outcome::Refused);
}

#[tokio::test]
async fn a_wrong_password() {
    let server = server(RedisServerOptions::default().password("right")).await;
    for (scheme, place) in [("redis", " at 127.0.0.1:PORT"), ("redis-cluster", "")] {
        for (login, cause) in [
            (":hunter2@", "wrong user name or password"),
            ("nobody:hunter2@", "wrong user name or password"),
            ("", "the server requires a password"),
        ] {
            let told = told(config(scheme, login, server.port())).await;
            assert_eq!(
                told.command,
                format!("GET{place}: link is parked: denied: {cause} (not sent)")
            );
            assert!(
                told.ready
                    .ends_with(&format!("link is parked: denied: {cause} (not sent)")),
                "{}",
                told.ready
            );
        }
    }
}

#[tokio::test]
async fn a_database_that_does_not_exist() {
    let server = server(RedisServerOptions::default()).await;
    let told = told(config("redis", "", server.port()).database(99)).await;
    assert_eq!(
        told.command,
        "GET at 127.0.0.1:PORT: link is parked: misconfigured: SELECT was refused: the server \
         has no such database (not sent)"
    );
}

#[test]
fn a_url_that_is_not_understood() {
    for (url, expected) in [
        (
            "redis://localhost?timeuot=1s",
            "invalid configuration: the url has an unknown query key `timeuot`; known are node, db, \
             name, client_name, protocol, timeout (or command_timeout), connect_timeout",
        ),
        (
            "localhost:6379",
            "invalid configuration: the url has no scheme such as redis://",
        ),
        (
            "http://localhost:6379",
            "invalid configuration: the url has an unknown scheme; known are redis, valkey, \
             redis-cluster, valkey-cluster, and with TLS rediss, valkeys, rediss-cluster, \
             valkeys-cluster",
        ),
        (
            "redis://localhost:port",
            "invalid configuration: the url has a host that cannot be used: a port must be a \
             number from 1 to 65535",
        ),
        (
            "redis://a,b",
            "invalid configuration: the url has several hosts; is the scheme redis-cluster meant?",
        ),
        (
            "redis://localhost?timeout=5",
            "invalid configuration: the url has a timeout that is not a duration with a unit, \
             such as 5s or 500ms",
        ),
    ] {
        let error = Config::from_url(url).expect_err(url);
        assert_eq!(error.to_string(), expected, "{url}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_url_that_needs_a_feature() {
    let error = Config::from_url("rediss://localhost").expect_err("no TLS");
    let expected = "invalid configuration: TLS needs the feature `tls` of the crate everlink";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_main_that_returns_the_error_prints_the_same_text() {
    let error = Config::from_url("redis://").expect_err("no host");
    assert_eq!(format!("{error:?}"), error.to_string());
}
