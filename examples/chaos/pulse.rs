//! For how long this process itself did not get to run: [`Pulse`]. On a busy machine that is no
//! fault of the client.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

const BEAT: Duration = Duration::from_millis(10);
/// Less is not noted.
const NOTED: Duration = Duration::from_millis(20);

/// Beats on the thread that carries the load and the client.
#[derive(Debug)]
pub(crate) struct Pulse {
    missed: Rc<RefCell<Vec<(Instant, Duration)>>>,
    beating: JoinHandle<()>,
}

impl Pulse {
    pub(crate) fn start() -> Self {
        let missed = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&missed);
        let beating = actix::spawn(async move {
            loop {
                let due = Instant::now() + BEAT;
                // How late this timer fires is what is measured.
                tokio::time::sleep_until(due).await;
                let late = due.elapsed();
                if late > NOTED {
                    noted.borrow_mut().push((Instant::now(), late));
                }
            }
        });
        Self { missed, beating }
    }

    /// For how long this thread stood still between these two, at most.
    pub(crate) fn missed(&self, began: Instant, ended: Instant) -> Duration {
        let missed = self.missed.borrow();
        let within = missed.iter().filter(|(at, late)| {
            *at >= began && at.checked_sub(*late).is_none_or(|from| from <= ended)
        });
        within.map(|(_, late)| *late).sum()
    }

    /// The longest stand-still.
    pub(crate) fn longest(&self) -> Duration {
        let missed = self.missed.borrow();
        missed
            .iter()
            .map(|(_, late)| *late)
            .max()
            .unwrap_or_default()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.beating.abort();
    }
}
