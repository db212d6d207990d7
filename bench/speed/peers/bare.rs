//! What nobody can go below, measured: the bare loop behind which a client for one thread stands, and
//! the same behind an actor's mailbox. One socket, one buffer for what is written, a queue of those
//! who wait, the same waves as everlink's; and nothing of what makes a client: no time-out, no second
//! try, no routes, no bounds, no other thread, no state of the connection, one kind of reply for each call.
//!
//! If anything goes wrong the process ends, and so the run.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Addr, Handler, Message};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

use super::{Peer, Target};
use crate::failure;
use crate::stage::Threads;
use crate::support::waiting::Result;
use crate::workload::{Call, Payload, Workload};

thread_local! {
    static LOOP: RefCell<Loop> = RefCell::default();
}

/// The loop of this thread.
#[derive(Clone)]
pub(crate) struct BareLoop;

/// The same behind an actor.
#[derive(Clone)]
pub(crate) struct BareActor(Addr<Door>);

/// Whether they can do this.
pub(crate) fn can(workload: &Workload) -> bool {
    let small = matches!(
        workload.call,
        Call::Get(..=1_024) | Call::Set(..=1_024) | Call::Incr
    );
    small && workload.threads == Threads::One && !workload.cluster
}

/// What callers and their connection share.
#[derive(Default)]
struct Loop {
    unwritten: Vec<u8>,
    /// In the order of the replies to come.
    waiting: VecDeque<Waiting>,
    seats: Vec<Seat>,
    free: Vec<usize>,
    connection: Option<Waker>,
}

enum Waiting {
    Seat(usize),
    Sender(Option<OneshotSender<Answer>>),
}

/// Where a caller finds its answer.
enum Seat {
    Empty,
    Taken(Waker),
    Answered(Answer),
}

enum Answer {
    Value(Bytes),
    Number,
    Done,
}

impl Answer {
    fn size(&self) -> usize {
        match self {
            Self::Value(value) => value.len(),
            Self::Number | Self::Done => 0,
        }
    }
}

