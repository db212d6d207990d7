//! Subscribers: late, slow, choosy, gone and panicking ones.

use actix::{Actor, ActorContext, Context, Handler, ResponseFuture};
use everlink::event::{Event, EventKind, LinkState};
use everlink::link::ReconnectNow;
use everlink::registry::{Filter, Subscribe};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

use super::scripted::{Plan, Rig, in_virtual_time, secs, subscribe};

/// Handles one event for each permit, and tells which.
struct Slow {
    permits: Arc<Semaphore>,
    heard: mpsc::UnboundedSender<Event>,
}

impl Actor for Slow {
    type Context = Context<Self>;
}

impl Handler<Event> for Slow {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, event: Event, _: &mut Context<Self>) -> ResponseFuture<()> {
        let (permits, heard) = (Arc::clone(&self.permits), self.heard.clone());
        Box::pin(async move {
            permits.acquire().await.expect("open").forget();
            let _ = heard.send(event);
        })
    }
}

/// Ends at its first event, in one way or the other.
struct Ends {
    by_panic: bool,
}

impl Actor for Ends {
    type Context = Context<Self>;
}

impl Handler<Event> for Ends {
    type Result = ();

    fn handle(&mut self, _: Event, ctx: &mut Context<Self>) {
        assert!(!self.by_panic, "a subscriber of a user");
        ctx.stop();
    }
}

#[test]
fn a_late_subscriber_is_told_first_how_each_link_stands() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        let mut late = subscribe(&rig.registry);
        let present = late.recv().await.expect("a registry");
        assert_eq!((present.sequence, present.generation), (2, 1));
        let EventKind::Present {
            state, last_error, ..
        } = present.kind
        else {
            panic!("{present}");
        };
        assert_eq!((state, last_error), (LinkState::Up, None));
        rig.stop().await;
        let next = late.recv().await.expect("a registry");
        assert_eq!((next.sequence, next.kind.name()), (3, "disconnected"));
    });
}

#[test]
fn a_slow_subscriber_is_told_exactly_how_many_it_missed_and_holds_up_nobody() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        rig.tells(&["connecting", "connected"]).await;
        let permits = Arc::new(Semaphore::new(0));
        let (heard, mut hears) = mpsc::unbounded_channel();
        let slow = Slow {
            permits: Arc::clone(&permits),
            heard,
        }
        .start();
        let subscribe = Subscribe::new(slow.clone()).capacity(4);
        rig.registry.send(subscribe).await.expect("a registry");
        for _ in 0..10 {
            rig.link.send(ReconnectNow).await.expect("a supervisor");
            rig.tells(&["disconnected requested", "connecting"]).await;
            assert_eq!(rig.event().await.kind.name(), "reconnected");
        }
        // 30 events came while it was busy with the first one; four of them still wait.
        permits.add_permits(100);
        let mut told = Vec::new();
        for _ in 0..6 {
            let event = hears.recv().await.expect("a registry");
            told.push(match event.kind {
                EventKind::Missed { count } => format!("missed {count}"),
                kind => format!("{} {}", event.sequence, kind.name()),
            });
        }
        assert_eq!(
            told,
            [
                "2 present",
                "missed 26",
                "29 reconnected",
                "30 disconnected",
                "31 connecting",
                "32 reconnected"
            ]
        );
        assert!(hears.try_recv().is_err());
        drop(slow);
    });
}

#[test]
fn a_filter_chooses_links_and_kinds() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        let filters = [
            Filter::all()
                .links(["link"])
                .kinds(["connected", "stopped"]),
            Filter::all().links(["another"]),
            Filter::all().kinds(["gave_up"]),
        ];
        let (permits, mut all) = (Arc::new(Semaphore::new(100)), Vec::new());
        for filter in filters {
            let (heard, hears) = mpsc::unbounded_channel();
            let ear = Slow {
                permits: Arc::clone(&permits),
                heard,
            }
            .start();
            let subscribe = Subscribe::new(ear).filter(filter).kept_alive();
            rig.registry.send(subscribe).await.expect("a registry");
            all.push(hears);
        }
        rig.tells(&["connecting", "connected"]).await;
        rig.stop().await;
        tokio::time::sleep(secs(1)).await;
        let told: Vec<Vec<_>> = all
            .iter_mut()
            .map(|hears| {
                std::iter::from_fn(|| hears.try_recv().ok())
                    .map(|event| event.kind.name())
                    .collect()
            })
            .collect();
        assert_eq!(told, [vec!["connected", "stopped"], vec![], vec![]]);
    });
}

#[test]
fn a_subscriber_lives_no_longer_than_its_owner_wants() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        let (heard, mut hears) = mpsc::unbounded_channel();
        let ear = Slow {
            permits: Arc::new(Semaphore::new(100)),
            heard,
        }
        .start();
        rig.registry
            .send(Subscribe::new(ear.clone()))
            .await
            .expect("a registry");
        rig.tells(&["connecting", "connected"]).await;
        drop(ear);
        rig.stop().await;
        tokio::time::sleep(secs(1)).await;
        while hears.recv().await.is_some() {}
    });
}

#[test]
fn a_subscriber_that_stops_or_panics_harms_nobody() {
    in_virtual_time(async {
        let mut rig = Rig::new([Plan::up()]);
        let mut ended = Vec::new();
        for by_panic in [true, false] {
            let subscriber = Ends { by_panic }.start();
            ended.push(subscriber.clone());
            rig.registry
                .send(Subscribe::new(subscriber))
                .await
                .expect("a registry");
        }
        rig.tells(&["connecting", "connected"]).await;
        rig.stop().await;
        rig.tells(&["disconnected requested", "stopped"]).await;
        assert!(ended.iter().all(|subscriber| !subscriber.connected()));
    });
}
