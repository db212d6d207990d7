//! Numbers, truth values, text and bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::conversion::{FromValue, from_items, items, mismatch, unreadable};
use crate::redis::{Error, Result, Value};

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self> {
        const EXPECTED: &str = "boolean";
        match &value {
            Value::Bool(flag) => Ok(*flag),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            Value::Int(_) => Err(Error::conversion(EXPECTED, "integer other than 0 and 1")),
            Value::Simple(text) | Value::Bulk(text) => match &text[..] {
                b"0" => Ok(false),
                b"1" => Ok(true),
                _ => {
                    let what = "neither 0 nor 1";
                    Err(unreadable(EXPECTED, value.kind(), text.len(), what))
                }
            },
            Value::Nil
            | Value::Double(_)
            | Value::BigNumber(_)
            | Value::Verbatim(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::Set(_)
            | Value::Push(_)
            | Value::Error(_) => Err(mismatch(EXPECTED, value)),
        }
    }
}

/// Reads text as a number, by the standard library's grammar.
fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A double that is an integer: RESP2 sends `3` for a score that RESP3 sends as a double. Beyond
/// 2^53 doubles skip integers.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Within the range checked, the cast is exact.
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn integer<T>(value: Value, expected: &str) -> Result<T>
where
    T: TryFrom<i64> + std::str::FromStr,
{
    let outside = |_| Error::conversion(expected, "integer out of range");
    let parsed = |text: &[u8]| {
        parse(text).ok_or_else(|| {
            let what = match parse::<i128>(text) {
                Some(_) => "out of range",
                None => "not an integer",
            };
            unreadable(expected, value.kind(), text.len(), what)
        })
    };
    match &value {
        Value::Int(number) => T::try_from(*number).map_err(outside),
        Value::Bool(flag) => T::try_from(i64::from(*flag)).map_err(outside),
        Value::Double(number) => match whole(*number) {
            Some(number) => T::try_from(number).map_err(outside),
            None => Err(Error::conversion(expected, "double that is not an integer")),
        },
        Value::Simple(text) | Value::Bulk(text) | Value::BigNumber(text) => parsed(text),
        Value::Verbatim(verbatim) => parsed(&verbatim.text),
        Value::Nil
        | Value::Array(_)
        | Value::Map(_)
        | Value::Set(_)
        | Value::Push(_)
        | Value::Error(_) => Err(mismatch(expected, value)),
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                integer(value, concat!("integer (", stringify!($type), ")"))
            }
        }
    )+};
}

// Not u8: its lists are bytes.
integers!(i8, i16, i32, i64, i128, isize, u16, u32, u64, u128, usize);

impl FromValue for u8 {
    fn from_value(value: Value) -> Result<Self> {
        integer(value, "integer (u8)")
    }

    /// Bytes; also a list of integers.
    fn list_from_value(value: Value) -> Result<Vec<Self>> {
        match items(value) {
            Ok(items) => from_items(items),
            Err(other) => text(other, "bytes").map(Vec::from),
        }
    }
}

macro_rules! floats {
    ($($type:ty),+) => {$(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self> {
                const EXPECTED: &str = concat!("number (", stringify!($type), ")");
                let parsed = |text: &[u8]| {
                    let what = "not a number";
                    parse(text)
                        .ok_or_else(|| unreadable(EXPECTED, value.kind(), text.len(), what))
                };
                match &value {
                    Value::Double(number) => Ok(*number as $type),
                    Value::Int(number) => Ok(*number as $type),
                    Value::Simple(text) | Value::Bulk(text) | Value::BigNumber(text) => {
                        parsed(text)
                    }
                    Value::Verbatim(verbatim) => parsed(&verbatim.text),
                    Value::Nil
                    | Value::Bool(_)
                    | Value::Array(_)
                    | Value::Map(_)
                    | Value::Set(_)
                    | Value::Push(_)
                    | Value::Error(_) => Err(mismatch(EXPECTED, value)),
                }
            }
        }
    )+};
}

