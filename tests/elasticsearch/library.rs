//! An application with a search client, and every event its links told.

use std::ops::Deref;
use std::time::Duration;

use everlink::elasticsearch::{ElasticClient, ElasticSettings, Statistics};

use crate::heard::Heard;
use crate::support::waiting::Wait;
pub(crate) use crate::support::waiting::{SOON, TestResult};

pub(crate) struct Library {
    pub(crate) client: ElasticClient,
    heard: Heard,
}

impl Library {
    /// Opens a client and records its events from the first.
    pub(crate) async fn open(settings: ElasticSettings) -> Self {
        let heard = Heard::begin().await;
        let client = ElasticClient::open_with(settings, heard.registry());
        Self {
            client: client.expect("valid settings"),
            heard,
        }
    }

    /// The same, and waits until all nodes are up.
    pub(crate) async fn ready(settings: ElasticSettings) -> Self {
        let nodes = settings.nodes.len();
        let library = Self::open(settings).await;
        library.until(|it| it.up >= nodes).await;
        library
    }

    /// Waits until `holds` of the client's figures.
    pub(crate) async fn until(&self, holds: impl Fn(Statistics) -> bool) {
        self.until_within(SOON, holds).await;
    }

    /// The same, for what takes its time.
    pub(crate) async fn until_within(&self, limit: Duration, holds: impl Fn(Statistics) -> bool) {
        let mut wait = Wait::up_to(limit, "the figures");
        while !holds(self.client.statistics()) {
            let seen = format!("{:?} {:#?}", self.client.statistics(), self.lines());
            wait.again(seen).await.expect("it comes to hold");
        }
    }
}

/// What it heard.
impl Deref for Library {
    type Target = Heard;

    fn deref(&self) -> &Heard {
        &self.heard
    }
}
