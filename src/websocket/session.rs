//! One socket at work: reads, writes, pings, restores the subscriptions, and says why it ended.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::exit::{Cause, CauseKind};
use crate::link::{Circuit, Lifeline, Pass};
use crate::policy::BreakerState;
use crate::websocket::dial::{Socket, cause_of};
use crate::websocket::gap::Moment;
use crate::websocket::hub::Hub;
use crate::websocket::message::Payload;
use crate::websocket::protocol::Incoming;
use crate::websocket::settings::FeedHealth;
use crate::websocket::topic::{Action, Refused};
use crate::websocket::vigil::{Look, Vigil};

/// How long the peer may take to answer a close frame.
const CLOSE_ANSWER: Duration = Duration::from_secs(1);
/// While the circuit is not closed, it is looked at so often.
const PROBE_EVERY: Duration = Duration::from_millis(50);
/// Frames that are read before others on this thread have their turn.
const TURN: u32 = 256;

/// What reader, writer and connection actor tell each other.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// There is a socket.
    working: Cell<bool>,
    ping: Cell<bool>,
    draining: Cell<bool>,
    close_sent: Cell<Option<Instant>>,
    /// The reader has to look at its deadlines.
    look: Notify,
}

impl Signals {
    /// Write what waits, then close. False if there is nothing to close.
    pub(crate) fn drain(&self, hub: &Hub) -> bool {
        if !self.working.get() {
            return false;
        }
        self.draining.set(true);
        hub.lock().outbox.shut();
        hub.to_write.notify_one();
        true
    }
}

/// Works a socket until its end. The feed is whole, and the link up, once all subscriptions are
/// restored.
pub(crate) async fn work(
    socket: Socket,
    hub: Arc<Hub>,
    health: FeedHealth,
    signals: Rc<Signals>,
    lifeline: Lifeline,
) -> Cause {
    signals.working.set(true);
    hub.connected(lifeline.generation().get());
    let _end = End(Arc::clone(&hub));
    let (sink, stream) = socket.split();
    let writer = Writer {
        sink,
        hub: Arc::clone(&hub),
        signals: Rc::clone(&signals),
    };
    let circuit = hub.lock().circuit.clone();
    let reader = Reader {
        circuit,
        vigil: Vigil::new(health, instant()),
        hub,
        signals,
        lifeline,
        ready: false,
        probe: None,
    };
    // Neither waits for the other: a peer that does not read must not keep us from reading.
    tokio::select! {
        cause = reader.run(stream) => cause,
        cause = writer.run() => cause,
    }
}

/// The end of the connection, however it comes.
struct End(Arc<Hub>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.disconnected(Moment::now());
    }
}

struct Writer {
    sink: SplitSink<Socket, Message>,
    hub: Arc<Hub>,
    signals: Rc<Signals>,
}

impl Writer {
    async fn run(mut self) -> Cause {
        loop {
            match self.turn().await {
                Ok(true) => {}
                Ok(false) => self.hub.to_write.notified().await,
                Err(error) => return cause_of(&error),
            }
        }
    }

    /// Writes one thing, if there is one.
    async fn turn(&mut self) -> Result<bool, tokio_tungstenite::tungstenite::Error> {
        if self.signals.close_sent.get().is_some() {
            return Ok(false);
        }
        if self.signals.ping.take() {
            self.sink.send(Message::Ping(Bytes::new())).await?;
            return Ok(true);
        }
        if let Some(request) = self.hub.next_request(instant()) {
            // It has a deadline now.
            self.signals.look.notify_one();
            self.sink.send(request.into_frame()).await?;
            return Ok(true);
        }
        let parcel = self.hub.lock().outbox.take();
        if let Some(parcel) = parcel {
            self.sink.send(parcel.payload.into_frame()).await?;
            // Nobody may wait for it any more.
            let _ = parcel.receipt.send(Ok(()));
            return Ok(true);
        }
        if self.signals.draining.get() {
            let farewell = CloseFrame {
                code: CloseCode::Normal,
                reason: "".into(),
            };
            self.sink.send(Message::Close(Some(farewell))).await?;
            self.signals.close_sent.set(Some(instant()));
            self.signals.look.notify_one();
        }
        Ok(false)
    }
}

struct Reader {
    hub: Arc<Hub>,
    circuit: Option<Circuit>,
    vigil: Vigil,
    signals: Rc<Signals>,
    lifeline: Lifeline,
    ready: bool,
    /// A ping that is a probe of the half-open circuit.
    probe: Option<Pass>,
}