floats!(f32, f64);

/// The text of a scalar: numbers as RESP2 would send them.
fn text(value: Value, expected: &str) -> Result<Bytes> {
    match value {
        Value::Simple(text) | Value::Bulk(text) | Value::BigNumber(text) => Ok(text),
        Value::Verbatim(verbatim) => Ok(verbatim.text),
        Value::Int(number) => Ok(number.to_string().into()),
        Value::Double(number) if number.is_nan() => Ok(Bytes::from_static(b"nan")),
        Value::Double(number) => Ok(number.to_string().into()),
        other @ (Value::Nil
        | Value::Bool(_)
        | Value::Array(_)
        | Value::Map(_)
        | Value::Set(_)
        | Value::Push(_)
        | Value::Error(_)) => Err(mismatch(expected, other)),
    }
}

impl FromValue for Bytes {
    /// Shares the reply's memory where it came as a string.
    #[inline]
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Bulk(bytes) => Ok(bytes),
            other => text(other, "bytes"),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self> {
        const EXPECTED: &str = "string";
        let kind = value.kind();
        String::from_utf8(text(value, EXPECTED)?.into()).map_err(|error| {
            let length = error.as_bytes().len();
            unreadable(EXPECTED, kind, length, "not UTF-8")
        })
    }
}

impl FromValue for Box<str> {
    fn from_value(value: Value) -> Result<Self> {
        String::from_value(value).map(Self::from)
    }
}

