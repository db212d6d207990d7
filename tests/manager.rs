//! The manager: named links of any kind, started and stopped in order; in virtual time, and on real
//! servers of three kinds.

#[path = "manager/interrupted.rs"]
mod interrupted;
#[cfg(all(feature = "mysql", feature = "redis", feature = "websocket"))]
#[path = "websocket/lines.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod lines;
#[path = "manager/mishaps.rs"]
mod mishaps;
#[path = "supervision/scripted.rs"]
mod scripted;
#[cfg(all(feature = "mysql", feature = "redis", feature = "websocket"))]
#[path = "websocket/server.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod server;
#[cfg(all(feature = "mysql", feature = "redis", feature = "websocket"))]
#[path = "manager/services.rs"]
mod services;
#[cfg(all(feature = "mysql", feature = "redis", feature = "websocket"))]
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix::Addr;
use everlink::exit::CauseKind;
use everlink::link::Link;
use everlink::manager::{
    Escalation, Get, Manager, NotRegistered, NotStarted, Register, Remove, StartAll, StopAll,
    StoppedLate, Strategy, Summary,
};
use everlink::policy::Intensity;
use scripted::{End, Plan, Scripted, in_virtual_time, ms, secs, steady};

/// What happened to members, in order: `+name` was opened, `-name` was dropped.
#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, line: String) {
        self.0.lock().expect("nobody panics with it").push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

/// A member that has these plans, each time it is opened.
fn member(name: &'static str, diary: &Diary, plans: impl Into<Vec<Plan>>) -> Register {
    let (diary, plans) = (diary.clone(), plans.into());
    Register::new(name, move |opening| {
        diary.write(format!("+{name}"));
        let backend = Scripted::new(plans.clone());
        let link = Link::new(opening.name, backend, steady(), &opening.registry);
        async move {
            link.start().await;
            Ok(link)
        }
    })
}

fn escalations(told: &Arc<Mutex<Vec<Escalation>>>) -> Vec<(String, Vec<String>, bool)> {
    let told = told.lock().expect("nobody panics with it");
    told.iter()
        .map(|escalation| {
            let restarted = escalation.restarted.iter().map(ToString::to_string);
            let member = escalation.member.to_string();
            (member, restarted.collect(), escalation.exhausted)
        })
        .collect()
}

async fn register(manager: &Addr<Manager>, members: impl IntoIterator<Item = Register>) {
    for member in members {
        let registered = manager.send(member).await.expect("a manager");
        registered.expect("a new name");
    }
}

async fn start(manager: &Addr<Manager>) -> Vec<(String, Result<(), NotStarted>)> {
    let start = StartAll { timeout: secs(5) };
    let results = manager.send(start).await.expect("a manager");
    let results = results.into_iter();
    results
        .map(|(name, result)| (name.to_string(), result))
        .collect()
}

async fn summary(manager: &Addr<Manager>) -> String {
    let status = manager.send(Summary).await.expect("a manager");
    status.to_string()
}

#[test]
fn members_start_in_order_each_once_those_it_needs_are_up() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        let refused = || Plan::fails(CauseKind::Denied);
        let members = [
            member("db", &diary, [Plan::up().ready_after(secs(1))]),
            member("cache", &diary, [refused()]),
            member("feed", &diary, [Plan::up()]).after("db"),
            member("sessions", &diary, [Plan::up()]).after("cache"),
            member("carts", &diary, [Plan::up()]).after("sessions"),
        ];
        register(&manager, members).await;
        assert_eq!(
            summary(&manager).await,
            "not connected: db (not started), cache (not started), feed (not started), \
             sessions (not started), carts (not started)"
        );
        let results = start(&manager).await;
        let (names, results): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        assert_eq!(names, ["db", "cache", "feed", "sessions", "carts"]);
        assert_eq!(results[0], Ok(()));
        let Err(NotStarted::NotReady(why)) = &results[1] else {
            panic!("{:?}", results[1]);
        };
        assert!(why.contains("parked: denied"), "{why}");
        assert_eq!(results[2], Ok(()));
        assert_eq!(results[3], Err(NotStarted::Needs("cache".into())));
        assert_eq!(results[4], Err(NotStarted::Needs("sessions".into())));
        assert_eq!(diary.take(), ["+db", "+cache", "+feed"]);
        assert_eq!(
            summary(&manager).await,
            "connected: db, feed; not connected: cache (parked: denied: as planned), \
             sessions (not started), carts (not started)"
        );
        // Again: those that run are not opened twice.
        assert_eq!(start(&manager).await[0].1, Ok(()));
        assert_eq!(diary.take(), Vec::<String>::new());
    });
}

