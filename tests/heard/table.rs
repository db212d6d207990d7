//! The table of a link's life (`docs/events.md`).

use std::collections::BTreeMap;

use everlink::event::{Event, EventKind};
use everlink::exit::CauseKind;

/// What may follow what in the life of a link, by the names of events.
fn may_follow(before: Option<&str>, next: &str) -> bool {
    let Some(before) = before else {
        return next == "connecting";
    };
    match next {
        "connected" | "reconnected" | "connect_failed" => before == "connecting",
        "disconnected" => matches!(before, "connected" | "reconnected"),
        "reconnecting" | "gave_up" => matches!(before, "connect_failed" | "disconnected"),
        // Of one that is up it is told first that it is not any more.
        "stopped" => !matches!(before, "connected" | "reconnected" | "stopped"),
        // After its backoff, or at once where it was asked to, in the midst of an attempt too.
        "connecting" => !matches!(before, "connected" | "reconnected" | "connect_failed"),
        _ => false,
    }
}

/// Each link's events have numbers without holes, connections that count up by one, and follow
/// each other as the table says. News of breakers, of topologies and of one kind alone stand
/// between them.
pub fn must_follow(events: &[Event]) {
    let mut last: BTreeMap<&str, (&Event, Option<&str>)> = BTreeMap::new();
    for event in events {
        let name = event.kind.name();
        let link = event.link.as_str();
        // Another link of that name may come after one that was stopped.
        let before = last
            .get(link)
            .filter(|(_, life)| event.sequence != 1 || *life != Some("stopped"));
        let (sequence, generation) =
            before.map_or((0, 0), |(event, _)| (event.sequence, event.generation));
        let life = before.and_then(|(_, life)| *life);
        let numbered = event.sequence == sequence + 1
            && event.generation == generation + u64::from(name == "connecting");
        let between = ["circuit_", "topology_"]
            .iter()
            .any(|it| name.starts_with(it))
            || name == "notice";
        let follows = between || may_follow(life, name);
        assert!(
            numbered && follows,
            "against the table: {event} after {before:?}"
        );
        let life = match &event.kind {
            _ if between => life,
            EventKind::ConnectFailed { cause, .. } if cause.kind() == CauseKind::Requested => {
                Some("interrupted")
            }
            _ => Some(name),
        };
        last.insert(link, (event, life));
    }
}
