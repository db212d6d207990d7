//! One connection of the driver, with its place in the pool: [`Wire`].

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mysql_async::consts::StatusFlags;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use rand::RngExt;
use tokio::time::Instant;

use crate::exit::{Cause, CauseKind};
#[cfg(feature = "tls")]
use crate::mysql::secure;
use crate::mysql::settings::MysqlSettings;
use crate::mysql::verdict;
use crate::secret::Secret;

/// A probe of the kernel's after so much silence.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A server may begin without it (`autocommit = 0`), and a setup may switch it off: what was
/// acknowledged would then be rolled back by the reset, or with the connection.
const AUTOCOMMIT: &str = "SET autocommit = 1";

/// A connection of the pool. Dropping it closes its socket there and then, whatever was under way:
/// the server rolls back what was not committed.
pub(super) struct Wire {
    // Taken only when it is closed.
    conn: Option<Conn>,
    id: u32,
    idle_since: Instant,
    expires: Instant,
    _place: Place,
}

/// One of the connections that a pool may have, from the dial on.
pub(super) struct Place(Rc<Cell<usize>>);

impl Place {
    pub(super) fn taken(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The driver's options. Their `Debug` prints the password: they must not be shown anywhere.
///
/// # Errors
/// What TLS needs is not there.
pub(super) async fn options(settings: Arc<MysqlSettings>) -> Result<Opts, Cause> {
    let options = OptsBuilder::default()
        .ip_or_hostname(settings.endpoint.host().unwrap_or_default())
        .tcp_port(settings.endpoint.port().unwrap_or_default())
        .user(settings.username.as_deref())
        .pass(settings.password.as_ref().map(Secret::expose))
        .db_name(settings.database.as_deref())
        .setup(setup(&settings.setup))
        .tcp_keepalive(Some(KEEPALIVE))
        // Else the driver leaves a loopback address for a unix socket that the server names.
        .prefer_socket(false);
    #[cfg(feature = "tls")]
    if let Some(tls) = settings.tls.clone() {
        // It reads files.
        let made = tokio::task::spawn_blocking(move || secure::options(&tls)).await;
        let tls = made.map_err(|_| Cause::from(CauseKind::Aborted))??;
        return Ok(options.ssl_opts(tls).into());
    }
    Ok(options.into())
}

/// The user's statements in their order, then our own: the driver executes the last one first.
fn setup(given: &[String]) -> Vec<String> {
    let own = std::iter::once(AUTOCOMMIT.to_owned());
    own.chain(given.iter().rev().cloned()).collect()
}

impl Wire {
    /// Dials, signs in and pings, within `limit`.
    pub(super) async fn dial(
        options: Opts,
        place: Place,
        lifetime: Duration,
        limit: Duration,
    ) -> Result<Self, Cause> {
        let dialling = async {
            let mut conn = Conn::new(options).await?;
            conn.ping().await?;
            Ok(conn)
        };
        let conn = match tokio::time::timeout(limit, dialling).await {
            Ok(Ok(conn)) => conn,
            Ok(Err(fault)) => return Err(verdict::on_connect(&fault)),
            Err(_) => return Err(CauseKind::ConnectTimeout.into()),
        };
        let now = Instant::now();
        let wire = Self {
            id: conn.id(),
            conn: Some(conn),
            idle_since: now,
            expires: now + lifetime.mul_f64(rand::rng().random_range(0.9..=1.1)),
            _place: place,
        };
        match wire.has_transaction() {
            false => Ok(wire),
            true => Err(Cause::new(
                CauseKind::Misconfigured,
                "setup leaves a transaction open",
            )),
        }
    }

    pub(super) fn conn(&mut self) -> &mut Conn {
        self.conn.as_mut().expect("taken only when it is closed")
    }

    /// The server's number of this connection.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    pub(super) fn rests(&mut self) {
        self.idle_since = Instant::now();
    }

    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// It answers a ping within `limit`.
    pub(super) async fn answers(&mut self, limit: Duration) -> Result<(), Cause> {
        match tokio::time::timeout(limit, self.conn().ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(verdict::on_connect(&fault)),
            Err(_) => Err(CauseKind::Stalled.into()),
        }
    }

    /// Its last statement left a transaction open, or switched `autocommit` off.
    pub(super) fn is_dirty(&self) -> bool {
        let conn = self.conn.as_ref();
        let Some(ok) = conn.and_then(Conn::last_ok_packet) else {
            // An error came last, and says nothing of it.
            return true;
        };
        let status = ok.status_flags();
        status.contains(StatusFlags::SERVER_STATUS_IN_TRANS)
            || !status.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT)
    }

    /// The server has a transaction open, by its last answer that was no error.
    pub(super) fn has_transaction(&self) -> bool {
        let ok = self.conn.as_ref().and_then(Conn::last_ok_packet);
        ok.is_some_and(|ok| {
            ok.status_flags()
                .contains(StatusFlags::SERVER_STATUS_IN_TRANS)
        })
    }

    /// Makes it as new for whoever comes next: transaction, variables, temporary tables, locks.
    /// `false` if it cannot be used any more.
    pub(super) async fn reset(&mut self, limit: Duration) -> bool {
        // A server that is too old to reset gets a new connection.
        let reset = tokio::time::timeout(limit, self.conn().reset());
        matches!(reset.await, Ok(Ok(true)))
    }

    /// Says goodbye before it closes.
    pub(super) async fn close(mut self) {
        if let Some(conn) = self.conn.take() {
            let goodbye = tokio::time::timeout(Duration::from_millis(500), conn.disconnect());
            // Closed in any case.
            drop(goodbye.await);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            // The driver's own drop would go on with it in a task. Once its goodbye has begun it
            // leaves the connection alone, and the socket is dropped with it.
            drop(conn.disconnect().now_or_never());
        }
    }
}
