//! The trait [`FromValue`], and how a conversion fails.

use crate::redis::{Error, ErrorKind, Outcome, Result, ServerError, Value};

/// Can be made of a reply.
///
/// [The module](crate::redis::from_value) lists what is made of what. Own types:
///
/// ```
/// use everlink::redis::{Error, FromValue, Value};
///
/// struct Port(u16);
///
/// impl FromValue for Port {
///     fn from_value(value: Value) -> Result<Self, Error> {
///         match u16::from_value(value)? {
///             0 => Err(Error::conversion("port", "0")),
///             port => Ok(Self(port)),
///         }
///     }
/// }
/// ```
pub trait FromValue: Sized {
    /// Makes one of a reply.
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`] when the reply is of another type or out of range: the command
    /// was executed. [`ErrorKind::Server`] when the reply is, or holds, an error.
    fn from_value(value: Value) -> Result<Self>;

    /// Makes a list of a reply: this is what `Vec<Self>` and the sets convert with. To be
    /// overridden only by types whose lists have a form of their own, as `u8` (bytes) and pairs
    /// (maps) have.
    ///
    /// # Errors
    /// As [`from_value`](Self::from_value); the message tells which element it was.
    fn list_from_value(value: Value) -> Result<Vec<Self>> {
        let items = items(value).map_err(|other| mismatch("array", other))?;
        from_items(items)
    }
}

impl Value {
    /// This reply as what is asked for: [`FromValue::from_value`] for those who send commands as
    /// messages and get replies as they came.
    ///
    /// # Errors
    /// As [`FromValue::from_value`].
    pub fn convert<T: FromValue>(self) -> Result<T> {
        T::from_value(self)
    }
}

/// Each element by itself; the error tells which.
pub(super) fn from_items<T: FromValue>(items: Vec<Value>) -> Result<Vec<T>> {
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        list.push(T::from_value(item).map_err(|error| within_element(index, error))?);
    }
    Ok(list)
}

/// The elements of anything list-like; a map is keys and values in turn, as in RESP2.
pub(super) fn items(value: Value) -> std::result::Result<Vec<Value>, Value> {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(<[Value; 2]>::from).collect()),
        other @ (Value::Nil
        | Value::Simple(_)
        | Value::Bulk(_)
        | Value::Int(_)
        | Value::Double(_)
        | Value::Bool(_)
        | Value::BigNumber(_)
        | Value::Verbatim(_)
        | Value::Error(_)) => Err(other),
    }
}

/// The error for a value of another kind than expected.
pub(super) fn mismatch(expected: &str, got: Value) -> Error {
    match got {
        Value::Error(error) => refused(error),
        other => Error::conversion(expected, other.kind()),
    }
}

/// The error for text that cannot be read as expected. Replies may be private: its length is all
/// that is told.
pub(super) fn unreadable(expected: &str, kind: &str, length: usize, what: &str) -> Error {
    Error::conversion(expected, format!("{kind} of {length} bytes that is {what}"))
}

fn refused(error: ServerError) -> Error {
    Error::new(ErrorKind::Server(error), Outcome::Refused)
}

/// Tells where in a reply the conversion failed.
pub(super) fn within_element(index: usize, error: Error) -> Error {
    within(format_args!("element {index}"), error)
}

/// What failed inside a reply says nothing of the command as a whole: of a transaction or a script
/// the other parts were executed. So nothing in it may pass for a command that was refused.
pub(super) fn within(place: std::fmt::Arguments<'_>, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Conversion { expected, got } => {
            Error::conversion(expected, format!("{place}: {got}"))
        }
        kind => Error::new(kind.clone(), Outcome::Executed),
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

/// For who does not care what the reply is, so long as nothing failed: an error anywhere inside it
/// is found.
impl FromValue for () {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Error(error) => Err(refused(error)),
            Value::Array(items) | Value::Set(items) | Value::Push(items) => {
                from_items::<()>(items).map(|_| ())
            }
            Value::Map(pairs) => {
                for value in pairs.into_iter().flat_map(<[Value; 2]>::from) {
                    <()>::from_value(value).map_err(|error| within(format_args!("map"), error))?;
                }
                Ok(())
            }
            Value::Nil
            | Value::Simple(_)
            | Value::Bulk(_)
            | Value::Int(_)
            | Value::Double(_)
            | Value::Bool(_)
            | Value::BigNumber(_)
            | Value::Verbatim(_) => Ok(()),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Nil => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// Never fails by itself: for lists of which each element may fail, as those of `EXEC`.
impl<T: FromValue> FromValue for Result<T> {
    fn from_value(value: Value) -> Result<Self> {
        Ok(T::from_value(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error() -> Value {
        Value::Error(ServerError::new("WRONGTYPE no".into()))
    }

    #[test]
    fn a_unit_takes_any_reply_but_finds_every_error_in_it() {
        for fine in [Value::Nil, Value::Int(3), Value::Array(vec![Value::Nil])] {
            assert!(<()>::from_value(fine).is_ok());
        }
        let pair = (Value::Int(1), server_error());
        let hidden = Value::Array(vec![Value::Int(1), Value::Map(vec![pair])]);
        let error = <()>::from_value(hidden).expect_err("an error inside");
        assert_eq!(error.code(), Some("WRONGTYPE"));
        assert_eq!(error.outcome(), Outcome::Executed);
    }

    #[test]
    fn nil_is_none_and_nothing_else_is() {
        assert_eq!(Option::<i64>::from_value(Value::Nil).expect("nil"), None);
        assert_eq!(
            Option::<i64>::from_value(Value::Int(0)).expect("0"),
            Some(0)
        );
        assert!(Option::<i64>::from_value(server_error()).is_err());
        let nested = Option::<Vec<Option<i64>>>::from_value(Value::Array(vec![Value::Nil]));
        assert_eq!(nested.expect("list"), Some(vec![None]));
    }

    #[test]
    fn an_error_reply_is_refused_alone_and_executed_inside_another() {
        let alone = i64::from_value(server_error()).expect_err("an error");
        assert_eq!(alone.code(), Some("WRONGTYPE"));
        assert_eq!(alone.outcome(), Outcome::Refused);
        let list = Value::Array(vec![Value::Int(1), server_error()]);
        let inside = Vec::<i64>::from_value(list).expect_err("an error inside");
        assert_eq!(inside.code(), Some("WRONGTYPE"));
        assert_eq!(inside.outcome(), Outcome::Executed);
    }

    #[test]
    fn results_and_values_keep_the_errors_of_single_elements() {
        let list = || Value::Array(vec![Value::Int(1), server_error(), Value::Nil]);
        let results = Vec::<Result<i64>>::from_value(list()).expect("a list");
        assert_eq!(results[0].as_ref().ok(), Some(&1));
        assert_eq!(
            results[1].as_ref().map_err(Error::code),
            Err(Some("WRONGTYPE"))
        );
        assert!(matches!(
            results[2].as_ref().map_err(Error::kind),
            Err(ErrorKind::Conversion { .. })
        ));
        let values = Vec::<Value>::from_value(list()).expect("a list");
        assert_eq!(values[1], server_error());
        let (first, second) =
            <(i64, Result<i64>)>::from_value(Value::Array(vec![Value::Int(1), server_error()]))
                .expect("a pair");
        assert_eq!((first, second.is_err()), (1, true));
    }

    #[test]
    fn a_message_tells_the_place_and_the_kinds_but_no_content() {
        let secret = Value::Bulk("hunter2 is it".into());
        let inner = Value::Array(vec![Value::Int(1), secret]);
        let outer = Value::Array(vec![Value::Array(vec![]), inner]);
        let error = Vec::<Vec<i64>>::from_value(outer).expect_err("no integer");
        assert_eq!(
            error.kind().to_string(),
            "expected integer (i64), got element 1: element 1: \
             bulk string of 13 bytes that is not an integer"
        );
        assert_eq!(error.outcome(), Outcome::Executed);
    }
}
