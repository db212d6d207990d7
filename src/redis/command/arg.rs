//! What can be an argument of a command: [`ToArgs`], and where it is written: [`ArgWriter`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;

use crate::redis::command::encoded::Encoded;

/// Writes itself as zero or more arguments of a command.
///
/// | value | arguments |
/// | --- | --- |
/// | text, `[u8]`, `Vec<u8>`, `[u8; N]` | one, as it is |
/// | [`Bytes`] | one, as it is; of 4 KiB and more it is not copied into the command |
/// | integers | one, in decimal digits |
/// | `f32`, `f64` | one: the shortest text that reads back as the same number; `inf`, `-inf` |
/// | `bool` | one: `1` or `0` |
/// | `Option` | what is in it; nothing for `None` |
/// | slices, arrays, `Vec`, sets | those of each item, in order |
/// | maps | for each entry those of the key, then of the value |
/// | tuples | those of each member |
///
/// A slice of `u8` is one string of bytes, not a list of numbers; for a list of numbers use a
/// wider integer.
pub trait ToArgs {
    /// Writes the arguments.
    fn write_args(&self, out: &mut ArgWriter<'_>);

    /// Writes the arguments of a slice. Item by item, unless the slice means more than its items,
    /// as one of bytes does.
    fn write_slice(items: &[Self], out: &mut ArgWriter<'_>)
    where
        Self: Sized,
    {
        for item in items {
            item.write_args(out);
        }
    }
}

/// Takes the arguments of a command and encodes them at once.
pub struct ArgWriter<'a> {
    out: &'a mut Encoded,
}

impl<'a> ArgWriter<'a> {
    pub(super) fn new(out: &'a mut Encoded) -> Self {
        Self { out }
    }

    /// Writes one argument.
    #[inline]
    pub fn arg(&mut self, bytes: &[u8]) {
        self.out.push(bytes);
    }

    /// Writes one argument. From 4 KiB on it is not copied into the command but held until the
    /// command has its answer, and the whole of its allocation with it, even if this is a small part
    /// of that.
    pub fn bytes(&mut self, bytes: &Bytes) {
        self.out.push_bytes(bytes);
    }
}

impl fmt::Debug for ArgWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArgWriter({} written)", self.out.count())
    }
}

/// Decimal digits, without an allocation.
pub(super) struct Decimal;

impl Decimal {
    /// The longest: 39 digits of `u128`, and a sign.
    const LEN: usize = 40;

    /// Writes the digits so that they end where `space` ends; returns where they start.
    pub(super) fn write(mut number: u128, space: &mut [u8]) -> usize {
        let mut start = space.len();
        // Division of 128 bits is a function call; nearly every number is shorter.
        while number > u128::from(u64::MAX) {
            start -= 1;
            space[start] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        let mut number = number as u64;
        loop {
            start -= 1;
            space[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return start;
            }
        }
    }
}

fn write_integer(negative: bool, magnitude: u128, out: &mut ArgWriter<'_>) {
    let mut space = [0; Decimal::LEN];
    let mut start = Decimal::write(magnitude, &mut space);
    if negative {
        start -= 1;
        space[start] = b'-';
    }
    out.arg(&space[start..]);
}

macro_rules! unsigned {
    ($($kind:ty)*) => {$(
        impl ToArgs for $kind {
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                write_integer(false, *self as u128, out);
            }
        }
    )*};
}
unsigned!(u16 u32 u64 u128 usize);

macro_rules! signed {
    ($($kind:ty)*) => {$(
        impl ToArgs for $kind {
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                write_integer(*self < 0, self.unsigned_abs() as u128, out);
            }
        }
    )*};
}
signed!(i8 i16 i32 i64 i128 isize);

/// Alone a number, in a slice one string of bytes.
impl ToArgs for u8 {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        write_integer(false, u128::from(*self), out);
    }

    fn write_slice(items: &[Self], out: &mut ArgWriter<'_>) {
        out.arg(items);
    }
}

impl ToArgs for bool {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        out.arg(if *self { b"1" } else { b"0" });
    }
}

/// Room for the shortest text of any float: at most 17 digits, a sign, a point, and an exponent
/// or four zeros.
#[derive(Default)]
struct FloatText {
    text: [u8; 32],
    len: usize,
}

impl fmt::Write for FloatText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.len + part.len();
        self.text
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(part.as_bytes());
        self.len = end;
        Ok(())
    }
}

macro_rules! float {
    ($($kind:ty)*) => {$(
        impl ToArgs for $kind {
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                let size = self.abs();
                let mut text = FloatText::default();
                // `Display` never uses an exponent: 1e300 would have 301 digits.
                let plain = size == 0.0 || (1e-5..1e16).contains(&size) || !size.is_finite();
                let written = if plain {
                    write!(text, "{self}")
                } else {
                    write!(text, "{self:e}")
                };
                written.expect("the shortest text of a float has at most 26 bytes");
                out.arg(&text.text[..text.len]);
            }
        }
    )*};
}
float!(f32 f64);

macro_rules! bytes_like {
    ($($kind:ty),*) => {$(
        impl ToArgs for $kind {
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                out.arg(self.as_ref());
            }
        }
    )*};
}
bytes_like!(str, String);

impl ToArgs for Bytes {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        out.bytes(self);
    }
}

macro_rules! pointer {
    ($($kind:ty),*) => {$(
        impl<T: ToArgs + ?Sized> ToArgs for $kind {
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                (**self).write_args(out);
            }
        }
    )*};
}
pointer!(&T, Box<T>, Arc<T>);

