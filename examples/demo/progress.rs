//! The line at the bottom: how each link stands, commands per second, and the phase.

use std::rc::Rc;
use std::time::Duration;

use everlink::event::LinkState;
use everlink::redis::Client;
use everlink::registry::LinkStatus;

use crate::ledger::Ledger;
use crate::screen::{Look, Screen};

const EVERY: Duration = Duration::from_millis(250);

/// Redraws the line until it is dropped.
pub(crate) async fn show(screen: Rc<Screen>, ledger: Rc<Ledger>, client: Client) {
    let mut ticks = tokio::time::interval(EVERY);
    let mut before = ledger.totals().acknowledged;
    let mut rate = 0.0;
    loop {
        ticks.tick().await;
        let done = ledger.totals().acknowledged;
        let now = (done - before) as f64 / EVERY.as_secs_f64();
        before = done;
        // Smoothed, so that the figure can be read.
        rate = if rate == 0.0 {
            now
        } else {
            0.6 * rate + 0.4 * now
        };
        let links = client.status().await.unwrap_or_default();
        let links: Vec<String> = links.iter().map(|link| mark(&screen, link)).collect();
        let title = ledger.phase(|phase| phase.title.clone());
        let open = ledger.totals().open;
        // What matters most stands first: a narrow terminal cuts the end.
        screen.progress(format!(
            "{}  {}  {rate:5.0} ops/s  {}  ({open} under way)",
            screen.paint(Look::Quiet, screen.clock()),
            links.join(" "),
            screen.paint(Look::Strong, title.unwrap_or_default()),
        ));
    }
}

/// `12345 up` in short, on a terminal: a dot and the port.
fn mark(screen: &Screen, link: &LinkStatus) -> String {
    let name = match link.endpoint.as_ref().and_then(|endpoint| endpoint.port()) {
        Some(port) => port.to_string(),
        None => link.link.to_string(),
    };
    let (look, sign) = match link.state {
        LinkState::Up => (Look::Good, "●"),
        LinkState::Connecting | LinkState::Closing => (Look::Doubtful, "◐"),
        LinkState::Backoff => (Look::Bad, "○"),
        LinkState::Parked => (Look::Bad, "■"),
        _ => (Look::Quiet, "–"),
    };
    if screen.is_terminal() {
        screen.paint(look, format!("{sign}{name}"))
    } else {
        format!("{name} {}", link.state)
    }
}
