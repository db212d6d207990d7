//! Which node owns which slot: [`SlotMap`].

use std::collections::HashMap;
use std::sync::Arc;

use super::view::ClusterView;
use crate::endpoint::Endpoint;
use crate::redis::slot::Slot;

/// Stands where a slot has no owner.
const NOBODY: u16 = u16::MAX;

/// Nodes in one map: enough for one per slot and as many again, learnt from redirects.
const MAX_NODES: usize = 2 * Slot::COUNT;

/// Who owns each of the 16,384 slots. Immutable and 32 KiB in size; a clone shares it.
#[derive(Debug, Clone)]
pub struct SlotMap {
    owners: Arc<[u16; Slot::COUNT]>,
    nodes: Arc<[Endpoint]>,
}

/// A node in a [`SlotMap`]. It means the same node in the map it came from and in those patched
/// from that one; in others, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeIndex(u16);

impl NodeIndex {
    /// The position in [`SlotMap::nodes`].
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl SlotMap {
    /// The map of an unknown cluster: no nodes, no slot covered.
    pub fn empty() -> Self {
        Self {
            owners: Arc::new([NOBODY; Slot::COUNT]),
            nodes: Arc::default(),
        }
    }

    /// The map a node reported. Its nodes are the owners of slots, in the order of the view; nodes
    /// at the same endpoint are one. Where ranges overlap, the last one counts.
    pub fn from_view(view: &ClusterView) -> Self {
        let endpoints: HashMap<_, _> = view
            .nodes()
            .iter()
            .map(|node| (&node.id, &node.endpoint))
            .collect();
        let mut owners = [NOBODY; Slot::COUNT];
        let mut nodes: Vec<Endpoint> = Vec::new();
        let mut indices: HashMap<&Endpoint, u16> = HashMap::new();
        for range in view.ranges() {
            let Some(&endpoint) = endpoints.get(&range.primary) else {
                continue;
            };
            let index = match indices.get(endpoint) {
                Some(&index) => index,
                None => {
                    let index = index_after(&nodes);
                    nodes.push(endpoint.clone());
                    indices.insert(endpoint, index);
                    index
                }
            };
            owners[usize::from(range.start.get())..=usize::from(range.end.get())].fill(index);
        }
        Self {
            owners: Arc::new(owners),
            nodes: nodes.into(),
        }
    }

    /// The owner of a slot. None while it is uncovered.
    pub fn owner(&self, slot: Slot) -> Option<NodeIndex> {
        let index = self.owners[usize::from(slot.get())];
        (index != NOBODY).then_some(NodeIndex(index))
    }

    /// The endpoint of a slot's owner. None while it is uncovered.
    pub fn endpoint(&self, slot: Slot) -> Option<&Endpoint> {
        self.nodes.get(self.owner(slot)?.get())
    }

    /// The nodes; [`NodeIndex::get`] is a position here. In a patched map some may own no slot.
    pub fn nodes(&self) -> &[Endpoint] {
        &self.nodes
    }

    /// The nodes that own at least one slot, each once.
    pub fn owners(&self) -> impl Iterator<Item = &Endpoint> {
        let mut owning = vec![false; self.nodes.len()];
        for owner in self.owners.iter() {
            if let Some(owning) = owning.get_mut(usize::from(*owner)) {
                *owning = true;
            }
        }
        self.nodes
            .iter()
            .zip(owning)
            .filter_map(|(node, owning)| owning.then_some(node))
    }

    /// The index of a node of this map.
    pub fn index_of(&self, endpoint: &Endpoint) -> Option<NodeIndex> {
        let index = self.nodes.iter().position(|node| node == endpoint)?;
        Some(NodeIndex(
            u16::try_from(index).expect("a map has at most MAX_NODES nodes"),
        ))
    }

    /// This map with one more node, and its index; the same map if it knows the node already. The
    /// new node owns no slot yet. None if the map is full (32,768 nodes): only servers that make
    /// up nodes lead there, and the next refresh starts anew.
    pub fn with_node(&self, endpoint: &Endpoint) -> Option<(Self, NodeIndex)> {
        if let Some(index) = self.index_of(endpoint) {
            return Some((self.clone(), index));
        }
        if self.nodes.len() >= MAX_NODES {
            return None;
        }
        let index = index_after(&self.nodes);
        let new = std::iter::once(endpoint);
        let map = Self {
            owners: Arc::clone(&self.owners),
            nodes: self.nodes.iter().chain(new).cloned().collect(),
        };
        Some((map, NodeIndex(index)))
    }

    /// This map with one slot moved, as `MOVED` tells; for a node it does not know, ask
    /// [`with_node`](Self::with_node) first. An index beyond this map's nodes, which can only come
    /// from another map, moves nothing.
    #[must_use]
    pub fn with_moved(&self, slot: Slot, index: NodeIndex) -> Self {
        let mut map = self.clone();
        if index.get() < self.nodes.len() && self.owner(slot) != Some(index) {
            Arc::make_mut(&mut map.owners)[usize::from(slot.get())] = index.0;
        }
        map
    }

    /// How many slots have no owner.
    pub fn uncovered(&self) -> u32 {
        self.owners.iter().map(|&o| u32::from(o == NOBODY)).sum()
    }

    /// How many slots are owned by another endpoint in `other`, or by none in one of the two.
    pub fn diff(&self, other: &Self) -> u32 {
        let theirs: HashMap<_, _> = other.nodes.iter().zip(0u16..).collect();
        // An own node that they do not have gets an index that nothing of theirs has.
        const NOT_THEIRS: u16 = NOBODY - 1;
        let translated: Vec<u16> = self
            .nodes
            .iter()
            .map(|node| theirs.get(node).copied().unwrap_or(NOT_THEIRS))
            .collect();
        let pairs = self.owners.iter().zip(other.owners.iter());
        pairs
            .map(|(&own, &their)| {
                let own = translated.get(usize::from(own)).copied();
                u32::from(own.unwrap_or(NOBODY) != their)
            })
            .sum()
    }
}

impl Default for SlotMap {
    fn default() -> Self {
        Self::empty()
    }
}

fn index_after(nodes: &[Endpoint]) -> u16 {
    u16::try_from(nodes.len()).expect("a map has at most MAX_NODES nodes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::captured::{self, decode};
    use super::*;
    use crate::redis::value::Value;

    /// Per range: how many slots, and which node, if any, owns them.
    type Assignment = Vec<(u16, Option<u8>)>;

    fn assignment() -> impl Strategy<Value = Assignment> {
        let owner = prop::option::weighted(0.8, 0u8..20);
        prop::collection::vec((1u16..2000, owner), 0..40)
    }

    fn slot(number: u16) -> Slot {
        Slot::new(number).expect("a slot")
    }

    fn endpoint(node: u8) -> Endpoint {
        Endpoint::tcp(format!("10.0.0.{node}"), 6379)
    }

    /// The owner of each slot.
    fn owners(assignment: &Assignment) -> Vec<Option<u8>> {
        let mut all = Vec::with_capacity(Slot::COUNT);
        for (length, owner) in assignment {
            all.extend(std::iter::repeat_n(*owner, usize::from(*length)));
        }
        all.resize(Slot::COUNT, None);
        all
    }

    /// What `CLUSTER SLOTS` says of it. Without ids, as Redis 3 does, if `old`.
    fn reply(assignment: &Assignment, old: bool) -> Value {
        let mut ranges = Vec::new();
        let mut start = 0i64;
        let last = i64::try_from(Slot::COUNT).expect("small") - 1;
        for (length, owner) in assignment {
            let end = (start + i64::from(*length) - 1).min(last);
            if start > last {
                break;
            }
            if let Some(owner) = owner {
                let mut node = vec![
                    Value::Bulk(format!("10.0.0.{owner}").into()),
                    Value::Int(6379),
                ];
                if !old {
                    node.push(Value::Bulk(format!("id-{owner}").into()));
                    node.push(Value::Array(Vec::new()));
                }
                ranges.push(Value::Array(vec![
                    Value::Int(start),
                    Value::Int(end),
                    Value::Array(node),
                ]));
            }
            start = end + 1;
        }
        Value::Array(ranges)
    }

    fn map_of(reply: &Value) -> SlotMap {
        let asked = Endpoint::tcp("seed", 1);
        let view = ClusterView::from_replies(reply, None, &asked, &|e| e).expect("well formed");
        SlotMap::from_view(&view)
    }

    #[test]
    fn a_real_reply_covers_every_slot() {
        let map = map_of(&decode(captured::SLOTS_AFTER_FAILOVER));
        assert_eq!(map.uncovered(), 0);
        for (number, port) in [(0, 17104), (5460, 17104), (5461, 17102), (16383, 17103)] {
            let expected = Endpoint::tcp("127.0.0.1", port);
            assert_eq!(map.endpoint(slot(number)), Some(&expected), "{number}");
        }
        assert_eq!(map.nodes().len(), 3);
        let before = map_of(&decode(captured::SLOTS_AT_FIRST));
        assert_eq!(before.diff(&map), 5461);
    }

    #[test]
    fn an_empty_map_covers_nothing() {
        let map = SlotMap::empty();
        assert_eq!(map.uncovered(), 16384);
        assert_eq!(map.endpoint(slot(0)), None);
        assert_eq!(map.diff(&SlotMap::default()), 0);
    }

    #[test]
    fn where_ranges_overlap_the_last_one_counts() {
        let range = |start, end, host: &'static str| {
            let node = Value::Array(vec![Value::Bulk(host.into()), Value::Int(1)]);
            Value::Array(vec![Value::Int(start), Value::Int(end), node])
        };
        let map = map_of(&Value::Array(vec![range(0, 9, "a"), range(5, 5, "b")]));
        assert_eq!(map.endpoint(slot(5)), Some(&Endpoint::tcp("b", 1)));
        assert_eq!(map.endpoint(slot(6)), Some(&Endpoint::tcp("a", 1)));
        assert_eq!(map.uncovered(), 16374);
    }

    #[test]
    fn nodes_mapped_to_one_endpoint_are_one() {
        let asked = Endpoint::tcp("seed", 1);
        let slots = decode(captured::SLOTS_AT_FIRST);
        let proxy = |_| Endpoint::tcp("proxy", 1);
        let view = ClusterView::from_replies(&slots, None, &asked, &proxy).expect("well formed");
        let map = SlotMap::from_view(&view);
        assert_eq!((map.nodes().len(), map.uncovered()), (1, 0));
    }

    #[test]
    fn an_index_of_another_map_moves_nothing() {
        let (other, index) = SlotMap::empty().with_node(&endpoint(1)).expect("room");
        assert_eq!(other.nodes()[index.get()], endpoint(1));
        assert_eq!(
            SlotMap::empty().with_moved(slot(1), index).uncovered(),
            16384
        );
    }

    #[test]
    fn a_full_map_takes_no_more_nodes() {
        let nodes = (0..MAX_NODES).map(|n| Endpoint::tcp(n.to_string(), 1));
        let full = SlotMap {
            nodes: nodes.collect(),
            ..SlotMap::empty()
        };
        assert!(full.with_node(&Endpoint::tcp("new", 1)).is_none());
        assert!(full.with_node(&Endpoint::tcp("7", 1)).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_assignment_survives_the_wire(assignment in assignment(), old: bool) {
            let map = map_of(&reply(&assignment, old));
            let owners = owners(&assignment);
            for (number, owner) in (0u16..).zip(&owners[..Slot::COUNT]) {
                prop_assert_eq!(map.endpoint(slot(number)).cloned(), owner.map(endpoint));
            }
            let uncovered = owners[..Slot::COUNT].iter().filter(|o| o.is_none()).count();
            prop_assert_eq!(map.uncovered() as usize, uncovered);
        }

        #[test]
        fn a_patch_moves_its_slot_only(
            assignment in assignment(),
            number in 0u16..16384,
            node in 0u8..30,
        ) {
            let before = map_of(&reply(&assignment, false));
            let (wider, index) = before.with_node(&endpoint(node)).expect("room");
            prop_assert_eq!(wider.diff(&before), 0);
            let after = wider.with_moved(slot(number), index);
            prop_assert_eq!(after.endpoint(slot(number)), Some(&endpoint(node)));
            let moved = before.endpoint(slot(number)) != Some(&endpoint(node));
            prop_assert_eq!(before.diff(&after), u32::from(moved));
            let closed = before.endpoint(slot(number)).is_none();
            prop_assert_eq!(after.uncovered() + u32::from(closed), before.uncovered());
        }

        #[test]
        fn diff_counts_endpoints_and_is_symmetric(one in assignment(), two in assignment()) {
            let (a, b) = (map_of(&reply(&one, false)), map_of(&reply(&two, true)));
            let (one, two) = (owners(&one), owners(&two));
            let pairs = one.iter().zip(&two).take(Slot::COUNT);
            let expected = pairs.filter(|(a, b)| a != b).count();
            prop_assert_eq!(a.diff(&b) as usize, expected);
            prop_assert_eq!(b.diff(&a) as usize, expected);
            prop_assert_eq!(a.diff(&a), 0);
        }
    }
}
