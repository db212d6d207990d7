//! A cluster of fake nodes that share one topology.

use everlink::redis::Config;

use crate::application::{SOON, local};
use crate::support::answers::{Answers, FakeTopology};
use crate::support::fake_node::{Action, FakeNode, Received};
use crate::support::ports::Port;
use crate::support::replies;
use crate::support::waiting::Result;

/// "foo" is in slot 12182, in the second half; "bar" in slot 5061, in the first.
pub(crate) const FOO: u16 = 12_182;

/// Two nodes, each with half of the slots, which answer `GET` with their name.
pub(crate) struct TwoNodes {
    pub(crate) nodes: [FakeNode; 2],
    pub(crate) topology: FakeTopology,
}

/// The script of a node which answers `GET` with `name`, and `INCR` with 1.
pub(crate) fn serving(topology: &FakeTopology, port: u16, name: &'static str) -> Answers {
    Answers::new()
        .slots(topology)
        .myself(port)
        .on("GET", move |_| Action::reply(replies::bulk(name)))
        .on("INCR", |_| Action::reply(replies::int(1)))
}

impl TwoNodes {
    pub(crate) fn start() -> Result<Self> {
        let ports = [Port::reserve()?, Port::reserve()?];
        let [first, second] = [ports[0].number(), ports[1].number()];
        let topology = FakeTopology::even(&[first, second]);
        let [one, other] = ports;
        let nodes = [
            FakeNode::start_on(one, serving(&topology, first, "first").script())?,
            FakeNode::start_on(other, serving(&topology, second, "second").script())?,
        ];
        Ok(Self { nodes, topology })
    }

    pub(crate) fn port(&self, index: usize) -> u16 {
        self.nodes[index].port()
    }

    pub(crate) fn config(&self) -> Config {
        Config::cluster([local(self.port(0))]).command_timeout(SOON)
    }

    /// A script for a node that answers `name` in another way.
    pub(crate) fn with(
        &self,
        index: usize,
        name: &str,
        answer: impl Fn(&Received) -> Vec<Action> + Send + Sync + 'static,
    ) {
        let names = ["first", "second"];
        let script = serving(&self.topology, self.port(index), names[index]).on(name, answer);
        self.nodes[index].retarget(script.script());
    }

    /// A node answers `GET` with this error.
    pub(crate) fn errs(&self, index: usize, error: String) {
        self.with(index, "GET", move |_| Action::reply(replies::error(&error)));
    }
}
