//! What a node says about its cluster: the lines of `CLUSTER NODES`.

use std::ops::RangeInclusive;

use super::waiting::{Failure, Result};

/// One line of `CLUSTER NODES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLine {
    pub id: String,
    pub port: u16,
    pub flags: Vec<String>,
    /// The id of its primary, if it is a replica.
    pub primary: Option<String>,
    pub config_epoch: u64,
    /// What it serves; slots on their way from or to it are not told apart.
    pub slots: Vec<RangeInclusive<u16>>,
}

impl NodeLine {
    /// Whether the line is about the node that was asked.
    pub fn is_myself(&self) -> bool {
        self.has("myself")
    }

    /// Whether it is a primary, with slots or without.
    pub fn is_primary(&self) -> bool {
        self.has("master")
    }

    /// Whether it serves `slot`.
    pub fn serves(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    /// Known well and not suspected to have failed.
    pub fn is_sound(&self) -> bool {
        !["fail", "fail?", "handshake", "noaddr"]
            .iter()
            .any(|flag| self.has(flag))
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|own| own == flag)
    }
}

/// Reads the whole text of `CLUSTER NODES`.
///
/// # Errors
/// A line that is not in the documented form.
pub fn parse_nodes(text: &str) -> Result<Vec<NodeLine>> {
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            parse_line(line).ok_or_else(|| Failure::new(format!("no line of a node: {line:?}")))
        })
        .collect()
}

fn parse_line(line: &str) -> Option<NodeLine> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [
        id,
        address,
        flags,
        primary,
        _ping,
        _pong,
        epoch,
        _link,
        slots @ ..,
    ] = words.as_slice()
    else {
        return None;
    };
    // ip:port@bus,hostname
    let (address, _) = address.split_once('@')?;
    let (_, port) = address.rsplit_once(':')?;
    Some(NodeLine {
        id: (*id).to_owned(),
        port: port.parse().ok()?,
        flags: flags.split(',').map(str::to_owned).collect(),
        primary: (*primary != "-").then(|| (*primary).to_owned()),
        config_epoch: epoch.parse().ok()?,
        slots: slots
            .iter()
            .filter(|word| !word.starts_with('['))
            .map(|word| parse_range(word))
            .collect::<Option<_>>()?,
    })
}

fn parse_range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
