//! What happens between client and nodes: [`Network`]. Most nodes stand behind a fault proxy, which
//! the client is told to dial instead; the nodes among themselves use their own ports.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use everlink::endpoint::Endpoint;
use everlink::redis::config::EndpointMap;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::laboratory::screen::{Look, Screen};
use crate::support::fault_proxy::{Ending, FaultProxy, Way};
use crate::support::redis_cluster::RedisCluster;
use crate::support::waiting::Result;

/// Each so many-th node is dialled directly.
const DIRECT: usize = 3;

/// The proxies, by node.
pub(crate) struct Network {
    cluster: Rc<RedisCluster>,
    proxies: Vec<Option<FaultProxy>>,
    /// Faults so far.
    count: Cell<u64>,
}

impl Network {
    /// # Errors
    /// No free port.
    pub(crate) fn start(cluster: &Rc<RedisCluster>) -> Result<Self> {
        let nodes = cluster.nodes().iter().enumerate();
        let proxies = nodes.map(|(index, node)| {
            let direct = index % DIRECT == DIRECT - 1;
            (!direct)
                .then(|| FaultProxy::start(node.port()))
                .transpose()
        });
        Ok(Self {
            cluster: Rc::clone(cluster),
            proxies: proxies.collect::<Result<_>>()?,
            count: Cell::new(0),
        })
    }

    /// Host and port to dial for each node.
    pub(crate) fn seeds(&self) -> Vec<Endpoint> {
        let nodes = self.cluster.nodes().iter().zip(&self.proxies);
        nodes
            .map(|(node, proxy)| match proxy {
                Some(proxy) => Endpoint::tcp("127.0.0.1", proxy.port()),
                None => Endpoint::tcp("127.0.0.1", node.port()),
            })
            .collect()
    }

    /// Where announced addresses are reached.
    pub(crate) fn map(&self) -> EndpointMap {
        let nodes = self.cluster.nodes().iter().zip(&self.proxies);
        let ports: BTreeMap<u16, u16> = nodes
            .filter_map(|(node, proxy)| Some((node.port(), proxy.as_ref()?.port())))
            .collect();
        EndpointMap::new().function(move |announced| {
            let port = ports.get(&announced.port()?)?;
            Some(Endpoint::tcp("127.0.0.1", *port))
        })
    }

    pub(crate) async fn refuse(&self, node: usize) {
        if let Some(proxy) = &self.proxies[node] {
            proxy.refuse().await;
        }
    }

    /// # Errors
    /// The port is in use.
    pub(crate) fn accept(&self, node: usize) -> Result<()> {
        self.proxies[node]
            .as_ref()
            .map_or(Ok(()), FaultProxy::accept)
    }

    /// Waits until each proxy carries so many connections.
    ///
    /// # Errors
    /// It is not so after 10 s.
    pub(crate) async fn wait_for_connections(&self, each: usize) -> Result<()> {
        for proxy in self.proxies.iter().flatten() {
            let what = format!("{each} connection(s) through a proxy");
            proxy
                .wait_until(&what, |proxy| proxy.open_connections() == each)
                .await?;
        }
        Ok(())
    }

    /// How many faults there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    /// One fault after the other until then; all are taken back.
    pub(crate) async fn run(&self, seed: u64, until: Instant, screen: &Screen) -> Result<()> {
        let mut rng = StdRng::seed_from_u64(seed);
        while Instant::now() < until {
            sleep(Duration::from_millis(rng.random_range(20..400))).await;
            let node = rng.random_range(0..self.proxies.len());
            let what = match &self.proxies[node] {
                Some(proxy) => fault(proxy, &mut rng).await?,
                None if rng.random_ratio(1, 2) => continue,
                None => {
                    // A node that is down or paused now cannot be asked to.
                    let _ = self.cluster.client_kill_all().await;
                    "CLIENT KILL on all nodes".to_owned()
                }
            };
            self.count.set(self.count.get() + 1);
            let port = self.cluster.nodes()[node].port();
            let clock = screen.clock();
            screen.line(screen.paint(Look::Quiet, format!("{clock}      {port}: {what}")));
        }
        Ok(())
    }
}

/// Does something to all connections of a proxy, for a while.
async fn fault(proxy: &FaultProxy, rng: &mut StdRng) -> Result<String> {
    let way = if rng.random_ratio(1, 2) {
        Way::ToServer
    } else {
        Way::ToClient
    };
    let ending = if rng.random_ratio(1, 2) {
        Ending::Reset
    } else {
        Ending::Close
    };
    let mut lasts = Duration::from_millis(rng.random_range(50..800));
    let what = match rng.random_range(0..8) {
        0 => {
            let bytes = rng.random_range(1..16);
            proxy.split(way, bytes);
            format!("split into {bytes} byte(s) {way:?} for {lasts:?}")
        }
        1 => {
            let delay = Duration::from_millis(rng.random_range(1..80));
            proxy.delay(way, delay);
            format!("delay of {delay:?} {way:?} for {lasts:?}")
        }
        2 | 3 => {
            lasts *= 4;
            proxy.stall(way);
            format!("stall {way:?} for {lasts:?}")
        }
        4 | 5 => {
            let bytes = rng.random_range(1..20_000);
            proxy.cut_after(way, bytes, ending);
            format!("{ending:?} after {bytes} bytes {way:?}, within {lasts:?}")
        }
        6 => {
            // One that cannot end in time ends later.
            let _ = proxy.end_all(ending).await;
            lasts = Duration::ZERO;
            format!("{ending:?} of all connections")
        }
        _ => {
            proxy.stall(Way::ToServer);
            proxy.stall(Way::ToClient);
            format!("stall both ways for {lasts:?}, then {ending:?}")
        }
    };
    sleep(lasts).await;
    if what.contains("then") {
        let _ = proxy.end_all(ending).await;
    }
    proxy.heal();
    Ok(what)
}
