//! The handle: [`Pool`].

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::Addr;
use mysql_async::Params;
use tokio::sync::oneshot;

use crate::link::{Link, LinkSettings, Start};
use crate::mysql::answer::{Answer, params_weight};
use crate::mysql::call::{Call, Given, Work, Written};
use crate::mysql::connection::{Closing, MysqlBackend};
use crate::mysql::error::{Error, ErrorKind, Outcome, Result};
use crate::mysql::queue::{Shared, Statistics};
use crate::mysql::session::Session;
use crate::mysql::settings::MysqlSettings;
use crate::mysql::statement::Statement;
use crate::policy::Force;
use crate::registry::{LinkStatus, NotReady, Registry};

/// How often a call is repeated whose connection was lost, if it may be.
const REPEATS: u32 = 3;

/// A handle to a supervised pool: cheap to clone, usable from any thread and any runtime.
///
/// The connections live on the arbiter the pool was opened on, and calls are carried out there.
/// When the last handle is dropped the pool ends, and its connections with it; [`Pool::stop`] does
/// that gracefully.
///
/// Dropping the future of a call gives it up: one that waits is forgotten; of one that is under
/// way the connection is closed, the server is asked to end the statement, and a transaction is
/// rolled back.
#[derive(Clone)]
pub struct Pool {
    // Before the rest: with the last handle the link ends.
    link: Link<MysqlBackend>,
    shared: Arc<Shared>,
    /// Held by the link: with it, all ends.
    closing: Weak<Closing>,
}

impl Pool {
    /// Starts a pool on the current arbiter, with a registry of its own. It does not wait for a
    /// connection: see [`Pool::ready`].
    ///
    /// # Errors
    /// Settings that cannot work.
    ///
    /// # Panics
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    pub fn open(settings: MysqlSettings) -> Result<Self> {
        settings.validate()?;
        Self::open_with(settings, &Registry::start_new())
    }

