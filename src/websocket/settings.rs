//! How a feed behaves: [`FeedSettings`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};

use crate::link::LinkOptions;
use crate::policy::{BreakerSettings, PolicyError, off};
use crate::secret::Secret;
use crate::tls::TlsSettings;
use crate::websocket::queue::Lag;
use crate::websocket::url::FeedUrl;

/// No time is longer: sums of instants must not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// What the handshake itself sets.
const RESERVED: [&str; 4] = ["host", "connection", "upgrade", "content-length"];

/// How a feed behaves. All but the URL has defaults; `docs/websocket.md` has them in a table.
///
/// ```
/// # use everlink::websocket::FeedSettings;
/// let settings: FeedSettings = toml::from_str(r#"
///     url = "ws://feed.example/v1"
///     headers = { X-Api-Key = "secret" }
///     link = { connect_timeout = "3s" }
///     health = { ping_interval = "5s", stale_after = "30s" }
///     queue = { messages = 1000, when_lagging = "keep_latest" }
/// "#)?;
/// settings.check()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FeedSettings {
    /// What is dialled.
    pub url: FeedUrl,
    /// Sent with the handshake. Default none.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// For `wss://`. Default: the system's roots.
    #[serde(default)]
    pub tls: TlsSettings,
    /// As for every link. The usual breaker of a feed counts failed connects, and opens after
    /// three failures in a row.
    #[serde(default)]
    pub link: LinkOptions,
    /// How a dead or silent connection is found.
    #[serde(default)]
    pub health: FeedHealth,
    /// How much is taken in and kept.
    #[serde(default)]
    pub limits: FeedLimits,
    /// What waits for the subscriber.
    #[serde(default)]
    pub queue: FeedQueue,
    /// How long the server may take to acknowledge; less than `link.connect_timeout`, since
    /// restoring is part of connecting. Default 2 s.
    #[serde(default = "two_seconds", with = "humantime_serde")]
    pub ack_timeout: Duration,
    /// How long [`Feed::send`](crate::websocket::Feed::send) waits until a message is written.
    /// Default 2 s.
    #[serde(default = "two_seconds", with = "humantime_serde")]
    pub send_timeout: Duration,
}

/// How a dead or silent connection is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedHealth {
    /// How often a ping is written; `None`, or `"off"` in text, writes none. Default 10 s.
    #[serde(with = "off::duration")]
    pub ping_interval: Option<Duration>,
    /// How soon something must be heard after a ping: its pong, or anything else. If not, the
    /// connection ends as `Unhealthy`. Default 5 s.
    #[serde(with = "humantime_serde")]
    pub ping_timeout: Duration,
    /// Without a message for so long the connection ends as `Stalled`, as long as there is a
    /// subscription; pings and answers are no messages. `None`, or `"off"` in text: silence is
    /// normal. Default off.
    #[serde(with = "off::duration")]
    pub stale_after: Option<Duration>,
}

/// How much is taken in and kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedLimits {
    /// The longest frame that is read; a longer one ends the connection. Default 16 MiB.
    pub frame: usize,
    /// The longest message that is read; a longer one ends the connection. Default 16 MiB.
    pub message: usize,
    /// What may wait to be written, all messages together; what does not fit is not sent.
    /// Default 1 MiB.
    pub write_buffer: usize,
}

/// What waits for the subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeedQueue {
    /// How many messages. Default 10,000.
    pub messages: usize,
    /// How many bytes of them; a single one always fits. Default 16 MiB.
    pub bytes: usize,
    /// What happens beyond that. Default [`Lag::DropOldest`].
    pub when_lagging: Lag,
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

impl Default for FeedHealth {
    fn default() -> Self {
        Self {
            ping_interval: Some(Duration::from_secs(10)),
            ping_timeout: Duration::from_secs(5),
            stale_after: None,
        }
    }
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            frame: 16 << 20,
            message: 16 << 20,
            write_buffer: 1 << 20,
        }
    }
}

impl Default for FeedQueue {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 << 20,
            when_lagging: Lag::default(),
        }
    }
}

impl FeedSettings {
    /// For this URL, with all defaults.
    ///
    /// # Errors
    /// It is no `ws://` or `wss://` URL.
    pub fn new(url: &str) -> Result<Self, PolicyError> {
        Ok(Self {
            url: url.parse()?,
            headers: BTreeMap::new(),
            tls: TlsSettings::default(),
            link: LinkOptions::default(),
            health: FeedHealth::default(),
            limits: FeedLimits::default(),
            queue: FeedQueue::default(),
            ack_timeout: two_seconds(),
            send_timeout: two_seconds(),
        })
    }

    /// The breaker that a feed has unless its settings say otherwise: failed connects count, and
    /// three failures in a row open it.
    pub fn usual_breaker() -> BreakerSettings {
        let breaker = BreakerSettings::default().with_failed_connects(true);
        breaker.with_consecutive(3).unwrap_or(breaker)
    }

