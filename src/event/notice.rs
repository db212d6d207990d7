//! What a kind of connection tells of itself: [`Notice`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// News of a kind of connection that no other kind has, such as the gap in a feed: a name for
/// programs, a sentence for people, and details by name. `Display` is the sentence, in one line.
///
/// Told by [`Lifeline::notice`](crate::link::Lifeline::notice).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    name: Arc<str>,
    text: Arc<str>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    detail: BTreeMap<Arc<str>, Arc<str>>,
}

impl Notice {
    /// The longest text, in bytes; longer ones are cut. The same holds for each detail.
    pub const MAX_TEXT: usize = 1024;

    /// A notice without details. The name says what sort it is, in `snake_case`.
    pub fn new(name: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().into(),
            text: cut(text.as_ref()),
            detail: BTreeMap::new(),
        }
    }

    /// Adds a detail, or replaces it.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let value = cut(value.as_ref());
        self.detail.insert(name.as_ref().into(), value);
        self
    }

    /// What sort it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sentence for people, as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The detail of this name.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.detail.get(name).map(AsRef::as_ref)
    }

    /// What its texts take.
    pub(super) fn text_bytes(&self) -> usize {
        let detail = self.detail.iter();
        let detail: usize = detail.map(|(name, value)| name.len() + value.len()).sum();
        self.name.len() + self.text.len() + detail
    }
}

fn cut(text: &str) -> Arc<str> {
    let mut end = text.len().min(Notice::MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.text.split(char::is_control).map(str::trim);
        let mut separator = "";
        for words in words.filter(|words| !words.is_empty()) {
            write!(f, "{separator}{words}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_bounded_and_shown_in_one_line() {
        let long = "ä".repeat(Notice::MAX_TEXT);
        let notice = Notice::new("gap", "\nlost:\r\n much\u{7}").with("topics", long);
        assert_eq!(notice.to_string(), "lost: much");
        assert_eq!(
            notice.detail("topics").expect("given").len(),
            Notice::MAX_TEXT
        );
        assert_eq!(notice.detail("other"), None);
        assert_eq!(notice.text_bytes(), 3 + 14 + 6 + Notice::MAX_TEXT);
    }
}
