//! The routes on the router's own thread: [`Known`].

use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use crate::redis::command::Command;
use crate::redis::request::Responder;
use crate::redis::router::routes::{Routes, Shared};
use crate::redis::router::since::Since;
use crate::redis::seat::Seat;

/// The routes as one thread read them last: looking whether they are still true costs a comparison.
///
/// Only handlers of the router and of its helpers on its thread use it, none of which runs inside another, and what
/// is dispatched calls none of them: nobody finds the cell borrowed.
#[derive(Debug)]
pub(crate) struct Known {
    shared: Arc<Shared>,
    routes: RefCell<Cache<Published, Arc<Routes>>>,
}

#[derive(Debug)]
struct Published(Arc<Shared>);

impl Deref for Published {
    type Target = ArcSwap<Routes>;

    fn deref(&self) -> &ArcSwap<Routes> {
        &self.0.routes
    }
}

impl Known {
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        let published = Published(Arc::clone(&shared));
        Self {
            shared,
            routes: RefCell::new(Cache::new(published)),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Lets go of routes that are not true any more, and of what has left with them.
    pub(crate) fn renew(&self) {
        self.routes.borrow_mut().load();
    }

    /// [`Shared::dispatch`].
    #[inline]
    pub(crate) fn dispatch(
        &self,
        seat: Seat,
        command: Command,
        since: Since,
        responder: Responder,
    ) {
        let mut routes = self.routes.borrow_mut();
        let routes = routes.load();
        self.shared
            .dispatch_by(routes, seat, command, since, responder);
    }
}
