use proptest::prelude::*;

use super::*;
use crate::redis::command::cmd;
use crate::redis::value::Value;

const TIMEOUT: Duration = Duration::from_secs(1);

fn request(responder: Responder) -> Request {
    let now = tokio::time::Instant::now().into_std();
    Request::new(cmd("GET").arg("k"), now, TIMEOUT, responder)
}

/// How a request ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Resolve,
    Fail,
    Expire,
    Drop,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Resolve),
        Just(End::Fail),
        Just(End::Expire),
        Just(End::Drop)
    ]
}

impl End {
    fn of(self, request: Request, index: usize) {
        match self {
            Self::Resolve => request.resolve(Ok(Value::Int(index as i64))),
            Self::Fail => request.fail(ErrorKind::CrossSlot, Outcome::Refused, None),
            Self::Expire => request.expire(None),
            Self::Drop => drop(request),
        }
    }

    /// Whether an answer is what this end gives.
    fn gave(self, answer: &Answer, index: usize, perhaps_sent: bool) -> bool {
        let without_reply = if perhaps_sent {
            Outcome::Unknown
        } else {
            Outcome::NotSent
        };
        let refused = if perhaps_sent {
            Outcome::Unknown
        } else {
            Outcome::Refused
        };
        let error = match (self, answer) {
            (Self::Resolve, Ok(value)) => return *value == Value::Int(index as i64),
            (Self::Resolve, Err(_)) | (_, Ok(_)) => return false,
            (Self::Fail | Self::Expire | Self::Drop, Err(error)) => error,
        };
        error.command() == Some("GET")
            && match self {
                Self::Resolve => false,
                Self::Fail => {
                    matches!(error.kind(), ErrorKind::CrossSlot) && error.outcome() == refused
                }
                Self::Expire => {
                    matches!(error.kind(), ErrorKind::Deadline(TIMEOUT))
                        && error.outcome() == without_reply
                }
                Self::Drop => {
                    matches!(error.kind(), ErrorKind::Stopped) && error.outcome() == without_reply
                }
            }
    }
}

proptest! {
    #[test]
    fn a_request_is_answered_exactly_once(end in end(), perhaps_sent: bool) {
        let (sender, mut answer) = oneshot::channel();
        let mut request = request(Responder::One(sender));
        request.perhaps_sent = perhaps_sent;
        prop_assert!(answer.try_recv().is_err(), "not before its end");
        end.of(request, 7);
        let answer = answer.try_recv().expect("answered");
        prop_assert!(end.gave(&answer, 7, perhaps_sent), "{:?}", answer);
    }

    #[test]
    fn a_pipeline_is_answered_once_complete_and_in_its_order(
        ends in proptest::collection::vec((end(), any::<bool>(), any::<u32>()), 1..20)
    ) {
        let (sender, mut replies) = oneshot::channel();
        let gather = Gather::new(ends.len(), Some(sender));
        let mut parts: Vec<_> = ends
            .iter()
            .enumerate()
            .map(|(index, (end, perhaps_sent, when))| {
                let mut request = request(Responder::Part(Arc::clone(&gather), index));
                request.perhaps_sent = *perhaps_sent;
                (*when, index, *end, request)
            })
            .collect();
        drop(gather);
        parts.sort_by_key(|(when, ..)| *when);
        for (_, index, end, request) in parts {
            prop_assert!(replies.try_recv().is_err(), "one is missing");
            end.of(request, index);
        }
        let replies = replies.try_recv().expect("complete");
        prop_assert_eq!(replies.len(), ends.len());
        for (index, (end, perhaps_sent, _)) in ends.iter().enumerate() {
            let answer = replies.get(index).expect("one each");
            prop_assert!(end.gave(answer, index, *perhaps_sent), "{:?}", answer);
        }
    }
}

#[test]
fn a_deadline_between_two_tries_is_told_in_the_servers_words() {
    let put_off = |perhaps_sent| {
        let (sender, mut answer) = oneshot::channel();
        let mut request = request(Responder::One(sender));
        request.set_refusal(Some(Refusal {
            error: ServerError::new("LOADING x".into()),
            endpoint: Endpoint::tcp("h", 1),
        }));
        request.perhaps_sent = perhaps_sent;
        move |end: fn(Request)| {
            end(request);
            answer.try_recv().expect("answered").expect_err("an error")
        }
    };
    let ends: [fn(Request); 2] = [
        |request| request.expire(None),
        |request| request.expire_unconnected(None, Some(crate::exit::CauseKind::Refused.into())),
    ];
    for end in ends {
        let error = put_off(false)(end);
        assert_eq!(
            (error.code(), error.outcome()),
            (Some("LOADING"), Outcome::Refused)
        );
        assert_eq!(error.endpoint(), Some(&Endpoint::tcp("h", 1)), "{error}");
        // It is on its way once more, and nobody can tell what becomes of it.
        let error = put_off(true)(end);
        assert!(matches!(error.kind(), ErrorKind::Deadline(TIMEOUT)));
        assert_eq!(error.outcome(), Outcome::Unknown);
    }
    let stopped = put_off(false)(drop);
    assert!(matches!(stopped.kind(), ErrorKind::Stopped), "{stopped}");
    assert_eq!(stopped.outcome(), Outcome::Refused);
}

#[test]
fn an_empty_pipeline_is_answered_at_once() {
    let (sender, mut replies) = oneshot::channel();
    let _gather = Gather::new(0, Some(sender));
    assert!(replies.try_recv().expect("at once").is_empty());
}

#[test]
fn a_caller_that_went_away_is_noticed_and_harms_nobody() {
    let (sender, answer) = oneshot::channel();
    let single = request(Responder::One(sender));
    assert!(!single.is_abandoned());
    drop(answer);
    assert!(single.is_abandoned());
    single.resolve(Ok(Value::Nil));

    let (sender, replies) = oneshot::channel();
    let gather = Gather::new(2, Some(sender));
    let [first, second] = [0, 1].map(|n| request(Responder::Part(Arc::clone(&gather), n)));
    assert!(!first.is_abandoned());
    drop(replies);
    assert!(second.is_abandoned());
    drop((first, second));

    let nobody = request(Responder::Part(Gather::new(1, None), 0));
    assert!(
        !nobody.is_abandoned(),
        "nobody waits, and it is to be executed"
    );
}

/// A task that, when it is woken, looks at the pipeline that woke it.
struct Looks(Arc<Gather>);

impl std::task::Wake for Looks {
    fn wake(self: Arc<Self>) {
        assert!(self.0.is_free(), "woken under the lock");
    }
}

#[test]
fn the_caller_of_a_pipeline_is_not_woken_under_its_lock() {
    let (sender, replies) = oneshot::channel();
    let gather = Gather::new(1, Some(sender));
    let waker = std::task::Waker::from(Arc::new(Looks(Arc::clone(&gather))));
    let mut replies = std::pin::pin!(replies);
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(replies.as_mut().poll(&mut cx).is_pending());
    request(Responder::Part(gather, 0)).resolve(Ok(Value::Nil));
    assert!(replies.as_mut().poll(&mut cx).is_ready());
}
