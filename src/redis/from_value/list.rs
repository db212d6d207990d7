//! Lists and sets.

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, Hash};

use super::conversion::FromValue;
use crate::redis::{Result, Value};

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self> {
        T::list_from_value(value)
    }
}

impl<T: FromValue> FromValue for Box<[T]> {
    fn from_value(value: Value) -> Result<Self> {
        T::list_from_value(value).map(Vec::into_boxed_slice)
    }
}

impl<T, S> FromValue for HashSet<T, S>
where
    T: FromValue + Eq + Hash,
    S: BuildHasher + Default,
{
    fn from_value(value: Value) -> Result<Self> {
        T::list_from_value(value).map(Self::from_iter)
    }
}

impl<T: FromValue + Ord> FromValue for BTreeSet<T> {
    fn from_value(value: Value) -> Result<Self> {
        T::list_from_value(value).map(Self::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Vec<Value> {
        [3, 1, 3].map(Value::Int).to_vec()
    }

    #[test]
    fn arrays_sets_and_pushes_are_lists_and_sets() {
        for value in [
            Value::Array(numbers()),
            Value::Set(numbers()),
            Value::Push(numbers()),
        ] {
            assert_eq!(
                Vec::<i64>::from_value(value.clone()).expect("list"),
                [3, 1, 3]
            );
            let boxed = Box::<[i64]>::from_value(value.clone()).expect("list");
            assert_eq!(*boxed, [3, 1, 3]);
            let sorted = BTreeSet::<i64>::from_value(value.clone()).expect("set");
            assert_eq!(sorted, BTreeSet::from([1, 3]));
            let hashed = HashSet::<i64>::from_value(value).expect("set");
            assert_eq!(hashed, HashSet::from([1, 3]));
        }
    }

    #[test]
    fn a_map_is_its_keys_and_values_in_turn_as_in_resp2() {
        let map = Value::Map(vec![(Value::Bulk("a".into()), Value::Int(1))]);
        assert_eq!(Vec::<String>::from_value(map).expect("list"), ["a", "1"]);
    }

    #[test]
    fn nil_and_single_values_are_no_lists() {
        for (value, kind) in [
            (Value::Nil, "nil"),
            (Value::Int(1), "integer"),
            (Value::Bulk("a".into()), "bulk string"),
        ] {
            let error = Vec::<i64>::from_value(value).expect_err("no list");
            assert_eq!(
                error.kind().to_string(),
                format!("expected array, got {kind}")
            );
        }
    }
}