impl FromValue for Arc<str> {
    fn from_value(value: Value) -> Result<Self> {
        String::from_value(value).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Verbatim;

    fn bulk(text: &'static str) -> Value {
        Value::Bulk(text.into())
    }

    fn got<T: FromValue>(value: Value) -> String {
        match T::from_value(value) {
            Ok(_) => "a value".to_owned(),
            Err(error) => error.kind().to_string(),
        }
    }

    #[test]
    fn a_boolean_is_true_false_0_or_1_and_nothing_else() {
        for (value, flag) in [
            (Value::Bool(true), true),
            (Value::Bool(false), false),
            (Value::Int(1), true),
            (Value::Int(0), false),
            (bulk("1"), true),
            (Value::Simple("0".into()), false),
        ] {
            assert_eq!(bool::from_value(value).expect("boolean"), flag);
        }
        for (value, message) in [
            (
                Value::Int(2),
                "expected boolean, got integer other than 0 and 1",
            ),
            (Value::Nil, "expected boolean, got nil"),
            (
                Value::Simple("OK".into()),
                "expected boolean, got simple string of 2 bytes that is neither 0 nor 1",
            ),
        ] {
            assert_eq!(got::<bool>(value), message);
        }
    }

    #[test]
    fn integers_come_from_every_form_of_a_number() {
        for value in [
            Value::Int(42),
            bulk("42"),
            Value::Simple("42".into()),
            Value::BigNumber("42".into()),
            Value::Double(42.0),
        ] {
            assert_eq!(i8::from_value(value.clone()).expect("fits"), 42);
            assert_eq!(u8::from_value(value.clone()).expect("fits"), 42);
            assert_eq!(i128::from_value(value.clone()).expect("fits"), 42);
            assert_eq!(usize::from_value(value).expect("fits"), 42);
        }
        assert_eq!(u64::from_value(Value::Bool(true)).expect("fits"), 1);
        assert_eq!(
            u64::from_value(bulk("18446744073709551615")).expect("fits"),
            u64::MAX
        );
        let beyond = Value::BigNumber("340282366920938463463374607431768211455".into());
        assert_eq!(u128::from_value(beyond).expect("fits"), u128::MAX);
    }

    #[test]
    fn an_integer_that_does_not_fit_is_refused_never_cut() {
        let integer = "expected integer (u8), got integer out of range";
        assert_eq!(got::<u8>(Value::Int(256)), integer);
        assert_eq!(got::<u8>(Value::Int(-1)), integer);
        assert_eq!(
            got::<i64>(bulk("9223372036854775808")),
            "expected integer (i64), got bulk string of 19 bytes that is out of range"
        );
        assert_eq!(
            got::<i64>(bulk("twelve bytes")),
            "expected integer (i64), got bulk string of 12 bytes that is not an integer"
        );
        let fraction = "expected integer (i64), got double that is not an integer";
        for number in [1.5, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(got::<i64>(Value::Double(number)), fraction);
        }
        assert_eq!(got::<i64>(Value::Nil), "expected integer (i64), got nil");
        assert_eq!(
            got::<i64>(Value::Array(vec![])),
            "expected integer (i64), got array"
        );
    }

    #[test]
    fn floats_come_from_doubles_and_from_their_text() {
        for (value, number) in [
            (Value::Double(1.5), 1.5),
            (bulk("1.5"), 1.5),
            (Value::Int(-3), -3.0),
            (bulk("inf"), f64::INFINITY),
            (bulk("-inf"), f64::NEG_INFINITY),
            (bulk("2.1400000000000001"), 2.14),
        ] {
            assert_eq!(f64::from_value(value).expect("number"), number);
        }
        assert!(f64::from_value(bulk("nan")).expect("number").is_nan());
        assert_eq!(f32::from_value(Value::Double(0.5)).expect("number"), 0.5);
        assert_eq!(
            got::<f64>(bulk("far")),
            "expected number (f64), got bulk string of 3 bytes that is not a number"
        );
        assert_eq!(got::<f32>(Value::Nil), "expected number (f32), got nil");
    }

    #[test]
    fn text_comes_from_strings_and_numbers() {
        for (value, text) in [
            (bulk("caf\u{e9}"), "caf\u{e9}"),
            (Value::Simple("OK".into()), "OK"),
            (Value::Int(-7), "-7"),
            (Value::Double(1.5), "1.5"),
            (Value::Double(3.0), "3"),
            (Value::Double(f64::NEG_INFINITY), "-inf"),
            (Value::Double(f64::NAN), "nan"),
            (Value::BigNumber("123".into()), "123"),
            (
                Value::Verbatim(Box::new(Verbatim {
                    format: *b"txt",
                    text: "a".into(),
                })),
                "a",
            ),
        ] {
            assert_eq!(String::from_value(value.clone()).expect("text"), text);
            assert_eq!(&*Box::<str>::from_value(value.clone()).expect("text"), text);
            assert_eq!(&*Arc::<str>::from_value(value.clone()).expect("text"), text);
            assert_eq!(Bytes::from_value(value.clone()).expect("text"), text);
            assert_eq!(Vec::<u8>::from_value(value).expect("text"), text.as_bytes());
        }
        let binary = || Value::Bulk(Bytes::from_static(b"\xff\xfe"));
        assert_eq!(
            Bytes::from_value(binary()).expect("bytes"),
            &b"\xff\xfe"[..]
        );
        assert_eq!(
            got::<String>(binary()),
            "expected string, got bulk string of 2 bytes that is not UTF-8"
        );
        assert_eq!(got::<String>(Value::Nil), "expected string, got nil");
        assert_eq!(got::<Vec<u8>>(Value::Nil), "expected bytes, got nil");
    }

    #[test]
    fn bytes_are_shared_not_copied() {
        let payload = Bytes::from(vec![b'x'; 1_000]);
        let converted = Bytes::from_value(Value::Bulk(payload.clone())).expect("bytes");
        assert_eq!(converted.as_ptr(), payload.as_ptr());
    }

    #[test]
    fn a_list_of_small_integers_is_a_list_of_bytes_too() {
        let list = Value::Array(vec![Value::Int(1), bulk("255")]);
        assert_eq!(Vec::<u8>::from_value(list).expect("bytes"), [1, 255]);
        let list = Value::Array(vec![bulk("ab"), Value::Bulk("".into())]);
        assert_eq!(
            Vec::<Vec<u8>>::from_value(list).expect("list"),
            [&b"ab"[..], b""]
        );
    }
}
