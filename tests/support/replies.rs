//! Replies as bytes, in RESP2 and RESP3, for a fake node to send.

use bytes::Bytes;

/// `+OK`.
pub fn ok() -> Bytes {
    Bytes::from_static(b"+OK\r\n")
}

/// A simple string.
pub fn simple(text: &str) -> Bytes {
    Bytes::from(format!("+{text}\r\n"))
}

/// An error, code first: `MOVED 1 127.0.0.1:7000`.
pub fn error(text: &str) -> Bytes {
    Bytes::from(format!("-{text}\r\n"))
}

/// An integer.
pub fn int(number: i64) -> Bytes {
    Bytes::from(format!(":{number}\r\n"))
}

/// A bulk string.
pub fn bulk(bytes: impl AsRef<[u8]>) -> Bytes {
    let bytes = bytes.as_ref();
    let mut out = format!("${}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out.into()
}

/// The null of RESP2.
pub fn nil() -> Bytes {
    Bytes::from_static(b"$-1\r\n")
}

/// The null of RESP3.
pub fn null() -> Bytes {
    Bytes::from_static(b"_\r\n")
}

/// An array of replies that are encoded already.
pub fn array(elements: impl IntoIterator<Item = Bytes>) -> Bytes {
    aggregate('*', 1, elements)
}

/// A RESP3 map, keys and values in turn.
pub fn map(keys_and_values: impl IntoIterator<Item = Bytes>) -> Bytes {
    aggregate('%', 2, keys_and_values)
}

/// A RESP3 push.
pub fn push(elements: impl IntoIterator<Item = Bytes>) -> Bytes {
    aggregate('>', 1, elements)
}

fn aggregate(kind: char, per_entry: usize, elements: impl IntoIterator<Item = Bytes>) -> Bytes {
    let elements: Vec<Bytes> = elements.into_iter().collect();
    let mut out = format!("{kind}{}\r\n", elements.len() / per_entry).into_bytes();
    elements
        .iter()
        .for_each(|element| out.extend_from_slice(element));
    out.into()
}
