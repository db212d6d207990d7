//! TLS on one side only, and what of a client's words can be read on the way.

use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::{CauseKind, Class};
use everlink::redis::{Config, cmd};

use crate::Ground;
use crate::application::{Application, SOON, TestResult, local, standalone};
use crate::support::recorder::Recorder;
use crate::support::redis_configuration::can_test_tls;
use crate::support::redis_server::RedisServer;
use crate::support::waiting::Wait;

const PASSWORD: &str = "canary-password";

/// The beginning of a TLS record that carries a handshake (RFC 8446, 5.1).
const HANDSHAKE: &[u8] = &[0x16, 0x03];

async fn fails(config: Config, expected: &str) -> TestResult {
    let application = Application::open(config).await?;
    let failed = application.told("connect_failed", 1).await;
    let EventKind::ConnectFailed { cause, .. } = failed else {
        panic!("{failed}");
    };
    assert_eq!(cause.class(), Class::Transient, "{cause}");
    assert!(cause.detail().contains(expected), "{cause}");
    application.told("reconnecting", 1).await;
    Ok(())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

#[actix::test]
async fn one_side_without_tls_is_told_in_clear_words() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = ground.server().await;
    let to_plain = standalone(server.port()).tls(ground.settings());
    let to_plain = to_plain.connect_timeout(Duration::from_secs(3));
    fails(to_plain, "is this its port for TLS?").await?;
    let to_tls = standalone(server.tls_port().expect("with TLS"));
    fails(to_tls, "is this a port for TLS?").await
}

#[actix::test]
async fn nothing_that_is_said_over_tls_can_be_read_on_the_way() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let server = RedisServer::start(ground.options().password(PASSWORD)).await?;
    let spoken = |port: u16, tls| async move {
        let recorder = Recorder::start(Some(port))?;
        let mut config = standalone(recorder.port()).password(PASSWORD);
        config.tls = tls;
        let application = Application::ready(config).await?;
        let set = cmd("SET").arg("canary-key").arg("canary-value");
        application.run(set).await?;
        Ok::<_, Box<dyn std::error::Error>>(recorder.seen())
    };
    let words = [PASSWORD, "canary-key", "canary-value", "HELLO", "default"];
    let tls = server.tls_port().expect("with TLS");
    let secured = spoken(tls, Some(ground.settings())).await?;
    assert!(secured.starts_with(HANDSHAKE));
    // The recorder sees what it should: in plain text it is all there.
    let plain = spoken(server.port(), None).await?;
    for word in words {
        assert!(contains(&plain, word), "{word}");
        assert!(!contains(&secured, word), "{word}");
    }
    Ok(())
}

/// A node that announces a plain port to clients with TLS, by a mistake or on purpose.
#[actix::test]
async fn a_seed_with_tls_that_leads_to_a_plain_port_gets_no_credentials_in_clear() -> TestResult {
    if !can_test_tls() {
        return Ok(());
    }
    let ground = Ground::new();
    let snare = Recorder::start(None)?;
    let options = ground
        .options()
        .cluster()
        .password(PASSWORD)
        .config(&format!("cluster-announce-tls-port {}", snare.port()));
    let server = RedisServer::start(options).await?;
    let mut slots = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
    slots.extend((0..16_384).map(|slot| slot.to_string()));
    server.command(&slots).await?.refused()?;
    let mut wait = Wait::up_to(SOON, "a sound cluster");
    loop {
        let info = server.command(&["CLUSTER", "INFO"]).await?;
        let info = info.text().unwrap_or_default();
        if info.contains("cluster_state:ok") {
            break;
        }
        wait.again(info).await?;
    }
    let config = Config::cluster([local(server.tls_port().expect("with TLS"))])
        .password(PASSWORD)
        .command_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_millis(500))
        .tls(ground.settings());
    let application = Application::open(config).await?;
    let failed = application.told("connect_failed", 1).await;
    let EventKind::ConnectFailed { cause, .. } = failed else {
        panic!("{failed}");
    };
    assert_eq!(cause.kind(), CauseKind::ConnectTimeout, "{cause}");
    application.error(cmd("GET").arg("k")).await;
    let seen = snare.seen();
    assert!(seen.starts_with(HANDSHAKE), "nobody came");
    for word in [PASSWORD, "HELLO", "AUTH", "GET"] {
        assert!(!contains(&seen, word), "{word}");
    }
    Ok(())
}

#[actix::test]
async fn a_server_that_never_answers_the_handshake_is_given_up_by_the_connect_deadline()
-> TestResult {
    let ground = Ground::new();
    let silent = Recorder::start(None)?;
    let config = standalone(silent.port())
        .connect_timeout(Duration::from_millis(300))
        .tls(ground.settings());
    let application = Application::open(config).await?;
    let failed = application.told("connect_failed", 1).await;
    let EventKind::ConnectFailed { cause, .. } = failed else {
        panic!("{failed}");
    };
    assert_eq!(cause.kind(), CauseKind::ConnectTimeout, "{cause}");
    assert!(silent.seen().starts_with(HANDSHAKE));
    Ok(())
}
