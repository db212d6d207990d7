//! Replies of real servers, for the tests here: Redis 7.0.15, as they came.
//!
//! The cluster has three primaries (17101-17103) with a replica each (17104-17106); slot 0 was
//! being moved from 17101 to 17102 when the first ones were taken.

use proptest::prelude::*;

use crate::redis::value::{Value, Verbatim};

pub(super) const SLOTS_AT_FIRST: &str = "*3\r\n*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:17101\r\n$40\r\n37ef427b1ad4a29058028a3003573cde4dd87330\r\n*0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n*0\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$9\r\n127.0.0.1\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n*0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n*0\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n*0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n*0\r\n";

/// 17101 was killed; its replica 17104 took over.
pub(super) const SLOTS_AFTER_FAILOVER: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n*0\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$9\r\n127.0.0.1\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n*0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n*0\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n*0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n*0\r\n";

/// The same over RESP3.
pub(super) const SLOTS_AFTER_FAILOVER_RESP3: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n%0\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$9\r\n127.0.0.1\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n%0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n%0\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n%0\r\n*4\r\n$9\r\n127.0.0.1\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n%0\r\n";

/// Every live node but 17106 has `cluster-announce-hostname`; addresses are preferred.
pub(super) const SLOTS_HOSTNAMES_TOLD: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n*2\r\n$8\r\nhostname\r\n$18\r\nnode-17104.example\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$9\r\n127.0.0.1\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n*2\r\n$8\r\nhostname\r\n$18\r\nnode-17102.example\r\n*4\r\n$9\r\n127.0.0.1\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n*2\r\n$8\r\nhostname\r\n$18\r\nnode-17105.example\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n*2\r\n$8\r\nhostname\r\n$18\r\nnode-17103.example\r\n*4\r\n$9\r\n127.0.0.1\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n*0\r\n";

/// `cluster-preferred-endpoint-type hostname`; 17106 has none. RESP2.
pub(super) const SLOTS_HOSTNAMES: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$18\r\nnode-17104.example\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$18\r\nnode-17102.example\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n$18\r\nnode-17105.example\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$18\r\nnode-17103.example\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n$1\r\n?\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n";

/// The same over RESP3.
pub(super) const SLOTS_HOSTNAMES_RESP3: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$18\r\nnode-17104.example\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$18\r\nnode-17102.example\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n$18\r\nnode-17105.example\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$18\r\nnode-17103.example\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n*4\r\n$1\r\n?\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n";

/// `cluster-preferred-endpoint-type unknown-endpoint`. RESP2.
pub(super) const SLOTS_UNKNOWN: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n$-1\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17104.example\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n$-1\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17102.example\r\n*4\r\n$-1\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17105.example\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n$-1\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n*4\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17103.example\r\n*4\r\n$-1\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n*2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n";

/// The same over RESP3.
pub(super) const SLOTS_UNKNOWN_RESP3: &str = "*3\r\n*3\r\n:0\r\n:5460\r\n*4\r\n_\r\n:17104\r\n$40\r\n5731b02a3440d17fe5833ee02e40803d1e13e620\r\n%2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17104.example\r\n*4\r\n:5461\r\n:10922\r\n*4\r\n_\r\n:17102\r\n$40\r\nde36055b10f3702aa0b754096b63afc3f034aec4\r\n%2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17102.example\r\n*4\r\n_\r\n:17105\r\n$40\r\n9acfe6f601f5255d2b3cff1e51a8d5f697746c70\r\n%2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17105.example\r\n*4\r\n:10923\r\n:16383\r\n*4\r\n_\r\n:17103\r\n$40\r\n7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4\r\n%2\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nhostname\r\n$18\r\nnode-17103.example\r\n*4\r\n_\r\n:17106\r\n$40\r\n198211e7032a840d99cbcde180793e90dbd61641\r\n%1\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n";

/// One node that owns a few slots and was never met by another: it does not know its address.
pub(super) const SLOTS_LONE: &str = "*3\r\n*3\r\n:0\r\n:99\r\n*4\r\n$0\r\n\r\n:17111\r\n$40\r\n4a42d460b2c1cef469e2dc54bde4e13bf3602dc9\r\n*0\r\n*3\r\n:200\r\n:299\r\n*4\r\n$0\r\n\r\n:17111\r\n$40\r\n4a42d460b2c1cef469e2dc54bde4e13bf3602dc9\r\n*0\r\n*3\r\n:16383\r\n:16383\r\n*4\r\n$0\r\n\r\n:17111\r\n$40\r\n4a42d460b2c1cef469e2dc54bde4e13bf3602dc9\r\n*0\r\n";

pub(super) const NODES_AT_FIRST: &str = "\
9acfe6f601f5255d2b3cff1e51a8d5f697746c70 127.0.0.1:17105@27105 slave de36055b10f3702aa0b754096b63afc3f034aec4 0 1795232203848 2 connected
5731b02a3440d17fe5833ee02e40803d1e13e620 127.0.0.1:17104@27104 slave 37ef427b1ad4a29058028a3003573cde4dd87330 0 1795232203848 1 connected
198211e7032a840d99cbcde180793e90dbd61641 127.0.0.1:17106@27106 slave 7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 0 1795232204049 3 connected
de36055b10f3702aa0b754096b63afc3f034aec4 127.0.0.1:17102@27102 master - 0 1795232203647 2 connected 5461-10922
7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 127.0.0.1:17103@27103 master - 0 1795232203647 3 connected 10923-16383
37ef427b1ad4a29058028a3003573cde4dd87330 127.0.0.1:17101@27101 myself,master - 0 1795232203000 1 connected 0-5460 [0->-de36055b10f3702aa0b754096b63afc3f034aec4]
";

