//! The one timer of a connection wakes it, whatever else its task has done.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use tokio::task::coop::{consume_budget, has_budget_remaining};
use tokio::time::timeout;

use crate::redis::connection::rig::{Rig, local};
use crate::redis::error::ErrorKind;

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_that_is_noted_when_the_task_has_used_up_its_share() {
    local(async {
        let rig = Rig::new(|_| {});
        let (ours, _peer) = tokio::io::duplex(1024);
        let mut pump = Box::pin(rig.pump(ours));
        let call = rig.send_with("k", Duration::from_millis(50), |_| {});
        let mut turns = 0;
        let _running = tokio::task::spawn_local(poll_fn(move |cx| {
            turns += 1;
            while turns == 1 && has_budget_remaining() {
                let _ = pin!(consume_budget()).poll(cx);
            }
            pump.as_mut().poll(cx)
        }));
        let answer = timeout(Duration::from_secs(600), call).await;
        let error = answer.expect("it ends").expect("answered");
        let error = error.expect_err("the peer is silent");
        assert!(matches!(error.kind(), ErrorKind::Deadline(_)), "{error}");
    })
    .await;
}
