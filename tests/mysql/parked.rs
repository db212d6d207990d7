//! What does not pass by itself, and what does.

use everlink::event::{EventKind, LinkState};
use everlink::exit::CauseKind;
use everlink::mysql::{ErrorKind, Outcome, WhenDown};
use everlink::registry::NotReady;
use everlink::secret::Secret;

use crate::shop::{SOON, Shop, TestResult, server, settings, until};

#[actix::test]
async fn wrong_credentials_and_an_unknown_database_park_the_link_at_once() -> TestResult {
    let server = server!();
    let mut wrong_password = settings(&server);
    wrong_password.password = Some(Secret::from("hunter2"));
    wrong_password.when_down = WhenDown::Wait;
    let mut wrong_database = settings(&server);
    wrong_database.database = Some("nowhere".to_owned());
    // Else the user may not even know of it.
    server.run("GRANT ALL ON *.* TO 'app'@'%'").await?;
    for (settings, kind) in [
        (wrong_password, CauseKind::Denied),
        (wrong_database, CauseKind::Misconfigured),
    ] {
        let shop = Shop::open(settings).await;
        let error = shop.pool.ready(SOON).await.expect_err("it cannot");
        let NotReady::Parked { cause, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(cause.kind(), kind, "{cause}");
        let error = shop.pool.query("DO 1").await.expect_err("parked");
        assert!(matches!(error.kind(), ErrorKind::Parked(_)), "{error}");
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert_eq!(shop.names(), ["connecting", "connect_failed", "gave_up"]);
        let status = shop.pool.status().await.expect("it lives");
        assert_eq!(status.state, LinkState::Parked);
        assert_eq!(status.last_error.map(|cause| cause.kind()), Some(kind));
        let told = shop
            .events()
            .iter()
            .map(ToString::to_string)
            .collect::<String>();
        let shown = format!("{told} {error:?} {:?}", shop.pool);
        assert!(!shown.contains("hunter2"), "{shown}");

        shop.pool
            .reconfigure(crate::shop::settings(&server))
            .await?;
        shop.pool.ready(SOON).await?;
        shop.pool.query("DO 1").await?;
    }
    Ok(())
}

#[actix::test]
async fn a_server_with_too_many_connections_is_tried_again_and_a_pool_lives_with_fewer()
-> TestResult {
    let server = server!();
    server.run("SET GLOBAL max_connections = 10").await?;
    let mut greedy = settings(&server);
    (greedy.pool.min, greedy.pool.max) = (10, 20);
    let greedy = Shop::ready(greedy).await;
    // More than the server has: they get a connection one after the other.
    let calls = (0..30).map(|_| greedy.pool.query("DO SLEEP(0.1)"));
    for answer in futures_util::future::join_all(calls).await {
        answer?;
    }
    until(&greedy.pool, |pool| pool.idle >= 10).await;

    let late = Shop::open(settings(&server)).await;
    let EventKind::ConnectFailed { cause, .. } = late.told("connect_failed", 2).await else {
        panic!("another event");
    };
    assert_eq!(cause.kind(), CauseKind::Unavailable, "{cause}");
    assert_ne!(
        late.pool.status().await.expect("it lives").state,
        LinkState::Parked
    );
    greedy.pool.query("DO 1").await?;
    assert_eq!(greedy.names(), ["connecting", "connected"]);
    greedy.pool.stop().await;
    late.pool.ready(SOON).await?;
    late.pool.query("DO 1").await?;
    Ok(())
}
