//! What a pool has under way for one connection, and how it ends: [`Done`].

use std::sync::Arc;

use tokio::time::Instant;

use crate::exit::Cause;
use crate::mysql::check::Finding;
use crate::mysql::lending::Remains;
use crate::mysql::queue::{Shared, Waiting};
use crate::mysql::session::Session;
use crate::mysql::wire::Wire;

/// What came to its end.
pub(super) enum Done {
    /// A call was answered.
    Served(Remains),
    /// The connection was dead before anything was written.
    Unserved(Waiting, Cause),
    /// A new connection, or none.
    Dialled(Result<Wire, Cause>),
    /// A check, and the connection it used.
    Checked(Option<Wire>, Finding),
    /// A connection beyond the minimum, or too old, is closed.
    Retired,
    /// Something that leaves at most a connection.
    Freed(Option<Wire>),
}

/// Lends the connection to the call, after a ping if it was idle for long.
pub(super) async fn serve(mut wire: Wire, waiting: Waiting, shared: Arc<Shared>) -> Done {
    let settings = shared.settings();
    if wire.idle_since().elapsed() > settings.pool.validate_after {
        let left = waiting.due.saturating_duration_since(Instant::now());
        let limit = settings.health.timeout.min(left);
        if let Err(cause) = wire.answers(limit).await {
            return Done::Unserved(waiting, cause);
        }
    }
    let session = waiting.work.run(Session::new(shared, wire)).await;
    Done::Served(session.clean().await)
}
