//! From a connection to its router: [`Handoff`]. The slow path: a request that this node did not
//! serve, or news of the node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::{Message, WeakRecipient};
use bytes::Bytes;

use crate::endpoint::Endpoint;
use crate::exit::Cause;
use crate::redis::error::{ErrorKind, Outcome};
use crate::redis::memory::Bounded;
use crate::redis::request::{Refusal, Request};
use crate::redis::seat::Seat;
use crate::redis::value::ServerError;

/// A request that a node did not serve; the router decides what becomes of it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Bounced {
    pub(crate) request: Request,
    pub(crate) endpoint: Endpoint,
    pub(crate) reason: Reason,
    /// Counted until the router knows what becomes of it.
    _counted: Option<Counted>,
}

/// A part of what is on its way.
#[derive(Debug)]
struct Counted(Arc<Bounded>, usize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.subtract(self.1);
    }
}

/// Why a node did not serve a request.
#[derive(Debug)]
pub(crate) enum Reason {
    /// It answered so, without executing it.
    Reply(ServerError),
    /// The connection was lost before it answered; the request is repeatable, or was not sent.
    Lost(Cause),
    /// It did not answer within this time; the request is repeatable.
    Unanswered(Duration),
}

impl Bounced {
    /// What it takes of a bound once its reason is remembered, at most.
    pub(crate) fn weight(&self) -> usize {
        self.request.weight() + self.reason.weight()
    }

    /// The request, to be tried again, with what its answer is if no other comes in time.
    pub(crate) fn remember(self) -> Request {
        let mut request = self.request;
        if let Reason::Reply(error) = self.reason {
            // A copy: the reply is a part of a larger buffer, which would be kept with it.
            let line = Bytes::copy_from_slice(error.as_bytes());
            request.set_refusal(Some(Refusal {
                error: ServerError::new(line),
                endpoint: self.endpoint,
            }));
        }
        request
    }

    /// Nothing more can be done: why the node did not serve it is the answer.
    pub(crate) fn answer(self) {
        self.reason.answer(self.request, Some(&self.endpoint));
    }

    /// It was tried again as often as it may be.
    pub(crate) fn answer_exhausted(self) {
        let retries = self.request.retries.all;
        if retries == 0 {
            self.answer();
            return;
        }
        let (last, outcome) = self.reason.kind_and_outcome(&self.request);
        let last = Box::new(last);
        let kind = ErrorKind::Exhausted { retries, last };
        self.request.fail(kind, outcome, Some(&self.endpoint));
    }
}

/// A request that a node answered with an error, without executing it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) request: Request,
    pub(crate) endpoint: Endpoint,
    pub(crate) error: ServerError,
}

impl Refused {
    /// Nothing more can be done: the error is the answer.
    pub(crate) fn answer(self) {
        Reason::Reply(self.error).answer(self.request, Some(&self.endpoint));
    }
}

impl From<Refused> for Bounced {
    fn from(refused: Refused) -> Self {
        Self {
            request: refused.request,
            endpoint: refused.endpoint,
            reason: Reason::Reply(refused.error),
            _counted: None,
        }
    }
}

/// News of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Up,
    /// Its connection was lost; the attempt to come back may well succeed.
    Lost,
    /// There is none, and none soon.
    Down,
    /// It was written to and is not heard.
    Quiet,
}

/// Something about a node changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct NodeNews {
    pub(crate) endpoint: Endpoint,
    /// Whose connection to it tells this.
    pub(crate) seat: Seat,
    pub(crate) news: News,
}

/// The way from a connection back to its router.
#[derive(Clone)]
pub(crate) struct Handoff {
    seat: Seat,
    bounced: WeakRecipient<Bounced>,
    news: WeakRecipient<NodeNews>,
    on_the_way: Arc<Bounded>,
}

impl Handoff {
    pub(crate) fn new(
        bounced: WeakRecipient<Bounced>,
        news: WeakRecipient<NodeNews>,
        on_the_way: Arc<Bounded>,
    ) -> Self {
        Self {
            seat: Seat::SHARED,
            bounced,
            news,
            on_the_way,
        }
    }

    /// The same way, from the connections of this seat.
    pub(crate) fn of(&self, seat: Seat) -> Self {
        Self {
            seat,
            ..self.clone()
        }
    }

    /// Whose connections take it.
    pub(crate) fn seat(&self) -> Seat {
        self.seat
    }

    /// Hands a request back. It is answered here if there is no router any more, or if too much is
    /// on its way already.
    #[expect(clippy::disallowed_methods, reason = "bounded in bytes by that sum")]
    pub(crate) fn bounce(&self, request: Request, endpoint: &Endpoint, reason: Reason) {
        let Some(router) = self.bounced.upgrade() else {
            reason.answer(request, Some(endpoint));
            return;
        };
        let weight = request.weight() + reason.weight();
        if !self.on_the_way.add(weight) {
            reason.answer(request, Some(endpoint));
            return;
        }
        router.do_send(Bounced {
            request,
            endpoint: endpoint.clone(),
            reason,
            _counted: Some(Counted(Arc::clone(&self.on_the_way), weight)),
        });
    }

    #[expect(clippy::disallowed_methods, reason = "bounded by the link's backoff")]
    pub(crate) fn tell(&self, endpoint: &Endpoint, news: News) {
        if let Some(router) = self.news.upgrade() {
            router.do_send(NodeNews {
                endpoint: endpoint.clone(),
                seat: self.seat,
                news,
            });
        }
    }
}

impl Reason {
    fn weight(&self) -> usize {
        match self {
            Self::Reply(error) => error.as_bytes().len() + size_of::<Refusal>(),
            Self::Lost(_) | Self::Unanswered(_) => 0,
        }
    }

    /// Answers a request for which nothing more can be done.
    pub(crate) fn answer(self, request: Request, endpoint: Option<&Endpoint>) {
        let (kind, outcome) = self.kind_and_outcome(&request);
        request.fail(kind, outcome, endpoint);
    }

    fn kind_and_outcome(self, request: &Request) -> (ErrorKind, Outcome) {
        match self {
            Self::Reply(error) => (ErrorKind::Server(error), Outcome::Refused),
            Self::Lost(cause) => (ErrorKind::Lost(cause), request.outcome_without_reply()),
            Self::Unanswered(timeout) => (ErrorKind::Unanswered(timeout), Outcome::Unknown),
        }
    }
}

impl fmt::Debug for Handoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handoff").finish_non_exhaustive()
    }
}
