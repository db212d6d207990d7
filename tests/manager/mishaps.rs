//! Members whose own code panics, and timeouts without an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use everlink::exit::CauseKind;
use everlink::link::Link;
use everlink::manager::{
    Manager, Member, NotStarted, Register, Remove, StartAll, StopAll, Strategy,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::scripted::{End, Plan, Scripted, in_virtual_time, secs, steady};
use crate::{Diary, member, register, start, summary};

#[test]
fn a_member_whose_opener_panics_leaves_the_others_up() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        let panics = |name: &'static str, at_once: bool| {
            Register::new(name, move |opening| {
                assert!(!at_once, "on purpose");
                let backend = Scripted::new([Plan::up()]);
                let link = Link::new(opening.name, backend, steady(), &opening.registry);
                async move {
                    assert!(at_once, "on purpose");
                    Ok(link)
                }
            })
        };
        let members = [
            member("first", &diary, [Plan::up()]),
            panics("at once", true),
            panics("later", false),
            member("last", &diary, [Plan::up()]),
        ];
        register(&manager, members).await;
        let results = start(&manager).await;
        let panicked = Err(NotStarted::Open("it panicked".to_owned()));
        assert_eq!(results[0].1, Ok(()));
        assert_eq!((&results[1].1, &results[2].1), (&panicked, &panicked));
        assert_eq!(results[3].1, Ok(()));
        assert_eq!(
            summary(&manager).await,
            "connected: first, last; not connected: at once (not started), later (not started)"
        );
    });
}

#[test]
fn an_opener_that_panics_at_a_restart_harms_neither_manager_nor_others() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().strategy(Strategy::OneForAll).start();
        let opened = Arc::new(AtomicBool::new(false));
        let once = Register::new("once", move |opening| {
            assert!(!opened.swap(true, Ordering::Relaxed), "on purpose");
            let plan = Plan::up().then(secs(1), End::Exit(CauseKind::Denied));
            let link = Link::new(
                opening.name,
                Scripted::new([plan]),
                steady(),
                &opening.registry,
            );
            async move {
                link.start().await;
                Ok(link)
            }
        });
        register(&manager, [once, member("other", &diary, [Plan::up()])]).await;
        start(&manager).await;
        tokio::time::sleep(secs(30)).await;
        assert_eq!(
            summary(&manager).await,
            "connected: other; not connected: once (not started)"
        );
        assert_eq!(diary.take(), ["+other", "+other"]);
    });
}

#[test]
fn a_timeout_without_an_end_is_one() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        register(&manager, [member("one", &diary, [Plan::up()])]).await;
        let timeout = Duration::MAX;
        let started = manager.send(StartAll { timeout }).await;
        assert_eq!(started.expect("it lives"), [("one".into(), Ok(()))]);
        let stopped = manager.send(StopAll { timeout }).await;
        assert_eq!(stopped.expect("it lives"), [("one".into(), Ok(()))]);
    });
}

/// A member whose drop panics.
struct Trap;

impl Member for Trap {
    fn ready(&self, _: Duration) -> BoxFuture<'static, Result<(), String>> {
        std::future::ready(Ok(())).boxed()
    }

    fn stop(&self, _: Duration) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn a_member_whose_drop_panics_ends_neither_manager_nor_others() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        let trap = Register::new("trap", |_| async { Ok(Trap) });
        register(&manager, [trap, member("other", &diary, [Plan::up()])]).await;
        for round in 0..2 {
            start(&manager).await;
            let timeout = secs(1);
            let stopped = manager.send(StopAll { timeout }).await;
            let names: Vec<_> = stopped
                .expect("it lives")
                .into_iter()
                .map(|it| it.0)
                .collect();
            assert_eq!(names, ["other".into(), "trap".into()], "round {round}");
        }
        start(&manager).await;
        let (name, timeout) = ("trap".into(), secs(1));
        let removed = manager.send(Remove { name, timeout }).await;
        assert!(removed.expect("it lives"));
        assert_eq!(summary(&manager).await, "connected: other");
    });
}
