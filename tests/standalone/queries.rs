//! Typed replies, pipelines, large values and many calls at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix::Addr;
use bytes::Bytes;
use everlink::redis::config::Protocol;
use everlink::redis::{AnyRouter, Outcome, Standalone, Value, cmd, pipe};
use futures_util::future::join_all;

use crate::application::{Application, TestResult, serving};
use crate::support::redis_server::{RedisServer, RedisServerOptions};

const BOTH: [Protocol; 2] = [Protocol::Resp2, Protocol::Resp3];

async fn server() -> RedisServer {
    let options = RedisServerOptions::default().volatile();
    RedisServer::start(options).await.expect("a server")
}

fn router(application: &Application) -> Addr<Standalone> {
    match application.client.router() {
        AnyRouter::Standalone(router) => router.clone(),
        other => panic!("not a standalone router: {other:?}"),
    }
}

#[actix::test]
async fn single_values_arrive_as_the_type_asked_for_over_both_protocols() -> TestResult {
    for protocol in BOTH {
        let server = server().await;
        let application = Application::ready(serving(&server).protocol(protocol)).await?;
        let client = &application.client;
        client.query::<()>(cmd("SET").arg("n").arg(41)).await?;
        assert_eq!(client.query::<i64>(cmd("INCR").arg("n")).await?, 42);
        assert_eq!(client.query::<u8>(cmd("GET").arg("n")).await?, 42);
        let half = cmd("INCRBYFLOAT").arg("n").arg(0.5);
        assert_eq!(client.query::<f64>(half).await?, 42.5);
        client
            .query::<()>(cmd("ZADD").arg("z").arg(1.25).arg("m"))
            .await?;
        let score = cmd("ZSCORE").arg("z").arg("m");
        assert_eq!(client.query::<f64>(score).await?, 1.25);
        assert!(client.query::<bool>(cmd("EXISTS").arg("n")).await?);
        assert!(!client.query::<bool>(cmd("EXISTS").arg("none")).await?);

        let text = "grüße \r\n $3";
        client.query::<()>(cmd("SET").arg("t").arg(text)).await?;
        assert_eq!(client.query::<String>(cmd("GET").arg("t")).await?, text);
        let raw: Vec<u8> = (0..=255).collect();
        client
            .query::<()>(cmd("SET").arg("b").arg(&raw[..]))
            .await?;
        assert_eq!(client.query::<Bytes>(cmd("GET").arg("b")).await?, raw);
        let none: Option<String> = client.query(cmd("GET").arg("none")).await?;
        assert_eq!(none, None);
        let some: Option<String> = client.query(cmd("GET").arg("t")).await?;
        assert_eq!(some.as_deref(), Some(text));
        assert_eq!(client.call(cmd("GET").arg("none")).await?, Value::Nil);
    }
    Ok(())
}

