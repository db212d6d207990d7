//! Slots that move while they are used.

use std::rc::Rc;

use everlink::redis::{Outcome, cmd};

use crate::application::{Application, TestResult};
use crate::load::Load;
use crate::routing::key_in;
use crate::{primaries, seeded};

#[actix::test]
async fn slots_move_under_load_and_no_call_fails() -> TestResult {
    let cluster = primaries().await;
    let application = Rc::new(Application::ready(seeded(&cluster)).await?);
    // The slots that move, and one that stays; several keys in each.
    let keys = (0..20).step_by(4).chain([9000]);
    let keys = keys.flat_map(|slot| {
        let key = key_in(slot);
        [format!("{{{key}}}a"), format!("{{{key}}}b"), key]
    });
    let load = Load::start(&application, keys);
    load.goes_on(20).await?;
    let moved = cluster.reshard(0, 2, 20).await?;
    assert_eq!(moved, (0..20).collect::<Vec<u16>>());
    load.goes_on(20).await?;
    let back = cluster.reshard(2, 1, 10).await?;
    assert_eq!(back, (0..10).collect::<Vec<u16>>());
    load.goes_on(20).await?;
    assert_eq!(load.errors().len(), 0, "{:?}", load.errors());
    load.settle(&application, true).await?;
    assert_eq!(
        application.count("disconnected"),
        0,
        "{:#?}",
        application.lines()
    );
    Ok(())
}

#[actix::test]
async fn a_slot_half_way_serves_keys_on_both_sides() -> TestResult {
    let cluster = primaries().await;
    let application = Application::ready(seeded(&cluster)).await?;
    let client = &application.client;
    // "foo" is in slot 12182, which is node 2's.
    client.query::<()>(cmd("SET").arg("foo").arg("old")).await?;
    cluster.set_migrating(12_182, 2, 0).await?;
    // What is there is served there; what is not yet anywhere begins on the other side.
    assert_eq!(client.query::<String>(cmd("GET").arg("foo")).await?, "old");
    client
        .query::<()>(cmd("SET").arg("{foo}new").arg("new"))
        .await?;
    assert_eq!(
        client.query::<String>(cmd("GET").arg("{foo}new")).await?,
        "new"
    );
    let missing: Option<String> = client.query(cmd("GET").arg("{foo}none")).await?;
    assert_eq!(missing, None);

    // Keys on both sides cannot be served together until one has followed: TRYAGAIN.
    let both = || cmd("MGET").arg(["foo", "{foo}new"]);
    let short = both().timeout(std::time::Duration::from_millis(150));
    let error = application.error(short).await;
    assert_eq!(error.outcome(), Outcome::Refused, "{error:?}");
    let (values, moved) = tokio::join!(
        biased;
        client.query::<Vec<String>>(both()),
        async {
            cluster.migrate_keys(12_182, 2, 0).await?;
            cluster.finish_migration(12_182, 2, 0).await
        }
    );
    moved?;
    assert_eq!(values?, ["old", "new"]);
    assert_eq!(client.query::<String>(cmd("GET").arg("foo")).await?, "old");
    Ok(())
}
