//! Proves that the fixtures of the other tests do what they say, on real servers and sockets.

#[path = "fixtures/clusters.rs"]
mod clusters;
#[path = "fixtures/fake_nodes.rs"]
mod fake_nodes;
mod heard;
#[path = "fixtures/lives.rs"]
mod lives;
#[path = "fixtures/proxies.rs"]
mod proxies;
#[path = "fixtures/servers.rs"]
mod servers;
mod support;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use support::fake_node::FakeNode;
use support::fault_proxy::{Ending, FaultProxy};
use support::ports::{BUS_OFFSET, Port};
use support::raw::{Reply, take_command, take_reply};
use support::redis_cluster::RedisCluster;

/// Long enough to see that nothing comes, short enough to wait for.
pub(crate) const MOMENT: Duration = Duration::from_millis(150);

pub(crate) fn simple(text: &str) -> Reply {
    Reply::Simple(text.to_owned())
}

pub(crate) fn error(text: &str) -> Reply {
    Reply::Error(text.to_owned())
}

pub(crate) fn bulk(text: &str) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn reserved_ports_are_never_given_twice() {
    let ports: Vec<Port> = (0..200)
        .map(|_| Port::reserve().expect("200 ports are free"))
        .collect();
    let mut numbers: Vec<u16> = ports
        .iter()
        .flat_map(|port| [port.number(), port.number() + BUS_OFFSET])
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 400);
}

#[test]
fn the_parser_takes_only_whole_replies_and_leaves_the_rest() {
    let whole = b"*3\r\n$2\r\nhi\r\n:-7\r\n$-1\r\n+next\r\n";
    for end in 0..whole.len() - 7 {
        let mut part = BytesMut::from(&whole[..end]);
        assert_eq!(take_reply(&mut part).expect("no malformed bytes"), None);
        assert_eq!(part.len(), end);
    }
    let mut buffer = BytesMut::from(&whole[..]);
    let first = take_reply(&mut buffer).expect("no malformed bytes");
    let expected = Reply::Array(vec![bulk("hi"), Reply::Int(-7), Reply::Nil]);
    assert_eq!(first, Some(expected));
    let second = take_reply(&mut buffer).expect("no malformed bytes");
    assert_eq!(second, Some(simple("next")));
    let mut inline = BytesMut::from("PING  hello\r\n");
    let words = take_command(&mut inline)
        .expect("a line")
        .expect("complete");
    assert_eq!(words, ["PING", "hello"]);
    assert!(take_reply(&mut BytesMut::from("!bad\r\n")).is_err());
}

/// The demo runs fixtures in spawned tasks.
#[test]
fn what_the_fixtures_do_can_run_in_a_spawned_task() {
    fn sent<T: Send>(_: &T) {}
    fn check(cluster: &RedisCluster, node: &FakeNode, proxy: &FaultProxy) {
        sent(&cluster.wait_ok());
        sent(&cluster.restart(0));
        sent(&cluster.kill9(0));
        sent(&cluster.reshard(0, 1, 1));
        sent(&cluster.wait_for_promotion(0, 0));
        sent(&node.stop());
        sent(&proxy.end_all(Ending::Reset));
    }
    let _ = check;
}
