//! An application that uses everlink, as the tests see it: a client, and every event it told.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test includes the whole file and uses only a part of it"
)]

#[path = "../heard/mod.rs"]
mod heard;

use std::ops::Deref;

use everlink::endpoint::Endpoint;
use everlink::redis::{Client, Command, Config, Error, Value};

use self::heard::Heard;
use crate::support::redis_server::RedisServer;
pub use crate::support::waiting::{SOON, TestResult};

/// The endpoint on a port of this host.
pub fn local(port: u16) -> Endpoint {
    Endpoint::tcp("127.0.0.1", port)
}

/// The configuration for one server, with a deadline that a busy machine keeps.
pub fn standalone(port: u16) -> Config {
    Config::standalone(local(port)).command_timeout(SOON)
}

/// The configuration for one real server.
pub fn serving(server: &RedisServer) -> Config {
    standalone(server.port())
}

/// A client, and what its links told.
pub struct Application {
    pub client: Client,
    heard: Heard,
}

impl Application {
    /// Opens a client and records its events from the first.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let heard = Heard::begin().await;
        Ok(Self {
            client: Client::open_with(config, heard.registry())?,
            heard,
        })
    }

    /// The same, and waits until it is ready.
    pub async fn ready(config: Config) -> Result<Self, Error> {
        let application = Self::open(config).await?;
        application.client.ready(SOON).await?;
        Ok(application)
    }

    /// The error of a command that must fail.
    pub async fn error(&self, command: Command) -> Error {
        match self.client.call(command).await {
            Ok(value) => panic!("answered with {value:?} instead of an error"),
            Err(error) => error,
        }
    }

    /// A command whose reply does not matter, only that it succeeds.
    pub async fn run(&self, command: Command) -> Result<Value, Error> {
        self.client.call(command).await
    }
}

/// What it heard.
impl Deref for Application {
    type Target = Heard;

    fn deref(&self) -> &Heard {
        &self.heard
    }
}
