//! Which nodes there are over time: [`Roster`]; and which views are too old to use: [`EpochGuard`].

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::view::ClusterView;
use super::view_node::NodeId;
use crate::endpoint::Endpoint;

/// The endpoints that deserve a link.
///
/// A node comes with the first view that shows it alive or owning slots. It leaves only after
/// views lacked it for a whole grace, so that one that was killed and restarted reconnects as
/// itself. A node that a view lists as failed is not absent: it stays, as it may come back.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// When the first of the latest views without it was applied; none while it is listed. Not
    /// when it was last seen: while no views come at all, nobody becomes absent.
    absent_since: BTreeMap<Endpoint, Option<Instant>>,
}

/// What a view changed in a [`Roster`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RosterChange {
    /// Start links to these, in the order of the view. Seeds and learnt nodes are not among them:
    /// they were known before.
    pub added: Vec<Endpoint>,
    /// Drain and stop the links to these, in the order of endpoints.
    pub removed: Vec<Endpoint>,
}

impl Roster {
    /// A roster that knows the seeds. A seed that no view lists, such as a name that stands for
    /// all nodes, leaves like any other node.
    pub fn new(seeds: impl IntoIterator<Item = Endpoint>) -> Self {
        Self {
            absent_since: seeds.into_iter().map(|seed| (seed, None)).collect(),
        }
    }

    /// Takes in a view. `grace` (60 s by default) is how long views must have lacked a node until
    /// it leaves, from the first that lacked it. A view without any node changes nothing: it comes
    /// from a node that was reset, and says nothing of the others.
    pub fn apply(&mut self, view: &ClusterView, now: Instant, grace: Duration) -> RosterChange {
        let mut change = RosterChange::default();
        if view.nodes().is_empty() {
            return change;
        }
        let owners: HashSet<&NodeId> = view.ranges().iter().map(|range| &range.primary).collect();
        let mut listed = HashSet::with_capacity(view.nodes().len());
        for node in view.nodes() {
            listed.insert(&node.endpoint);
            let alive = !node.failed || owners.contains(&node.id);
            if let Some(absent_since) = self.absent_since.get_mut(&node.endpoint) {
                *absent_since = None;
            } else if alive {
                self.absent_since.insert(node.endpoint.clone(), None);
                change.added.push(node.endpoint.clone());
            }
        }
        self.absent_since.retain(|endpoint, absent_since| {
            if listed.contains(endpoint) {
                return true;
            }
            let since = *absent_since.get_or_insert(now);
            let stays = now.saturating_duration_since(since) < grace;
            if !stays {
                change.removed.push(endpoint.clone());
            }
            stays
        });
        change
    }

    /// Takes in a node that a redirect named before any view did. False if it was known.
    pub fn learn(&mut self, endpoint: &Endpoint) -> bool {
        if self.contains(endpoint) {
            return false;
        }
        self.absent_since.insert(endpoint.clone(), None);
        true
    }

    /// Whether a node is known.
    pub fn contains(&self, endpoint: &Endpoint) -> bool {
        self.absent_since.contains_key(endpoint)
    }

    /// The known nodes, in the order of endpoints.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Endpoint> {
        self.absent_since.keys()
    }
}

/// Refuses views that are older than what is known already, as a node reports them that was
/// paused or cut off during a failover.
///
/// It compares [`ClusterView::epoch`]. Where nodes keep being refused, ask others, and in the end
/// the seeds: a cluster that was rebuilt begins low again, so after falling back to them the next
/// view counts, whatever its epoch.
#[derive(Debug, Clone, Default)]
pub struct EpochGuard {
    newest: Option<u64>,
}

impl EpochGuard {
    /// A guard that has seen nothing: it accepts the first view.
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest epoch that was accepted.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Whether a view of this epoch may be used; if so, older ones no longer may. A view without
    /// an epoch cannot be judged: it is accepted, and changes nothing here.
    pub fn accept(&mut self, view_epoch: Option<u64>) -> bool {
        let Some(epoch) = view_epoch else {
            return true;
        };
        if self.newest.is_some_and(|newest| epoch < newest) {
            return false;
        }
        self.newest = Some(epoch);
        true
    }

