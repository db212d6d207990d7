//! The names of events, in short.

/// The names in their order; failed attempts in a row are one `retried`, and those of the breaker are
/// left out: they come whenever it changes.
pub fn in_short(names: &[&str]) -> String {
    const FAILED: [&str; 3] = ["reconnecting", "connecting", "connect_failed"];
    let names = names.iter().filter(|name| !name.starts_with("circuit_"));
    let names: Vec<&str> = names.copied().collect();
    let mut short: Vec<&str> = Vec::new();
    let mut rest = &*names;
    while let [first, after @ ..] = rest {
        let failed = rest.starts_with(&FAILED);
        let (told, left) = match failed {
            true => ("retried", &rest[FAILED.len()..]),
            false => (*first, after),
        };
        if !(failed && short.last() == Some(&"retried")) {
            short.push(told);
        }
        rest = left;
    }
    short.join(" ")
}
