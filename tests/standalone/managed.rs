//! Clients under a manager.

use std::time::Duration;

use actix::Addr;
use everlink::manager::{Get, Manager, ManagerConfig, StartAll, StopAll, Summary};
use everlink::redis::{Client, cmd};

use crate::application::{SOON, TestResult};
use crate::support::redis_server::{RedisServer, RedisServerOptions};
use crate::support::waiting::Wait;

async fn summary_is(manager: &Addr<Manager>, holds: impl Fn(&str) -> bool) -> TestResult {
    let mut wait = Wait::up_to(SOON, "the summary");
    loop {
        let summary = manager.send(Summary).await?.to_string();
        if holds(&summary) {
            return Ok(());
        }
        wait.again(summary).await?;
    }
}

#[actix::test]
async fn a_services_clients_are_started_watched_and_stopped_by_a_file() -> TestResult {
    let options = || RedisServerOptions::default().volatile();
    let servers = [
        RedisServer::start(options()).await?,
        RedisServer::start(options()).await?,
    ];
    let [sessions, carts] = [servers[0].port(), servers[1].port()];
    let text = format!(
        "[[links]]
         name = 'sessions'
         redis = {{ url = 'redis://127.0.0.1:{sessions}' }}
         [[links]]
         name = 'carts'
         after = ['sessions']
         redis = {{ url = 'redis://127.0.0.1:{carts}' }}"
    );
    let config: ManagerConfig = toml::from_str(&text)?;
    let manager = config.setup()?.start();
    let started = manager.send(StartAll { timeout: SOON }).await?;
    assert!(
        started.iter().all(|(_, result)| result.is_ok()),
        "{started:?}"
    );
    summary_is(&manager, |line| line == "connected: sessions, carts").await?;

    let client: Client = manager.send(Get::new("carts")).await?.ok_or("it runs")?;
    let count: u32 = client.query(cmd("INCR").arg("n")).await?;
    assert_eq!(count, 1);
    servers[1].kill9().await?;
    summary_is(&manager, |line| {
        line.starts_with("connected: sessions; not connected: carts (")
    })
    .await?;
    servers[1].restart().await?;
    summary_is(&manager, |line| line == "connected: sessions, carts").await?;

    let timeout = Duration::from_secs(5);
    let stopped = manager.send(StopAll { timeout }).await?;
    let names: Vec<_> = stopped.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["carts", "sessions"]);
    assert!(
        stopped.iter().all(|(_, result)| result.is_ok()),
        "{stopped:?}"
    );
    let stopped = client.query::<u32>(cmd("INCR").arg("n")).await;
    assert!(stopped.is_err(), "{stopped:?}");
    Ok(())
}
