//! A seat whose link must wait for the governor. A program of its own: the governor is the process's.
#![cfg(feature = "redis")]

mod application;
mod support;
#[path = "placement/worker.rs"]
mod worker;

use everlink::link::SharedGovernor;
use everlink::policy::Governor;
use everlink::redis::{Client, Config, cmd};

use crate::application::{Application, SOON, TestResult, local, serving};
use crate::support::ports::Port;
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::worker::Worker;

/// Many links that dial a port where nobody listens, and for each of them a caller that waits.
fn a_line_of_dials(application: &Application, nobody: &Port) -> Vec<Client> {
    let mut clients = Vec::new();
    for number in 0..40 {
        let config = Config::standalone(local(nobody.number()))
            .command_timeout(SOON)
            .name(format!("in-line-{number}"));
        let client = Client::open_with(config, application.client.registry()).expect("valid");
        let waiting = client.clone();
        actix::spawn(async move { drop(waiting.call(cmd("PING")).await) });
        clients.push(client);
    }
    clients
}

#[actix::test]
async fn calls_of_a_seat_go_over_the_shared_connection_while_its_own_waits_to_be_dialled()
-> TestResult {
    let server = RedisServer::start(RedisServerOptions::default().volatile()).await?;
    let application = Application::ready(serving(&server)).await?;
    let (_worker, client) = Worker::seated(&application).await;
    let own: i64 = client.query(cmd("CLIENT").arg("ID")).await?;
    let nobody = Port::reserve()?;
    SharedGovernor::process().set(Governor::new(1, 1)?);
    let _line = a_line_of_dials(&application, &nobody);
    // One had the one token there is; the others stand in line, and so does it again.
    application.told("reconnecting", 1).await;
    let killed = cmd("CLIENT").arg(["KILL", "ID"]).arg(own);
    application.run(killed).await?;
    application.told("disconnected", 1).await;
    for _ in 0..20 {
        let id: i64 = client.query(cmd("CLIENT").arg("ID")).await?;
        assert_ne!(id, own, "over another connection");
    }
    Ok(())
}
