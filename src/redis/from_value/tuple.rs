//! Tuples: lists of a known length.

use super::conversion::{FromValue, items, mismatch, within_element};
use super::pairs::from_pairs;
use crate::redis::{Error, Result, Value};

/// Exactly `N` elements.
fn exactly<const N: usize>(value: Value) -> Result<[Value; N]> {
    let items = items(value).map_err(|other| mismatch(&format!("array of {N}"), other))?;
    <[Value; N]>::try_from(items).map_err(|items| {
        let got = format!("array of {}", items.len());
        // What failed on the server explains the shape.
        match <()>::from_value(Value::Array(items)) {
            Err(error) => error,
            Ok(()) => Error::conversion(format!("array of {N}"), got),
        }
    })
}

fn element<T: FromValue>(index: usize, value: Value) -> Result<T> {
    T::from_value(value).map_err(|error| within_element(index, error))
}

impl<A: FromValue, B: FromValue> FromValue for (A, B) {
    fn from_value(value: Value) -> Result<Self> {
        let [a, b] = exactly(value)?;
        Ok((element(0, a)?, element(1, b)?))
    }

    /// Pairs, in any of their three forms.
    fn list_from_value(value: Value) -> Result<Vec<Self>> {
        from_pairs(value)
    }
}

macro_rules! tuples {
    ($(($($type:ident $value:ident $index:literal),+))+) => {$(
        impl<$($type: FromValue),+> FromValue for ($($type,)+) {
            fn from_value(value: Value) -> Result<Self> {
                let [$($value),+] = exactly(value)?;
                Ok(($(element($index, $value)?,)+))
            }
        }
    )+};
}

tuples! {
    (A a 0)
    (A a 0, B b 1, C c 2)
    (A a 0, B b 1, C c 2, D d 3)
    (A a 0, B b 1, C c 2, D d 3, E e 4)
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5)
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6)
    (A a 0, B b 1, C c 2, D d 3, E e 4, F f 5, G g 6, H h 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::ServerError;

    fn numbers(count: i64) -> Value {
        Value::Array((0..count).map(Value::Int).collect())
    }

    #[test]
    fn a_tuple_takes_a_list_of_just_its_length() {
        let one = <(i64,)>::from_value(numbers(1)).expect("one");
        assert_eq!(one, (0,));
        let two = <(i64, String)>::from_value(numbers(2)).expect("two");
        assert_eq!(two, (0, "1".to_owned()));
        let three = <(i64, bool, f64)>::from_value(numbers(3)).expect("three");
        assert_eq!(three, (0, true, 2.0));
        type Eight = (i64, u8, u16, u32, u64, i8, i16, i32);
        let eight = Eight::from_value(numbers(8)).expect("eight");
        assert_eq!(eight, (0, 1, 2, 3, 4, 5, 6, 7));

        let error = <(i64, i64)>::from_value(numbers(3)).expect_err("one too many");
        assert_eq!(
            error.kind().to_string(),
            "expected array of 2, got array of 3"
        );
        let error = <(i64, i64, i64)>::from_value(Value::Nil).expect_err("nil");
        assert_eq!(error.kind().to_string(), "expected array of 3, got nil");
    }

    #[test]
    fn lists_of_longer_tuples_are_nested() {
        let list = Value::Array(vec![numbers(3), numbers(3)]);
        let tuples = Vec::<(i64, i64, i64)>::from_value(list).expect("two of three");
        assert_eq!(tuples, [(0, 1, 2), (0, 1, 2)]);
        let error = Vec::<(i64, i64, i64)>::from_value(numbers(3)).expect_err("flat");
        let message = "expected array of 3, got element 0: integer";
        assert_eq!(error.kind().to_string(), message);
    }

    #[test]
    fn the_place_of_a_bad_element_is_told() {
        let list = Value::Array(vec![Value::Int(1), Value::Nil]);
        let error = <(i64, i64)>::from_value(list).expect_err("nil inside");
        let message = "expected integer (i64), got element 1: nil";
        assert_eq!(error.kind().to_string(), message);
    }

    #[test]
    fn an_error_inside_comes_before_a_wrong_length() {
        let error = Value::Error(ServerError::new("ERR no".into()));
        let found = <(i64, i64)>::from_value(Value::Array(vec![error])).expect_err("an error");
        assert_eq!(found.code(), Some("ERR"));
    }
}
