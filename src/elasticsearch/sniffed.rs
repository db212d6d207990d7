//! What nodes say of each other: [`nodes`] reads the answer of `GET _nodes/http`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::elasticsearch::settings::Sniff;
use crate::endpoint::Endpoint;

/// What to ask.
pub(super) const PATH: &str = "_nodes/http?filter_path=nodes.*.http.publish_address";

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    nodes: BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    http: Option<Http>,
}

#[derive(Deserialize)]
struct Http {
    publish_address: Option<String>,
}

/// The endpoints that the nodes publish, as the user's map has them. None: the answer says nothing
/// that could be used, and all stays as it is.
pub(super) fn nodes(body: &[u8], sniff: &Sniff) -> Option<BTreeSet<Endpoint>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let published = answer
        .nodes
        .into_values()
        .filter_map(|node| node.http?.publish_address);
    let found: BTreeSet<Endpoint> = published
        .filter_map(|address| endpoint(&address, sniff))
        .take(sniff.max)
        .collect();
    (!found.is_empty()).then_some(found)
}

/// `10.0.0.1:9200`, `[::1]:9200`, or `db1.example/10.0.0.1:9200`: then the name is dialled, which
/// its certificate is for.
fn endpoint(address: &str, sniff: &Sniff) -> Option<Endpoint> {
    if let Some(mapped) = sniff.map.get(address) {
        return Some(mapped.clone());
    }
    let text = match address.split_once('/') {
        Some((name, address)) if !name.is_empty() => {
            let (_, port) = address.rsplit_once(':')?;
            format!("{name}:{port}")
        }
        Some((_, address)) => address.to_owned(),
        None => address.to_owned(),
    };
    if let Some(mapped) = sniff.map.get(&text) {
        return Some(mapped.clone());
    }
    let endpoint: Endpoint = text.parse().ok()?;
    let can_be_dialled = endpoint.host().is_some_and(|it| !it.is_empty());
    can_be_dialled.then_some(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, sniff: &Sniff) -> Option<Vec<String>> {
        let found = nodes(body.as_bytes(), sniff)?;
        Some(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_addresses_in_every_form_and_maps_them() {
        let body = r#"{"_nodes":{"total":4},"nodes":{
            "a":{"http":{"publish_address":"10.0.0.1:9200"}},
            "b":{"http":{"publish_address":"db2.example/10.0.0.2:9201"}},
            "c":{"http":{"publish_address":"[::1]:9202"}},
            "d":{"name":"without http"}}}"#;
        let mut sniff = Sniff::default();
        let found = read(body, &sniff).expect("three");
        assert_eq!(found, ["10.0.0.1:9200", "[::1]:9202", "db2.example:9201"]);
        sniff.map = [
            ("10.0.0.1:9200".to_owned(), Endpoint::tcp("a", 1)),
            ("db2.example:9201".to_owned(), Endpoint::tcp("b", 2)),
        ]
        .into();
        sniff.max = 10;
        assert_eq!(
            read(body, &sniff).expect("three"),
            ["[::1]:9202", "a:1", "b:2"]
        );
        sniff.max = 1;
        assert_eq!(read(body, &sniff).expect("one").len(), 1);
    }

    #[test]
    fn an_empty_or_damaged_answer_says_nothing() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"nodes":{}}"#,
            r#"{"nodes":[]}"#,
            r#"{"nodes":{"a":{"http":{"publish_address":"nowhere"}}}}"#,
            r#"{"nodes":{"a":{"http":{"publish_address":"http://evil/x:1"}}}}"#,
            "<html>",
        ] {
            assert_eq!(read(body, &Sniff::default()), None, "{body}");
        }
    }
}