impl Loop {
    fn seat(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.seats.push(Seat::Empty);
            self.seats.len() - 1
        })
    }

    fn wake(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.wake();
        }
    }

    fn take(&mut self, seat: usize, cx: &Context<'_>) -> Poll<usize> {
        match std::mem::replace(&mut self.seats[seat], Seat::Empty) {
            Seat::Answered(answer) => {
                self.free.push(seat);
                Poll::Ready(answer.size())
            }
            Seat::Taken(_) | Seat::Empty => {
                self.seats[seat] = Seat::Taken(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn answer(&mut self, answer: Answer) {
        match self.waiting.pop_front() {
            Some(Waiting::Seat(seat)) => {
                let before = std::mem::replace(&mut self.seats[seat], Seat::Answered(answer));
                if let Seat::Taken(caller) = before {
                    caller.wake();
                }
            }
            Some(Waiting::Sender(sender)) => {
                let _gone = sender.map(|sender| sender.send(answer));
            }
            None => ended("a reply that nobody asked for"),
        }
    }

    /// As many as everlink gives out at once.
    fn wave(&self) -> usize {
        match self.waiting.len() {
            ..=8 => 8,
            many => (many / 3).clamp(4, 128),
        }
    }
}

fn encode(wire: &mut Vec<u8>, call: Call, key: &str, payload: &Payload) {
    let length = key.len();
    let written = match call {
        Call::Set(size) => {
            let head = write!(wire, "*3\r\n$3\r\nSET\r\n${length}\r\n{key}\r\n${size}\r\n");
            wire.extend_from_slice(&payload.bytes);
            wire.extend_from_slice(b"\r\n");
            head
        }
        Call::Incr => write!(wire, "*2\r\n$4\r\nINCR\r\n${length}\r\n{key}\r\n"),
        Call::Get(_) | Call::Pipeline(_) | Call::Range(_) => {
            write!(wire, "*2\r\n$3\r\nGET\r\n${length}\r\n{key}\r\n")
        }
    };
    written.unwrap_or_else(|error| ended(error));
}

/// The next reply, if all of it is there.
fn decode(unread: &mut BytesMut) -> Option<Answer> {
    let end = unread.iter().position(|byte| *byte == b'\n')?;
    let head = end + 1;
    let number = || {
        let digits = unread[1..end - 1].iter();
        digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
    };
    let answer = match unread[0] {
        b'$' => {
            let (length, rest) = (number(), &unread[head..]);
            if rest.len() < length + 2 {
                return None;
            }
            let value = Bytes::copy_from_slice(&rest[..length]);
            unread.advance(head + length + 2);
            return Some(Answer::Value(value));
        }
        b':' => {
            std::hint::black_box(number());
            Answer::Number
        }
        b'+' => Answer::Done,
        _ => ended(String::from_utf8_lossy(unread)),
    };
    unread.advance(head);
    Some(answer)
}

fn ended(why: impl std::fmt::Display) -> ! {
    eprintln!("the bare loop: {why}");
    std::process::exit(1)
}

struct Connection {
    stream: TcpStream,
    unread: BytesMut,
    has_unanswered: bool,
}

impl Connection {
    async fn open(target: &Target) -> Result<()> {
        let stream = TcpStream::connect(("127.0.0.1", target.ports[0])).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            unread: BytesMut::new(),
            has_unanswered: false,
        };
        actix::spawn(async move {
            let why = poll_fn(|cx| connection.turn(cx)).await;
            ended(why);
        });
        Ok(())
    }

    /// Reads and writes until there is nothing more to do; callers run after each wave.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Error> {
        LOOP.with_borrow_mut(|all| {
            let mut reading = true;
            while reading {
                if !self.has_unanswered {
                    self.unread.reserve(16 * 1_024);
                    let stream = Pin::new(&mut self.stream);
                    match tokio_util::io::poll_read_buf(stream, cx, &mut self.unread) {
                        Poll::Pending => reading = false,
                        Poll::Ready(Ok(0)) => ended("the server has closed"),
                        Poll::Ready(Ok(_)) => self.has_unanswered = true,
                        Poll::Ready(Err(error)) => return Poll::Ready(error),
                    }
                }
                if self.has_unanswered {
                    self.give_out(all);
                }
                while !all.unwritten.is_empty() {
                    match Pin::new(&mut self.stream).poll_write(cx, &all.unwritten) {
                        Poll::Pending => break,
                        Poll::Ready(Ok(written)) => drop(all.unwritten.drain(..written)),
                        Poll::Ready(Err(error)) => return Poll::Ready(error),
                    }
                }
                if self.has_unanswered {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            all.connection = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    fn give_out(&mut self, all: &mut Loop) {
        for _ in 0..all.wave() {
            match decode(&mut self.unread) {
                Some(answer) => all.answer(answer),
                None => {
                    self.has_unanswered = false;
                    return;
                }
            }
        }
    }
}

impl Peer for BareLoop {
    async fn connect(target: &Target) -> Result<Self> {
        Connection::open(target).await?;
        Ok(Self)
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        let seat = LOOP.with_borrow_mut(|all| {
            encode(&mut all.unwritten, call, key, payload);
            let seat = all.seat();
            all.waiting.push_back(Waiting::Seat(seat));
            all.wake();
            seat
        });
        let answered = |cx: &mut Context<'_>| LOOP.with_borrow_mut(|all| all.take(seat, cx));
        Ok(poll_fn(answered).await)
    }
}

impl Peer for BareActor {
    async fn connect(target: &Target) -> Result<Self> {
        Connection::open(target).await?;
        Ok(Self(Door.start()))
    }

    async fn call(&mut self, call: Call, key: &str, payload: &Payload) -> Result<usize> {
        let mut wire = Vec::with_capacity(120);
        encode(&mut wire, call, key, payload);
        let answer = self.0.send(Encoded(wire)).await.map_err(failure)?;
        Ok(answer.size())
    }
}

pub(crate) struct Door;

impl Actor for Door {
    type Context = actix::Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(4_096);
    }
}

/// A command, ready to be written.
#[derive(Message)]
#[rtype(result = "Answer")]
struct Encoded(Vec<u8>);

/// The caller's own channel goes to the connection.
struct Handed(Vec<u8>);

impl Handler<Encoded> for Door {
    type Result = Handed;

    fn handle(&mut self, command: Encoded, _: &mut Self::Context) -> Handed {
        Handed(command.0)
    }
}

impl MessageResponse<Door, Encoded> for Handed {
    fn handle(self, _: &mut actix::Context<Door>, sender: Option<OneshotSender<Answer>>) {
        LOOP.with_borrow_mut(|all| {
            all.unwritten.extend_from_slice(&self.0);
            all.waiting.push_back(Waiting::Sender(sender));
            all.wake();
        });
    }
}
