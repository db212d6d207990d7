//! Connections that are one future.

use std::cell::Cell;
use std::rc::Rc;

use everlink::endpoint::Endpoint;
use everlink::event::LinkState;
use everlink::exit::{Cause, CauseKind};
use everlink::link::{Backend, Close, Lifeline, Link, LinkSettings, Task};
use everlink::registry::Registry;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::scripted::{in_virtual_time, secs};

/// Comes up at once; how it ends is for the test to say.
#[derive(Clone, Default)]
struct Worker {
    /// It takes so many seconds for what is in flight, if it is asked to drain.
    drains: Option<u64>,
    /// It ends by itself after so many seconds, the first time.
    ends: Option<u64>,
    sockets: Rc<Cell<i32>>,
}

/// Open as long as the future lives.
struct Socket(Rc<Cell<i32>>);

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Backend for Worker {
    type Connection = Task;

    fn endpoint(&self) -> Endpoint {
        Endpoint::tcp("node.test", 1)
    }

    fn connection(&mut self, lifeline: Lifeline) -> Task {
        let (told, ends, drains) = (Rc::new(Notify::new()), self.ends.take(), self.drains);
        let (sockets, line, asked) = (Rc::clone(&self.sockets), lifeline.clone(), Rc::clone(&told));
        let work = async move {
            sockets.set(sockets.get() + 1);
            let _socket = Socket(sockets);
            line.ready();
            if let Some(ends) = ends {
                tokio::time::sleep(secs(ends)).await;
                return Err(Cause::new(CauseKind::Closed, "as planned"));
            }
            told.notified().await;
            tokio::time::sleep(secs(drains.unwrap_or_default())).await;
            Ok(())
        };
        Task::new(lifeline, work).on_close(move |close| {
            asked.notify_one();
            close == Close::Drain && drains.is_some()
        })
    }
}

fn link(worker: &Worker) -> Link<Worker> {
    let registry = Registry::start_new();
    Link::new("worker", worker.clone(), LinkSettings::default(), &registry)
}

#[test]
fn its_end_is_the_connections_and_the_link_heals() {
    in_virtual_time(async {
        let worker = Worker {
            ends: Some(3),
            ..Worker::default()
        };
        let link = link(&worker);
        link.start().await;
        tokio::time::sleep(secs(6)).await;
        let status = link.status().await.expect("registered");
        assert_eq!((status.connects, status.disconnects), (2, 1));
        let cause = status.last_error.expect("of the first");
        assert_eq!(cause.to_string(), "closed: as planned");
        assert_eq!(worker.sockets.get(), 1);
    });
}

#[test]
fn it_is_dropped_at_a_close_unless_it_says_that_it_ends_by_itself() {
    in_virtual_time(async {
        for (drains, takes) in [(None, 0), (Some(2), 2)] {
            let worker = Worker {
                drains,
                ..Worker::default()
            };
            let link = link(&worker);
            link.start().await;
            link.ready(secs(1)).await.expect("at once");
            let begun = Instant::now();
            link.stop().await;
            assert_eq!(begun.elapsed().as_secs(), takes);
            let status = link.status().await.expect("registered");
            assert_eq!(status.state, LinkState::Stopped);
            assert_eq!(worker.sockets.get(), 0);
        }
    });
}
