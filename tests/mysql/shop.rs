//! An application with a pool, and every event its link told.

use std::ops::Deref;
use std::time::{Duration, SystemTime};

use everlink::mysql::{MysqlSettings, Pool, Result};

use crate::heard::Heard;
use crate::support::mariadb::{MariaDb, is_installed};
use crate::support::waiting::Wait;
pub(crate) use crate::support::waiting::{SOON, TestResult};

/// After the server's return: a second, and another for a busy machine. A refused dial waits
/// 100 ms at the most in the first ten seconds.
const SOON_AFTER: Duration = Duration::from_secs(2);

/// A server, unless there can be none: then the test says so and ends.
macro_rules! server {
    ($($option:expr),*) => {{
        if !crate::support::mariadb::is_installed() {
            return Ok(());
        }
        crate::support::mariadb::MariaDb::start_with(&[$($option),*]).await?
    }};
}
pub(crate) use server;

/// The settings for this server.
pub(crate) fn settings(server: &MariaDb) -> MysqlSettings {
    settings_on(server, server.port())
}

/// The same, by another port.
pub(crate) fn settings_on(server: &MariaDb, port: u16) -> MysqlSettings {
    assert!(is_installed());
    let mut settings = MysqlSettings::from_url(&server.url_on(port)).expect("a url");
    settings.timeouts.acquire = SOON;
    settings.timeouts.query = SOON;
    settings
}

/// The check fails whenever it is made, which is never by itself; after so many in a row the link
/// is unhealthy.
pub(crate) fn settings_unhealthy_after(failures: u32, server: &MariaDb) -> MysqlSettings {
    let mut settings = settings(server);
    settings.health.enabled = false;
    settings.health.query = "SELECT n FROM missing".to_owned();
    settings.health.failures = failures;
    settings
}

/// A pool that is ready, and a table `t` of these columns.
pub(crate) async fn pool_and_table(server: &MariaDb, columns: &str) -> Result<Pool> {
    let pool = Shop::ready(settings(server)).await.pool;
    pool.query(format!("CREATE TABLE t ({columns})")).await?;
    Ok(pool)
}

pub(crate) struct Shop {
    pub(crate) pool: Pool,
    heard: Heard,
}

impl Shop {
    /// Opens a pool and records its events from the first.
    pub(crate) async fn open(settings: MysqlSettings) -> Self {
        let heard = Heard::begin().await;
        let pool = Pool::open_with(settings, heard.registry());
        Self {
            pool: pool.expect("valid settings"),
            heard,
        }
    }

    /// The same, and waits until it is ready.
    pub(crate) async fn ready(settings: MysqlSettings) -> Self {
        let shop = Self::open(settings).await;
        shop.pool.ready(SOON).await.expect("it comes up");
        shop
    }

    /// The link is up again [`SOON_AFTER`] its server's return, by the time of the event itself.
    pub(crate) async fn was_back_soon_after(&self, server: SystemTime) {
        self.told("reconnected", 1).await;
        let events = self.events();
        let told = events
            .iter()
            .find(|event| event.kind.name() == "reconnected");
        let time = told.expect("it was told").time;
        // Earlier: it was quicker than the test.
        let took = time.duration_since(server).unwrap_or_default();
        assert!(took < SOON_AFTER, "{took:?}");
    }
}

/// What it heard.
impl Deref for Shop {
    type Target = Heard;

    fn deref(&self) -> &Heard {
        &self.heard
    }
}

/// Waits until `holds` of the connections and calls of the pool.
pub(crate) async fn until(pool: &Pool, holds: impl Fn(everlink::mysql::Statistics) -> bool) {
    let mut wait = Wait::up_to(SOON, "the pool");
    while !holds(pool.statistics()) {
        wait.again(format!("{:?}", pool.statistics()))
            .await
            .expect("it comes to hold");
    }
}

/// Waits until the server's connections of the application are so.
pub(crate) async fn until_server(
    server: &MariaDb,
    holds: impl Fn(&[(u64, Option<String>)]) -> bool,
) -> TestResult {
    let mut wait = Wait::up_to(SOON, "the server's connections");
    loop {
        let connections = server.connections().await?;
        if holds(&connections) {
            return Ok(());
        }
        wait.again(format!("{connections:?}")).await?;
    }
}
