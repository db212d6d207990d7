//! What one node reported about its cluster: [`ClusterView`].

use std::collections::HashSet;

use super::gathering::Gathering;
use super::nodes_reply::{self, MAX_NODES, NodesReplyError};
use super::slots_reply::{SlotsReply, SlotsReplyError};
use super::view_node::{NodeId, Role, ViewNode};
use crate::endpoint::Endpoint;
use crate::redis::slot::Slot;
use crate::redis::value::Value;

/// A cluster as one of its nodes sees it: its nodes and who owns which slots. Another node may see
/// it otherwise; the [epoch](Self::epoch) tells which of two views is older.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    nodes: Vec<ViewNode>,
    ranges: Vec<SlotRange>,
    epoch: Option<u64>,
}

/// Slots and who owns them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotRange {
    /// The first slot.
    pub start: Slot,
    /// The last slot; it belongs to the range.
    pub end: Slot,
    /// The owner: one of the view's nodes.
    pub primary: NodeId,
}

/// A node's report that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The reply of `CLUSTER SLOTS`.
    #[error("malformed reply of CLUSTER SLOTS: {0}")]
    Slots(#[from] SlotsReplyError),
    /// The reply of `CLUSTER NODES`.
    #[error("malformed reply of CLUSTER NODES: {0}")]
    Nodes(#[from] NodesReplyError),
    /// More nodes than any cluster has.
    #[error("more than {0} nodes")]
    TooManyNodes(usize),
}

impl ClusterView {
    /// From the reply of `CLUSTER SLOTS` and, if the user may call it, that of `CLUSTER NODES`.
    ///
    /// `asked` is the endpoint of the node that answered: it stands for hosts that are null or
    /// empty. Every endpoint passes through `map`, the user's endpoint map; so `asked` should be
    /// what was dialled before it was mapped.
    ///
    /// Nodes that cannot be dialled (host unknown, port 0) are left out, and the slots of such a
    /// primary have no owner.
    ///
    /// # Errors
    ///
    /// A reply that is not well formed, or larger than any cluster's.
    pub fn from_replies(
        slots: &Value,
        nodes: Option<&Value>,
        asked: &Endpoint,
        map: &dyn Fn(Endpoint) -> Endpoint,
    ) -> Result<Self, ViewError> {
        let slots = SlotsReply::parse(slots)?;
        let lines = nodes.map(nodes_reply::parse).transpose()?;
        let listed = lines.as_deref().unwrap_or_default();
        let mut gathering = Gathering::new(&slots, listed, asked, map);
        let mut ranges = Vec::with_capacity(slots.ranges.len());
        for range in &slots.ranges {
            let Some((owner, replicas)) = range.nodes.split_first() else {
                continue;
            };
            let primary = gathering.take_reported(owner, Role::Primary);
            for replica in replicas {
                let of = primary.clone();
                gathering.take_reported(replica, Role::Replica { of });
            }
            if let Some(primary) = primary {
                ranges.push(SlotRange {
                    start: range.start,
                    end: range.end,
                    primary,
                });
            }
        }
        for line in listed {
            gathering.take_listed(line);
        }
        let nodes = gathering.into_nodes();
        if nodes.len() > MAX_NODES {
            return Err(ViewError::TooManyNodes(MAX_NODES));
        }
        let epoch = lines.is_some().then(|| epoch_of_owners(&nodes, &ranges));
        Ok(Self {
            nodes,
            ranges,
            epoch,
        })
    }

    /// The nodes, those that serve slots first.
    pub fn nodes(&self) -> &[ViewNode] {
        &self.nodes
    }

    /// Who owns which slots, as reported: if ranges overlap, the last one counts.
    pub fn ranges(&self) -> &[SlotRange] {
        &self.ranges
    }

    /// The highest configuration epoch of a primary that owns slots; 0 if none does. It grows with
    /// every failover and every migrated slot. Nodes without slots do not count: a node that is
    /// forgotten must not take the epoch with it. None if `CLUSTER NODES` was not available.
    pub fn epoch(&self) -> Option<u64> {
        self.epoch
    }
}

fn epoch_of_owners(nodes: &[ViewNode], ranges: &[SlotRange]) -> u64 {
    let owners: HashSet<_> = ranges.iter().map(|range| &range.primary).collect();
    nodes
        .iter()
        .filter(|node| owners.contains(&node.id))
        .filter_map(|node| node.config_epoch)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::captured::{self, any_value, bulk, decode};
    use super::*;

    const NODE_1: &str = "37ef427b1ad4a29058028a3003573cde4dd87330";
    const NODE_3: &str = "7d8bd4a0b324d04d1e5d1cc89c1db9e01e6961e4";
    const NODE_4: &str = "5731b02a3440d17fe5833ee02e40803d1e13e620";
    const NODE_6: &str = "198211e7032a840d99cbcde180793e90dbd61641";

    fn asked() -> Endpoint {
        Endpoint::tcp("seed.example", 17102)
    }

    fn view(slots: &'static str, nodes: Option<&'static str>) -> ClusterView {
        let nodes = nodes.map(bulk);
        ClusterView::from_replies(&decode(slots), nodes.as_ref(), &asked(), &|e| e)
            .expect("a real reply")
    }

    fn node<'a>(view: &'a ClusterView, id: &str) -> &'a ViewNode {
        view.nodes()
            .iter()
            .find(|node| node.id.as_str() == id)
            .expect(id)
    }

    fn endpoints(view: &ClusterView) -> Vec<String> {
        let mut all: Vec<_> = view
            .nodes()
            .iter()
            .map(|n| n.endpoint.to_string())
            .collect();
        all.sort();
        all
    }

    fn owners(view: &ClusterView) -> Vec<(u16, u16, &str)> {
        let ranges = view.ranges().iter();
        ranges
            .map(|r| (r.start.get(), r.end.get(), r.primary.as_str()))
            .collect()
    }

    #[test]
    fn matches_both_replies_by_id() {
        let view = view(
            captured::SLOTS_AFTER_FAILOVER,
            Some(captured::NODES_AFTER_FAILOVER),
        );
        assert_eq!(view.nodes().len(), 6);
        assert_eq!(owners(&view)[0], (0, 5460, NODE_4));
        assert_eq!(view.epoch(), Some(7));
        let new = node(&view, NODE_4);
        assert_eq!((&new.role, new.failed), (&Role::Primary, false));
        let killed = node(&view, NODE_1);
        assert_eq!(killed.endpoint, Endpoint::tcp("127.0.0.1", 17101));
        assert_eq!(
            (&killed.role, killed.config_epoch),
            (&Role::Primary, Some(1))
        );
        assert_eq!((killed.failed, killed.link_up), (true, false));
        let of = Some(NODE_3.into());
        assert_eq!(node(&view, NODE_6).role, Role::Replica { of });
    }

    #[test]
    fn slots_alone_make_a_view_without_epochs() {
        let both = view(
            captured::SLOTS_AFTER_FAILOVER,
            Some(captured::NODES_AFTER_FAILOVER),
        );
        let alone = view(captured::SLOTS_AFTER_FAILOVER, None);
        assert_eq!(alone.ranges(), both.ranges());
        assert_eq!((alone.epoch(), alone.nodes().len()), (None, 5));
        for node in alone.nodes() {
            assert_eq!(
                (node.config_epoch, node.failed, node.link_up),
                (None, false, true)
            );
            assert!(
                both.nodes()
                    .iter()
                    .any(|n| n.id == node.id && n.role == node.role)
            );
        }
    }

    #[test]
    fn a_failed_node_keeps_the_kind_of_name_it_had() {
        // 17101 died before it was given a host name, 17106 has none: their addresses serve.
        let names = ["node-17102", "node-17103", "node-17104", "node-17105"].map(|name| {
            let port = name.strip_prefix("node-").expect("the prefix");
            format!("{name}.example:{port}")
        });
        let mut expected = vec!["127.0.0.1:17101".to_owned(), "127.0.0.1:17106".to_owned()];
        expected.extend(names);
        let by_name = view(captured::SLOTS_HOSTNAMES, Some(captured::NODES_HOSTNAMES));
        assert_eq!(endpoints(&by_name), expected);
        let addresses = [1, 2, 3, 4, 5, 6].map(|n| format!("127.0.0.1:1710{n}"));
        let by_address = view(
            captured::SLOTS_HOSTNAMES_TOLD,
            Some(captured::NODES_HOSTNAMES),
        );
        assert_eq!(endpoints(&by_address), addresses);

        // A node with a host name that serves nothing is named by it.
        let idle = "a 10.0.0.1:1@2,idle.example master,fail - 0 0 1 disconnected\n";
        for (slots, expected) in [
            (captured::SLOTS_HOSTNAMES, "idle.example:1"),
            (captured::SLOTS_HOSTNAMES_TOLD, "10.0.0.1:1"),
            (captured::SLOTS_UNKNOWN, "seed.example:1"),
        ] {
            let view = view(slots, Some(idle));
            assert_eq!(node(&view, "a").endpoint.to_string(), expected);
        }
    }

    #[test]
    fn a_node_without_a_host_name_is_at_its_address() {
        let alone = view(captured::SLOTS_HOSTNAMES, None);
        let endpoint = Endpoint::tcp("127.0.0.1", 17106);
        assert_eq!(node(&alone, NODE_6).endpoint, endpoint);
    }

    #[test]
    fn whoever_owns_slots_is_a_primary() {
        // `h:1` owns slot 0; `h:2` copies it, and owns slot 1.
        let slots = "*2\r\n*4\r\n:0\r\n:0\r\n*3\r\n$1\r\nh\r\n:1\r\n$1\r\na\r\n*3\r\n$1\r\nh\r\n:2\r\n$1\r\nb\r\n*3\r\n:1\r\n:1\r\n*3\r\n$1\r\nh\r\n:2\r\n$1\r\nb\r\n";
        let nodes = "a h:1@2 slave b 0 0 3 connected\nb h:2@3 slave a 0 0 3 connected\n";
        for view in [view(slots, None), view(slots, Some(nodes))] {
            assert!(view.nodes().iter().all(|node| node.role == Role::Primary));
        }
    }

    #[test]
    fn a_node_without_slots_does_not_raise_the_epoch() {
        let idle = "a h:1@2 master - 0 0 99 connected\n";
        let nodes = Value::Bulk(format!("{}{idle}", captured::NODES_AFTER_FAILOVER).into());
        let slots = decode(captured::SLOTS_AFTER_FAILOVER);
        let view = ClusterView::from_replies(&slots, Some(&nodes), &asked(), &|e| e);
        assert_eq!(view.expect("well formed").epoch(), Some(7));
    }

    #[test]
    fn an_unknown_endpoint_is_at_the_asked_host() {
        let view = view(captured::SLOTS_UNKNOWN, Some(captured::NODES_HOSTNAMES));
        let expected = [1, 2, 3, 4, 5, 6].map(|n| format!("seed.example:1710{n}"));
        assert_eq!(endpoints(&view), expected);
    }

    #[test]
    fn a_lone_node_is_at_the_asked_host_and_leaves_slots_uncovered() {
        let view = view(captured::SLOTS_LONE, Some(captured::NODES_LONE));
        assert_eq!(endpoints(&view), ["127.0.0.1:17999", "seed.example:17111"]);
        let ranges: Vec<_> = owners(&view).iter().map(|r| (r.0, r.1)).collect();
        assert_eq!(ranges, [(0, 99), (200, 299), (16383, 16383)]);
        assert!(view.nodes()[1].failed, "it never answered the handshake");
        assert_eq!(view.epoch(), Some(0));
    }

    #[test]
    fn an_empty_cluster_is_an_empty_view() {
        let view = view("*0\r\n", None);
        assert!(view.nodes().is_empty() && view.ranges().is_empty());
    }

    #[test]
    fn nodes_without_ids_are_matched_by_endpoint() {
        let slots = "*1\r\n*4\r\n:0\r\n:9\r\n*2\r\n$1\r\nh\r\n:1\r\n*2\r\n$1\r\nh\r\n:2\r\n";
        let alone = view(slots, None);
        assert_eq!(owners(&alone), [(0, 9, "h:1")]);
        let of = Some("h:1".into());
        assert_eq!(node(&alone, "h:2").role, Role::Replica { of });
        // `c` was at `h:1` before `a`.
        let nodes = "a h:1 master - 0 0 5 connected 0-9\nb h:2 slave a 0 0 5 connected\nc h:1 master,fail - 0 0 9 disconnected\n";
        let both = view(slots, Some(nodes));
        assert_eq!(owners(&both), [(0, 9, "a")]);
        assert_eq!((both.nodes().len(), both.epoch()), (3, Some(5)));
    }

    #[test]
    fn what_cannot_be_dialled_is_left_out() {
        // Host unknown and no metadata; port 0.
        let slots = "*2\r\n*3\r\n:0\r\n:0\r\n*3\r\n$1\r\n?\r\n:1\r\n$1\r\na\r\n*3\r\n:1\r\n:1\r\n*3\r\n$1\r\nh\r\n:0\r\n$1\r\nb\r\n";
        let alone = view(slots, None);
        assert!(alone.nodes().is_empty() && alone.ranges().is_empty());
        let nodes =
            "a 10.0.0.1:1@2 master - 0 0 1 connected\nb :0@0 master,noaddr - 0 0 9 disconnected\n";
        let both = view(slots, Some(nodes));
        assert_eq!(owners(&both), [(0, 0, "a")]);
        assert_eq!(endpoints(&both), ["10.0.0.1:1"]);
        assert_eq!(both.epoch(), Some(1));
    }

    #[test]
    fn every_endpoint_passes_through_the_map() {
        let to_proxy = |e: Endpoint| Endpoint::tcp("proxy", e.port().expect("tcp") + 1000);
        let nodes = bulk(captured::NODES_AFTER_FAILOVER);
        let slots = decode(captured::SLOTS_AFTER_FAILOVER);
        let view = ClusterView::from_replies(&slots, Some(&nodes), &asked(), &to_proxy)
            .expect("a real reply");
        let expected = [1, 2, 3, 4, 5, 6].map(|n| format!("proxy:1810{n}"));
        assert_eq!(endpoints(&view), expected);
    }

    #[test]
    fn names_the_malformed_reply() {
        let slots = decode(captured::SLOTS_LONE);
        let read = |slots, nodes| {
            ClusterView::from_replies(slots, nodes, &asked(), &|e| e)
                .expect_err("malformed")
                .to_string()
        };
        assert_eq!(
            read(&Value::Nil, None),
            "malformed reply of CLUSTER SLOTS: expected a list of slot ranges, got nil"
        );
        assert_eq!(
            read(&slots, Some(&bulk("x"))),
            "malformed reply of CLUSTER NODES: line 1: address is missing or malformed"
        );
    }

    proptest! {
        #[test]
        fn any_replies_are_read_without_a_panic(
            slots in any_value(),
            host in any_value(),
            nodes in "([a-c] [h?:]{0,2}:[0-9]@1(,[a-z]?)? (master|slave|fail|myself)(,noaddr)? [a-c-] 0 0 [0-9] connected\n){0,4}",
        ) {
            let nodes = Value::Bulk(nodes.into());
            let _ = ClusterView::from_replies(&slots, Some(&nodes), &asked(), &|e| e);
            let id = Value::Bulk("a".into());
            let node = Value::Array(vec![host, Value::Int(1), id, slots]);
            let range = Value::Array(vec![Value::Int(0), Value::Int(1), node]);
            let slots = Value::Array(vec![range]);
            let _ = ClusterView::from_replies(&slots, Some(&nodes), &asked(), &|e| e);
        }
    }
}
