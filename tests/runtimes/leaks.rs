//! What is left of clients that are gone: nothing.

use std::time::Duration;

use everlink::redis::{Client, Config, cmd};

use crate::support::ports::Port;
use crate::support::redis_server::{RedisServer, field};
use crate::support::waiting::{SOON, Wait};
use crate::{all_gone, increments, multi_thread, server, threads_where, to, turn};

#[test]
fn fifty_clients_leave_no_connection_no_thread_and_no_socket_behind() {
    let _turn = turn();
    let server = server();
    let nobody = Port::reserve().expect("a port").number();
    multi_thread().block_on(async {
        // Whatever a first use starts for good is there from now on.
        round_of_clients(&server, nobody).await;
        let before = (connected(&server).await, threads(), sockets());
        for _ in 0..5 {
            round_of_clients(&server, nobody).await;
        }
        let mut wait = Wait::up_to(SOON, format!("the numbers of before: {before:?}"));
        loop {
            let now = (connected(&server).await, threads(), sockets());
            // What an earlier test left may end meanwhile.
            if now.0 == before.0 && now.1 <= before.1 && now.2 <= before.2 {
                break;
            }
            wait.again(format!("{now:?}")).await.expect("no leak");
        }
    });
}

/// Ten clients, some of which never reach a server, some with calls that nobody waits for.
async fn round_of_clients(server: &RedisServer, nobody: u16) {
    let mut clients = Vec::new();
    for index in 0..10 {
        let config = match index % 5 {
            0 => Config::from_url(&format!("redis://127.0.0.1:{nobody}")).expect("a URL"),
            1 => Config::from_url(&format!("redis-cluster://127.0.0.1:{nobody}")).expect("a URL"),
            _ => to(server),
        };
        let client = Client::open(config).await.expect("a client");
        if index % 5 > 1 {
            increments(&client, "n").await;
        }
        let call = client.call(cmd("INCR").arg("n"));
        drop(tokio::time::timeout(Duration::ZERO, call).await);
        clients.push(client);
    }
    drop(clients);
    all_gone(server).await;
}

async fn connected(server: &RedisServer) -> String {
    let info = server.info("clients").await.expect("INFO");
    let count = field(&info, "connected_clients");
    count.unwrap_or_default().to_owned()
}

/// All threads but those on which tokio runs what blocks, which end by themselves later.
fn threads() -> usize {
    threads_where(|name| !name.starts_with("tokio-rt") && !name.starts_with("fixtures"))
}

fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("/proc")
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count()
}