#[test]
fn a_member_that_never_comes_up_holds_up_only_those_that_need_it() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        let never = Register::new("never", |_| {
            std::future::pending::<Result<Link<Scripted>, _>>()
        });
        let members = [
            never,
            member("dead", &diary, [Plan::hangs()]),
            member("late", &diary, [Plan::up()]).after("dead"),
            member("db", &diary, [Plan::up().ready_after(secs(1))]),
            member("feed", &diary, [Plan::up()]).after("db"),
        ];
        register(&manager, members).await;
        let begun = tokio::time::Instant::now();
        let starting = async {
            let results = start(&manager).await;
            (results, begun.elapsed())
        };
        let looking = async {
            tokio::time::sleep(secs(2)).await;
            (diary.take(), summary(&manager).await)
        };
        let ((results, took), (opened, line)) = futures_util::future::join(starting, looking).await;
        assert_eq!(opened, ["+dead", "+db", "+feed"]);
        assert!(
            line.starts_with("connected: db, feed; not connected: never"),
            "{line}"
        );
        // Both had their five seconds, at the same time.
        assert!(took < ms(5_100), "{took:?}");
        let results: Vec<_> = results
            .iter()
            .map(|(name, result)| (name.as_str(), result.clone()))
            .collect();
        let late = NotStarted::Open("not done within 5s".to_owned());
        assert_eq!(results[0], ("never", Err(late)));
        let ("dead", Err(NotStarted::NotReady(why))) = &results[1] else {
            panic!("{:?}", results[1]);
        };
        assert!(why.starts_with("dead is not up after 5s"), "{why}");
        assert_eq!(results[2], ("late", Err(NotStarted::Needs("dead".into()))));
        assert_eq!(results[3..], [("db", Ok(())), ("feed", Ok(()))]);
    });
}

#[test]
fn members_stop_in_reverse_under_one_deadline() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        let slow = |after| Plan::up().obeys_after(Some(after));
        let members = [
            member("first", &diary, [slow(secs(3))]),
            member("second", &diary, [slow(secs(3))]),
            member("third", &diary, [slow(secs(1))]),
        ];
        register(&manager, members).await;
        start(&manager).await;
        let began = tokio::time::Instant::now();
        let stop = StopAll { timeout: secs(5) };
        let results = manager.send(stop).await.expect("a manager");
        let names: Vec<_> = results.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["third", "second", "first"]);
        let ended: Vec<_> = results.iter().map(|(_, result)| *result).collect();
        assert_eq!(ended, [Ok(()), Ok(()), Err(StoppedLate)]);
        assert!(began.elapsed() < ms(5_100), "{:?}", began.elapsed());
        assert!(summary(&manager).await.starts_with("not connected: first"));
        // And they start anew.
        assert!(
            start(&manager)
                .await
                .iter()
                .all(|(_, result)| result.is_ok())
        );
    });
}

#[test]
fn a_member_is_given_as_what_it_is_while_it_runs() {
    in_virtual_time(async {
        let diary = Diary::default();
        let manager = Manager::new().start();
        register(&manager, [member("db", &diary, [Plan::up()])]).await;
        let get = async || {
            let get = Get::<Link<Scripted>>::new("db");
            manager.send(get).await.expect("a manager")
        };
        assert!(get().await.is_none(), "not started");
        start(&manager).await;
        let link = get().await.expect("it runs");
        assert_eq!(link.name().as_str(), "db");
        let twice = manager.send(member("db", &diary, [Plan::up()])).await;
        assert_eq!(
            twice.expect("a manager"),
            Err(NotRegistered::Twice("db".into()))
        );
        let remove = Remove {
            name: "db".into(),
            timeout: secs(1),
        };
        assert!(manager.send(remove.clone()).await.expect("a manager"));
        assert!(!manager.send(remove).await.expect("a manager"));
        assert!(get().await.is_none());
        assert_eq!(summary(&manager).await, "no members");
        register(&manager, [member("db", &diary, [Plan::up()])]).await;
    });
}

