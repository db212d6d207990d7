//! The nodes of a view, gathered from the two replies that tell of them: `Gathering`.

use std::collections::HashMap;

use super::nodes_reply::NodeLine;
use super::redirect::AnnouncedHost;
use super::slots_reply::{ReportedNode, SlotsReply};
use super::view_node::{NodeId, Role, ViewNode};
use crate::endpoint::Endpoint;

/// Which of a node's names the operator prefers (`cluster-preferred-endpoint-type`). Nodes that
/// only `CLUSTER NODES` lists, such as one that failed, must be named by the same rule: else a
/// node would change its endpoint each time it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Address,
    Hostname,
    AskedHost,
}

impl Naming {
    fn of(slots: &SlotsReply<'_>) -> Self {
        if slots.nodes().any(|node| node.host_is_null) {
            return Self::AskedHost;
        }
        // Only a server that prefers host names tells the address on the side.
        if slots
            .nodes()
            .any(|n| n.ip.is_some() || n.host == AnnouncedHost::Unknown)
        {
            return Self::Hostname;
        }
        Self::Address
    }
}

/// The lines of `CLUSTER NODES`, to find the one of a node that `CLUSTER SLOTS` reports.
struct Lines<'r> {
    by_id: HashMap<&'r str, &'r NodeLine<'r>>,
    /// For servers that report no ids: by host and port, which are then addresses in both.
    by_address: HashMap<(AnnouncedHost<'r>, u16), &'r NodeLine<'r>>,
}

impl<'r> Lines<'r> {
    fn new(lines: &'r [NodeLine<'r>]) -> Self {
        Self {
            by_id: lines.iter().map(|line| (line.id, line)).collect(),
            // Of two at one address, the one that did not fail.
            by_address: lines
                .iter()
                .filter(|line| line.failed)
                .chain(lines.iter().filter(|line| !line.failed))
                .map(|line| ((line.host, line.port), line))
                .collect(),
        }
    }

    fn of(&self, node: &ReportedNode<'r>) -> Option<&'r NodeLine<'r>> {
        match node.id {
            Some(id) => self.by_id.get(id).copied(),
            None => self.by_address.get(&(node.host, node.port)).copied(),
        }
    }
}

/// The nodes of a view, while they are gathered from both replies.
pub(super) struct Gathering<'a, 'r> {
    asked: &'a Endpoint,
    map: &'a dyn Fn(Endpoint) -> Endpoint,
    naming: Naming,
    lines: Lines<'r>,
    nodes: Vec<ViewNode>,
    /// Positions in `nodes`.
    known: HashMap<NodeId, usize>,
}

impl<'a, 'r> Gathering<'a, 'r> {
    /// `lines` is empty if `CLUSTER NODES` was not available.
    pub(super) fn new(
        slots: &SlotsReply<'r>,
        lines: &'r [NodeLine<'r>],
        asked: &'a Endpoint,
        map: &'a dyn Fn(Endpoint) -> Endpoint,
    ) -> Self {
        Self {
            asked,
            map,
            naming: Naming::of(slots),
            lines: Lines::new(lines),
            nodes: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Takes a node that `CLUSTER SLOTS` reports in this `role`. None if it cannot be dialled.
    ///
    /// Whoever owns slots is a primary, whatever `CLUSTER NODES` said a moment later.
    pub(super) fn take_reported(&mut self, node: &ReportedNode<'r>, role: Role) -> Option<NodeId> {
        let line = self.lines.of(node);
        let endpoint = node
            .host
            .at(node.port, self.asked)
            .or_else(|| {
                let told = node.ip.or(node.hostname)?;
                AnnouncedHost::Named(told).at(node.port, self.asked)
            })
            .or_else(|| self.endpoint_of(line?))?;
        let id = match node.id.or(line.map(|line| line.id)) {
            Some(id) => NodeId::from(id),
            None => NodeId::from(endpoint.to_string().as_str()),
        };
        if let Some(&index) = self.known.get(&id) {
            if role == Role::Primary {
                self.nodes[index].role = role;
            }
            return Some(id);
        }
        let role = match line {
            Some(line) if role != Role::Primary => role_in(line),
            Some(_) | None => role,
        };
        self.push(id.clone(), endpoint, role, line);
        Some(id)
    }

    /// Takes a node that `CLUSTER NODES` lists, unless it is known already: one that failed, or
    /// serves no slots, or is a replica that does not copy yet.
    pub(super) fn take_listed(&mut self, line: &NodeLine<'r>) {
        let id = NodeId::from(line.id);
        if self.known.contains_key(&id) {
            return;
        }
        if let Some(endpoint) = self.endpoint_of(line) {
            self.push(id, endpoint, role_in(line), Some(line));
        }
    }

    pub(super) fn into_nodes(self) -> Vec<ViewNode> {
        self.nodes
    }

    fn endpoint_of(&self, line: &NodeLine<'_>) -> Option<Endpoint> {
        let host = match (self.naming, line.hostname) {
            (Naming::AskedHost, _) => AnnouncedHost::Answering,
            (Naming::Hostname, Some(name)) => AnnouncedHost::Named(name),
            (Naming::Hostname, None) | (Naming::Address, _) => line.host,
        };
        host.at(line.port, self.asked)
    }

    fn push(&mut self, id: NodeId, endpoint: Endpoint, role: Role, line: Option<&NodeLine<'_>>) {
        self.known.insert(id.clone(), self.nodes.len());
        self.nodes.push(ViewNode {
            id,
            endpoint: (self.map)(endpoint),
            role,
            config_epoch: line.map(|line| line.config_epoch),
            failed: line.is_some_and(|line| line.failed),
            link_up: line.is_none_or(|line| line.link_up),
        });
    }
}

fn role_in(line: &NodeLine<'_>) -> Role {
    match line.replica {
        Some(of) => Role::Replica {
            of: of.map(NodeId::from),
        },
        None => Role::Primary,
    }
}
