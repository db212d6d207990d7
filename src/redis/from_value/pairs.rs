//! Keys with values, in all three forms that servers have for them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

use super::conversion::{FromValue, mismatch, within, within_element};
use crate::redis::{Error, Result, Value};

/// Pairs from a map (RESP3), from keys and values in turn (RESP2), or from a list of pairs: the
/// scores of RESP3, the entries of a stream. The last two are told apart by the first element: a
/// key is never a list.
pub(super) fn from_pairs<K: FromValue, V: FromValue>(value: Value) -> Result<Vec<(K, V)>> {
    let items = match value {
        Value::Map(pairs) => {
            let mut list = Vec::with_capacity(pairs.len());
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                list.push(pair(index, key, value)?);
            }
            return Ok(list);
        }
        Value::Array(items) | Value::Set(items) | Value::Push(items) => items,
        other @ (Value::Nil
        | Value::Simple(_)
        | Value::Bulk(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::BigNumber(_)
        | Value::Verbatim(_)
        | Value::Error(_)) => return Err(mismatch("map or array of pairs", other)),
    };
    if items.first().is_some_and(is_list) {
        return from_nested(items);
    }
    from_flat(items)
}

fn is_list(value: &Value) -> bool {
    matches!(
        value,
        Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_)
    )
}

fn from_nested<K: FromValue, V: FromValue>(items: Vec<Value>) -> Result<Vec<(K, V)>> {
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        list.push(<(K, V)>::from_value(item).map_err(|error| within_element(index, error))?);
    }
    Ok(list)
}

fn from_flat<K: FromValue, V: FromValue>(items: Vec<Value>) -> Result<Vec<(K, V)>> {
    let count = items.len();
    if !count.is_multiple_of(2) {
        // What failed on the server explains the shape.
        <()>::from_value(Value::Array(items))?;
        let got = format!("array of {count}, which is odd");
        return Err(Error::conversion("map or array of pairs", got));
    }
    let mut list = Vec::with_capacity(count / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        list.push(pair(list.len(), key, value)?);
    }
    Ok(list)
}

fn pair<K: FromValue, V: FromValue>(index: usize, key: Value, value: Value) -> Result<(K, V)> {
    let key =
        K::from_value(key).map_err(|error| within(format_args!("key of pair {index}"), error))?;
    let value = V::from_value(value)
        .map_err(|error| within(format_args!("value of pair {index}"), error))?;
    Ok((key, value))
}

/// Of a key that comes twice the last value counts.
impl<K, V, S> FromValue for HashMap<K, V, S>
where
    K: FromValue + Eq + Hash,
    V: FromValue,
    S: BuildHasher + Default,
{
    fn from_value(value: Value) -> Result<Self> {
        from_pairs(value).map(Self::from_iter)
    }
}

