//! The links of a client, one for each node: [`Members`].

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actix::Addr;

use crate::elasticsearch::cluster::Shared;
use crate::elasticsearch::connection::{Closing, NodeBackend};
use crate::elasticsearch::node::Node;
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::url::NodeUrl;
use crate::endpoint::{Endpoint, LinkName};
use crate::exit::Cause;
use crate::link::{Link, LinkSettings, ReconnectNow, Start};
use crate::registry::Registry;

/// Held by the handles: with the last of them all links end.
pub(super) struct Members {
    shared: Arc<Shared>,
    registry: Addr<Registry>,
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    members: Vec<Member>,
    /// Those that come are not started.
    stopped: bool,
}

struct Member {
    // Before the rest: with it, all ends.
    link: Link<NodeBackend>,
    node: Arc<Node>,
    closing: Weak<Closing>,
}

impl Members {
    /// Links to the nodes of the settings; none is started.
    pub(super) fn new(shared: &Arc<Shared>, registry: &Addr<Registry>) -> Arc<Self> {
        let members = Self {
            shared: Arc::clone(shared),
            registry: registry.clone(),
            links: Mutex::default(),
        };
        let settings = shared.settings();
        let mut links = members.lock();
        for url in &settings.nodes {
            links.members.push(members.link(url, true, &settings));
        }
        members.publish(&links.members);
        drop(links);
        Arc::new(members)
    }

    fn link(&self, url: &NodeUrl, is_seed: bool, settings: &ElasticSettings) -> Member {
        let node = Node::new(url.clone(), is_seed, settings, &self.shared.changed);
        let closing = Arc::new(Closing(Arc::clone(&node)));
        let backend = NodeBackend::new(&self.shared, &closing);
        let name = format!("{}/{}", settings.name, url.endpoint());
        let options = LinkSettings::from(&settings.link);
        Member {
            link: Link::new(name, backend, options, &self.registry),
            closing: Arc::downgrade(&closing),
            node,
        }
    }

    fn publish(&self, links: &[Member]) {
        let nodes = links.iter().map(|member| Arc::clone(&member.node));
        self.shared.replace_nodes(nodes.collect());
    }

    pub(super) fn links(&self) -> Vec<Link<NodeBackend>> {
        let links = self.lock();
        links.members.iter().map(|it| it.link.clone()).collect()
    }

    /// All are to be stopped, or started; links that come from now on are treated alike.
    pub(super) fn stopped(&self, stopped: bool) -> Vec<Link<NodeBackend>> {
        self.lock().stopped = stopped;
        self.links()
    }

    pub(super) fn registry(&self) -> &Addr<Registry> {
        &self.registry
    }

    /// The name of a link that is parked.
    pub(super) fn any_parked(&self) -> Option<LinkName> {
        let links = self.lock();
        let parked = links.members.iter().find(|it| it.node.is_parked());
        parked.map(|it| it.link.name().clone())
    }

    /// The first link, and its last failure if it is down.
    pub(super) fn first(&self) -> Option<(LinkName, Option<Cause>)> {
        let links = self.lock();
        let first = links.members.first()?;
        Some((first.link.name().clone(), first.node.failure()))
    }

    /// Ends the backoff of those that wait for one.
    #[expect(clippy::disallowed_methods, reason = "to each link, twice a second")]
    pub(super) fn try_now(&self) {
        let links = self.lock();
        for member in links.members.iter().filter(|it| it.node.waits()) {
            member.link.supervisor().do_send(ReconnectNow);
        }
    }

    /// What the nodes say of each other: those that are new come, those that were found before
    /// and are not named any more go. Nothing, unless they were asked under the present settings:
    /// others may name other nodes, which must not get these credentials.
    #[expect(clippy::disallowed_methods, reason = "the first message to a link")]
    pub(super) fn found(&self, found: &BTreeSet<Endpoint>, settings: &Arc<ElasticSettings>) {
        let Some(pattern) = settings.nodes.first() else {
            return;
        };
        let mut links = self.lock();
        // Whoever replaces them comes for the links afterwards.
        if !Arc::ptr_eq(settings, &self.shared.settings()) {
            return;
        }
        let Links { members, stopped } = &mut *links;
        let known: BTreeSet<Endpoint> = members.iter().map(|it| endpoint(it).clone()).collect();
        let is_new = |endpoint: &&Endpoint| !known.contains(*endpoint);
        let fresh: Vec<_> = found
            .iter()
            .filter(is_new)
            .filter_map(|endpoint| pattern.moved_to(endpoint.clone()).ok())
            .collect();
        let stays =
            |it: &Member| it.node.is_seed.load(Ordering::Relaxed) || found.contains(endpoint(it));
        if fresh.is_empty() && members.iter().all(stays) {
            return;
        }
        let (stay, go): (Vec<_>, Vec<_>) = members.drain(..).partition(stays);
        members.extend(stay);
        for url in fresh {
            let member = self.link(&url, false, settings);
            if !*stopped {
                member.link.supervisor().do_send(Start);
            }
            members.push(member);
        }
        self.publish(members);
        drop(links);
        end(go);
    }

    /// The settings were replaced: links to new nodes come, those of old ones go, all others
    /// reconnect.
    #[expect(clippy::disallowed_methods, reason = "the first message to a link")]
    pub(super) async fn renew(&self) {
        let settings = self.shared.settings();
        let mut renewed = Vec::new();
        let go: Vec<_> = {
            let mut links = self.lock();
            let Links { members, stopped } = &mut *links;
            let (stay, go): (Vec<_>, Vec<_>) = members
                .drain(..)
                .partition(|it| settings.nodes.contains(&it.node.url));
            for url in &settings.nodes {
                let old = stay.iter().find(|it| it.node.url == *url);
                let member = match old.and_then(|it| Some((it, it.closing.upgrade()?))) {
                    Some((old, closing)) => {
                        let backend = NodeBackend::new(&self.shared, &closing);
                        renewed.push((old.link.clone(), backend));
                        old.node.is_seed.store(true, Ordering::Relaxed);
                        Member {
                            link: old.link.clone(),
                            node: Arc::clone(&old.node),
                            closing: old.closing.clone(),
                        }
                    }
                    None => {
                        let member = self.link(url, true, &settings);
                        // Under the lock: a stop that comes now finds it.
                        if !*stopped {
                            member.link.supervisor().do_send(Start);
                        }
                        member
                    }
                };
                members.push(member);
            }
            self.publish(members);
            go
        };
        end(go);
        for (link, backend) in renewed {
            link.reconfigure(backend).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn endpoint(member: &Member) -> &Endpoint {
    member.node.url.endpoint()
}

/// Each finishes what it has under way.
fn end(members: Vec<Member>) {
    for member in members {
        actix_rt::spawn(async move { member.link.stop().await });
    }
}
