//! The supervisor and the circuit breaker of its link: what the breaker is told, and what the
//! supervisor tells of it.

use actix::{AsyncContext, Context, Handler, Message, WeakRecipient};

use crate::event::EventKind;
use crate::exit::{Cause, CauseKind, Class};
use crate::link::backend::Backend;
use crate::link::circuit::{Circuit, CircuitNews};
use crate::link::supervisor::Supervisor;
use crate::policy::Force;

/// Forces the breaker of the link open or closed, or releases it. Answers whether it has one.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "bool")]
pub struct ForceCircuit(pub Force);

impl<B: Backend> Supervisor<B> {
    /// Tells what happened to the link: its breaker first, then everybody, and what the breaker
    /// made of it.
    pub(super) fn tell(&mut self, kind: EventKind, ctx: &mut Context<Self>) {
        // What came before it is told before it.
        self.tell_circuit(ctx);
        self.inform_circuit(&kind);
        self.emit(kind);
        self.tell_circuit(ctx);
    }

    fn inform_circuit(&self, kind: &EventKind) {
        let Some(circuit) = &self.circuit else {
            return;
        };
        // A slow receiver says nothing of the server.
        let failed =
            |cause: &Cause| cause.class() != Class::Requested && cause.kind() != CauseKind::Lagging;
        match kind {
            EventKind::Connected | EventKind::Reconnected { .. } => circuit.connected(),
            EventKind::Disconnected { cause } if failed(cause) => circuit.connection_lost(),
            EventKind::ConnectFailed { cause, .. } if failed(cause) => circuit.connect_failed(),
            _ => {}
        }
    }

    /// Tells the changes of the breaker that were not told yet.
    fn tell_circuit(&mut self, ctx: &mut Context<Self>) {
        let Some(circuit) = &self.circuit else {
            return;
        };
        let changes = circuit.take_untold();
        if changes.is_empty() {
            return;
        }
        for change in changes {
            self.emit(change);
        }
        self.await_half_open(ctx);
    }

    /// Arms the timer of an open breaker; there is none while it is not open.
    fn await_half_open(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.half_open.take() {
            ctx.cancel_future(timer);
        }
        let Some(wait) = self.circuit.as_ref().and_then(Circuit::look) else {
            self.tell_circuit(ctx);
            return;
        };
        self.half_open = Some(ctx.run_later(wait, |supervisor, ctx| {
            supervisor.half_open = None;
            supervisor.await_half_open(ctx);
        }));
    }

    /// The backend was replaced, perhaps with another breaker.
    pub(super) fn replace_circuit(&mut self, ctx: &mut Context<Self>) {
        let circuit = self.backend.circuit();
        let before = std::mem::replace(&mut self.circuit, circuit);
        let Some(circuit) = &self.circuit else {
            return;
        };
        if before.as_ref().is_some_and(|before| before.is(circuit)) {
            return;
        }
        let address: WeakRecipient<CircuitNews> = ctx.address().downgrade().recipient();
        circuit.attach(address);
        let present = circuit.present();
        if before.is_none_or(|before| before.state() != circuit.state()) {
            self.emit(present);
        }
        self.await_half_open(ctx);
    }
}

impl<B: Backend> Handler<CircuitNews> for Supervisor<B> {
    type Result = ();

    fn handle(&mut self, _: CircuitNews, ctx: &mut Context<Self>) {
        self.tell_circuit(ctx);
    }
}

impl<B: Backend> Handler<ForceCircuit> for Supervisor<B> {
    type Result = bool;

    fn handle(&mut self, message: ForceCircuit, ctx: &mut Context<Self>) -> bool {
        let Some(circuit) = &self.circuit else {
            return false;
        };
        circuit.force(message.0);
        self.tell_circuit(ctx);
        true
    }
}
