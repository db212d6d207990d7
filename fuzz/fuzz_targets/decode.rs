//! Any bytes, in any pieces: no panic, nothing beyond the limits, and the pieces do not matter.
#![no_main]

use bytes::BytesMut;
use everlink::redis::resp::{Decoder, Reply, ReplyLimits};
use libfuzzer_sys::fuzz_target;

/// Replies until the first error, as text, and whether there was an error.
fn replies(stream: &[u8], piece: usize) -> (Vec<String>, bool) {
    let limits = ReplyLimits::default()
        .bulk_bytes(1024)
        .elements(256)
        .depth(8)
        .reply_bytes(8192);
    let mut decoder = Decoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for part in stream.chunks(piece.max(1)) {
        buffer.extend_from_slice(part);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(reply)) => found.push(text(&reply)),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
        assert!(buffer.len() <= 8192 + piece, "an incomplete frame beyond the limit is kept");
    }
    (found, false)
}

fn text(reply: &Reply) -> String {
    match reply {
        Reply::Value(value) => format!("{value:?}"),
        Reply::Error(error) => format!("{error:?}"),
        Reply::Push(items) => format!("push {items:?}"),
        _ => "another".to_owned(),
    }
}

fuzz_target!(|input: (&[u8], u8)| {
    let (stream, piece) = input;
    let whole = replies(stream, stream.len());
    let split = replies(stream, usize::from(piece) + 1);
    assert_eq!(whole.0, split.0);
    assert_eq!(whole.1, split.1);
});
