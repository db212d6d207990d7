//! What a server sends unasked when a slot with sharded subscriptions moves away.

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::cmd;
use everlink::redis::config::Protocol;
use futures_util::future::join_all;

use crate::application::{Application, TestResult, standalone};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode};
use crate::support::replies;

/// It comes while nothing is in flight. RESP3 tells it by its type at any time; for RESP2 only what
/// nobody waits for can be told from a reply.
#[actix::test]
async fn an_unsolicited_sunsubscribe_shifts_no_reply() -> TestResult {
    for protocol in [Protocol::Resp3, Protocol::Resp2] {
        let parts = || {
            [
                replies::bulk("sunsubscribe"),
                replies::bulk("c"),
                replies::int(0),
            ]
        };
        let unasked = match protocol {
            Protocol::Resp3 => replies::push(parts()),
            _ => replies::array(parts()),
        };
        let script = Answers::new().on("ECHO", |received| {
            Action::reply(replies::bulk(received.text(1)))
        });
        let node = FakeNode::start(script.script())?;
        let application = Application::ready(standalone(node.port()).protocol(protocol)).await?;
        let client = &application.client;
        for round in 1..=3 {
            node.push_all(unasked.clone());
            if protocol == Protocol::Resp2 {
                // It cannot be told from a reply: the connection is not to be trusted any more.
                let down = application.told("disconnected", round).await;
                let protocol_error = matches!(&down, EventKind::Disconnected { cause }
                    if cause.kind() == CauseKind::Protocol);
                assert!(protocol_error, "{down}");
            }
            let calls = (0..100_u32).map(|n| client.query::<u32>(cmd("ECHO").arg(n)));
            for (n, echo) in (0..).zip(join_all(calls).await) {
                assert_eq!(echo?, n, "{protocol:?}");
            }
        }
        if protocol == Protocol::Resp3 {
            assert_eq!(application.count("disconnected"), 0);
        }
    }
    Ok(())
}
