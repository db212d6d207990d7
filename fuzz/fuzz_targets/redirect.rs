//! Any error line: no panic, and a redirect names what stands in the line.
#![no_main]

use bytes::Bytes;
use everlink::endpoint::Endpoint;
use everlink::redis::ServerError;
use everlink::redis::cluster::{Redirect, RedirectTarget, Signal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let error = ServerError::new(Bytes::copy_from_slice(line));
    let asked = Endpoint::tcp("10.0.0.1", 7000);
    let signal = Signal::of(&error, &asked);
    if let Some(redirect) = Redirect::parse(&error, &asked) {
        assert!(matches!(signal, Signal::Moved(_) | Signal::Ask(_)));
        let words = error.line();
        assert_eq!(
            words.split(' ').nth(1).and_then(|slot| slot.parse().ok()),
            Some(redirect.slot.get())
        );
        if let RedirectTarget::Node(endpoint) = redirect.endpoint {
            assert_ne!(endpoint.port(), Some(0));
        }
    }
});
