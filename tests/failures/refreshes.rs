//! Reading the topology costs little, also when it is slow and everything asks for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use everlink::event::EventKind;
use everlink::exit::CauseKind;
use everlink::redis::config::ClusterSettings;
use everlink::redis::{Config, Slot, cmd};
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::application::{Application, SOON, TestResult, local};
use crate::support::answers::{Answers, FakeTopology};
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::ports::Port;
use crate::support::replies;
use crate::support::waiting::Wait;

/// Of the second node.
const KEY: &str = "foo";

/// Two nodes that tell the topology slowly.
struct SlowNodes {
    nodes: Vec<FakeNode>,
    asked: Arc<Mutex<Vec<Instant>>>,
    delay: Arc<Mutex<Duration>>,
}

impl SlowNodes {
    /// `moving`: the second node sends everybody to the first, and the topology never says so.
    fn start(moving: bool) -> crate::support::waiting::Result<Self> {
        let ports = [Port::reserve()?, Port::reserve()?];
        let numbers = [ports[0].number(), ports[1].number()];
        let topology = FakeTopology::even(&numbers);
        let asked = Arc::<Mutex<Vec<Instant>>>::default();
        let delay = Arc::new(Mutex::new(Duration::ZERO));
        let mut nodes = Vec::new();
        for (index, port) in ports.into_iter().enumerate() {
            let (topology, asked, delay) = (topology.clone(), asked.clone(), delay.clone());
            let myself = numbers[index];
            let answers = Answers::new().slots(&topology).myself(myself).script();
            let script = move |received: &Received| match received.name().as_str() {
                "CLUSTER" => {
                    if index == 0 && received.text(1).eq_ignore_ascii_case("SLOTS") {
                        asked.lock().expect("no panic").push(Instant::now());
                    }
                    let mut actions = vec![Action::Delay(*delay.lock().expect("no panic"))];
                    actions.extend(answers(received));
                    actions
                }
                "GET" if moving && index == 1 => {
                    let slot = Slot::of(&received.args[1]).get();
                    let moved = format!("MOVED {slot} 127.0.0.1:{}", numbers[0]);
                    Action::reply(replies::error(&moved))
                }
                "GET" => Action::reply(replies::bulk("value")),
                _ => answers(received),
            };
            nodes.push(FakeNode::start_on(port, script)?);
        }
        Ok(Self {
            nodes,
            asked,
            delay,
        })
    }

    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().expect("no panic").clone()
    }

    fn delay(&self, delay: Duration) {
        *self.delay.lock().expect("no panic") = delay;
    }

    fn config(&self) -> Config {
        Config::cluster([local(self.nodes[0].port())]).command_timeout(SOON)
    }
}

#[actix::test]
async fn a_storm_of_redirects_refreshes_no_oftener_than_the_cooldown_allows() -> TestResult {
    const REFRESHES: usize = 6;
    let cooldown = Duration::from_millis(500);
    let nodes = SlowNodes::start(true)?;
    let settings = ClusterSettings::default().refresh_cooldown(cooldown);
    let application = Application::ready(nodes.config().cluster_settings(settings)).await?;
    // Each refresh lasts long enough for redirects to come in the midst of it.
    nodes.delay(Duration::from_millis(20));
    let callers: Vec<_> = (0..20)
        .map(|caller| {
            let client = application.client.clone();
            spawn_local(async move {
                // Each slot is redirected once after each refresh: redirects come at any time.
                for n in 0_u32.. {
                    let get = cmd("GET").arg(format!("{caller}:{n}"));
                    let value: String = client.query(get).await.expect("a value");
                    assert_eq!(value, "value");
                    // A pace: without a pause they would leave the refreshes no time.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    let first = nodes.asked().len();
    let mut wait = Wait::up_to(SOON, "refreshes");
    while nodes.asked().len() < first + REFRESHES {
        assert!(callers.iter().all(|caller| !caller.is_finished()));
        wait.again(nodes.asked().len()).await?;
    }
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    // The first comes at once; on a busy machine it may also have been seen late.
    let asked = &nodes.asked()[first..];
    let took = asked[REFRESHES - 1] - asked[1];
    let least = cooldown * (REFRESHES as u32 - 3);
    assert!(took >= least, "{REFRESHES} refreshes in {took:?}");
    Ok(())
}

#[actix::test]
async fn a_refresh_that_is_too_slow_ends_by_its_own_deadline_and_costs_no_call() -> TestResult {
    let nodes = SlowNodes::start(false)?;
    let settings = ClusterSettings::default()
        .refresh_timeout(Duration::from_millis(100))
        .refresh_cooldown(Duration::from_millis(100))
        .refresh_every(Duration::from_millis(200));
    let application = Application::ready(nodes.config().cluster_settings(settings)).await?;
    // Longer than a refresh may take, as from a server that is busy.
    nodes.delay(Duration::from_millis(300));
    let failed = application.told("topology_failed", 1).await;
    let as_told = matches!(&failed, EventKind::TopologyFailed { cause, .. }
        if cause.kind() == CauseKind::Stalled);
    assert!(as_told, "{failed}");
    for _ in 0..10 {
        let value: String = application.client.query(cmd("GET").arg(KEY)).await?;
        assert_eq!(value, "value");
    }
    application.told("topology_failed", 2).await;
    let asked = nodes.asked();
    nodes.delay(Duration::ZERO);
    let mut wait = Wait::up_to(SOON, "a refresh in time");
    let failures = application.count("topology_failed");
    while nodes.asked().len() < asked.len() + 5 {
        wait.again(nodes.asked().len()).await?;
    }
    assert!(application.count("topology_failed") <= failures + 1);
    assert_eq!(application.count("disconnected"), 0);
    assert_eq!(nodes.nodes[1].connections(), 1);
    Ok(())
}
