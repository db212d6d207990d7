//! Settings that can be switched off: `None` in code, `"off"` in text.
//!
//! A missing field means the default, and TOML has no null, so "off" needs a word of its own.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

const OFF: &str = "off";

struct OrOff<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrOff<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting, or \"off\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<T>, E> {
        if text == OFF {
            return Ok(None);
        }
        T::deserialize(text.into_deserializer()).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
}

fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(OrOff(PhantomData))
}

fn write<T: Serialize, S: Serializer>(value: Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(serializer),
        None => serializer.serialize_str(OFF),
    }
}

/// `"10s"` or `"off"`.
pub(crate) mod duration {
    use std::time::Duration;

    use humantime_serde::Serde;
    use serde::{Deserializer, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let read: Option<Serde<Duration>> = super::read(deserializer)?;
        Ok(read.map(Serde::into_inner))
    }

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::write(value.map(Serde::from), serializer)
    }
}

/// A table or `"off"`.
#[cfg(any(test, feature = "redis"))]
pub(crate) mod table {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        super::read(deserializer)
    }

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::write(value.as_ref(), serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        n: u8,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super::duration")]
        time: Option<Duration>,
        #[serde(with = "super::table")]
        table: Option<Inner>,
    }

    #[test]
    fn reads_and_writes_on_and_off() {
        let on = Both {
            time: Some(Duration::from_millis(1500)),
            table: Some(Inner { n: 1 }),
        };
        let off = Both {
            time: None,
            table: None,
        };
        for both in [on, off] {
            let text = toml::to_string(&both).expect("can be written");
            assert_eq!(toml::from_str::<Both>(&text).expect(&text), both);
            let text = serde_json::to_string(&both).expect("can be written");
            assert_eq!(serde_json::from_str::<Both>(&text).expect(&text), both);
        }
        let null: Both = serde_json::from_str(r#"{"time":null,"table":null}"#).expect("null");
        assert_eq!((null.time, null.table), (None, None));
    }

    #[test]
    fn refuses_other_words_and_unknown_fields() {
        for text in [
            "time = 'of'\ntable = 'off'",
            "time = 5\ntable = 'off'",
            "time = 'off'\ntable = 'on'",
            "time = 'off'\ntable = { n = 1, m = 2 }",
        ] {
            assert!(toml::from_str::<Both>(text).is_err(), "{text}");
        }
    }
}
