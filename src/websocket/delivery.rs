//! From the queue of a feed to its subscriber: [`Delivery`].

use std::sync::Arc;

use actix::{Recipient, WeakRecipient};
use tokio::task::AbortHandle;

use crate::websocket::hub::Hub;
use crate::websocket::message::FeedMessage;

/// Hands one message at a time to the subscriber and waits until it was handled: so the bound of the
/// queue is the bound of all that waits. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Delivery(AbortHandle);

impl Delivery {
    /// On the current arbiter. The subscriber is held weakly.
    pub(crate) fn start(hub: Arc<Hub>, subscriber: &Recipient<FeedMessage>) -> Self {
        let task = actix_rt::spawn(deliver(hub, subscriber.downgrade()));
        Self(task.abort_handle())
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn deliver(hub: Arc<Hub>, subscriber: WeakRecipient<FeedMessage>) {
    let mut missed = false;
    loop {
        let Some(message) = hub.next_delivery() else {
            hub.to_deliver.notified().await;
            continue;
        };
        if let Some(subscriber) = subscriber.upgrade() {
            // Stopped, or its handler panicked: there is nobody who could be told.
            let _ = subscriber.send(message).await;
        } else if !std::mem::replace(&mut missed, true) {
            let feed = hub.feed.as_str();
            tracing::warn!(feed, "its subscriber has ended: whatever comes is dropped");
        }
        hub.was_delivered();
    }
}
