//! Whom a certificate must be for: the host that is dialled, however one came to dial it.

use std::io::Write;
use std::net::{Ipv6Addr, TcpListener};

use everlink::endpoint::Endpoint;
use everlink::redis::config::EndpointMap;
use everlink::redis::{Config, ErrorKind, cmd};
use everlink::tls::TlsSettings;

use crate::application::{Application, SOON, TestResult};
use crate::cluster::{cluster, seeded, write_and_read};
use crate::support::certificates::Validity;
use crate::support::redis_configuration::can_test_tls;
use crate::support::redis_server::RedisServer;
use crate::{Ground, is_parked, parks, serves, serving};

/// The configuration for a server, dialled as this host.
fn dialled_as(host: &str, server: &RedisServer, tls: TlsSettings) -> Config {
    let mut config = serving(server, tls);
    let port = server.tls_port().expect("with TLS");
    config.endpoints = vec![Endpoint::tcp(host, port)];
    config
}

#[actix::test]
async fn a_seed_given_by_name_needs_a_certificate_for_that_name_and_one_by_address_for_that()
-> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    for (good, bad) in [("localhost", "127.0.0.1"), ("127.0.0.1", "localhost")] {
        ground.issue("server", &[good], Validity::Now);
        let server = ground.server().await;
        serves(dialled_as(good, &server, ground.settings())).await?;
        let refused = dialled_as(bad, &server, ground.settings());
        parks(refused, &["for another host", good]).await?;
    }
    Ok(())
}

#[actix::test]
async fn a_name_that_a_node_is_mapped_to_is_the_one_its_certificate_must_be_for() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    ground.issue("server", &["localhost"], Validity::Now);
    let cluster = cluster(ground.options(), 0).await;
    let seed = |tls| {
        let mut config = seeded(&cluster, &ground).tls(tls);
        let port = cluster.nodes()[0].tls_port().expect("with TLS");
        config.endpoints = vec![Endpoint::tcp("localhost", port)];
        config
    };
    // They announce 127.0.0.1, for which no certificate is.
    let map = || EndpointMap::new().entry("127.0.0.1", "localhost");
    let application = Application::ready(seed(ground.settings()).endpoint_map(map()?)).await?;
    write_and_read(&application, "mapped").await?;
    assert_eq!(application.count("connect_failed"), 0);
    let mut dialled: Vec<_> = application
        .client
        .status()
        .await?
        .into_iter()
        .filter_map(|link| link.endpoint)
        .collect();
    dialled.sort();
    let mut nodes: Vec<_> = cluster
        .nodes()
        .iter()
        .filter_map(|node| Some(Endpoint::tcp("localhost", node.tls_port()?)))
        .collect();
    nodes.sort();
    assert_eq!(dialled, nodes, "each node once, by its mapped name");

    let unmapped = Application::open(seed(ground.settings())).await?;
    is_parked(&unmapped, &["for another host", "localhost"]).await?;

    // A fixed name is asked for in place of any other, mapped or not.
    let fixed = seed(ground.settings().server_name("localhost"));
    let application = Application::ready(fixed).await?;
    write_and_read(&application, "fixed").await?;
    let elsewhere = seed(ground.settings().server_name("elsewhere.example")).endpoint_map(map()?);
    let application = Application::open(elsewhere).await?;
    let error = application.error(cmd("GET").arg("k")).await;
    assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("for another host") && text.contains("elsewhere.example"),
        "{text}"
    );
    Ok(())
}

#[actix::test]
async fn an_ipv6_address_in_brackets_is_dialled_and_is_what_the_certificate_must_be_for()
-> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    // Not a matter of what is installed: nothing could make it run here.
    if let Err(why) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        writeln!(std::io::stderr(), "NOT RUN: no IPv6 on this machine: {why}")?;
        return Ok(());
    }
    let ground = Ground::new();
    let start = async || {
        let options = ground.options().config("bind 127.0.0.1 ::1");
        RedisServer::start(options).await.expect("a server on ::1")
    };
    let by_url = |server: &RedisServer| {
        let text = format!(
            "url = 'rediss://[::1]:{}'\n[tls]\nroots = ['{}']",
            server.tls_port().expect("with TLS"),
            ground.path("ca.pem").display()
        );
        toml::from_str::<Config>(&text).map(|config| config.command_timeout(SOON))
    };
    let server = start().await;
    parks(by_url(&server)?, &["for another host", "127.0.0.1"]).await?;
    ground.issue("server", &["::1"], Validity::Now);
    let server = start().await;
    serves(by_url(&server)?).await?;
    serves(dialled_as("::1", &server, ground.settings())).await?;
    let by_v4 = dialled_as("127.0.0.1", &server, ground.settings());
    parks(by_v4, &["for another host"]).await
}