#[actix::test]
async fn collections_arrive_as_the_type_asked_for_over_both_protocols() -> TestResult {
    for protocol in BOTH {
        let server = server().await;
        let application = Application::ready(serving(&server).protocol(protocol)).await?;
        let client = &application.client;
        client
            .query::<()>(cmd("RPUSH").arg("l").arg([1, 2, 3]))
            .await?;
        let list = cmd("LRANGE").arg("l").arg((0, -1));
        assert_eq!(client.query::<Vec<i64>>(list.clone()).await?, [1, 2, 3]);
        assert_eq!(
            client.query::<(u8, String, f64)>(list).await?,
            (1, "2".to_owned(), 3.0)
        );

        client
            .query::<()>(cmd("HSET").arg("h").arg((("a", 1), ("b", 2))))
            .await?;
        let map: HashMap<String, i64> = client.query(cmd("HGETALL").arg("h")).await?;
        assert_eq!(
            map,
            HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)])
        );
        let pairs: Vec<(String, i64)> = client.query(cmd("HGETALL").arg("h")).await?;
        assert_eq!(pairs.len(), 2);
        let some: Vec<Option<i64>> = client.query(cmd("HMGET").arg("h").arg(["b", "c"])).await?;
        assert_eq!(some, [Some(2), None]);

        client
            .query::<()>(cmd("SADD").arg("s").arg(["x", "y"]))
            .await?;
        let set: BTreeSet<String> = client.query(cmd("SMEMBERS").arg("s")).await?;
        assert_eq!(set, BTreeSet::from(["x".to_owned(), "y".to_owned()]));

        client
            .query::<()>(cmd("ZADD").arg("z").arg(((1.5, "m"), (2.5, "n"))))
            .await?;
        let scores = cmd("ZRANGE").arg("z").arg((0, -1, "WITHSCORES"));
        let scores: Vec<(String, f64)> = client.query(scores).await?;
        assert_eq!(scores, [("m".to_owned(), 1.5), ("n".to_owned(), 2.5)]);

        let script = "return {{1, 2}, {}, {3, {'four', false}}}";
        type Nested = (Vec<i64>, Vec<i64>, (i64, (String, Option<i64>)));
        let nested: Nested = client.query(cmd("EVAL").arg(script).arg(0)).await?;
        assert_eq!(nested, (vec![1, 2], vec![], (3, ("four".to_owned(), None))));
        client
            .query::<()>(cmd("XADD").arg("x").arg(("1-1", "f", "v")))
            .await?;
        let entries: Vec<(String, BTreeMap<String, String>)> =
            client.query(cmd("XRANGE").arg("x").arg(("-", "+"))).await?;
        let fields = BTreeMap::from([("f".to_owned(), "v".to_owned())]);
        assert_eq!(entries, [("1-1".to_owned(), fields)]);
    }
    Ok(())
}

#[actix::test]
async fn the_protocol_asked_for_is_the_one_spoken() -> TestResult {
    let server = server().await;
    for protocol in BOTH {
        let application = Application::ready(serving(&server).protocol(protocol)).await?;
        let setting = application.run(cmd("CONFIG GET").arg("port")).await?;
        // Only RESP3 has maps.
        let map = matches!(setting, Value::Map(_));
        assert_eq!(map, protocol == Protocol::Resp3, "{setting:?}");
    }
    Ok(())
}

#[actix::test]
async fn each_command_of_a_pipeline_has_its_own_result_in_the_callers_order() -> TestResult {
    let server = server().await;
    for protocol in BOTH {
        let application = Application::ready(serving(&server).protocol(protocol)).await?;
        let pipeline = || {
            pipe()
                .push(cmd("SET").arg("a").arg("text"))
                .push(cmd("INCR").arg("a"))
                .push(cmd("BLPOP").arg("a").arg(0))
                .push(cmd("GET").arg("a"))
        };
        let by_handle = application.client.pipeline(pipeline()).await;
        let by_message = router(&application).send(pipeline()).await?;
        for replies in [by_handle, by_message] {
            let mut results = replies.into_iter();
            let mut next = || results.next().expect("one result for each command");
            assert_eq!(next()?, Value::Simple("OK".into()));
            let refused = next().expect_err("not a number");
            assert_eq!(refused.outcome(), Outcome::Refused);
            assert_eq!(refused.command(), Some("INCR"));
            let unsuitable = next().expect_err("it would block the connection");
            assert_eq!(unsuitable.outcome(), Outcome::NotSent);
            assert_eq!(next()?, Value::Bulk("text".into()));
            assert!(results.next().is_none());
        }
        let replies = application.client.pipeline(pipe()).await;
        assert!(replies.is_empty());
    }
    Ok(())
}

#[actix::test]
async fn both_doors_lead_to_the_same_server() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let set = router(&application)
        .send(cmd("SET").arg("k").arg("v"))
        .await??;
    assert_eq!(set, Value::Simple("OK".into()));
    let value: String = application.client.query(cmd("GET").arg("k")).await?;
    assert_eq!(value, "v");

    // And a router that was opened by itself.
    let alone = Standalone::open(serving(&server))?;
    assert_eq!(
        alone.send(cmd("GET").arg("k")).await??,
        Value::Bulk("v".into())
    );
    Ok(())
}