    /// Looks whether they can be. A feed is not opened with settings that cannot.
    ///
    /// # Errors
    /// The first setting that is out of its bounds. No secret is in it.
    pub fn check(&self) -> Result<(), PolicyError> {
        self.link.check()?;
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        if cfg!(not(feature = "tls")) && self.url.is_secure() {
            let allowed = "ws:// without the feature tls";
            return Err(PolicyError::new("url", &self.url, allowed));
        }
        self.tls
            .validate()
            .map_err(|error| PolicyError::new("tls", "refused", error.to_string()))?;
        let spans = [
            ("ping_interval", self.health.ping_interval),
            ("ping_timeout", Some(self.health.ping_timeout)),
            ("stale_after", self.health.stale_after),
            ("ack_timeout", Some(self.ack_timeout)),
            ("send_timeout", Some(self.send_timeout)),
        ];
        for (name, span) in spans {
            if span.is_some_and(|span| span.is_zero() || span > LONGEST) {
                let allowed = "more than zero and at most a year";
                return Err(PolicyError::new(name, span, allowed));
            }
        }
        if self.ack_timeout >= self.link.connect_timeout {
            let allowed = "less than link.connect_timeout";
            return Err(PolicyError::new("ack_timeout", self.ack_timeout, allowed));
        }
        for (name, size) in [
            ("frame", self.limits.frame),
            ("message", self.limits.message),
            ("write_buffer", self.limits.write_buffer),
            ("messages", self.queue.messages),
            ("bytes", self.queue.bytes),
        ] {
            if size == 0 || size > usize::MAX / 4 {
                let allowed = "more than zero, and not beyond all memory";
                return Err(PolicyError::new(name, size, allowed));
            }
        }
        Ok(())
    }
}

fn check_header(name: &str, value: &Secret) -> Result<(), PolicyError> {
    let lower = name.to_ascii_lowercase();
    let reserved = RESERVED.contains(&lower.as_str())
        || lower.starts_with("sec-websocket-") && lower != "sec-websocket-protocol";
    if reserved || HeaderName::from_bytes(name.as_bytes()).is_err() {
        let allowed = "the name of a header that the handshake does not set itself";
        return Err(PolicyError::new("headers", name, allowed));
    }
    if HeaderValue::from_str(value.expose()).is_err() {
        let allowed = "visible ASCII in its value";
        return Err(PolicyError::new("headers", name, allowed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> FeedSettings {
        toml::from_str(&format!("url = 'ws://h'\n{text}")).expect(text)
    }

    #[test]
    fn a_url_is_enough() {
        let settings = read("");
        assert_eq!(settings, FeedSettings::new("ws://h").expect("a URL"));
        settings.check().expect("the defaults are possible");
        let usual = FeedSettings::usual_breaker();
        assert_eq!((usual.consecutive(), usual.failed_connects()), (3, true));
    }

    #[test]
    fn comes_back_as_it_was_but_for_its_secrets() {
        let text = "ack_timeout = '1s'\nhealth = { ping_interval = 'off', stale_after = '3s' }\n\
            queue = { when_lagging = 'disconnect' }\nheaders = { X-Key = 'hidden' }";
        let mut settings = read(text);
        settings.check().expect("possible");
        let written = toml::to_string(&settings).expect("can be written");
        assert!(
            !format!("{written}{settings:?}").contains("hidden"),
            "{written}"
        );
        settings
            .headers
            .insert("X-Key".to_owned(), Secret::from("***"));
        assert_eq!(
            toml::from_str::<FeedSettings>(&written).expect(&written),
            settings
        );
    }

    #[test]
    fn what_cannot_be_is_refused_and_named() {
        for (text, setting) in [
            ("health = { ping_timeout = '0s' }", "ping_timeout"),
            ("health = { stale_after = '0s' }", "stale_after"),
            ("ack_timeout = '5s'", "ack_timeout"),
            ("limits = { frame = 0 }", "frame"),
            ("queue = { messages = 0 }", "messages"),
            ("link = { kill_timeout = '0s' }", "kill_timeout"),
            ("headers = { Upgrade = 'x' }", "headers"),
            ("headers = { 'a b' = 'x' }", "headers"),
            ("headers = { X-Key = \"hidden\\n\" }", "headers"),
        ] {
            let error = read(text).check().expect_err(text);
            assert_eq!(error.setting(), setting);
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
        for text in [
            "pong = 1",
            "health = { ping = '1s' }",
            "queue = { when_lagging = 'x' }",
        ] {
            let text = format!("url = 'ws://h'\n{text}");
            assert!(toml::from_str::<FeedSettings>(&text).is_err(), "{text}");
        }
    }
}