    /// The topology was lost and is learnt anew from the seeds: the next view is accepted.
    pub fn reset_after_seed_fallback(&mut self) {
        self.newest = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::captured::{self, bulk, decode};
    use super::*;
    use crate::redis::value::Value;

    const GRACE: Duration = Duration::from_secs(60);

    fn view(slots: &Value, nodes: Option<&Value>) -> ClusterView {
        let asked = Endpoint::tcp("seed", 17102);
        ClusterView::from_replies(slots, nodes, &asked, &|e| e).expect("well formed")
    }

    /// A view of these nodes, which own no slots; those below 0 failed.
    fn of_nodes(nodes: &[i8]) -> ClusterView {
        let lines = nodes.iter().map(|n| {
            let flags = if *n < 0 { "master,fail" } else { "master" };
            let n = n.unsigned_abs();
            format!("id{n} h{n}:1@2 {flags} - 0 0 1 connected\n")
        });
        let lines = Value::Bulk(lines.collect::<String>().into());
        view(&Value::Array(Vec::new()), Some(&lines))
    }

    fn node(n: u8) -> Endpoint {
        Endpoint::tcp(format!("h{n}"), 1)
    }

    /// Any instant will do: only differences count.
    #[expect(clippy::disallowed_methods, reason = "no other way to make an instant")]
    fn start() -> Instant {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        *START
    }

    #[test]
    fn a_killed_node_that_stays_listed_never_leaves() {
        let before = view(
            &decode(captured::SLOTS_AT_FIRST),
            Some(&bulk(captured::NODES_AT_FIRST)),
        );
        let after = view(
            &decode(captured::SLOTS_AFTER_FAILOVER),
            Some(&bulk(captured::NODES_AFTER_FAILOVER)),
        );
        let mut roster = Roster::new([]);
        assert_eq!(roster.apply(&before, start(), GRACE).added.len(), 6);
        for minutes in 1..100 {
            let now = start() + GRACE * minutes;
            assert_eq!(roster.apply(&after, now, GRACE), RosterChange::default());
        }
    }

    #[test]
    fn a_node_first_seen_as_failed_is_not_added_unless_it_owns_slots() {
        let mut roster = Roster::new([]);
        let change = roster.apply(&of_nodes(&[1, -2]), start(), GRACE);
        assert_eq!(change.added, [node(1)]);
        assert_eq!(
            roster.apply(&of_nodes(&[1, 2]), start(), GRACE).added,
            [node(2)]
        );

        let killed = captured::NODES_AT_FIRST.replace(" master - ", " master,fail - ");
        let slots = decode(captured::SLOTS_AT_FIRST);
        let view = view(&slots, Some(&Value::Bulk(killed.into())));
        assert_eq!(Roster::new([]).apply(&view, start(), GRACE).added.len(), 6);
    }

    #[test]
    fn an_absent_node_leaves_after_the_grace() {
        let mut roster = Roster::new([]);
        roster.apply(&of_nodes(&[1, 2]), start(), GRACE);
        // Nobody answered for an hour: that is no absence.
        let hour = start() + GRACE * 60;
        assert_eq!(roster.apply(&of_nodes(&[1]), hour, GRACE).removed, []);
        let almost = hour + GRACE - Duration::from_millis(1);
        assert_eq!(roster.apply(&of_nodes(&[1]), almost, GRACE).removed, []);
        let change = roster.apply(&of_nodes(&[1]), hour + GRACE, GRACE);
        assert_eq!(change.removed, [node(2)]);
        assert!(!roster.contains(&node(2)));
    }

    #[test]
    fn a_node_that_appears_again_begins_anew() {
        let mut roster = Roster::new([]);
        let at = |halves| start() + GRACE / 2 * halves;
        for (halves, nodes) in [
            (0, &[1, 2][..]),
            (1, &[1]),
            (2, &[1, 2]),
            (3, &[1]),
            (4, &[1]),
        ] {
            let change = roster.apply(&of_nodes(nodes), at(halves), GRACE);
            assert_eq!(change.removed, [], "after {halves} halves");
        }
        assert_eq!(
            roster.apply(&of_nodes(&[1]), at(5), GRACE).removed,
            [node(2)]
        );
    }

    #[test]
    fn a_seed_that_no_view_lists_leaves() {
        let seed = Endpoint::tcp("cluster.example", 6379);
        let mut roster = Roster::new([seed.clone(), node(1)]);
        let change = roster.apply(&of_nodes(&[1, 2]), start(), GRACE);
        assert_eq!((change.added, change.removed), (vec![node(2)], vec![]));
        let change = roster.apply(&of_nodes(&[1, 2]), start() + GRACE, GRACE);
        assert_eq!(change.removed, [seed]);
    }

    #[test]
    fn a_view_without_nodes_changes_nothing() {
        let mut roster = Roster::new([node(1)]);
        for minutes in 0..5 {
            let change = roster.apply(&of_nodes(&[]), start() + GRACE * minutes, GRACE);
            assert_eq!(change, RosterChange::default());
        }
    }

    #[test]
    fn a_node_learnt_from_a_redirect_is_not_added_again() {
        let mut roster = Roster::new([node(1)]);
        assert!(roster.learn(&node(2)));
        assert!(!roster.learn(&node(2)));
        assert_eq!(roster.apply(&of_nodes(&[1, 2]), start(), GRACE).added, []);
        assert_eq!(roster.endpoints().len(), 2);
    }

    #[test]
    fn an_older_view_is_refused_until_the_seeds_are_asked() {
        let mut guard = EpochGuard::new();
        for (epoch, accepted) in [
            (Some(7), true),
            (Some(6), false),
            (Some(7), true),
            (None, true),
            (Some(6), false),
            (Some(9), true),
        ] {
            assert_eq!(guard.accept(epoch), accepted, "{epoch:?}");
        }
        guard.reset_after_seed_fallback();
        assert!(guard.accept(Some(0)), "a rebuilt cluster begins low");
        assert!(guard.accept(Some(1)));
        assert!(!guard.accept(Some(0)));
    }

    proptest! {
        #[test]
        fn never_removes_before_the_grace_and_adds_what_it_does_not_know(
            steps in prop::collection::vec((0u64..50, prop::collection::vec(1i8..6, 1..6)), 1..30),
        ) {
            let mut roster = Roster::new([node(1)]);
            let mut known = HashSet::from([node(1)]);
            let mut absent: BTreeMap<Endpoint, Instant> = BTreeMap::new();
            let mut now = start();
            for (seconds, nodes) in steps {
                now += Duration::from_secs(seconds);
                let shown: HashSet<_> = nodes.iter().map(|n| node(n.unsigned_abs())).collect();
                let change = roster.apply(&of_nodes(&nodes), now, GRACE);
                absent.retain(|endpoint, _| !shown.contains(endpoint));
                for endpoint in known.difference(&shown) {
                    absent.entry(endpoint.clone()).or_insert(now);
                }
                for endpoint in change.added {
                    prop_assert!(shown.contains(&endpoint));
                    prop_assert!(known.insert(endpoint));
                }
                for endpoint in &change.removed {
                    prop_assert!(now - absent[endpoint] >= GRACE);
                    prop_assert!(known.remove(endpoint));
                    absent.remove(endpoint);
                }
                prop_assert!(absent.values().all(|since| now - *since < GRACE));
                prop_assert!(shown.is_subset(&known));
                prop_assert_eq!(roster.endpoints().cloned().collect::<HashSet<_>>(), known.clone());
            }
        }
    }
}