#[actix::test]
async fn large_values_go_both_ways_unchanged() -> TestResult {
    let server = server().await;
    for protocol in BOTH {
        let application = Application::ready(serving(&server).protocol(protocol)).await?;
        let client = &application.client;
        let megabyte: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
        client
            .query::<()>(cmd("SET").arg("m").arg(&megabyte[..]))
            .await?;
        assert_eq!(client.query::<Bytes>(cmd("GET").arg("m")).await?, megabyte);

        client.query::<()>(cmd("DEL").arg("l")).await?;
        for _ in 0..20 {
            client
                .query::<()>(cmd("RPUSH").arg("l").arg(&megabyte[..]))
                .await?;
        }
        // Small calls beside the large reply get their own.
        let large = client.query::<Vec<Bytes>>(cmd("LRANGE").arg("l").arg((0, -1)));
        let small = join_all((0..100).map(|n| client.query::<u32>(cmd("ECHO").arg(n))));
        let (large, small) = tokio::join!(large, small);
        let large = large?;
        assert_eq!(large.len(), 20);
        assert!(large.iter().all(|part| part == &megabyte));
        for (n, echo) in (0..).zip(small) {
            assert_eq!(echo?, n);
        }
    }
    Ok(())
}

#[actix::test]
async fn values_that_are_not_copied_arrive_in_their_places() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let client = &application.client;
    // From a few bytes, which are copied, to what no socket takes at once; of each another byte.
    let sizes = [10, 4_096, 5_000, 60_000, 70_000, 3_000_000];
    let values: Vec<Bytes> = (0..60_u8)
        .map(|n| Bytes::from(vec![n; sizes[usize::from(n) % sizes.len()]]))
        .collect();
    let keys: Vec<String> = (0..values.len()).map(|n| format!("k{n}")).collect();
    let pairs: Vec<_> = keys.iter().zip(&values).collect();
    let (one, all) = pairs.split_at(20);
    // Of one command more pieces than are written at once; and one for each.
    client.query::<()>(cmd("MSET").arg(all)).await?;
    let sets = one
        .iter()
        .map(|pair| client.query::<()>(cmd("SET").arg(pair)));
    join_all(sets)
        .await
        .into_iter()
        .collect::<Result<(), _>>()?;
    let read: Vec<Bytes> = client.query(cmd("MGET").arg(&keys)).await?;
    assert!(read == values);
    // Where an argument that is held is the key.
    let long = Bytes::from(vec![b'k'; 5_000]);
    client.query::<()>(cmd("SET").arg((&long, 1))).await?;
    assert_eq!(client.query::<i64>(cmd("INCR").arg(&long[..])).await?, 2);
    Ok(())
}

#[actix::test]
async fn writes_and_replies_larger_than_the_sockets_buffers_do_not_block_each_other() -> TestResult
{
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let payload = vec![b'x'; 256 * 1024];
    let calls = (0..100).map(|_| {
        let client = application.client.clone();
        let echo = cmd("ECHO").arg(&payload[..]);
        async move { client.query::<Bytes>(echo).await.map(|echo| echo.len()) }
    });
    for length in join_all(calls).await {
        assert_eq!(length?, payload.len());
    }
    Ok(())
}

#[actix::test]
async fn ten_thousand_calls_at_once_each_get_their_own_reply() -> TestResult {
    let server = server().await;
    let application = Application::ready(serving(&server)).await?;
    let router = router(&application);
    let by_handle = (0..5_000_u32).map(|n| {
        let client = application.client.clone();
        async move { client.query::<u32>(cmd("ECHO").arg(n)).await }
    });
    let by_message = (5_000..10_000_u32).map(|n| router.send(cmd("ECHO").arg(n)));
    let (by_handle, by_message) = tokio::join!(join_all(by_handle), join_all(by_message));
    for (n, echo) in (0..).zip(by_handle) {
        assert_eq!(echo?, n);
    }
    for (n, echo) in (5_000..).zip(by_message) {
        assert_eq!(echo??, Value::Bulk(n.to_string().into()));
    }
    Ok(())
}
