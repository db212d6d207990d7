//! Replies with very many elements, in very many pieces.

use everlink::redis::cmd;
use everlink::redis::config::Protocol;
use futures_util::future::join_all;

use crate::application::{Application, SOON, TestResult, standalone};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::volatile;

/// A decoder that began anew with each piece would look at 15 billion elements.
const ELEMENTS: u64 = 300_000;
const PIECE: usize = 1000;

#[actix::test]
async fn a_reply_of_very_many_elements_in_small_pieces_costs_no_more_than_its_length() -> TestResult
{
    let server = volatile().await;
    let proxy = FaultProxy::start(server.port())?;
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let config = standalone(proxy.port()).protocol(protocol);
        let application = Application::ready(config).await?;
        let client = &application.client;
        let fill = "redis.call('DEL', KEYS[1]) \
                    for n = 1, ARGV[1] do redis.call('RPUSH', KEYS[1], n) end";
        let eval = cmd("EVAL").arg(fill).arg((1, "l", ELEMENTS));
        application.run(eval).await?;
        proxy.split(Way::ToClient, PIECE);
        let many = cmd("LRANGE").arg("l").arg((0, -1)).timeout(SOON);
        let small = join_all((0..100_u32).map(|n| client.query::<u32>(cmd("ECHO").arg(n))));
        let (many, small) = tokio::join!(client.query::<Vec<u64>>(many), small);
        assert!(many?.into_iter().eq(1..=ELEMENTS));
        for (n, echo) in (0..).zip(small) {
            assert_eq!(echo?, n);
        }
        proxy.heal();
        assert_eq!(application.count("disconnected"), 0);
    }
    Ok(())
}
