//! An arbiter on a thread of its own, with a handle of its own.
#![allow(dead_code, reason = "two programs use different parts of it")]

use std::future::Future;
use std::sync::mpsc;

use actix::Arbiter;
use everlink::redis::Client;
use tokio::sync::oneshot;

use crate::application::{Application, SOON};

/// Ends with its value.
pub(crate) struct Worker(Arbiter);

impl Worker {
    pub(crate) fn new() -> Self {
        Self(Arbiter::new())
    }

    /// One with a handle of its own, and all its links up.
    pub(crate) async fn seated(application: &Application) -> (Self, Client) {
        let worker = Self::new();
        let client = worker.seat(&application.client).await;
        client.ready(SOON).await.expect("ready");
        (worker, client)
    }

    /// A handle with connections of this arbiter's own.
    pub(crate) async fn seat(&self, client: &Client) -> Client {
        let client = client.clone();
        self.run(move || async move { client.here() }).await
    }

    /// Runs this on the arbiter.
    pub(crate) async fn run<T, F>(&self, act: impl FnOnce() -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (done, result) = oneshot::channel();
        assert!(self.0.spawn_fn(move || {
            actix::spawn(async move { drop(done.send(act().await)) });
        }));
        let result = tokio::time::timeout(SOON, result).await;
        result.expect("it does not hang").expect("it is run")
    }

    /// The same, while the thread that calls this stands still.
    pub(crate) fn run_alone<T, F>(&self, act: impl FnOnce() -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (done, result) = mpsc::channel();
        assert!(self.0.spawn_fn(move || {
            actix::spawn(async move { drop(done.send(act().await)) });
        }));
        result
            .recv_timeout(SOON)
            .expect("no other thread is needed")
    }

    /// Tells it to end.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }

    /// Returns once its thread has ended.
    pub(crate) fn end(self) {
        self.0.stop();
        self.0.join().expect("no panic");
    }
}