impl Reader {
    async fn run(mut self, mut stream: SplitStream<Socket>) -> Cause {
        let mut read = 0;
        loop {
            let due = match self.look() {
                Ok(due) => due,
                Err(cause) => return cause,
            };
            let frame = tokio::select! {
                frame = stream.next() => Some(frame),
                () = sleep_until(due) => None,
                () = self.signals.look.notified() => None,
            };
            match frame {
                None => continue,
                Some(None) if self.signals.draining.get() => return CauseKind::Requested.into(),
                Some(None) => return Cause::new(CauseKind::Closed, "without a close frame"),
                Some(Some(Err(error))) => return self.broken(&error),
                Some(Some(Ok(frame))) => {
                    if let Err(cause) = self.take(frame) {
                        return cause;
                    }
                }
            }
            read += 1;
            if read % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Does what is due, and says when to look again.
    fn look(&mut self) -> Result<Option<Instant>, Cause> {
        let now = instant();
        loop {
            let refused = self.hub.lock().subscriptions.expire(now);
            let Some(refused) = refused else { break };
            self.refused(refused);
            self.hub.to_write.notify_one();
        }
        let (restored, expecting, deadline) = {
            let state = self.hub.lock();
            let subscriptions = &state.subscriptions;
            let expecting = !subscriptions.is_empty() || self.hub.protocol.unasked();
            (
                subscriptions.is_restored(),
                expecting,
                subscriptions.next_deadline(),
            )
        };
        if restored && !self.ready {
            self.begin();
        }
        if let Some(closed) = self.signals.close_sent.get() {
            // Nothing more is read that matters: only the peer's farewell is waited for.
            if now >= closed + CLOSE_ANSWER {
                return Err(CauseKind::Requested.into());
            }
            return Ok(Some(closed + CLOSE_ANSWER));
        }
        if !expecting {
            self.vigil.message(now);
        }
        let next = loop {
            match self.vigil.look(expecting && self.ready, now) {
                Look::Ping => self.ping(),
                Look::Unanswered => {
                    if let Some(probe) = self.probe.take() {
                        probe.failed();
                    }
                    let cause = Cause::new(CauseKind::Unhealthy, "a ping was not answered in time");
                    return Err(cause);
                }
                Look::Stale => return Err(Cause::new(CauseKind::Stalled, "no message came")),
                Look::Wait(next) => break next,
            }
        };
        let probe = self.probe_circuit(now);
        Ok([next, deadline, probe].into_iter().flatten().min())
    }

    /// All that was wanted is restored.
    fn begin(&mut self) {
        self.ready = true;
        let gap = self.hub.restored(Moment::now());
        self.vigil.message(instant());
        // Before the link is up: failures are counted in a row.
        if let Some(circuit) = &self.circuit
            && circuit.state() == BreakerState::Closed
            && let Ok(pass) = circuit.ask()
        {
            pass.succeeded();
        }
        self.lifeline.ready();
        if let Some(gap) = gap {
            self.lifeline.notice(gap);
        }
        self.hub.to_write.notify_one();
    }

    /// The subscriber is told, and whoever hears the events of the link.
    fn refused(&self, refused: Refused) {
        self.lifeline.notice(refused.notice());
        self.hub.refused(refused);
    }

    /// A feed makes no calls of which it could learn that the server is well again: while the
    /// circuit is half-open, pings are its probes.
    fn probe_circuit(&mut self, now: Instant) -> Option<Instant> {
        let circuit = self.circuit.as_ref().filter(|_| self.ready)?;
        match circuit.state() {
            BreakerState::Closed | BreakerState::ForcedClosed | BreakerState::ForcedOpen => {
                self.probe = None;
                return None;
            }
            BreakerState::HalfOpen if self.probe.is_none() => {
                if let Ok(pass) = circuit.ask() {
                    self.probe = Some(pass);
                    self.vigil.pinged(now);
                    self.ping();
                }
            }
            BreakerState::HalfOpen | BreakerState::Open => {}
        }
        Some(now + PROBE_EVERY)
    }

    fn ping(&self) {
        self.signals.ping.set(true);
        self.hub.to_write.notify_one();
    }

    fn take(&mut self, frame: Message) -> Result<(), Cause> {
        let now = Moment::now();
        self.vigil.heard();
        // As for pings: whatever is heard shows that the server is there.
        if let Some(probe) = self.probe.take() {
            probe.succeeded();
        }
        self.hub.heard(now);
        self.lifeline.used();
        let payload = match frame {
            Message::Text(text) => Payload::from_text(text),
            Message::Binary(bytes) => Payload::Binary(bytes),
            Message::Close(_) if self.signals.draining.get() => {
                return Err(CauseKind::Requested.into());
            }
            Message::Close(frame) => return Err(self.closed(frame)),
            // Pings are answered where they are read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        self.sort(payload, now.instant)
    }

    fn sort(&mut self, payload: Payload, now: Instant) -> Result<(), Cause> {
        let (which, action) = match self.hub.protocol.classify(&payload) {
            Incoming::Data => {
                self.vigil.message(now);
                let kept = self.hub.message(payload);
                let slow = || Cause::new(CauseKind::Lagging, "the subscriber is too slow");
                return kept.map_err(|_| slow());
            }
            Incoming::Ignore => return Ok(()),
            Incoming::Refused(which, reason) => {
                let refused = self.hub.lock().subscriptions.refused(&which, &reason);
                if let Some(refused) = refused {
                    self.refused(refused);
                }
                self.hub.to_write.notify_one();
                return Ok(());
            }
            Incoming::Subscribed(which) => (which, Action::Subscribe),
            Incoming::Unsubscribed(which) => (which, Action::Unsubscribe),
        };
        self.hub.lock().subscriptions.accepted(&which, action);
        self.vigil.message(now);
        self.hub.to_write.notify_one();
        Ok(())
    }

    fn closed(&self, frame: Option<CloseFrame>) -> Cause {
        let Some(frame) = frame else {
            return Cause::new(CauseKind::Closed, "by a close frame without a code");
        };
        let code = u16::from(frame.code);
        let kind = self.hub.protocol.closed(code);
        Cause::new(kind, format!("close code {code}: {}", frame.reason))
    }

    fn broken(&self, error: &tokio_tungstenite::tungstenite::Error) -> Cause {
        if self.signals.close_sent.get().is_some() {
            return CauseKind::Requested.into();
        }
        cause_of(error)
    }
}

fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
