//! Certificates that are replaced while the client runs.

use everlink::redis::cmd;
use everlink::tls::{ClientIdentity, Pem};

use crate::application::{Application, TestResult};
use crate::support::certificates::{Authority, Validity};
use crate::support::redis_configuration::can_test_tls;
use crate::support::redis_server::RedisServer;
use crate::{Ground, HERE, is_parked, serving};

#[actix::test]
async fn certificates_replaced_on_disk_count_from_the_next_connection_on() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let mut ground = Ground::new();
    ground.issue("client", &["client.example"], Validity::Now);
    let options = ground.options().config("tls-auth-clients yes");
    let server = RedisServer::start(options).await?;
    let pem = |file| Pem::file(ground.path(file));
    let client = ClientIdentity::new(pem("client.pem"), pem("client.key"));
    let settings = ground.settings().client(client);
    let application = Application::ready(serving(&server, settings)).await?;

    // Everything of both sides is from another authority now.
    ground.authority = Authority::new("the next")?;
    ground.trust("ca.pem", &ground.authority);
    ground.issue("server", &HERE, Validity::Now);
    ground.issue("client", &["client.example"], Validity::Now);
    application.run(cmd("PING")).await?;
    server.restart().await?;
    application.told("reconnected", 1).await;
    application.run(cmd("PING")).await?;
    assert_eq!(
        application.count("gave_up"),
        0,
        "{:#?}",
        application.lines()
    );
    // What it presents is what the server trusts now: it reconnects at will.
    assert_eq!(application.client.reconnect().await?, []);
    Ok(())
}

#[actix::test]
async fn a_link_parked_for_a_certificate_comes_back_when_it_was_replaced() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let application = Application::ready(serving(&server, ground.settings())).await?;
    ground.issue("server", &HERE, Validity::Past);
    server.restart().await?;
    is_parked(&application, &["has expired"]).await?;
    assert_eq!(application.client.reconnect().await?.len(), 1, "still so");
    ground.issue("server", &HERE, Validity::Now);
    server.restart().await?;
    assert_eq!(application.client.reconnect().await?, []);
    application.run(cmd("PING")).await?;
    Ok(())
}
