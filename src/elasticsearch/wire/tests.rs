use std::net::TcpListener;

use futures_util::poll;
use tokio::runtime::{Builder, Runtime};

use super::*;

/// What is known of a write whose future is dropped while its connection is still being made.
fn dropped_on(runtime: &Runtime) -> Outcome {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let settings = ElasticSettings::from_urls([url]).expect("valid");
        let wire = Wire::open(&settings, &settings.nodes[0])
            .await
            .expect("valid");
        let written = Written::default();
        let request = Request::post("/a").body("{}");
        {
            let mut carrying = Box::pin(wire.carry(&request, &written));
            assert!(poll!(&mut carrying).is_pending());
        }
        written.outcome()
    })
}

#[test]
fn a_body_not_asked_for_proves_something_only_where_one_thread_does_everything() {
    let one = Builder::new_current_thread().enable_all().build();
    assert_eq!(dropped_on(&one.expect("starts")), Outcome::NotSent);
    let mut several = Builder::new_multi_thread();
    let several = several.worker_threads(1).enable_all().build();
    assert_eq!(dropped_on(&several.expect("starts")), Outcome::Unknown);
}
