//! From replies to Rust values: [`FromValue`]. Pure.
//!
//! RESP2 and RESP3 say many things differently: a map is a flat array there, a score is a string,
//! a truth value is 0 or 1. Conversions hide that, so that a program gets the same values over
//! both.
//!
//! | Rust | from |
//! | --- | --- |
//! | [`Value`](crate::redis::Value) | any reply, as it is |
//! | `()` | any reply without an error in it |
//! | `bool` | boolean, integer or string `0` or `1`; not `OK` |
//! | integers | integer, boolean (0 or 1), numeric string, big number, double without a fraction; all in range |
//! | floats | double, integer, numeric string with `inf`, `-inf`, `nan`, big number |
//! | `String`, `Box<str>`, `Arc<str>` | strings (UTF-8), integer, double, big number |
//! | `Bytes`, `Vec<u8>` | the same, any bytes; `Vec<u8>` also from a list of integers |
//! | `Option<T>` | nil, or what `T` takes |
//! | `Vec<T>`, `Box<[T]>`, `HashSet<T>`, `BTreeSet<T>` | array, set, push; a map as keys and values in turn |
//! | `HashMap<K, V>`, `BTreeMap<K, V>`, `Vec<(K, V)>` | map, keys and values in turn, array of pairs |
//! | tuples of 1 to 8 | list of just as many |
//! | `Result<T, Error>` | any reply; its error, or why it is no `T`, becomes the value |
//!
//! Nil is no empty list and no empty string: ask for an `Option`. An error inside a reply, such as
//! one of `EXEC`, fails the conversion into anything but `Value` and `Result`.

mod conversion;
mod list;
mod pairs;
mod scalar;
mod tuple;

pub use conversion::FromValue;
