//! What the manager needs of whatever it holds: [`Member`].

use std::any::Any;
use std::fmt;
use std::time::Duration;

use actix::Addr;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::endpoint::LinkName;
use crate::link::{Backend, Link};
use crate::registry::Registry;

/// Why a member could not be opened, in words.
pub type OpenError = Box<dyn std::error::Error + Send + Sync>;

/// Something with links that a manager starts and stops: a [`Link`], a client, a pool.
///
/// Its links must be called by the name in [`Opening`], or by that name, a slash and more: by that
/// the manager knows whose they are.
pub trait Member: Any + Send + Sync {
    /// Waits until it is up; else says why it is not.
    fn ready(&self, timeout: Duration) -> BoxFuture<'static, Result<(), String>>;

    /// Ends it gracefully. What is not done by the deadline is dropped.
    fn stop(&self, timeout: Duration) -> BoxFuture<'static, ()>;
}

/// What a member is opened with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Opening {
    /// The name of the member, and of its links.
    pub name: LinkName,
    /// The manager's registry, which tells of all links.
    pub registry: Addr<Registry>,
}

impl Opening {
    pub(super) fn new(name: LinkName, registry: Addr<Registry>) -> Self {
        Self { name, registry }
    }
}

fn in_words(ready: Result<(), impl fmt::Display>) -> Result<(), String> {
    ready.map_err(|error| error.to_string())
}

impl<B: Backend> Member for Link<B> {
    fn ready(&self, timeout: Duration) -> BoxFuture<'static, Result<(), String>> {
        let link = self.clone();
        async move { in_words(Self::ready(&link, timeout).await) }.boxed()
    }

    fn stop(&self, _: Duration) -> BoxFuture<'static, ()> {
        let link = self.clone();
        async move { Self::stop(&link).await }.boxed()
    }
}

#[cfg(feature = "websocket")]
impl Member for crate::websocket::Feed {
    fn ready(&self, timeout: Duration) -> BoxFuture<'static, Result<(), String>> {
        Member::ready(self.link(), timeout)
    }

    fn stop(&self, _: Duration) -> BoxFuture<'static, ()> {
        let feed = self.clone();
        async move { Self::stop(&feed).await }.boxed()
    }
}

#[cfg(feature = "mysql")]
impl crate::manager::Register {
    /// A pool of connections to MySQL or MariaDB, under this name; get it as a
    /// [`Pool`](crate::mysql::Pool).
    pub fn mysql(name: impl Into<LinkName>, settings: crate::mysql::MysqlSettings) -> Self {
        Self::new(name, move |opening: Opening| {
            let mut settings = settings.clone();
            settings.name = opening.name;
            let pool = crate::mysql::Pool::open_with(settings, &opening.registry);
            std::future::ready(pool.map_err(OpenError::from))
        })
    }
}

#[cfg(feature = "mysql")]
impl Member for crate::mysql::Pool {
    fn ready(&self, timeout: Duration) -> BoxFuture<'static, Result<(), String>> {
        Member::ready(self.link(), timeout)
    }

    fn stop(&self, timeout: Duration) -> BoxFuture<'static, ()> {
        Member::stop(self.link(), timeout)
    }
}

#[cfg(feature = "elasticsearch")]
impl crate::manager::Register {
    /// A client for Elasticsearch or OpenSearch, under this name; get it as an
    /// [`ElasticClient`](crate::elasticsearch::ElasticClient). It is up once one of its nodes is.
    pub fn elasticsearch(
        name: impl Into<LinkName>,
        settings: crate::elasticsearch::ElasticSettings,
    ) -> Self {
        Self::new(name, move |opening: Opening| {
            let mut settings = settings.clone();
            settings.name = opening.name;
            let client =
                crate::elasticsearch::ElasticClient::open_with(settings, &opening.registry);
            std::future::ready(client.map_err(OpenError::from))
        })
    }
}

#[cfg(feature = "elasticsearch")]
impl Member for crate::elasticsearch::ElasticClient {
    fn ready(&self, timeout: Duration) -> BoxFuture<'static, Result<(), String>> {
        let client = self.clone();
        async move { in_words(Self::ready(&client, timeout).await) }.boxed()
    }

    fn stop(&self, _: Duration) -> BoxFuture<'static, ()> {
        let client = self.clone();
        async move { Self::stop(&client).await }.boxed()
    }
}

#[cfg(feature = "redis")]
impl crate::manager::Register {
    /// A Redis client, standalone or cluster, under this name; get it as a
    /// [`Client`](crate::redis::Client).
    pub fn redis(name: impl Into<LinkName>, config: crate::redis::Config) -> Self {
        Self::new(name, move |opening: Opening| {
            let config = config.clone().name(opening.name);
            let client = crate::redis::Client::open_with(config, &opening.registry);
            std::future::ready(client.map_err(OpenError::from))
        })
    }
}

#[cfg(feature = "redis")]
impl Member for crate::redis::Client {
    fn ready(&self, timeout: Duration) -> BoxFuture<'static, Result<(), String>> {
        let client = self.clone();
        async move { in_words(Self::ready(&client, timeout).await) }.boxed()
    }

    fn stop(&self, timeout: Duration) -> BoxFuture<'static, ()> {
        let client = self.clone();
        async move {
            // An error means that it has ended already.
            let _ = client.shutdown(timeout).await;
        }
        .boxed()
    }
}
