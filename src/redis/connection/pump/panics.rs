//! A panic inside a connection harms no request.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::redis::connection::exchange::Exchange;
use crate::redis::connection::rig::{Rig, expect, incr_wire, local, say, settle};
use crate::redis::error::Outcome;
use crate::redis::retry::RetryPolicy;

/// A stream with a defect: it takes what is written, and panics when told to.
struct Defective(tokio::io::DuplexStream, Rc<Cell<bool>>);

impl AsyncRead for Defective {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.1.get(), "a defect");
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Defective {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_settles_everything() {
    local(async {
        let rig = Rig::new(|_| {});
        let (ours, peer) = tokio::io::duplex(incr_wire("a").len() + 3);
        let defect = Rc::new(Cell::new(false));
        let stream = Box::new(Defective(ours, Rc::clone(&defect)));
        let running = rig.run(Exchange::new(stream, rig.config.limits));
        let [a, b] = [rig.send("a"), rig.send("b")];
        settle().await;
        defect.set(true);
        let _wakes = rig.send_with("c", Duration::from_secs(1), |_| {});
        assert!(running.end.await.expect_err("a defect").is_panic());
        let lost = a.await.expect("answered").expect_err("lost");
        assert_eq!(lost.outcome(), Outcome::Unknown);
        drop(peer);
        let (mut peer, _running) = rig.connect(1024);
        expect(&mut peer, &incr_wire("b")).await;
        expect(&mut peer, &incr_wire("c")).await;
        say(&mut peer, b":1\r\n").await;
        assert!(b.await.expect("answered").is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_time_for_an_attempt_beyond_what_the_clock_can_tell_is_as_good_as_none() {
    local(async {
        let policy = RetryPolicy::default().attempt_timeout(Some(Duration::MAX));
        let rig = Rig::new(|config| config.retry = policy.clone());
        let (mut peer, running) = rig.connect(1024);
        let endless = rig.send_with("a", Duration::from_secs(5), |request| {
            request.repeatable = true;
        });
        let other = rig.send("b");
        settle().await;
        assert!(!running.end.is_finished());
        expect(&mut peer, &incr_wire("a")).await;
        expect(&mut peer, &incr_wire("b")).await;
        say(&mut peer, b":1\r\n:2\r\n").await;
        assert!(endless.await.expect("answered").is_ok());
        assert!(other.await.expect("answered").is_ok());
    })
    .await;
}
