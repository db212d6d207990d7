//! Two hundred links that lose their server together come back without a storm. In a process of
//! its own, since all links of a process share one governor.
#![cfg(feature = "redis")]

mod application;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlink::event::LinkState;
use everlink::policy::{Backoff, RestartPolicy};
use everlink::redis::Client;
use everlink::registry::Registry;
use tokio::time::Instant;

use crate::application::{SOON, TestResult, standalone};
use crate::support::answers::Answers;
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::waiting::Wait;

const LINKS: usize = 200;
/// The governor of a process: 100 dials a second, 50 at once. What a busy machine delays comes in
/// a bunch.
const IN_A_SECOND: usize = 100 + 50 + 50;

/// When connections came.
#[derive(Clone, Default)]
struct Dials(Arc<Mutex<Vec<Instant>>>);

impl Dials {
    /// A script that notes when connections come, and serves or resets them.
    fn noting(&self, serves: bool) -> impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static {
        let (dials, answers) = (self.clone(), Answers::new().script());
        move |received| {
            if received.nth == 0 {
                dials.0.lock().expect("no panic").push(Instant::now());
            }
            match serves {
                true => answers(received),
                false => vec![Action::Reset],
            }
        }
    }

    fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    /// The most that came within any one second.
    fn most_in_a_second(&self) -> usize {
        let dials = self.0.lock().expect("no panic");
        let within = |first: &Instant| {
            let end = *first + Duration::from_secs(1);
            dials.iter().filter(|at| (*first..end).contains(at)).count()
        };
        dials.iter().map(within).max().unwrap_or_default()
    }
}

#[actix::test]
async fn two_hundred_links_that_lose_their_server_together_come_back_without_a_storm() -> TestResult
{
    let dials = Dials::default();
    let node = FakeNode::start(dials.noting(true))?;
    let registry = Registry::start_new();
    // Impatient links: without a governor they would dial 20,000 times a second.
    let impatient = Backoff::fixed(Duration::from_millis(10))?;
    let clients: Vec<Client> = (0..LINKS)
        .map(|number| {
            let config = standalone(node.port())
                .name(format!("link-{number}"))
                .restart(RestartPolicy::default().with_backoff(impatient.clone()));
            Client::open_with(config, &registry)
        })
        .collect::<Result<_, _>>()?;
    for client in &clients {
        client.ready(SOON).await?;
    }

    // It resets all, and everybody who comes for a while.
    node.retarget(dials.noting(false));
    node.reset_all().await?;
    let mut wait = Wait::up_to(SOON, "dials in vain");
    while dials.count() < 2 * LINKS {
        wait.again(dials.count()).await?;
    }
    node.retarget(dials.noting(true));
    for client in &clients {
        client.ready(SOON).await?;
    }
    let links = clients[0].status().await?;
    assert_eq!(links.len(), LINKS);
    assert!(links.iter().all(|link| link.state == LinkState::Up));
    assert!(
        dials.most_in_a_second() <= IN_A_SECOND,
        "{} dials in one second",
        dials.most_in_a_second()
    );
    Ok(())
}
