//! Who is connected, and who is not: [`ManagerStatus`].

use std::fmt;
use std::rc::Rc;

use actix::{Context, Handler, Message, ResponseFuture};
use serde::Serialize;

use crate::endpoint::LinkName;
use crate::event::LinkState;
use crate::manager::manager::Manager;
use crate::manager::roster::owns;
use crate::registry::{LinkStatus, Snapshot};

/// How all members stand. Its [`Display`](fmt::Display) is one line.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "ManagerStatus")]
pub struct Summary;

/// How all members stand, in the order of their registration. Shown as one line: who is connected,
/// and who is not and why.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ManagerStatus {
    /// Each member.
    pub members: Vec<MemberStatus>,
}

/// How one member stands.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its name.
    pub name: LinkName,
    /// It was started, and not stopped.
    pub running: bool,
    /// Its links.
    pub links: Vec<LinkStatus>,
}

impl MemberStatus {
    /// All of its links are up.
    pub fn is_connected(&self) -> bool {
        let up = |link: &LinkStatus| link.state == LinkState::Up;
        self.running && !self.links.is_empty() && self.links.iter().all(up)
    }

    fn why_not(&self) -> String {
        if !self.running {
            return "not started".to_owned();
        }
        let up = self.links.iter().filter(|link| link.state == LinkState::Up);
        let (up, all) = (up.count(), self.links.len());
        let down = self.links.iter().find(|link| link.state != LinkState::Up);
        let Some(down) = down else {
            return "no link yet".to_owned();
        };
        let mut text = match &down.last_error {
            Some(cause) => format!("{}: {cause}", down.state),
            None => down.state.to_string(),
        };
        if all > 1 {
            text = format!("{up} of {all} links; {} is {text}", down.link);
        }
        text
    }
}

impl fmt::Display for ManagerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connected, not): (Vec<_>, Vec<_>) = self
            .members
            .iter()
            .partition(|member| member.is_connected());
        let connected: Vec<_> = connected.iter().map(|it| it.name.to_string()).collect();
        let not: Vec<_> = not
            .iter()
            .map(|it| format!("{} ({})", it.name, it.why_not()))
            .collect();
        match (connected.is_empty(), not.is_empty()) {
            (true, true) => f.write_str("no members"),
            (false, true) => write!(f, "connected: {}", connected.join(", ")),
            (true, false) => write!(f, "not connected: {}", not.join(", ")),
            (false, false) => write!(
                f,
                "connected: {}; not connected: {}",
                connected.join(", "),
                not.join(", ")
            ),
        }
    }
}

impl Handler<Summary> for Manager {
    type Result = ResponseFuture<ManagerStatus>;

    fn handle(&mut self, _: Summary, _: &mut Context<Self>) -> Self::Result {
        let shared = Rc::clone(&self.shared);
        Box::pin(async move {
            let links = shared.registry.send(Snapshot).await.unwrap_or_default();
            let members = shared.members.borrow();
            let members = members.iter().map(|entry| MemberStatus {
                name: entry.name.clone(),
                running: entry.member.running.is_some(),
                links: links
                    .iter()
                    .filter(|link| owns(&entry.name, &link.link))
                    .cloned()
                    .collect(),
            });
            ManagerStatus {
                members: members.collect(),
            }
        })
    }
}