#[test]
fn a_member_that_cannot_be_opened_says_why() {
    in_virtual_time(async {
        let manager = Manager::new().start();
        let broken = Register::new("broken", |_| async {
            Err::<Link<Scripted>, _>("no such file".into())
        });
        register(&manager, [broken]).await;
        let expected = NotStarted::Open("no such file".to_owned());
        assert_eq!(
            start(&manager).await,
            [("broken".to_owned(), Err(expected))]
        );
    });
}

/// Three members, of which the second is parked once after a second; which are opened anew, and
/// what was told.
async fn parked_under(strategy: Strategy) -> (Vec<String>, Vec<(String, Vec<String>, bool)>) {
    let diary = Diary::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let manager = Manager::new()
        .strategy(strategy)
        .on_escalation(move |escalation| {
            tell.lock()
                .expect("nobody panics with it")
                .push(escalation.clone());
        })
        .start();
    let opened = Arc::new(Mutex::new(0));
    let second = {
        let diary = diary.clone();
        Register::new("second", move |opening| {
            let mut opened = opened.lock().expect("nobody panics with it");
            *opened += 1;
            diary.write("+second".to_owned());
            let plan = if *opened == 1 {
                Plan::up().then(secs(1), End::Exit(CauseKind::Denied))
            } else {
                Plan::up()
            };
            let backend = Scripted::new([plan]);
            let link = Link::new(opening.name, backend, steady(), &opening.registry);
            async move {
                link.start().await;
                Ok(link)
            }
        })
    };
    let first = member("first", &diary, [Plan::up()]);
    let third = member("third", &diary, [Plan::up()]);
    register(&manager, [first, second, third]).await;
    start(&manager).await;
    diary.take();
    tokio::time::sleep(secs(30)).await;
    let connected = summary(&manager).await;
    match strategy {
        Strategy::OneForOne => assert!(connected.contains("second (parked"), "{connected}"),
        _ => assert_eq!(connected, "connected: first, second, third"),
    }
    (diary.take(), escalations(&told))
}

#[test]
fn a_link_that_has_given_up_takes_with_it_whom_the_strategy_says() {
    in_virtual_time(async {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (strategy, restarted) in [
            (Strategy::OneForOne, names(&[])),
            (Strategy::RestForOne, names(&["second", "third"])),
            (Strategy::OneForAll, names(&["first", "second", "third"])),
        ] {
            let (opened, told) = parked_under(strategy).await;
            let expected: Vec<_> = restarted.iter().map(|name| format!("+{name}")).collect();
            assert_eq!(opened, expected, "{strategy:?}");
            assert_eq!(told, [("second".to_owned(), restarted, false)]);
        }
    });
}

#[test]
fn too_many_restarts_are_not_made() {
    in_virtual_time(async {
        let diary = Diary::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let manager = Manager::new()
            .strategy(Strategy::OneForAll)
            .intensity(Intensity::new(2, secs(60)).expect("valid"))
            .on_escalation(move |escalation| {
                tell.lock()
                    .expect("nobody panics with it")
                    .push(escalation.clone());
            })
            .start();
        let hopeless = Plan::up().then(secs(1), End::Exit(CauseKind::Denied));
        register(&manager, [member("hopeless", &diary, [hopeless])]).await;
        start(&manager).await;
        tokio::time::sleep(secs(60)).await;
        assert_eq!(diary.take().len(), 3, "the start and two restarts");
        let told = escalations(&told);
        let exhausted: Vec<_> = told.iter().map(|(_, _, exhausted)| *exhausted).collect();
        assert_eq!(exhausted, [false, false, true]);
    });
}

#[test]
fn a_panicking_callback_is_not_asked_again_and_harms_nobody() {
    in_virtual_time(async {
        let (diary, asked) = (Diary::default(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let manager = Manager::new()
            .strategy(Strategy::OneForAll)
            .on_escalation(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                panic!("as planned")
            })
            .start();
        let hopeless = Plan::up().then(secs(1), End::Exit(CauseKind::Denied));
        register(&manager, [member("hopeless", &diary, [hopeless])]).await;
        start(&manager).await;
        tokio::time::sleep(secs(3)).await;
        assert!(diary.take().len() >= 3);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(summary(&manager).await.contains("hopeless"));
    });
}
