//! How calls wait. Time is paused here: a sleep moves the clock, and waits for nothing.

use super::*;
use crate::endpoint::Endpoint;
use crate::mysql::session::Session;
use futures_util::future::LocalBoxFuture;
use std::time::Duration;

/// A call whose caller goes away, with something whose drop asks the pool.
struct Asks {
    shared: Arc<Shared>,
    given_up: bool,
    free: Arc<Mutex<Vec<bool>>>,
    weight: usize,
    told: Told,
}

impl Drop for Asks {
    fn drop(&mut self) {
        let free = self.shared.queue.try_lock().is_ok();
        locked(&self.free).push(free);
    }
}

impl Work for Asks {
    fn is_abandoned(&self) -> bool {
        self.given_up
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn fail(self: Box<Self>, error: Error) {
        locked(&self.told).push(error);
    }

    fn pass(&mut self, _: &Circuit) -> Result<()> {
        Ok(())
    }

    fn run(self: Box<Self>, session: Session) -> LocalBoxFuture<'static, Session> {
        Box::pin(async move { session })
    }
}

#[tokio::test]
async fn what_was_given_up_is_dropped_without_the_lock() {
    let mut settings = MysqlSettings::new(Endpoint::tcp("localhost", 3306));
    settings.pool.waiting = 2;
    settings.when_down = WhenDown::Wait;
    let shared = Shared::new(settings);
    let free = Arc::new(Mutex::default());
    let submit = |given_up| {
        let (shared, free) = (Arc::clone(&shared), Arc::clone(&free));
        shared.clone().submit(Box::new(Asks {
            shared,
            given_up,
            free,
            weight: 0,
            told: Arc::default(),
        }));
    };
    for given_up in [true, true, true] {
        submit(given_up);
    }
    assert_eq!(*locked(&free), [true, true], "to make room");
    submit(false);
    assert!(shared.take().is_some_and(|it| !it.work.is_abandoned()));
    assert!(locked(&free).iter().all(|free| *free), "in passing");
    assert_eq!(locked(&free).len(), 4);
}

type Told = Arc<Mutex<Vec<Error>>>;

/// A pool without connections, and a way to give it calls: what they are told.
fn waiting(change: impl FnOnce(&mut MysqlSettings)) -> (Arc<Shared>, impl Fn(usize), Told) {
    let mut settings = MysqlSettings::new(Endpoint::tcp("localhost", 3306));
    settings.when_down = WhenDown::Wait;
    change(&mut settings);
    let shared = Shared::new(settings);
    let told = Arc::new(Mutex::default());
    let (pool, heard) = (Arc::clone(&shared), Arc::clone(&told));
    let submit = move |weight| {
        pool.submit(Box::new(Asks {
            shared: Arc::clone(&pool),
            given_up: false,
            free: Arc::default(),
            weight,
            told: Arc::clone(&heard),
        }));
    };
    (shared, submit, told)
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes_and_one_always_fits() {
    let (shared, submit, told) = waiting(|settings| settings.pool.waiting_bytes = 100);
    for (weight, refused) in [(1_000, 0), (1, 1)] {
        submit(weight);
        assert_eq!(locked(&told).len(), refused, "{weight}");
    }
    assert!(shared.take().is_some());
    for (weight, refused) in [(60, 1), (40, 1), (1, 2)] {
        submit(weight);
        assert_eq!(locked(&told).len(), refused, "{weight}");
    }
    let full = |it: &Error| matches!(it.kind(), ErrorKind::QueueFull(_));
    assert!(locked(&told).iter().all(full));
    assert!(shared.take().is_some());
    submit(60);
    assert_eq!(locked(&told).len(), 2, "what was taken has made room");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_time_to_wait_counts_for_those_that_wait_already() {
    let long = Duration::from_secs(60);
    let (shared, submit, told) = waiting(|settings| settings.timeouts.acquire = long);
    let keeper = tokio::spawn(Shared::keep(Arc::clone(&shared)));
    submit(0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut settings = MysqlSettings::clone(&shared.settings());
    settings.timeouts.acquire = Duration::from_secs(1);
    shared.replace_settings(settings);
    submit(0);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let waits: Vec<_> = locked(&told)
        .iter()
        .map(|error| match error.kind() {
            ErrorKind::NoConnection { waited, .. } => waited.as_secs(),
            _ => panic!("{error}"),
        })
        .collect();
    assert_eq!(waits, [4, 1], "as long as they waited");
    keeper.abort();
}
