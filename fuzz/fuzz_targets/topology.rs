//! What a node says of its cluster may be anything: no panic, and the map is consistent.
#![no_main]

use bytes::{Bytes, BytesMut};
use everlink::endpoint::Endpoint;
use everlink::redis::cluster::{ClusterView, SlotMap};
use everlink::redis::resp::{Decoder, Reply, ReplyLimits};
use everlink::redis::{Slot, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (slots, nodes) = input;
    let mut buffer = BytesMut::from(slots);
    let Ok(Some(Reply::Value(slots))) = Decoder::new(ReplyLimits::default()).decode(&mut buffer)
    else {
        return;
    };
    let asked = Endpoint::tcp("127.0.0.1", 7000);
    let nodes = Value::Bulk(Bytes::copy_from_slice(nodes));
    for nodes in [None, Some(&nodes)] {
        let Ok(view) = ClusterView::from_replies(&slots, nodes, &asked, &|endpoint| endpoint)
        else {
            continue;
        };
        let map = SlotMap::from_view(&view);
        assert_eq!(map.diff(&map), 0);
        let covered = (0..16_384)
            .filter_map(Slot::new)
            .filter(|slot| map.endpoint(*slot).is_some())
            .count();
        assert_eq!(covered as u32 + map.uncovered(), 16_384);
    }
});
