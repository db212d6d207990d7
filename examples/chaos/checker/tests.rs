//! Each lie that the checker must see, and what it must not take for one.

use std::time::Duration;

use super::{Findings, Promise};
use crate::history::{CellHistory, Count, Get, Push, Record};
use crate::laboratory::fate::Fate;
use crate::laboratory::held::Held;
use crate::windows::Windows;

/// Commands on one cell, each a second after the one before, and what the cell holds in the end.
#[derive(Default)]
struct Story {
    history: CellHistory,
    held: Held,
    windows: Windows,
    seconds: u64,
}

impl Story {
    fn record(&mut self, fate: Fate) -> Record {
        self.seconds += 1;
        Record {
            began: Duration::from_secs(self.seconds),
            ended: Duration::from_millis(self.seconds * 1000 + 500),
            fate,
            said: None,
        }
    }

    fn push(mut self, id: u64, fate: Fate, length: Option<u64>) -> Self {
        let record = self.record(fate);
        self.history.pushes.insert(id, Push { record, length });
        self
    }

    fn count(mut self, fate: Fate, value: Option<u64>) -> Self {
        let record = self.record(fate);
        self.history.counts.push(Count { record, value });
        self
    }

    fn set(mut self, id: u64, fate: Fate) -> Self {
        let record = self.record(fate);
        self.history.sets.insert(id, record);
        self
    }

    fn get(mut self, value: Option<u64>) -> Self {
        let Record { began, ended, .. } = self.record(Fate::Acknowledged);
        self.history.gets.push(Get {
            began,
            ended,
            value,
        });
        self
    }

    fn holds(mut self, list: &[u64], counter: u64) -> Self {
        self.held.list = list.to_vec();
        self.held.counter = counter;
        self
    }

    /// The primary was lost just now.
    fn failover(mut self) -> Self {
        self.seconds += 10;
        let at = Duration::from_secs(self.seconds);
        self.windows
            .add(vec![true], at - Duration::from_secs(9), at);
        self
    }

    fn findings(&self) -> Findings {
        let mut findings = Findings::default();
        findings.check((0, "cell"), &self.held, &self.history, &self.windows);
        findings
    }

    #[track_caller]
    fn breaks(self, promise: Promise) {
        let broken: Vec<_> = self.findings().violations;
        let promises: Vec<_> = broken.iter().map(|found| found.promise).collect();
        assert_eq!(promises, [promise], "{broken:#?}");
    }

    #[track_caller]
    fn kept(self) -> Findings {
        let findings = self.findings();
        assert!(findings.violations.is_empty(), "{:#?}", findings.violations);
        findings
    }
}

fn story() -> Story {
    Story::default()
}

use Fate::{Acknowledged, NotSent, Refused, Unknown};

#[test]
fn a_true_story_is_kept_whatever_became_of_the_unknown() {
    for (list, counter) in [(&[1, 2][..], 2), (&[1][..], 1)] {
        let told = story()
            .push(1, Acknowledged, Some(1))
            .push(2, Unknown, None)
            .push(3, NotSent, None)
            .push(4, Refused, None)
            .count(Acknowledged, Some(1))
            .count(Unknown, None)
            .count(NotSent, None)
            .get(None)
            .set(5, Acknowledged)
            .get(Some(5))
            .set(6, Unknown)
            .get(Some(5))
            .get(Some(6))
            .holds(list, counter);
        let findings = told.kept();
        assert_eq!((findings.kept, findings.reads), (2, 4));
        assert_eq!(findings.unknown_but_executed, list.len() as u64 - 1);
    }
}

#[test]
fn what_was_executed_twice_is_seen_in_lists_and_counters() {
    for fate in [Acknowledged, Unknown] {
        let length = (fate == Acknowledged).then_some(1);
        let pushed = story().push(1, fate, length).holds(&[1, 1], 0);
        pushed.breaks(Promise::OnceOnly);
    }
    let counted = story()
        .count(Acknowledged, Some(1))
        .count(Unknown, None)
        .holds(&[], 3);
    counted.breaks(Promise::OnceOnly);
}

#[test]
fn what_was_denied_and_is_there_is_seen() {
    for fate in [NotSent, Refused] {
        let pushed = story().push(1, fate, None).holds(&[1], 0);
        pushed.breaks(Promise::DeniedIsNotDone);
        story()
            .set(1, fate)
            .get(Some(1))
            .breaks(Promise::DeniedIsNotDone);
    }
    // A counter cannot tell whose increment it was, only that there is one too many.
    let counted = story().count(NotSent, None).holds(&[], 1);
    counted.breaks(Promise::OnceOnly);
    // Of what nobody made, nobody was told anything.
    story().holds(&[9], 0).breaks(Promise::DeniedIsNotDone);
}

#[test]
fn an_acknowledged_write_that_is_missing_is_seen_unless_a_failover_explains_it() {
    story()
        .push(1, Acknowledged, Some(1))
        .breaks(Promise::AcknowledgedIsKept);
    let counted = || {
        story()
            .count(Acknowledged, Some(1))
            .count(Acknowledged, Some(2))
            .holds(&[], 1)
    };
    let broken = counted().findings().violations;
    assert!(
        !broken.is_empty()
            && broken
                .iter()
                .all(|found| found.promise == Promise::AcknowledgedIsKept),
        "{broken:#?}"
    );
    let lost = story().push(1, Acknowledged, Some(1)).failover().kept();
    assert_eq!(lost.lost_at_failover, 1);
    assert_eq!(counted().failover().kept().lost_at_failover, 1);
    // One that was over long before does not.
    let late = story().failover().push(1, Acknowledged, Some(1));
    let mut late = late;
    late.windows = Windows::default();
    late.windows
        .add(vec![true], Duration::from_secs(1), Duration::from_secs(2));
    late.breaks(Promise::AcknowledgedIsKept);
}

#[test]
fn a_reply_that_belongs_to_another_command_is_seen() {
    story()
        .push(1, Acknowledged, Some(2))
        .push(2, Acknowledged, Some(2))
        .holds(&[1, 2], 0)
        .breaks(Promise::OwnReply);
    story()
        .count(Acknowledged, Some(1))
        .count(Acknowledged, Some(1))
        .holds(&[], 2)
        .breaks(Promise::OwnReply);
    story().get(Some(7)).breaks(Promise::OwnReply);
    // Read before it was written.
    story()
        .get(Some(1))
        .set(1, Acknowledged)
        .breaks(Promise::OwnReply);
}

#[test]
fn a_read_older_than_an_acknowledged_write_is_seen_unless_a_failover_explains_it() {
    let stale = || {
        story()
            .set(1, Acknowledged)
            .set(2, Acknowledged)
            .get(Some(1))
    };
    stale().breaks(Promise::NoStaleRead);
    story()
        .set(1, Acknowledged)
        .get(None)
        .breaks(Promise::NoStaleRead);
    stale().failover().kept();
    // One of unknown outcome may be executed at any time later.
    story()
        .set(1, Unknown)
        .set(2, Acknowledged)
        .get(Some(1))
        .kept();
}
