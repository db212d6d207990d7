//! One answer on its way to the one caller who waits for it: [`awaited`].
//!
//! What tokio's oneshot channel does, for one type and in memory that is used again: the channel
//! took 600 of the 3,550 instructions of a `GET`, this takes 320.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::redis::error::{Error, Result};
use crate::redis::spares::{Depot, Spares};
use crate::redis::value::Value;

/// What a caller gets for one command.
pub(crate) type Answer = Result<Value>;

static SHARED_PLACES: Depot<Arc<Place>> = Depot::new();

thread_local! {
    static PLACES: Spares<Arc<Place>> = const { Spares::new(&SHARED_PLACES) };
}

/// Where both ends meet.
#[derive(Debug, Default)]
struct Place(Mutex<Stage>);

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Open,
    /// The caller was here, and wants to be woken.
    Waiting(Waker),
    Answered(Answer),
    /// One end is gone: there will be no answer, or nobody wants it.
    Over,
}

impl Stage {
    #[inline]
    fn answer(self) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Open | Self::Waiting(_) | Self::Over => Err(Error::stopped()),
        }
    }
}

impl Place {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the stage for good, unless it is over. Gives back what the caller of this must
    /// wake or drop, which must not happen under the lock.
    #[inline]
    fn advance(&self, next: Stage) -> Stage {
        let mut stage = self.lock();
        match *stage {
            Stage::Over => next,
            Stage::Open | Stage::Waiting(_) | Stage::Answered(_) => mem::replace(&mut stage, next),
        }
    }
}

/// Gives the answer. Dropped without one, it says that the client has stopped.
#[derive(Debug)]
pub(crate) struct Answerer(Option<Arc<Place>>);

/// Waits for the answer. Dropping it leaves the answer to nobody.
#[derive(Debug)]
pub(crate) struct Awaited(Option<Arc<Place>>);

/// Both ends for one answer.
#[inline]
pub(crate) fn awaited() -> (Answerer, Awaited) {
    let spare = PLACES.try_with(Spares::take).ok().flatten();
    let place = spare.unwrap_or_default();
    (Answerer(Some(Arc::clone(&place))), Awaited(Some(place)))
}

impl Answerer {
    #[inline]
    pub(crate) fn give(mut self, answer: Answer) {
        self.end(Stage::Answered(answer));
    }

    /// Nobody waits any more.
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|place| Arc::strong_count(place) == 1)
    }

    #[inline]
    fn end(&mut self, last: Stage) {
        let Some(place) = self.0.take() else {
            return;
        };
        let before = place.advance(last);
        // Left before the caller is woken, so that it finds itself alone and keeps the place.
        drop(place);
        if let Stage::Waiting(waker) = before {
            waker.wake();
        }
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.end(Stage::Over);
    }
}

impl Awaited {
    /// It will not wait: the other end is gone, with or without an answer.
    #[inline]
    pub(crate) fn is_decided(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|place| Arc::strong_count(place) == 1)
    }

    /// The other end is gone: what it left, and the place for the next one. Nobody else can reach it,
    /// so there is nothing to lock.
    #[inline]
    fn finish(&mut self) -> Answer {
        let Some(mut place) = self.0.take() else {
            return Err(Error::stopped());
        };
        let Some(Place(stage)) = Arc::get_mut(&mut place) else {
            return place.advance(Stage::Over).answer();
        };
        let stage = stage.get_mut().unwrap_or_else(PoisonError::into_inner);
        let last = mem::take(stage);
        // An error means that the thread ends.
        let _ = PLACES.try_with(|places| places.keep(place));
        last.answer()
    }
}

impl Future for Awaited {
    type Output = Answer;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let shared = self.0.as_ref().filter(|place| Arc::strong_count(place) > 1);
        let Some(place) = shared else {
            return Poll::Ready(self.finish());
        };
        let mut stage = place.lock();
        match &*stage {
            Stage::Waiting(waker) if waker.will_wake(cx.waker()) => return Poll::Pending,
            Stage::Open | Stage::Waiting(_) => {
                let before = mem::replace(&mut *stage, Stage::Waiting(cx.waker().clone()));
                drop(stage);
                drop(before);
                return Poll::Pending;
            }
            // The other end is about to leave.
            Stage::Answered(_) | Stage::Over => {}
        }
        let last = mem::take(&mut *stage);
        drop(stage);
        self.0 = None;
        Poll::Ready(last.answer())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            drop(place.advance(Stage::Over));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::redis::error::ErrorKind;