impl<T: ToArgs + ToOwned + ?Sized> ToArgs for Cow<'_, T> {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        (**self).write_args(out);
    }
}

impl<T: ToArgs> ToArgs for [T] {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        T::write_slice(self, out);
    }
}

impl<T: ToArgs, const N: usize> ToArgs for [T; N] {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        T::write_slice(self, out);
    }
}

impl<T: ToArgs> ToArgs for Vec<T> {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        T::write_slice(self, out);
    }
}

impl<T: ToArgs> ToArgs for Option<T> {
    fn write_args(&self, out: &mut ArgWriter<'_>) {
        if let Some(item) = self {
            item.write_args(out);
        }
    }
}

macro_rules! collection {
    ($([$($generics:tt)*] $kind:ty => $item:pat, $($part:ident)+;)*) => {$(
        impl<$($generics)*> ToArgs for $kind {
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                for $item in self {
                    $($part.write_args(out);)+
                }
            }
        }
    )*};
}
collection! {
    [T: ToArgs, S] HashSet<T, S> => item, item;
    [T: ToArgs] BTreeSet<T> => item, item;
    [K: ToArgs, V: ToArgs, S] HashMap<K, V, S> => (key, value), key value;
    [K: ToArgs, V: ToArgs] BTreeMap<K, V> => (key, value), key value;
}

macro_rules! tuple {
    ($($member:ident)+) => {
        impl<$($member: ToArgs),+> ToArgs for ($($member,)+) {
            #[allow(non_snake_case, reason = "each variable is named for its type")]
            fn write_args(&self, out: &mut ArgWriter<'_>) {
                let ($($member,)+) = self;
                $($member.write_args(out);)+
            }
        }
    };
}
tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;
    use proptest::prelude::*;

    fn written(value: impl ToArgs) -> Vec<Vec<u8>> {
        let command = cmd("X").arg(value);
        command.args().skip(1).map(<[u8]>::to_vec).collect()
    }

    fn text(value: impl ToArgs) -> String {
        let words: Vec<_> = written(value)
            .into_iter()
            .map(|word| String::from_utf8(word).expect("text"))
            .collect();
        words.join(" ")
    }

    #[test]
    fn text_and_bytes_are_one_argument_each() {
        for one in [
            written("a b"),
            written("a b".to_owned()),
            written(Cow::Borrowed("a b")),
            written(&b"a b"[..]),
            written(b"a b"),
            written(*b"a b"),
            written(b"a b".to_vec()),
            written(Cow::Borrowed(&b"a b"[..])),
            written(Bytes::from_static(b"a b")),
            written(Box::<str>::from("a b")),
            written(Arc::<[u8]>::from(&b"a b"[..])),
        ] {
            assert_eq!(one, [b"a b".to_vec()]);
        }
        assert_eq!(written(""), [b"".to_vec()]);
        assert_eq!(written(Vec::<u8>::new()), [b"".to_vec()]);
    }

    #[test]
    fn numbers_are_the_shortest_text_the_server_reads() {
        assert_eq!(
            text((0u8, 255u8, i8::MIN, u16::MAX, -1i32)),
            "0 255 -128 65535 -1"
        );
        assert_eq!(text(i64::MIN), "-9223372036854775808");
        assert_eq!(text(i128::MIN), i128::MIN.to_string());
        assert_eq!(text(u128::MAX), u128::MAX.to_string());
        assert_eq!(
            text((1.0, 0.1, -0.0, 1e16, 1e300, 1e-7)),
            "1 0.1 -0 1e16 1e300 1e-7"
        );
        assert_eq!(text((0.1f32, f32::MAX)), "0.1 3.4028235e38");
        assert_eq!(text((f64::INFINITY, f64::NEG_INFINITY)), "inf -inf");
        assert_eq!(text((true, false)), "1 0");
    }

    #[test]
    fn collections_are_written_item_by_item() {
        assert_eq!(text(vec!["a", "b"]), "a b");
        assert_eq!(text([1i64, 2]), "1 2");
        assert_eq!(text(&[1u32, 2][..]), "1 2");
        assert_eq!(text(vec![("k", 1), ("l", 2)]), "k 1 l 2");
        assert_eq!(text(vec![b"x".to_vec(), b"y".to_vec()]), "x y");
        assert_eq!(text(BTreeMap::from([("a", 1), ("b", 2)])), "a 1 b 2");
        assert_eq!(text(HashMap::from([("a", 1.5)])), "a 1.5");
        assert_eq!(text(BTreeSet::from(["b", "a"])), "a b");
        assert_eq!(text(HashSet::from([7])), "7");
        assert_eq!(
            text((1, "b", Some(3), None::<i32>, true, 2.5)),
            "1 b 3 1 2.5"
        );
        assert!(written(Vec::<String>::new()).is_empty());
        assert!(written(None::<&str>).is_empty());
    }

    proptest! {
        #[test]
        fn floats_read_back_as_the_same_number(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(!number.is_nan());
            prop_assert_eq!(text(number).parse::<f64>().expect("a number").to_bits(), bits);
        }

        #[test]
        fn small_floats_read_back_as_the_same_number(bits in any::<u32>()) {
            let number = f32::from_bits(bits);
            prop_assume!(!number.is_nan());
            prop_assert_eq!(text(number).parse::<f32>().expect("a number").to_bits(), bits);
        }

        #[test]
        fn integers_read_like_their_display(wide in any::<i128>(), narrow in any::<i64>(), size in any::<usize>()) {
            prop_assert_eq!(text((wide, narrow, size)), format!("{wide} {narrow} {size}"));
        }
    }
}