    /// The same, with a link that belongs to this registry.
    ///
    /// # Errors
    /// Settings that cannot work.
    ///
    /// # Panics
    /// Outside of an actix arbiter or a tokio `LocalSet`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first message to a new actor"
    )]
    pub fn open_with(settings: MysqlSettings, registry: &Addr<Registry>) -> Result<Self> {
        settings.validate()?;
        let name = settings.name.clone();
        let options = LinkSettings::from(&settings.link);
        let shared = Shared::new(settings);
        let closing = Arc::new(Closing(Arc::clone(&shared)));
        actix_rt::spawn(Shared::keep(Arc::clone(&shared)));
        let weak = Arc::downgrade(&closing);
        let backend = MysqlBackend::new(&shared, closing);
        let link = Link::new(name, backend, options, registry);
        link.supervisor().do_send(Start);
        Ok(Self {
            link,
            shared,
            closing: weak,
        })
    }

    /// Executes a statement without parameters, by the text protocol.
    ///
    /// # Errors
    /// See [`ErrorKind`]; [`Error::outcome`] tells what became of it.
    pub async fn query(&self, statement: impl Into<Statement>) -> Result<Answer> {
        self.statement(statement.into(), None).await
    }

    /// Prepares a statement (once for each connection) and executes it with these parameters: a
    /// tuple, a `Vec<Value>`, or what [`params!`](macro@crate::mysql::params) makes.
    ///
    /// # Errors
    /// As [`Pool::query`], and if the parameters do not fit: *not sent*.
    pub async fn exec(
        &self,
        statement: impl Into<Statement>,
        params: impl Into<Params>,
    ) -> Result<Answer> {
        self.statement(statement.into(), Some(params.into())).await
    }

    /// Runs `work` within a transaction: it is committed when `work` gives `Ok`, and rolled back
    /// when it gives an error. It is never run a second time.
    ///
    /// `work` runs on the pool's arbiter. Statements that commit by themselves, such as
    /// `CREATE TABLE`, end the transaction before its time.
    ///
    /// # Errors
    /// That of `work`, of a statement, or of the `COMMIT`; only the last can be of unknown
    /// outcome. An error that `work` brings from elsewhere, such as another pool, says what became
    /// of the call there.
    pub async fn transaction<T, F>(&self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Session) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let work = async move |session: &mut Session| session.transact(work).await;
        self.call(work, 0).await
    }

    /// Runs `work` with a connection of its own, for statements that belong together without a
    /// transaction: variables, temporary tables, locks. The connection is reset afterwards.
    ///
    /// # Errors
    /// That of `work`. It says what became of the statement that failed: those before it stay.
    pub async fn session<T, F>(&self, work: F) -> Result<T>
    where
        F: AsyncFnOnce(&mut Session) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let work = async move |session: &mut Session| session.carry_out(work).await;
        self.call(work, 0).await
    }

    async fn statement(&self, statement: Statement, params: Option<Params>) -> Result<Answer> {
        let weight = statement.weight() + params.as_ref().map_or(0, params_weight);
        let asked = Arc::new((statement, params));
        let statement = &asked.0;
        let mut open: Option<Error> = None;
        let mut repeats = 0;
        loop {
            let once = Arc::clone(&asked);
            // The parameters are copied once there is a connection, not for the time of waiting.
            let work = async move |session: &mut Session| {
                let (statement, params) = &*once;
                session.execute(statement, params.clone()).await
            };
            let error = match self.call(work, weight).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error.of(&statement.verb()),
            };
            let harmless = error.outcome() == Outcome::NotSent
                || (statement.is_idempotent() && error.outcome() == Outcome::Unknown);
            let again = error.is_lost() && harmless && repeats < REPEATS;
            if error.outcome() == Outcome::Unknown && open.is_none() {
                open = Some(error.clone());
            }
            if !again {
                // A repetition that was not sent says nothing of the first try.
                return Err(open.unwrap_or(error));
            }
            repeats += 1;
        }
    }

    /// `weight`: what the work keeps in bytes, beside itself.
    async fn call<T, F>(&self, work: F, weight: usize) -> Result<T>
    where
        F: AsyncFnOnce(&mut Session) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let shared = &self.shared;
        shared.admit()?;
        let (sender, answer) = oneshot::channel();
        let written = Written::default();
        let mut call = Call {
            weight: size_of_val(&work) + weight,
            work: Given::new(work),
            answer: sender,
            pass: None,
            written: written.clone(),
        };
        // Asked before it waits: an open breaker holds nobody up.
        if let Some(circuit) = shared.circuit.as_ref().filter(|_| shared.is_up()) {
            let endpoint = shared.settings().endpoint.clone();
            call.pass(circuit).map_err(|error| error.at(&endpoint))?;
        }
        shared.submit(Box::new(call));
        answer.await.unwrap_or_else(|_| {
            let lost = ErrorKind::Lost(shared.cause_of_loss());
            Err(Error::new(lost, written.outcome()).at(&shared.settings().endpoint))
        })
    }

    /// Waits until the link is up.
    ///
    /// # Errors
    /// The time passed, or the link is parked: then at once, with the cause.
    pub async fn ready(&self, timeout: Duration) -> std::result::Result<(), NotReady> {
        self.link.ready(timeout).await
    }

    /// How the link stands: state, endpoint, last error, breaker, counts. None once the pool's
    /// arbiter has ended.
    pub async fn status(&self) -> Option<LinkStatus> {
        self.link.status().await
    }

    /// How many connections there are, and how many calls wait for one.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// Starts the link again after [`Pool::stop`], or revives it when it is parked.
    pub async fn start(&self) {
        self.link.start().await;
    }

    /// Stops the link for all handles: calls under way finish within the drain timeout, those that
    /// wait fail. Returns once every socket is closed.
    pub async fn stop(&self) {
        self.link.stop().await;
    }

    /// Replaces all connections by new ones, gracefully; skips a backoff; revives a parked link.
    pub async fn reconnect(&self) {
        self.link.reconnect().await;
    }

    /// Replaces the settings, and reconnects: another endpoint, another password, another size.
    /// The name, and what `link` says, stay as they were.
    ///
    /// # Errors
    /// Settings that cannot work, or the pool's arbiter has ended.
    pub async fn reconfigure(&self, settings: MysqlSettings) -> Result<()> {
        settings.validate()?;
        let stopped = || Error::not_sent(ErrorKind::Stopped);
        let closing = self.closing.upgrade().ok_or_else(stopped)?;
        self.shared.replace_settings(settings);
        let backend = MysqlBackend::new(&self.shared, closing);
        self.link.reconfigure(backend).await;
        Ok(())
    }

    /// Forces the breaker open or closed, or releases it. `false` if there is none.
    pub async fn force_breaker(&self, force: Force) -> bool {
        self.link.force_circuit(force).await
    }

    /// The link, as every kind of connection has one.
    pub fn link(&self) -> &Link<MysqlBackend> {
        &self.link
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", self.link.name())
            .field("endpoint", &self.shared.settings().endpoint)
            .field("statistics", &self.statistics())
            .finish()
    }
}
