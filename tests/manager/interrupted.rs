//! A stop does not wait for a start: it ends it.

use actix::Addr;
use everlink::endpoint::LinkName;
use everlink::link::Link;
use everlink::manager::{Manager, NotStarted, Register, Remove, StartAll, StopAll, Strategy};
use everlink::policy::Intensity;
use std::time::Duration;
use tokio::time::{Instant, sleep};

use crate::scripted::{End, Plan, Scripted, in_virtual_time, ms, secs};
use crate::{Diary, member, register, start, summary};
use everlink::exit::CauseKind;

/// One that is never opened, one that never comes up, one that needs it, and one that is well.
fn members(diary: &Diary) -> [Register; 4] {
    let never = Register::new("never", |_| {
        std::future::pending::<Result<Link<Scripted>, _>>()
    });
    [
        never,
        member("dead", diary, [Plan::hangs()]),
        member("late", diary, [Plan::up()]).after("dead"),
        member("well", diary, [Plan::up()]),
    ]
}

/// What a start answers.
type Started = Vec<(LinkName, Result<(), NotStarted>)>;

/// Starts all of them, and does something else a second later: what each gave, and when.
async fn starting_and<T>(
    manager: &Addr<Manager>,
    timeout: Duration,
    a_second_later: impl Future<Output = T>,
) -> ((Started, Duration), (T, Duration)) {
    let begun = Instant::now();
    let starting = async {
        let results = manager.send(StartAll { timeout }).await.expect("it lives");
        (results, begun.elapsed())
    };
    let other = async {
        sleep(secs(1)).await;
        (a_second_later.await, begun.elapsed())
    };
    futures_util::future::join(starting, other).await
}

#[test]
fn a_stop_ends_a_start_that_would_last_for_ever() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        register(&manager, members(&diary)).await;
        let stopping = async {
            let stop = StopAll { timeout: secs(2) };
            manager.send(stop).await.expect("it lives")
        };
        let both = starting_and(&manager, Duration::MAX, stopping);
        let both = tokio::time::timeout(secs(60), both).await;
        let ((started, start_took), (stopped, stop_took)) = both.expect("both are answered");
        assert!(start_took < ms(3_100), "{start_took:?}");
        assert!(stop_took < ms(3_100), "{stop_took:?}");
        let results: Vec<_> = started.into_iter().map(|(_, result)| result).collect();
        assert_eq!(
            results[..2],
            [Err(NotStarted::Stopped), Err(NotStarted::Stopped)]
        );
        assert!(results[2].is_err(), "{results:?}");
        let names: Vec<_> = stopped.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["well", "dead"], "those that had been opened");
        assert_eq!(diary.take(), ["+dead", "+well"], "and none after that");
        // What is told later starts them again.
        assert_eq!(start(&manager).await[3].1, Ok(()));
    });
}

#[test]
fn the_time_of_a_stop_counts_from_when_it_was_told() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        let stubborn = Plan::up().obeys_after(Some(secs(60)));
        register(&manager, [member("stubborn", &diary, [stubborn])]).await;
        start(&manager).await;
        let begun = Instant::now();
        let stop = |timeout| manager.send(StopAll { timeout });
        let first = stop(secs(30));
        let second = async {
            let stopped = stop(secs(2)).await;
            (stopped, begun.elapsed())
        };
        let (_, (_, took)) = futures_util::future::join(first, second).await;
        assert!(took < ms(2_100), "{took:?}");
    });
}

#[test]
fn a_member_that_is_removed_is_gone_in_time_while_others_start() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        register(&manager, members(&diary)).await;
        let remove = async |name: &str| {
            let (name, timeout) = (name.into(), secs(2));
            let removed = manager.send(Remove { name, timeout }).await;
            removed.expect("it lives")
        };
        let removing = async { (remove("never").await, remove("well").await) };
        let ((started, _), (removed, took)) = starting_and(&manager, secs(60), removing).await;
        assert_eq!(removed, (true, true));
        assert!(took < ms(3_100), "{took:?}");
        assert_eq!(started[0].1, Err(NotStarted::Stopped));
        // The others had their time.
        let Err(NotStarted::NotReady(why)) = &started[1].1 else {
            panic!("{started:?}");
        };
        assert!(why.contains("after 60s"), "{why}");
        assert!(summary(&manager).await.starts_with("not connected: dead"));
    });
}

#[test]
fn a_stop_ends_a_restart_too() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new()
            .strategy(Strategy::OneForAll)
            .intensity(Intensity::new(2, secs(60)).expect("valid"))
            .start();
        let parks = Plan::up().then(secs(1), End::Exit(CauseKind::Denied));
        let slow = Plan::up().ready_after(secs(8));
        let parks = member("parks", &diary, [parks]);
        register(&manager, [parks, member("slow", &diary, [slow])]).await;
        let timeout = secs(9);
        manager.send(StartAll { timeout }).await.expect("it lives");
        diary.take();
        sleep(secs(1)).await;
        let begun = Instant::now();
        let stop = StopAll { timeout: secs(2) };
        manager.send(stop).await.expect("it lives");
        assert!(begun.elapsed() < ms(2_100), "{:?}", begun.elapsed());
        diary.take();
        sleep(secs(60)).await;
        assert_eq!(diary.take(), Vec::<String>::new());
        assert!(
            summary(&manager)
                .await
                .contains("parks (not started), slow (not started)")
        );
    });
}