/// 17101 was killed; its replica 17104 took over.
pub(super) const NODES_AFTER_FAILOVER: &str = "\
37ef427b1ad4a29058028a3003573cde4dd87330 127.0.0.1:17101@27101 master,fail - 1795232205291 1795232204689 1 disconnected
198211e7032a840d99cbcde180793e90dbd61641 127.0.0.1:17106@27106 slave 7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 0 1795232209318 3 connected
5731b02a3440d17fe5833ee02e40803d1e13e620 127.0.0.1:17104@27104 master - 0 1795232209000 7 connected 0-5460
7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 127.0.0.1:17103@27103 master - 0 1795232209217 3 connected 10923-16383
9acfe6f601f5255d2b3cff1e51a8d5f697746c70 127.0.0.1:17105@27105 slave de36055b10f3702aa0b754096b63afc3f034aec4 0 1795232209117 2 connected
de36055b10f3702aa0b754096b63afc3f034aec4 127.0.0.1:17102@27102 myself,master - 0 1795232208000 2 connected 5461-10922
";

/// Every live node but 17106 has `cluster-announce-hostname`. The same lines come under each
/// `cluster-preferred-endpoint-type`.
pub(super) const NODES_HOSTNAMES: &str = "\
37ef427b1ad4a29058028a3003573cde4dd87330 127.0.0.1:17101@27101 master,fail - 1795232205291 1795232204689 1 disconnected
198211e7032a840d99cbcde180793e90dbd61641 127.0.0.1:17106@27106 slave 7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 0 1795232384723 3 connected
5731b02a3440d17fe5833ee02e40803d1e13e620 127.0.0.1:17104@27104,node-17104.example master - 0 1795232384623 7 connected 0-5460
7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 127.0.0.1:17103@27103,node-17103.example master - 0 1795232384825 3 connected 10923-16383
9acfe6f601f5255d2b3cff1e51a8d5f697746c70 127.0.0.1:17105@27105,node-17105.example slave de36055b10f3702aa0b754096b63afc3f034aec4 0 1795232384522 2 connected
de36055b10f3702aa0b754096b63afc3f034aec4 127.0.0.1:17102@27102,node-17102.example myself,master - 0 1795232384000 2 connected 5461-10922
";

/// 17103 was stopped for a second: the asked node alone suspects it.
pub(super) const NODES_SUSPECTED: &str = "7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4 127.0.0.1:17103@27103 master,fail? - 1795232376050 1795232375243 3 connected 10923-16383\n";

/// The other side of the migration in [`NODES_AT_FIRST`].
pub(super) const NODES_IMPORTING: &str = "de36055b10f3702aa0b754096b63afc3f034aec4 127.0.0.1:17102@27102 myself,master - 0 1795232203000 2 connected 5461-10922 [0-<-37ef427b1ad4a29058028a3003573cde4dd87330]\n";

/// A node that was never met by another, told to meet one that is not there.
pub(super) const NODES_LONE: &str = "\
4a42d460b2c1cef469e2dc54bde4e13bf3602dc9 :17111@27111 myself,master - 0 0 0 connected 0-99 200-299 16383
5cf22728ab292a6e3ae35e41c1c80d0b19dd7958 127.0.0.1:17999@27999 handshake - 0 0 0 disconnected
";

/// Decodes what a server sent.
pub(super) fn decode(wire: &'static str) -> Value {
    fn one(rest: &mut &'static str) -> Value {
        let (line, after) = rest.split_once("\r\n").expect("a whole line");
        *rest = after;
        let (kind, line) = line.split_at(1);
        let number = || line.parse::<i64>().expect("a number");
        let mut take = |length: i64| {
            let (text, after) = rest.split_at(length.try_into().expect("a length"));
            *rest = after.strip_prefix("\r\n").expect("the end of a string");
            text
        };
        match kind {
            "_" => Value::Nil,
            ":" => Value::Int(number()),
            "$" if line == "-1" => Value::Nil,
            "$" => Value::Bulk(take(number()).into()),
            "=" => Value::Verbatim(Box::new(Verbatim {
                format: *b"txt",
                text: take(number())[4..].into(),
            })),
            "*" => Value::Array((0..number()).map(|_| one(rest)).collect()),
            "%" => Value::Map((0..number()).map(|_| (one(rest), one(rest))).collect()),
            other => panic!("{other} is not in these replies"),
        }
    }
    let mut rest = wire;
    let value = one(&mut rest);
    assert_eq!(rest, "", "nothing follows the reply");
    value
}

pub(super) fn bulk(text: &'static str) -> Value {
    Value::Bulk(text.into())
}

/// Values shaped somewhat like the reply, wrong in any place.
pub(super) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        (-2i64..20_000).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|b| Value::Bulk(b.into())),
        "[a-z?:]{0,4}|ip|hostname".prop_map(|s: String| Value::Bulk(s.into())),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            1 => prop::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}
