//! The task of a client on its arbiter: carries requests out, hurries when nobody can, asks the
//! nodes for the others.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::elasticsearch::call::call;
use crate::elasticsearch::cluster::{Place, Shared};
use crate::elasticsearch::error::Result;
use crate::elasticsearch::members::Members;
use crate::elasticsearch::request::Request;
use crate::elasticsearch::response::Response;
use crate::elasticsearch::rotation::Turn;
use crate::elasticsearch::settings::ElasticSettings;
use crate::elasticsearch::sniffed;
use crate::elasticsearch::wire::Written;
use crate::registry::NotReady;

/// While requests wait and no node is up, each that waits for its backoff is tried so often.
const HURRY: Duration = Duration::from_millis(500);
const FAR: Duration = Duration::from_secs(24 * 3600);

/// From the handles to the keeper.
pub(super) enum Order {
    Carry {
        request: Request,
        place: Place,
        began: Instant,
        written: Written,
        answer: oneshot::Sender<Result<Response>>,
    },
    Ready {
        limit: Duration,
        answer: oneshot::Sender<std::result::Result<(), NotReady>>,
    },
    Renew {
        settings: Box<ElasticSettings>,
        answer: oneshot::Sender<()>,
    },
}

/// Runs until the last handle is gone.
pub(super) async fn keep(
    shared: Arc<Shared>,
    members: Weak<Members>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    actix_rt::spawn(hurry(Arc::clone(&shared), members.clone()));
    let sniffing = actix_rt::spawn(sniff(Arc::clone(&shared), members.clone()));
    while let Some(order) = orders.recv().await {
        let shared = Arc::clone(&shared);
        match order {
            Order::Carry {
                request,
                place,
                began,
                written,
                mut answer,
            } => {
                actix_rt::spawn(async move {
                    let calling = call(&shared, &request, &written, began);
                    // A caller that is gone ends it where it stands.
                    let done = match select(pin!(answer.closed()), pin!(calling)).await {
                        Either::Left(_) => return,
                        Either::Right((done, _)) => done,
                    };
                    // Before the caller goes on.
                    drop(place);
                    // An error means that the caller went away at this moment.
                    drop(answer.send(done.map_err(|error| error.of(&request.verb()))));
                });
            }
            Order::Renew { settings, answer } => {
                shared.replace_settings(*settings);
                if let Some(members) = members.upgrade() {
                    members.renew().await;
                }
                // An error means that the caller went away.
                let _ = answer.send(());
            }
            Order::Ready { limit, mut answer } => {
                let members = members.clone();
                actix_rt::spawn(async move {
                    let waiting = timeout(limit, ready(&shared, members.clone()));
                    let done = match select(pin!(answer.closed()), pin!(waiting)).await {
                        Either::Left(_) => return,
                        Either::Right((done, _)) => done,
                    };
                    drop(answer.send(done.unwrap_or_else(|_| Err(late(&members, limit)))));
                });
            }
        }
    }
    sniffing.abort();
    shared.hurry.notify_one();
}

/// Waits until a node is up.
async fn ready(shared: &Shared, members: Weak<Members>) -> std::result::Result<(), NotReady> {
    let mut news = shared.changed.subscribe();
    loop {
        news.mark_unchanged();
        let nodes = shared.nodes();
        if nodes.iter().any(|node| node.is_up()) {
            return Ok(());
        }
        if let Turn::Parked(cause) = shared.turn(&nodes, &[]) {
            let name = members.upgrade().and_then(|it| it.any_parked());
            return Err(match name {
                Some(link) => NotReady::Parked { link, cause },
                None => NotReady::Gone,
            });
        }
        if members.strong_count() == 0 || news.changed().await.is_err() {
            return Err(NotReady::Gone);
        }
    }
}

fn late(members: &Weak<Members>, waited: Duration) -> NotReady {
    match members.upgrade().and_then(|it| it.first()) {
        Some((link, cause)) => NotReady::Late {
            waited,
            link,
            cause,
        },
        None => NotReady::Gone,
    }
}

/// While somebody waits and no node is up, a long backoff must not hold them up.
async fn hurry(shared: Arc<Shared>, members: Weak<Members>) {
    loop {
        shared.hurry.notified().await;
        while shared.is_wanted() {
            let Some(members) = members.upgrade() else {
                return;
            };
            if !shared.nodes().iter().any(|node| node.is_up()) {
                members.try_now();
            }
            drop(members);
            sleep(HURRY).await;
        }
        if members.strong_count() == 0 {
            return;
        }
    }
}

/// Asks for the nodes, if that is wished for, as soon as one is up, and then from time to time.
async fn sniff(shared: Arc<Shared>, members: Weak<Members>) {
    let mut due = Instant::now();
    let mut news = shared.changed.subscribe();
    let mut settings = shared.settings();
    loop {
        news.mark_unchanged();
        let present = shared.settings();
        if !Arc::ptr_eq(&settings, &present) {
            settings = present;
            due = Instant::now();
        }
        let Some(sniff) = &settings.sniff else {
            // Until there are other settings.
            if news.changed().await.is_err() {
                return;
            }
            continue;
        };
        if Instant::now() < due || !shared.nodes().iter().any(|node| node.is_up()) {
            let until = match Instant::now() < due {
                true => due,
                false => Instant::now() + FAR,
            };
            select(pin!(sleep_until(until)), pin!(news.changed())).await;
            continue;
        }
        due = Instant::now() + sniff.interval;
        let request = Request::get(sniffed::PATH);
        let written = Written::default();
        let asked = async {
            let _place = shared.admit(request.weight())?;
            call(&shared, &request, &written, Instant::now()).await
        };
        // Under other settings others are to be asked, at once.
        let answer = match select(pin!(asked), pin!(replaced(&shared, &settings))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => continue,
        };
        // What fails, or says nothing, changes nothing.
        if let Ok(response) = answer.and_then(Response::into_result)
            && let Some(found) = sniffed::nodes(response.body(), sniff)
            && let Some(members) = members.upgrade()
        {
            members.found(&found, &settings);
        }
    }
}

/// Waits until there are other settings than these.
async fn replaced(shared: &Shared, settings: &Arc<ElasticSettings>) {
    let mut news = shared.changed.subscribe();
    while Arc::ptr_eq(settings, &shared.settings()) {
        if news.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}
