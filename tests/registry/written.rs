//! Events as they are written: JSON and one line of text.

use std::time::{Duration, SystemTime};

use everlink::event::Event;

/// Each line is read, written again, and shown; the JSON is what other programs rely on.
const GOLDEN: [(&str, &str); 24] = [
    (r#""event":"connecting""#, "connecting"),
    (r#""event":"connected""#, "connected"),
    (
        r#""event":"reconnected","attempts":3,"downtime":"1s 500ms""#,
        "reconnected after 1.5s, 3 attempt(s)",
    ),
    (
        r#""event":"connect_failed","cause":{"kind":"refused"},"attempt":2"#,
        "attempt 2 failed: refused",
    ),
    (
        r#""event":"disconnected","cause":{"kind":"reset","detail":"by peer"}"#,
        "disconnected: reset: by peer",
    ),
    (
        r#""event":"disconnected","cause":{"kind":"panicked","detail":"left: 1\n right: 2\r\n"}"#,
        "disconnected: panicked: left: 1 right: 2",
    ),
    (
        r#""event":"reconnecting","attempt":4,"delay":"250ms","cause":{"kind":"stalled"}"#,
        "attempt 4 in 250.0ms (stalled)",
    ),
    (
        r#""event":"gave_up","cause":{"kind":"denied","detail":"WRONGPASS"},"attempts":1"#,
        "gave up after 1 attempt(s), parked: denied: WRONGPASS",
    ),
    (r#""event":"stopped""#, "stopped"),
    (r#""event":"present","state":"up""#, "is up"),
    (
        r#""event":"present","state":"parked","last_error":{"kind":"certificate"}"#,
        "is parked, last error certificate",
    ),
    (
        r#""event":"present","state":"up","breaker":"closed""#,
        "is up",
    ),
    (
        r#""event":"present","state":"up","breaker":"half_open""#,
        "is up, circuit half-open",
    ),
    (
        r#""event":"circuit_opened","trip":{"rule":"consecutive","failures":5},"retry_after":"5s""#,
        "circuit opened: 5 failures in a row, tried again in 5.0s",
    ),
    (
        r#""event":"circuit_opened","trip":{"rule":"failure_rate","failures":10,"calls":20},"retry_after":"1m""#,
        "circuit opened: 10 of 20 calls failed, tried again in 60.0s",
    ),
    (
        r#""event":"circuit_opened","trip":{"rule":"forced"}"#,
        "circuit opened: forced",
    ),
    (r#""event":"circuit_half_open""#, "circuit half-open"),
    (r#""event":"circuit_closed""#, "circuit closed"),
    (
        r#""event":"circuit_closed","forced":true"#,
        "circuit closed: forced",
    ),
    (
        r#""event":"missed","count":26"#,
        "26 event(s) missed by this subscriber",
    ),
    (
        r#""event":"notice","name":"gap","text":"gap of 1.2s\nin 2 topics","detail":{"topics":"a, b"}"#,
        "gap of 1.2s in 2 topics",
    ),
    (r#""event":"notice","name":"refused","text":"no""#, "no"),
    (
        r#""event":"topology_changed","trigger":"node_down","added":["[::1]:7001"],"removed":[],"slots_moved":5461,"slots_uncovered":0"#,
        "topology changed (node down): 1 node(s) added, 0 removed, 5461 slot(s) moved, 0 uncovered",
    ),
    (
        r#""event":"topology_failed","trigger":"periodic","cause":{"kind":"connect_timeout"}"#,
        "topology refresh failed (periodic): connect_timeout",
    ),
];

#[test]
fn events_are_written_and_read_as_json_and_shown_as_one_line() {
    for (kind, shown) in GOLDEN {
        let json = format!(
            r#"{{"link":"orders","endpoint":"10.0.0.1:6379","sequence":7,"generation":2,"time":"2026-01-31T12:00:00.250Z","uptime":"1m 2ms",{kind}}}"#
        );
        let event: Event = serde_json::from_str(&json).expect(&json);
        assert_eq!(event.uptime, Duration::from_millis(60_002));
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_860_800_250);
        assert_eq!(event.time, time);
        let written = serde_json::to_string(&event).expect("plain");
        assert_eq!(written.replace("00.250000000Z", "00.250Z"), json);
        let again: Event = serde_json::from_str(&written).expect("just written");
        assert_eq!(again, event);
        let line = event.to_string();
        assert_eq!(line, format!("orders (10.0.0.1:6379) #7 gen 2: {shown}"));
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
