//! The subscriber that logs.

use std::io;
use std::sync::{Arc, Mutex};

use everlink::exit::CauseKind;
use everlink::registry::EventLog;

use super::scripted::{End, Plan, Rig, Scripted, in_virtual_time, secs, steady};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn logs_the_first_failed_attempt_of_each_kind_as_a_warning_and_the_others_for_debugging() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        in_virtual_time(async {
            let fails = Plan::fails(CauseKind::Refused);
            let drops = Plan::up().then(secs(1), End::Exit(CauseKind::Closed));
            let denied = Plan::fails(CauseKind::Denied);
            let resets = Plan::fails(CauseKind::Reset);
            let plans = [fails, fails, resets, fails, drops, fails, denied];
            let backend = Scripted::new(plans).behind_a_touchy_circuit();
            let rig = Rig::of(backend, steady());
            EventLog::attach(&rig.registry);
            tokio::time::sleep(secs(20)).await;
        });
    });
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
    let levels: Vec<_> = text
        .lines()
        .filter(|line| line.contains(" everlink: "))
        .filter_map(|line| {
            let event = line.split("event=\"").nth(1)?.split('"').next()?;
            Some(format!("{} {event}", line.split_whitespace().next()?))
        })
        .filter(|line| !line.ends_with("connecting") && !line.ends_with("present"))
        .collect();
    assert_eq!(
        levels,
        [
            "WARN connect_failed",
            "DEBUG connect_failed",
            "WARN connect_failed",
            "DEBUG connect_failed",
            "INFO connected",
            "WARN disconnected",
            "WARN circuit_opened",
            "WARN connect_failed",
            "WARN connect_failed",
            "ERROR gave_up",
        ],
        "{text}"
    );
    assert!(
        text.contains("link (node.test:1) #2 gen 1: attempt 1 failed: refused: as planned"),
        "{text}"
    );
}
