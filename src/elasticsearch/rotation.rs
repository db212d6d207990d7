//! Whose turn it is: a pure choice among nodes as they stand.

use std::time::Instant;

use crate::exit::Cause;

/// How a link stands, for callers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// With the cause of the last failure, if there was one; and whether it waits for its next
    /// attempt.
    Down(Option<Cause>, bool),
    Up,
    Parked(Cause),
    Stopped,
}

/// One node, seen by one request.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) phase: Phase,
    /// This request was there already, or its breaker said no.
    pub(super) passed_over: bool,
    /// It asked to be left alone until then.
    pub(super) busy_until: Option<Instant>,
    /// It has room for a request at once.
    pub(super) has_room: bool,
}

/// What a request should do.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    /// Go to this node.
    Take(usize),
    /// All that are up ask to be left alone; the first until then.
    Rest(Instant),
    /// None is up that was not passed over, but one is.
    AllPassedOver,
    /// None is up; with a cause, if one is known.
    Wait(Option<Cause>),
    /// None is up, and none will be soon.
    Parked(Cause),
    /// All are stopped.
    Stopped,
}

/// Round robin from `start` over those that are up: first those with room.
pub(super) fn turn(nodes: &[Standing], start: usize, now: Instant) -> Turn {
    let order = || (0..nodes.len()).map(|step| (start.wrapping_add(step)) % nodes.len());
    let is_up = |at: &usize| nodes[*at].phase == Phase::Up;
    let rests = |at: usize| nodes[at].busy_until.filter(|until| *until > now);
    let candidates = || order().filter(is_up).filter(|at| !nodes[*at].passed_over);
    let free = || candidates().filter(|at| rests(*at).is_none());
    if let Some(at) = free()
        .find(|at| nodes[*at].has_room)
        .or_else(|| free().next())
    {
        return Turn::Take(at);
    }
    if let Some(until) = candidates().filter_map(rests).min() {
        return Turn::Rest(until);
    }
    if order().any(|at| is_up(&at)) {
        return Turn::AllPassedOver;
    }
    let mut parked = None;
    let mut waits = None;
    for node in nodes {
        match &node.phase {
            Phase::Down(cause, _) => {
                waits = Some(waits.flatten().or_else(|| cause.clone()));
            }
            Phase::Parked(cause) => parked = parked.or_else(|| Some(cause.clone())),
            Phase::Up | Phase::Stopped => {}
        }
    }
    match (waits, parked) {
        (Some(cause), _) => Turn::Wait(cause),
        (None, Some(cause)) => Turn::Parked(cause),
        (None, None) => Turn::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::exit::CauseKind;

    /// Any instant does.
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no other way to an instant"
    )]
    fn now() -> Instant {
        Instant::now()
    }

    fn standing(phase: Phase) -> Standing {
        Standing {
            phase,
            passed_over: false,
            busy_until: None,
            has_room: true,
        }
    }

    fn down(kind: CauseKind) -> Standing {
        standing(Phase::Down(Some(kind.into()), true))
    }

    #[test]
    fn the_living_take_turns_and_the_dead_are_passed_over() {
        let nodes = [
            standing(Phase::Up),
            down(CauseKind::Refused),
            standing(Phase::Up),
        ];
        let now = now();
        let taken: Vec<_> = (0..6).map(|start| turn(&nodes, start, now)).collect();
        assert_eq!(taken, [0, 2, 2, 0, 2, 2].map(Turn::Take),);
        assert_eq!(turn(&nodes, usize::MAX, now), Turn::Take(0));
    }

    #[test]
    fn one_with_room_goes_before_one_without() {
        let mut nodes = [standing(Phase::Up), standing(Phase::Up)];
        nodes[0].has_room = false;
        assert_eq!(turn(&nodes, 0, now()), Turn::Take(1));
        nodes[1].has_room = false;
        assert_eq!(turn(&nodes, 0, now()), Turn::Take(0));
    }

    #[test]
    fn one_that_asked_for_rest_is_left_alone_until_then() {
        let now = now();
        let (soon, later) = (now + Duration::from_secs(1), now + Duration::from_secs(2));
        let mut nodes = [standing(Phase::Up), standing(Phase::Up)];
        nodes[0].busy_until = Some(soon);
        assert_eq!(turn(&nodes, 0, now), Turn::Take(1));
        nodes[1].busy_until = Some(later);
        assert_eq!(turn(&nodes, 0, now), Turn::Rest(soon));
        assert_eq!(turn(&nodes, 0, soon), Turn::Take(0));
        nodes[0].passed_over = true;
        assert_eq!(turn(&nodes, 0, soon), Turn::Rest(later));
        nodes[1].passed_over = true;
        assert_eq!(turn(&nodes, 0, now), Turn::AllPassedOver);
    }

    #[test]
    fn while_one_may_come_back_a_request_waits_and_else_it_fails() {
        let now = now();
        let refused = Cause::from(CauseKind::Refused);
        let denied = Cause::from(CauseKind::Denied);
        let parked = || standing(Phase::Parked(denied.clone()));
        let stopped = || standing(Phase::Stopped);
        let turn = |nodes: &[Standing]| super::turn(nodes, 0, now);
        assert_eq!(
            turn(&[parked(), down(CauseKind::Refused)]),
            Turn::Wait(Some(refused))
        );
        assert_eq!(
            turn(&[standing(Phase::Down(None, false))]),
            Turn::Wait(None)
        );
        assert_eq!(turn(&[stopped(), parked()]), Turn::Parked(denied.clone()));
        assert_eq!(turn(&[stopped()]), Turn::Stopped);
        assert_eq!(turn(&[]), Turn::Stopped);
    }
}
