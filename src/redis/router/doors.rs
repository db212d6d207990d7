//! The router's doors for actors: a [`Command`] or a [`Pipeline`] as a message.

use std::rc::Rc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Context, Handler, Message};

use crate::redis::command::{Command, Pipeline};
use crate::redis::error::Result;
use crate::redis::request::{Answer, Replies, Responder};
use crate::redis::router::known::Known;
use crate::redis::router::router::{Router, Topology};
use crate::redis::router::since::Since;
use crate::redis::seat::Seat;
use crate::redis::value::Value;

impl Message for Command {
    type Result = Result<Value>;
}

impl Message for Pipeline {
    type Result = Replies;
}

/// A command on its way out of the mailbox: its reply goes from the connection straight to the
/// mailbox's own sender.
#[derive(Debug)]
pub struct Dispatching<M> {
    known: Rc<Known>,
    message: M,
}

impl<T: Topology> Router<T> {
    fn dispatching<M>(&self, message: M) -> Dispatching<M> {
        Dispatching {
            known: Rc::clone(&self.core.known),
            message,
        }
    }
}

impl<T: Topology> Handler<Command> for Router<T> {
    type Result = Dispatching<Command>;

    fn handle(&mut self, message: Command, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        self.dispatching(message)
    }
}

impl<T: Topology> MessageResponse<Router<T>, Command> for Dispatching<Command> {
    fn handle(self, _: &mut Context<Router<T>>, sender: Option<OneshotSender<Answer>>) {
        let responder = sender.map_or(Responder::Nobody, Responder::One);
        let made = Since::Made(self.message.made());
        self.known
            .dispatch(Seat::SHARED, self.message, made, responder);
    }
}

impl<T: Topology> Handler<Pipeline> for Router<T> {
    type Result = Dispatching<Pipeline>;

    fn handle(&mut self, message: Pipeline, ctx: &mut Context<Self>) -> Self::Result {
        self.breathe(ctx);
        self.dispatching(message)
    }
}

impl<T: Topology> MessageResponse<Router<T>, Pipeline> for Dispatching<Pipeline> {
    fn handle(self, _: &mut Context<Router<T>>, sender: Option<OneshotSender<Replies>>) {
        let made = Since::At(self.message.made());
        let shared = self.known.shared();
        shared.dispatch_all(Seat::SHARED, self.message, made, sender);
    }
}
