//! The door for actors: [`Search`] takes an [`Ask`].

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::time::Instant;

use crate::elasticsearch::client::ElasticClient;
use crate::elasticsearch::error::Result;
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::Response;

/// A request as a message; its deadline counts from the moment the message was made.
#[derive(Debug, Clone)]
pub struct Ask {
    request: Request,
    made: Instant,
}

impl Ask {
    /// Made now.
    pub fn new(request: Request) -> Self {
        Self {
            request,
            made: Instant::now(),
        }
    }
}

impl Message for Ask {
    type Result = Result<Response>;
}

/// An actor that carries requests out, by a client that may have other handles. The same as
/// [`ElasticClient::send`], for whom messages are more convenient. A `MailboxError` means that the
/// request was never accepted: *not sent*.
#[derive(Debug)]
pub struct Search {
    client: ElasticClient,
}

impl Search {
    /// By this client; start it on any arbiter.
    pub fn new(client: ElasticClient) -> Self {
        Self { client }
    }
}

impl Actor for Search {
    type Context = Context<Self>;
}

impl Handler<Ask> for Search {
    type Result = ResponseFuture<Result<Response>>;

    fn handle(&mut self, ask: Ask, _: &mut Context<Self>) -> Self::Result {
        let client = self.client.clone();
        Box::pin(async move { client.send_since(ask.request, ask.made).await })
    }
}