    /// Counts how often it is woken, and looks whether the place is locked then.
    struct Counter {
        woken: AtomicUsize,
        place: Weak<Place>,
    }

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            let free = |place: Arc<Place>| place.0.try_lock().is_ok();
            assert!(
                self.place.upgrade().is_none_or(free),
                "woken under the lock"
            );
            self.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counter(awaited: &Awaited) -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter {
            woken: AtomicUsize::new(0),
            place: Arc::downgrade(awaited.0.as_ref().expect("not polled to its end")),
        });
        (Arc::clone(&counter), Waker::from(counter))
    }

    fn poll(awaited: &mut Awaited, waker: &Waker) -> Poll<Answer> {
        Pin::new(awaited).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn an_answer_wakes_the_caller_once_and_reaches_it() {
        let (answerer, mut awaited) = awaited();
        let (counter, waker) = counter(&awaited);
        assert!(poll(&mut awaited, &waker).is_pending());
        assert!(poll(&mut awaited, &waker).is_pending());
        assert!(!answerer.is_abandoned());
        answerer.give(Ok(Value::Int(7)));
        assert_eq!(counter.woken.load(Ordering::Relaxed), 1);
        let answer = poll(&mut awaited, &waker);
        assert!(
            matches!(answer, Poll::Ready(Ok(Value::Int(7)))),
            "{answer:?}"
        );
    }

    #[test]
    fn what_is_decided_before_it_is_waited_for_is_told() {
        let (answerer, awaiting) = awaited();
        assert!(!awaiting.is_decided());
        answerer.give(Ok(Value::Nil));
        assert!(awaiting.is_decided());
        let (answerer, awaiting) = awaited();
        drop(answerer);
        assert!(awaiting.is_decided());
    }

    #[test]
    fn the_task_that_polled_last_is_woken() {
        let (answerer, mut awaited) = awaited();
        let (first, first_waker) = counter(&awaited);
        let (second, second_waker) = counter(&awaited);
        assert!(poll(&mut awaited, &first_waker).is_pending());
        assert!(poll(&mut awaited, &second_waker).is_pending());
        answerer.give(Ok(Value::Nil));
        assert_eq!(first.woken.load(Ordering::Relaxed), 0);
        assert_eq!(second.woken.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_answerer_that_is_dropped_leaves_nobody_waiting() {
        let (answerer, mut awaited) = awaited();
        let (counter, waker) = counter(&awaited);
        assert!(poll(&mut awaited, &waker).is_pending());
        drop(answerer);
        assert_eq!(counter.woken.load(Ordering::Relaxed), 1);
        let Poll::Ready(Err(error)) = poll(&mut awaited, &waker) else {
            panic!("an error is told");
        };
        assert!(matches!(error.kind(), ErrorKind::Stopped), "{error}");
    }

    #[test]
    fn a_caller_that_goes_away_is_noticed_and_never_woken() {
        let (answerer, mut awaited) = awaited();
        let (counter, waker) = counter(&awaited);
        assert!(poll(&mut awaited, &waker).is_pending());
        drop(awaited);
        assert!(answerer.is_abandoned());
        answerer.give(Ok(Value::Nil));
        assert_eq!(counter.woken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_place_is_used_again_only_when_both_ends_are_gone() {
        std::thread::spawn(|| {
            let (answerer, mut first) = awaited();
            let place = Arc::as_ptr(first.0.as_ref().expect("a place"));
            answerer.give(Ok(Value::Int(1)));
            assert!(poll(&mut first, Waker::noop()).is_ready());
            let (answerer, mut second) = awaited();
            let held = Arc::clone(second.0.as_ref().expect("a place"));
            assert_eq!(Arc::as_ptr(&held), place, "used again");
            assert!(poll(&mut second, Waker::noop()).is_pending(), "and empty");
            answerer.give(Ok(Value::Int(2)));
            assert!(poll(&mut second, Waker::noop()).is_ready());
            let (_answerer, third) = awaited();
            let other = third.0.as_ref().expect("a place");
            assert!(!Arc::ptr_eq(other, &held), "somebody has it still");
        })
        .join()
        .expect("a thread of its own");
    }
}
