//! Shows: what many links cost while their endpoints are dead.
//!
//! Run: `cargo run --release --example dead_links`, or with other numbers, links and seconds:
//! `cargo run --release --example dead_links -- 1000 30`.
//!
//! Expect: after the ten seconds in which refused dials hurry, the share of one core that this
//! process used. Half of the links are refused at once; the other half reach a listener that
//! takes the connection and never answers, and run into their deadline each time.

use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, WrapFuture};
use everlink::endpoint::Endpoint;
use everlink::exit::Cause;
use everlink::link::{Backend, Close, Lifeline, LinkSettings, Start, Supervisor};
use everlink::registry::Registry;
use rustix::time::{ClockId, clock_gettime};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

struct Dial {
    host: String,
    port: u16,
}

struct Dialling {
    host: String,
    port: u16,
    lifeline: Lifeline,
}

impl Backend for Dial {
    type Connection = Dialling;

    fn endpoint(&self) -> Endpoint {
        Endpoint::tcp(&self.host, self.port)
    }

    fn connection(&mut self, lifeline: Lifeline) -> Dialling {
        Dialling {
            host: self.host.clone(),
            port: self.port,
            lifeline,
        }
    }
}

impl Actor for Dialling {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (host, port) = (self.host.clone(), self.port);
        let dial = async move { TcpStream::connect((host, port)).await };
        let dial = actix::ActorFutureExt::map(dial.into_actor(self), |socket, dialling, ctx| {
            match socket {
                // The handshake that is never answered; the socket is held meanwhile.
                Ok(socket) => {
                    let waiting = async move {
                        std::future::pending::<()>().await;
                        drop(socket);
                    };
                    ctx.spawn(waiting.into_actor(dialling));
                }
                Err(error) => {
                    dialling.lifeline.exit(Cause::from_io(&error));
                    ctx.stop();
                }
            }
        });
        ctx.spawn(dial);
    }
}

impl Handler<Close> for Dialling {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Time on the CPU, of all threads of this process.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[actix::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>());
    let links = numbers.next().transpose()?.unwrap_or(1_000);
    let seconds = numbers.next().transpose()?.unwrap_or(30);

    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let refusing = TcpListener::bind("127.0.0.1:0").await?;
    let ports = [refusing.local_addr()?.port(), silent.local_addr()?.port()];
    drop(refusing);
    actix::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = silent.accept().await {
            held.push(socket);
            if held.len() > 200 {
                held.remove(0);
            }
        }
    });

    let registry = Registry::start_new();
    let mut addresses = Vec::new();
    for (n, port) in (0..links).zip(ports.into_iter().cycle()) {
        let host = "127.0.0.1".to_owned();
        let (dial, name) = (Dial { host, port }, format!("link {n}"));
        let link = Supervisor::start_link(name, dial, LinkSettings::default(), &registry);
        link.send(Start).await?;
        addresses.push(link);
    }

    for phase in ["the first ten seconds", "from then on"] {
        let (began, before) = (Instant::now(), cpu_time());
        let last = phase == "from then on";
        sleep(Duration::from_secs(if last { seconds } else { 10 })).await;
        let used = cpu_time().saturating_sub(before);
        let share = 100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64();
        println!("{links} dead links, {phase}: {share:.2} % of one core");
    }
    Ok(())
}
