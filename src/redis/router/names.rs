//! Names that lead elsewhere after a while: each dial asks anew where a name leads.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use actix::Addr;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use crate::endpoint::Endpoint;
use crate::exit::CauseKind;
use crate::policy::{Backoff, RestartPolicy};
use crate::redis::command::cmd;
use crate::redis::config::{ClusterSettings, Config, Protocol};
use crate::redis::connection::Dialer;
use crate::redis::router::cluster::ClusterRouter;
use crate::redis::router::router::Router;
use crate::redis::router::standalone::Standalone;
use crate::redis::router::surroundings::Surroundings;
use crate::redis::value::Value;
use crate::registry::Registry;

/// Larger than anything that is said here.
const PIPE: usize = 4096;

/// A name service, and the servers that its answers lead to.
#[derive(Clone, Default)]
struct Names(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    /// What `CLUSTER SLOTS` and `GET` answer at each name; a name without an entry is unknown.
    known: Vec<(&'static str, Answers)>,
    /// Every name that was looked up.
    dialled: Vec<String>,
    open: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Answers {
    /// The name of the node that owns all slots.
    owner: &'static str,
    value: &'static str,
}

impl Names {
    /// Names lead here from now on, and what they led to is gone.
    fn lead_to(&self, known: &[(&'static str, Answers)]) {
        let mut state = self.0.borrow_mut();
        state.known = known.to_vec();
        for connection in state.open.drain(..) {
            connection.abort();
        }
    }

    fn surroundings(&self) -> Surroundings {
        let names = self.clone();
        Surroundings::over(Dialer::new(move |endpoint: Endpoint| {
            let names = names.clone();
            Box::pin(async move {
                let mut state = names.0.borrow_mut();
                let name = endpoint.host().expect("a host").to_owned();
                state.dialled.push(name.clone());
                let known = state.known.iter().find(|(known, _)| *known == name);
                let Some((_, answers)) = known.copied() else {
                    return Err(CauseKind::Unresolved.into());
                };
                let (ours, theirs) = tokio::io::duplex(PIPE);
                state
                    .open
                    .push(tokio::task::spawn_local(serve(theirs, answers)));
                Ok(Box::new(ours) as _)
            })
        }))
    }

    fn dialled(&self, name: &str) -> usize {
        let state = self.0.borrow();
        state.dialled.iter().filter(|known| *known == name).count()
    }
}

/// Answers each command of a test. All of them are short: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`.
async fn serve(mut stream: DuplexStream, answers: Answers) {
    // A write of the client is read as a whole: no command is cut.
    let mut unread = BytesMut::with_capacity(PIPE);
    while let Ok(1..) = stream.read_buf(&mut unread).await {
        let text = String::from_utf8_lossy(&unread).into_owned();
        unread.clear();
        unread.reserve(PIPE);
        for command in text.split('*').filter(|command| !command.is_empty()) {
            let reply = answer(command, answers);
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn answer(command: &str, answers: Answers) -> String {
    let Answers { owner, value } = answers;
    let length = owner.len();
    if command.contains("SLOTS") {
        format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n${length}\r\n{owner}\r\n:6379\r\n")
    } else if command.contains("GET") {
        format!("+{value}\r\n")
    } else if command.contains("COMMAND") {
        "*0\r\n".to_owned()
    } else if command.contains("CLIENT") {
        "+OK\r\n".to_owned()
    } else {
        "-ERR unknown command\r\n".to_owned()
    }
}

fn quick(config: Config) -> Config {
    let backoff = Backoff::fixed(Duration::from_millis(10)).expect("valid");
    let restart = RestartPolicy::default().with_backoff(backoff);
    let grace = ClusterSettings::default().node_grace(Duration::ZERO);
    config
        .protocol(Protocol::Resp2)
        .restart(restart)
        .cluster_settings(grace)
        .command_timeout(Duration::from_secs(20))
}

async fn get<T>(router: &Addr<Router<T>>) -> Value
where
    T: crate::redis::router::router::Topology,
{
    let answer = router.send(cmd("GET").arg("k")).await;
    answer.expect("the router lives").expect("a value")
}

#[actix::test]
async fn a_server_is_dialled_by_its_name_each_time_wherever_it_leads() {
    let names = Names::default();
    let at = |value| Answers { owner: "", value };
    names.lead_to(&[("server.test", at("first"))]);
    let config = quick(Config::standalone(Endpoint::tcp("server.test", 6379)));
    let registry = Registry::start_new();
    let (router, _shared) =
        Standalone::launch_in(config, &registry, names.surroundings()).expect("valid");
    assert_eq!(get(&router).await, Value::Simple("first".into()));

    names.lead_to(&[("server.test", at("second"))]);
    assert_eq!(get(&router).await, Value::Simple("second".into()));
    assert_eq!(names.dialled("server.test"), 2);

    // A name that is unknown for a while parks nobody.
    names.lead_to(&[]);
    let (value, ()) = tokio::join!(get(&router), async {
        while names.dialled("server.test") < 6 {
            // The pace of looking: a dial of a name tells nobody but its count.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        names.lead_to(&[("server.test", at("third"))]);
    });
    assert_eq!(value, Value::Simple("third".into()));
}

#[actix::test]
async fn a_cluster_whose_nodes_all_have_other_names_is_found_by_its_seeds_name() {
    let names = Names::default();
    let at = |owner, value| Answers { owner, value };
    let first = at("old-node.test", "first");
    names.lead_to(&[("seed.test", first), ("old-node.test", first)]);
    let config = quick(Config::cluster([Endpoint::tcp("seed.test", 6379)]));
    let registry = Registry::start_new();
    let (router, _shared) =
        ClusterRouter::launch_in(config, &registry, names.surroundings()).expect("valid");
    assert_eq!(get(&router).await, Value::Simple("first".into()));

    let second = at("new-node.test", "second");
    names.lead_to(&[("seed.test", second), ("new-node.test", second)]);
    assert_eq!(get(&router).await, Value::Simple("second".into()));
    assert!(names.dialled("seed.test") >= 2);
}
