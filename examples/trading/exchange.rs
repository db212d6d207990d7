//! A simulated exchange: a real WebSocket server that sends prices, and fails as it is told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::interval;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

const PRICE_EVERY: Duration = Duration::from_millis(50);

/// To the connections that are open.
#[derive(Debug, Clone, Copy)]
enum Order {
    Die,
    /// Read and write nothing any more.
    Hang,
}

struct Shared {
    orders: broadcast::Sender<Order>,
    silent: AtomicBool,
    topics: Mutex<BTreeMap<SocketAddr, Vec<String>>>,
}

impl Shared {
    fn topics(&self) -> MutexGuard<'_, BTreeMap<SocketAddr, Vec<String>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One exchange, on a port of its own.
pub(crate) struct Exchange {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
    /// Holds the port while the exchange is dead: nobody else gets it, and dials are refused.
    held: Option<TcpSocket>,
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Exchange {
    pub(crate) fn open() -> std::io::Result<Self> {
        let socket = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let mut exchange = Self {
            address: socket.local_addr()?,
            shared: Arc::new(Shared {
                orders: broadcast::channel(4).0,
                silent: AtomicBool::new(false),
                topics: Mutex::default(),
            }),
            accepting: None,
            held: Some(socket),
        };
        exchange.revive()?;
        Ok(exchange)
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/prices", self.address)
    }

    /// Ends all connections, and refuses new ones.
    pub(crate) async fn kill(&mut self) -> std::io::Result<()> {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // "Cancelled" is the expected answer.
            let _ = accepting.await;
        }
        self.held = Some(bind(self.address)?);
        // An error says that there is no connection.
        let _ = self.shared.orders.send(Order::Die);
        Ok(())
    }

    /// Listens again.
    pub(crate) fn revive(&mut self) -> std::io::Result<()> {
        let socket = match self.held.take() {
            Some(socket) => socket,
            None => bind(self.address)?,
        };
        let serving = serve(socket.listen(64)?, Arc::clone(&self.shared));
        self.accepting = Some(tokio::spawn(serving));
        Ok(())
    }

    /// The connections that are open hang; new ones are well.
    pub(crate) fn hang(&self) {
        let _ = self.shared.orders.send(Order::Hang);
    }

    /// Sends no prices, and answers everything else.
    pub(crate) fn silence(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::Relaxed);
    }

    /// What each connection that works is subscribed to.
    pub(crate) fn subscriptions(&self) -> Vec<Vec<String>> {
        self.shared.topics().values().cloned().collect()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, peer)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let orders = shared.orders.subscribe();
        tokio::spawn(async move {
            // A connection that breaks is the client's concern.
            let _ = talk(stream, peer, &shared, orders).await;
            shared.topics().remove(&peer);
        });
    }
}

async fn talk(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    mut orders: broadcast::Receiver<Order>,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let mut socket = accept_async(stream).await?;
    shared.topics().insert(peer, Vec::new());
    let (mut tick, mut price) = (interval(PRICE_EVERY), 100_u64);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Ok(Order::Hang) => {
                    shared.topics().remove(&peer);
                    while !matches!(orders.recv().await, Ok(Order::Die) | Err(_)) {}
                    return Ok(());
                }
                Ok(Order::Die) | Err(_) => return Ok(()),
            },
            frame = socket.next() => {
                let Some(frame) = frame else { return Ok(()) };
                let Message::Text(text) = frame? else { continue };
                if let Some(answer) = answer(&text, peer, shared) {
                    socket.send(Message::text(answer)).await?;
                }
            }
            _ = tick.tick() => {
                if shared.silent.load(Ordering::Relaxed) {
                    continue;
                }
                let topics = shared.topics().get(&peer).cloned().unwrap_or_default();
                for topic in topics {
                    price += 1;
                    socket.send(Message::text(format!("price {topic} {price}"))).await?;
                }
            }
        }
    }
}

fn answer(text: &str, peer: SocketAddr, shared: &Shared) -> Option<String> {
    let (verb, topic) = text.split_once(' ')?;
    let mut all = shared.topics();
    let topics = all.entry(peer).or_default();
    match verb {
        "subscribe" => topics.push(topic.to_owned()),
        "unsubscribe" => topics.retain(|it| it != topic),
        // Orders are taken without a word.
        _ => return None,
    }
    topics.sort_unstable();
    Some(format!("{verb}d {topic}"))
}
