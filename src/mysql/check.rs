//! Is the server there? The health check, and asking it to end what nobody waits for.

use std::time::Duration;

use mysql_async::Error as Fault;
use mysql_async::prelude::Queryable;

use crate::exit::{Cause, CauseKind};
use crate::mysql::verdict;
use crate::mysql::wire::Wire;

/// What a check found.
#[derive(Debug)]
pub(super) enum Finding {
    Well,
    /// It is there, and not well.
    Failed(Cause),
    /// It takes no connection.
    Gone(Cause),
}

/// Asks over this connection, or a fresh one if there is none or it is dead.
pub(super) async fn check(
    wire: Option<Wire>,
    fresh: impl Future<Output = Result<Wire, Cause>>,
    query: &str,
    limit: Duration,
) -> (Option<Wire>, Finding) {
    let asking = async {
        if let Some(mut wire) = wire {
            match ask(&mut wire, query).await {
                Ok(()) => return (Some(wire), Finding::Well),
                Err((cause, true)) => return (Some(wire), Finding::Failed(cause)),
                Err((_, false)) => {}
            }
        }
        let mut wire = match fresh.await {
            Ok(wire) => wire,
            // It says so itself: it is there.
            Err(cause) if cause.kind() == CauseKind::Unavailable => return (None, Finding::Well),
            Err(cause) => return (None, Finding::Gone(cause)),
        };
        match ask(&mut wire, query).await {
            Ok(()) => (Some(wire), Finding::Well),
            Err((cause, true)) => (Some(wire), Finding::Failed(cause)),
            Err((cause, false)) => (None, Finding::Failed(cause)),
        }
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(found) => found,
        Err(_) => {
            let late = format!("no answer within {limit:?}");
            (
                None,
                Finding::Failed(Cause::new(CauseKind::Unhealthy, late)),
            )
        }
    }
}

/// The error says whether the connection can still be used.
async fn ask(wire: &mut Wire, query: &str) -> Result<(), (Cause, bool)> {
    match wire.conn().query_drop(query).await {
        Ok(()) => Ok(()),
        Err(Fault::Server(error)) => {
            let fault = verdict::on_statement(Fault::Server(error), None);
            let usable = !fault.is_lost();
            Err((
                Cause::new(CauseKind::Unhealthy, fault.kind().to_string()),
                usable,
            ))
        }
        Err(fault) => Err((verdict::on_connect(&fault), false)),
    }
}

/// Asks the server to end its connection of this number: it may work on a statement there.
pub(super) async fn end_orphan(
    wire: Option<Wire>,
    fresh: impl Future<Output = Result<Wire, Cause>>,
    number: u32,
    limit: Duration,
) -> Option<Wire> {
    let asking = async {
        let mut wire = match wire {
            Some(wire) => wire,
            None => fresh.await.ok()?,
        };
        match wire.conn().query_drop(format!("KILL {number}")).await {
            // It may have ended by itself.
            Ok(()) | Err(Fault::Server(_)) => Some(wire),
            Err(_) => None,
        }
    };
    tokio::time::timeout(limit, asking).await.ok().flatten()
}
