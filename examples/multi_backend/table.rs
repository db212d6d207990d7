//! The status of all links, whatever they are.

use actix::Addr;
use everlink::event::LinkState;
use everlink::registry::{LinkStatus, Registry, Snapshot};

use crate::Result;

/// Prints one line for each link, and one for all.
pub(crate) async fn print(when: &str, registry: &Addr<Registry>) -> Result<()> {
    let links = registry.send(Snapshot).await?;
    println!("{when}:");
    println!(
        "  {:<24} {:<11} {:>8} {:>6}  last error",
        "link", "state", "connects", "losses"
    );
    for link in &links {
        let error = link.last_error.as_ref().map(ToString::to_string);
        println!(
            "  {:<24} {:<11} {:>8} {:>6}  {}",
            link.link.to_string(),
            link.state.to_string(),
            link.connects,
            link.disconnects,
            error.unwrap_or_else(|| "-".to_owned())
        );
    }
    let up = links.iter().filter(|link| is(link, LinkState::Up)).count();
    println!("  {up} of {} links are up", links.len());
    Ok(())
}

/// Whether the link whose name begins so is up.
pub(crate) async fn is_up(registry: &Addr<Registry>, name: &str) -> Result<bool> {
    let links = registry.send(Snapshot).await?;
    let mut links = links.iter();
    Ok(links.any(|link| link.link.as_str().starts_with(name) && is(link, LinkState::Up)))
}

fn is(link: &LinkStatus, state: LinkState) -> bool {
    link.state == state
}