/// Of a key that comes twice the last value counts.
impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn from_value(value: Value) -> Result<Self> {
        from_pairs(value).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use bytes::{Bytes, BytesMut};

    use super::*;
    use crate::redis::ServerError;
    use crate::redis::resp::recorded::RECORDED;
    use crate::redis::resp::{Decoder, Reply, ReplyLimits};

    /// What a real server answered to the command, over RESP2 and over RESP3.
    fn recorded(command: &str) -> [Value; 2] {
        let (_, resp2, resp3) = RECORDED
            .iter()
            .find(|(name, ..)| *name == command)
            .expect("recorded");
        [resp2, resp3].map(|bytes| {
            let mut buf = BytesMut::from(*bytes);
            match Decoder::new(ReplyLimits::default()).decode(&mut buf) {
                Ok(Some(Reply::Value(value))) => value,
                other => panic!("{other:?}"),
            }
        })
    }

    fn both<T: FromValue + PartialEq + Debug>(command: &str, expected: T) {
        for value in recorded(command) {
            let converted = T::from_value(value).expect(command);
            assert_eq!(converted, expected, "{command}");
        }
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn both_versions_of_a_recorded_reply_are_the_same_to_a_program() {
        let fields = [(text("field1"), text("x")), (text("field2"), text(""))];
        both("HGETALL h", fields.to_vec());
        both("HGETALL h", HashMap::from(fields.clone()));
        both("HGETALL h", BTreeMap::from(fields));
        both(
            "HGETALL h",
            ["field1", "x", "field2", ""].map(text).to_vec(),
        );
        both(
            "CONFIG GET maxmemory",
            HashMap::from([(text("maxmemory"), 0_u64)]),
        );
        let scores = [(text("m"), 1.5), (text("n"), f64::INFINITY)];
        both("ZRANGE z 0 -1 WITHSCORES", scores.to_vec());
        both("ZRANGE z 0 -1 WITHSCORES", HashMap::from(scores));
        both("ZPOPMIN none", Vec::<(String, f64)>::new());
        both("ZSCORE z m", 1.5);
        both("ZSCORE z m", text("1.5"));
        both("SMEMBERS s", ["a", "b"].map(text).to_vec());
        both("GET missing", None::<String>);
        both("LPOP missing 2", None::<Vec<String>>);
        both("MGET a missing", vec![Some(1), None]);
        let place = (13.361_389_338_970_184, 38.115_556_395_496_3);
        both("GEOPOS g P Q", vec![Some(place), None]);
        let entry = (text("1-1"), HashMap::from([(text("f"), text("v"))]));
        both(
            "XREAD STREAMS st 0",
            vec![(text("st"), vec![entry.clone()])],
        );
        both(
            "XREAD STREAMS st 0",
            HashMap::from([(text("st"), vec![entry])]),
        );
        both(
            "DEBUG PROTOCOL map",
            vec![(0, false), (1, true), (2, false)],
        );
        both("DEBUG PROTOCOL set", vec![0, 1, 2]);
        both("DEBUG PROTOCOL true", true);
        both("DEBUG PROTOCOL true", 1);
        both("DEBUG PROTOCOL false", false);
        both("DEBUG PROTOCOL double", text("3.141"));
        both(
            "DEBUG PROTOCOL verbatim",
            text("This is a verbatim\nstring"),
        );
        both(
            "DEBUG PROTOCOL bignum",
            text("1234567999999999999999999999999999999"),
        );
        both(
            "DEBUG PROTOCOL bignum",
            1_234_567_999_999_999_999_999_999_999_999_999_999_u128,
        );
        both("GET bin", Bytes::from_static(b"\x00\r\n\xff$"));
        both("SET k v", ());
    }

    fn conversion_error<T: FromValue + Debug>(value: Value) -> String {
        T::from_value(value)
            .expect_err("must not convert")
            .kind()
            .to_string()
    }

    #[test]
    fn the_place_of_a_bad_key_or_value_is_told() {
        let bad = || vec![Value::Int(1), Value::Int(2), Value::Nil, Value::Int(4)];
        let message = "expected integer (i64), got key of pair 1: nil";
        assert_eq!(
            conversion_error::<Vec<(i64, i64)>>(Value::Array(bad())),
            message
        );
        let pairs = vec![(Value::Int(1), Value::Array(vec![Value::Nil]))];
        assert_eq!(
            conversion_error::<HashMap<i64, Vec<i64>>>(Value::Map(pairs)),
            "expected integer (i64), got value of pair 0: element 0: nil"
        );
        let nested = vec![Value::Array(vec![Value::Int(1), Value::Int(2)]), Value::Nil];
        assert_eq!(
            conversion_error::<Vec<(i64, i64)>>(Value::Array(nested)),
            "expected array of 2, got element 1: nil"
        );
    }

    #[test]
    fn an_odd_list_is_no_map() {
        let odd = || Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)]);
        let message = "expected map or array of pairs, got array of 3, which is odd";
        assert_eq!(conversion_error::<Vec<(i64, i64)>>(odd()), message);
        assert_eq!(conversion_error::<BTreeMap<i64, i64>>(odd()), message);
        let message = "expected map or array of pairs, got nil";
        assert_eq!(conversion_error::<HashMap<i64, i64>>(Value::Nil), message);
    }

    #[test]
    fn an_error_in_place_of_a_value_is_found() {
        let error = Value::Error(ServerError::new("ERR no".into()));
        let flat = Value::Array(vec![Value::Int(1), error.clone()]);
        let found = HashMap::<i64, i64>::from_value(flat).expect_err("an error inside");
        assert_eq!(found.code(), Some("ERR"));
        let odd = Value::Array(vec![error]);
        let found = HashMap::<i64, i64>::from_value(odd).expect_err("an error inside");
        assert_eq!(found.code(), Some("ERR"));
    }

    #[test]
    fn pairs_keep_the_order_and_duplicates_a_map_keeps_the_last() {
        let reply = || {
            Value::Array(
                ["b", "1", "a", "2", "b", "3"]
                    .map(|t| Value::Bulk(t.into()))
                    .to_vec(),
            )
        };
        let pairs = Vec::<(String, i64)>::from_value(reply()).expect("pairs");
        assert_eq!(pairs, [(text("b"), 1), (text("a"), 2), (text("b"), 3)]);
        let map = BTreeMap::<String, i64>::from_value(reply()).expect("map");
        assert_eq!(map, BTreeMap::from([(text("a"), 2), (text("b"), 3)]));
    }
}
