//! A text that must not be seen: [`Secret`].

use std::fmt;
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is shown instead of a secret.
const MASK: &str = "***";

/// A password or another text that must not reach a log, an event, a metric or a page.
///
/// `Debug` and `Display` print `***`, and so does `Serialize`: a serialized configuration is for
/// people to look at, and reading it back gives the password `***`. `Deserialize` reads the text
/// as it stands, and its errors never repeat it. The only way to the text is
/// [`expose`](Self::expose). Cheap to clone.
///
/// The parser of a file format may quote the offending line in *its* errors: the `toml` crate
/// does. Where files hold passwords, log `toml::de::Error::message()`, which quotes nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The text itself: for the wire, never for people.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: AsRef<str>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.as_ref().into())
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A parser that is asked for a text may refuse a number by itself, and repeat it; asked
        // for anything, it leaves the refusal to us.
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(SecretText)
        } else {
            deserializer.deserialize_str(SecretText)
        }
    }
}

/// Serde's own "invalid type" error prints the value, so every scalar has its own refusal here.
struct SecretText;

const NOT_TEXT: &str = "a secret must be text; put it in quotes";

impl Visitor<'_> for SecretText {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::from(text))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::custom(NOT_TEXT))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Secret, E> {
        std::str::from_utf8(bytes)
            .map(Secret::from)
            .map_err(|_| E::custom(NOT_TEXT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_its_text() {
        let secret = Secret::from("hunter2");
        assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
        let json = serde_json::to_string(&secret).expect("a text");
        assert_eq!(json, r#""***""#);
    }

    #[test]
    fn reads_its_text_and_hands_it_out_on_demand() {
        let secret: Secret = serde_json::from_str(r#""hun\"ter2""#).expect("a text");
        assert_eq!(secret.expose(), r#"hun"ter2"#);
        assert_eq!(secret, Secret::from(r#"hun"ter2"#));
        assert_ne!(secret, Secret::from("another"));
    }

    #[test]
    fn does_not_repeat_a_password_that_was_written_as_a_number() {
        for text in ["4711", "-4711", "4711.5", "47114711471147114711471147"] {
            let error = serde_json::from_str::<Secret>(text).expect_err("not a text");
            assert!(!error.to_string().contains("4711"), "{error}");
        }
        let error = toml::from_str::<std::collections::BTreeMap<String, Secret>>("a = 4711")
            .expect_err("not a text");
        assert_eq!(error.message(), NOT_TEXT);
    }
}
