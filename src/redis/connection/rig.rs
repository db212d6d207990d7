//! A test bench for one link's data plane: a lane, a stand-in for its router that keeps what is
//! handed back, and pumps over streams that the test holds the other end of.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, LocalSet};

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::redis::command::{Command, cmd};
use crate::redis::config::Config;
use crate::redis::connection::ending::Ending;
use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::pump::Pump;
use crate::redis::handoff::{Bounced, Handoff, News, NodeNews};
use crate::redis::lane::Lane;
use crate::redis::memory::Bounded;
use crate::redis::request::{Answer, Request, Responder};
use crate::registry::LastUsed;

/// Keeps what a connection hands to its router.
#[derive(Default)]
pub(crate) struct Keeper {
    pub(crate) bounced: Rc<RefCell<Vec<Bounced>>>,
    pub(crate) news: Rc<RefCell<Vec<News>>>,
}

impl Actor for Keeper {
    type Context = Context<Self>;
}

impl Handler<Bounced> for Keeper {
    type Result = ();

    fn handle(&mut self, bounced: Bounced, _: &mut Context<Self>) {
        self.bounced.borrow_mut().push(bounced);
    }
}

impl Handler<NodeNews> for Keeper {
    type Result = ();

    fn handle(&mut self, news: NodeNews, _: &mut Context<Self>) {
        self.news.borrow_mut().push(news.news);
    }
}

/// One link, up.
pub(crate) struct Rig {
    pub(crate) config: Arc<Config>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) bounced: Rc<RefCell<Vec<Bounced>>>,
    pub(crate) news: Rc<RefCell<Vec<News>>>,
    pub(crate) handoff: Handoff,
    pub(crate) on_the_way: Arc<Bounded>,
    router: Addr<Keeper>,
}

/// A connection of the link, running.
pub(crate) struct Running {
    pub(crate) ending: Rc<Ending>,
    pub(crate) end: JoinHandle<Cause>,
}

impl Rig {
    pub(crate) fn new(change: impl FnOnce(&mut Config)) -> Self {
        let endpoint = Endpoint::tcp("localhost", 1);
        let mut config = Config::standalone(endpoint.clone());
        change(&mut config);
        let lane = Lane::new(Some(endpoint), config.waiting, config.when_down);
        lane.up();
        let keeper = Keeper::default();
        let (bounced, news) = (Rc::clone(&keeper.bounced), Rc::clone(&keeper.news));
        let router = keeper.start();
        let weak = router.downgrade();
        let on_the_way = Arc::new(Bounded::new(config.waiting.bytes));
        Self {
            config: Arc::new(config),
            lane,
            bounced,
            news,
            handoff: Handoff::new(
                weak.clone().recipient(),
                weak.recipient(),
                Arc::clone(&on_the_way),
            ),
            on_the_way,
            router,
        }
    }

    /// Starts a connection, whose peer is returned. `buffer`: how many bytes it takes unread.
    pub(crate) fn connect(&self, buffer: usize) -> (DuplexStream, Running) {
        let (ours, peer) = tokio::io::duplex(buffer);
        (
            peer,
            self.run(Exchange::new(Box::new(ours), self.config.limits)),
        )
    }

    pub(crate) fn run(&self, exchange: Exchange) -> Running {
        let ending = Rc::<Ending>::default();
        let end = tokio::task::spawn_local(self.pump_over(exchange, &ending));
        Running { ending, end }
    }

    /// A connection that the test polls itself.
    pub(crate) fn pump(&self, ours: DuplexStream) -> Pump {
        let exchange = Exchange::new(Box::new(ours), self.config.limits);
        self.pump_over(exchange, &Rc::default())
    }

    fn pump_over(&self, exchange: Exchange, ending: &Rc<Ending>) -> Pump {
        Pump::new(
            exchange,
            Arc::clone(&self.lane),
            self.handoff.clone(),
            Arc::clone(&self.config),
            Rc::clone(ending),
            LastUsed::never(),
        )
    }

    /// The router is gone.
    pub(crate) fn without_router(mut self) -> Self {
        self.router = Keeper::default().start();
        self
    }

    /// Submits `INCR <key>` with the deadline of the configuration.
    pub(crate) fn send(&self, key: impl AsRef<str>) -> oneshot::Receiver<Answer> {
        self.send_with(key, self.config.timeouts.command, |_| {})
    }

    pub(crate) fn send_with(
        &self,
        key: impl AsRef<str>,
        timeout: Duration,
        change: impl FnOnce(&mut Request),
    ) -> oneshot::Receiver<Answer> {
        let (mut request, answer) = incr(key.as_ref(), timeout);
        change(&mut request);
        drop(self.lane.submit(request));
        answer
    }
}

/// `INCR <key>`, and where its answer comes.
pub(crate) fn incr(key: &str, timeout: Duration) -> (Request, oneshot::Receiver<Answer>) {
    request(cmd("INCR").arg(key), timeout)
}

pub(crate) fn request(command: Command, timeout: Duration) -> (Request, oneshot::Receiver<Answer>) {
    let (sender, answer) = oneshot::channel();
    let deadline = tokio::time::Instant::now().into_std() + timeout;
    let request = Request::new(command, deadline, timeout, Responder::One(sender));
    (request, answer)
}

/// What `INCR <key>` looks like on the wire.
pub(crate) fn incr_wire(key: &str) -> Vec<u8> {
    cmd("INCR").arg(key).wire().to_vec()
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Waits so long that it never matters.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(600), future).await;
    waited.expect("it comes")
}

/// Lets everything run that can. In paused time this is exact: the clock moves on by this millisecond
/// only when nobody has anything left to do.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Reads exactly this.
pub(crate) async fn expect(peer: &mut DuplexStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    peer.read_exact(&mut read).await.expect("the peer reads");
    assert_eq!(
        read.escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
}

pub(crate) async fn say(peer: &mut DuplexStream, bytes: &[u8]) {
    peer.write_all(bytes).await.expect("the peer writes");
}

/// Runs a test where actors and local tasks can live.
pub(crate) async fn local<T>(test: impl Future<Output = T>) -> T {
    LocalSet::new().run_until(test).await
}
