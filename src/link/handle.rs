//! A handle to one link: [`Link`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;

use crate::endpoint::LinkName;
use crate::link::backend::Backend;
use crate::link::settings::LinkSettings;
use crate::link::supervisor::{
    ForceCircuit, Reconfigure, ReconnectNow, Start, Stop, Supervisor, Terminate,
};
use crate::policy::Force;
use crate::registry::{LinkStatus, NotReady, Ready, Registry, Snapshot};

/// A handle to one link of any kind: what all of them can do. Cheap to clone, usable from any
/// thread.
///
/// The link lives until the last handle to it is dropped, and its connection with it;
/// [`Link::stop`] ends it gracefully before that.
pub struct Link<B: Backend> {
    name: LinkName,
    supervisor: Arc<Owned<B>>,
    registry: Addr<Registry>,
}

/// Ends the link when it is dropped.
struct Owned<B: Backend>(Addr<Supervisor<B>>);

impl<B: Backend> Drop for Owned<B> {
    #[expect(clippy::disallowed_methods, reason = "the last message to an actor")]
    fn drop(&mut self) {
        self.0.do_send(Terminate);
    }
}

impl<B: Backend> Link<B> {
    /// Makes a link on the current arbiter, and does not start it yet. Its events and its status
    /// are the registry's to tell.
    ///
    /// # Panics
    ///
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    pub fn new(
        name: impl Into<LinkName>,
        backend: B,
        settings: LinkSettings,
        registry: &Addr<Registry>,
    ) -> Self {
        let name = name.into();
        Self {
            supervisor: Arc::new(Owned(Supervisor::start_link(
                name.clone(),
                backend,
                settings,
                registry,
            ))),
            name,
            registry: registry.clone(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &LinkName {
        &self.name
    }

    /// The registry that tells of it.
    pub fn registry(&self) -> &Addr<Registry> {
        &self.registry
    }

    /// Its supervisor, for whom messages are more convenient.
    pub fn supervisor(&self) -> &Addr<Supervisor<B>> {
        &self.supervisor.0
    }

    /// Starts it, or revives it when it is parked. Does nothing when it runs already. It does not
    /// wait for the connection: see [`Link::ready`]. Without effect once its arbiter has ended.
    pub async fn start(&self) {
        let _ = self.supervisor.0.send(Start).await;
    }

    /// Stops it: the connection finishes what is in flight within the drain timeout. Returns once
    /// the socket is closed.
    pub async fn stop(&self) {
        let _ = self.supervisor.0.send(Stop).await;
    }

    /// Replaces the connection by a new one, gracefully; skips a backoff; revives a parked link.
    pub async fn reconnect(&self) {
        let _ = self.supervisor.0.send(ReconnectNow).await;
    }

    /// Replaces the backend, and with it the endpoint or the credentials, and reconnects.
    pub async fn reconfigure(&self, backend: B)
    where
        B: Send,
    {
        let _ = self.supervisor.0.send(Reconfigure(backend)).await;
    }

    /// Forces its breaker open or closed, or releases it. Tells whether it has one.
    pub async fn force_circuit(&self, force: Force) -> bool {
        let forced = self.supervisor.0.send(ForceCircuit(force)).await;
        forced.unwrap_or(false)
    }

    /// Waits until it is up.
    ///
    /// # Errors
    ///
    /// It did not come up in time, or is parked, or its registry has ended.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        let links = vec![self.name.clone()];
        let ready = self.registry.send(Ready { links, timeout }).await;
        ready.unwrap_or(Err(NotReady::Gone))
    }

    /// How it stands; none once its registry or its supervisor has ended.
    pub async fn status(&self) -> Option<LinkStatus> {
        let links = self.registry.send(Snapshot).await.ok()?;
        links.into_iter().find(|status| status.link == self.name)
    }
}

impl<B: Backend> Clone for Link<B> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            supervisor: Arc::clone(&self.supervisor),
            registry: self.registry.clone(),
        }
    }
}

impl<B: Backend> fmt::Debug for Link<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.name).finish()
    }
}
