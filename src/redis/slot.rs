//! Which of the 16,384 hash slots of a cluster a key belongs to: [`Slot`].
//!
//! The rule is that of the Redis Cluster specification ("Key distribution model" and "Hash
//! tags"): CRC16-XMODEM of the key, or of its hash tag, modulo 16,384.

use std::fmt;
use std::num::NonZeroU16;

/// A hash slot, from 0 to 16,383.
///
/// Kept is a number that is one more: so a slot and whether there is one are one number, written and
/// read as one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(NonZeroU16);

impl Slot {
    /// How many slots a cluster has.
    pub const COUNT: usize = 16_384;

    /// The slot with this number; none from [`Slot::COUNT`] on.
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < Self::COUNT {
            Some(Self::at(number))
        } else {
            None
        }
    }

    const fn at(number: u16) -> Self {
        Self(NonZeroU16::MIN.saturating_add(number))
    }

    /// The slot of a key.
    pub const fn of(key: &[u8]) -> Self {
        // Nearly no key has a tag: one walk looks for it and adds up, four bytes at a time. Zeros in
        // front change nothing, so they fill up the first four.
        let (head, mut rest) = key.split_at(key.len() % 4);
        let mut four = match head {
            [] => 0,
            [only] => u32::from_be_bytes([0, 0, 0, *only]),
            [first, second] => u32::from_be_bytes([0, 0, *first, *second]),
            [first, second, third, ..] => u32::from_be_bytes([0, *first, *second, *third]),
        };
        let mut crc = 0;
        loop {
            if has_open_brace(four) {
                return Self::of_tagged(key);
            }
            crc = crc16_four_steps(crc, four);
            let [first, second, third, fourth, after @ ..] = rest else {
                break;
            };
            four = u32::from_be_bytes([*first, *second, *third, *fourth]);
            rest = after;
        }
        Self::at(crc % Self::COUNT as u16)
    }

    const fn of_tagged(key: &[u8]) -> Self {
        Self::at(crc16(hash_tag(key)) % Self::COUNT as u16)
    }

    /// The number of the slot.
    pub const fn get(self) -> u16 {
        self.0.get() - 1
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> Self {
        slot.get()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({self})")
    }
}

/// The part of a key that decides its slot: what is between the first `{` and the first `}`
/// after it, or the whole key if there is no such pair or nothing in it.
const fn hash_tag(key: &[u8]) -> &[u8] {
    let mut open = 0;
    while open < key.len() && key[open] != b'{' {
        open += 1;
    }
    if open == key.len() {
        return key;
    }
    let mut close = open + 1;
    while close < key.len() && key[close] != b'}' {
        close += 1;
    }
    if close == key.len() || close == open + 1 {
        return key;
    }
    let (before_close, _) = key.split_at(close);
    let (_, tag) = before_close.split_at(open + 1);
    tag
}

const fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let mut at = 0;
    while at < bytes.len() {
        crc = crc16_step(crc, bytes[at]);
        at += 1;
    }
    crc
}

const fn crc16_step(crc: u16, byte: u8) -> u16 {
    (crc << 8) ^ CRC16[0][((crc >> 8) as u8 ^ byte) as usize]
}

/// What [`crc16_step`] four times gives, with looks that do not wait for each other.
const fn crc16_four_steps(crc: u16, four: u32) -> u16 {
    let [first, second, third, fourth] = (four ^ ((crc as u32) << 16)).to_be_bytes();
    CRC16[3][first as usize]
        ^ CRC16[2][second as usize]
        ^ CRC16[1][third as usize]
        ^ CRC16[0][fourth as usize]
}

/// One of the four bytes is a `{`: its difference to that is zero, and borrows its highest bit.
const fn has_open_brace(four: u32) -> bool {
    let differences = four ^ u32::from_ne_bytes([b'{'; 4]);
    differences.wrapping_sub(0x0101_0101) & !differences & 0x8080_8080 != 0
}

/// CRC16-XMODEM (polynomial 0x1021, initial value 0) of each byte, with 0 to 3 zero bytes after it.
static CRC16: [[u16; 256]; 4] = {
    let mut tables = [crc16_table(); 4];
    let mut zeros = 1;
    while zeros < 4 {
        let mut byte = 0;
        while byte < 256 {
            let before: u16 = tables[zeros - 1][byte];
            tables[zeros][byte] = (before << 8) ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
};

const fn crc16_table() -> [u16; 256] {
    let mut table = [0u16; 256];
    let mut high = 0;
    while high < 256 {
        let mut crc = (high as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            let carry = crc & 0x8000 != 0;
            crc <<= 1;
            if carry {
                crc ^= 0x1021;
            }
            bit += 1;
        }
        table[high] = crc;
        high += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn agrees_with_the_check_value_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(Slot::of(b"123456789").get(), 0x31C3);
        assert_eq!(Slot::of(b"").get(), 0);
        assert_eq!(Slot::of(b"foo").get(), 12_182);
    }

    #[test]
    fn hashes_only_the_hash_tag() {
        for (key, tag) in [
            ("{user1000}.following", "user1000"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("foo{bar", "foo{bar"),
            ("foo}bar{", "foo}bar{"),
            ("}a{b}", "b"),
            ("{}", "{}"),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }

    #[test]
    fn refuses_numbers_beyond_the_last_slot() {
        assert_eq!(Slot::new(16_383).map(Slot::get), Some(16_383));
        assert_eq!(Slot::new(16_384), None);
        let all = (0..16_384).all(|number| Slot::new(number).map(u16::from) == Some(number));
        assert!(all);
        assert_eq!(format!("{:?}", Slot::new(0)), "Some(Slot(0))");
    }

    proptest! {
        #[test]
        fn a_key_and_its_tagged_companion_share_a_slot(tag in "[^{}]{1,20}", rest in ".{0,20}") {
            prop_assert_eq!(Slot::of(tag.as_bytes()), Slot::of(format!("{{{tag}}}{rest}").as_bytes()));
        }

        #[test]
        fn every_slot_is_in_range(key in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(usize::from(Slot::of(&key).get()) < Slot::COUNT);
        }

        #[test]
        fn one_walk_finds_what_the_rule_says(key in "[a-cz{}é]{0,14}") {
            let tag = hash_tag(key.as_bytes());
            let by_bit = tag.iter().fold(0u16, |crc, byte| {
                (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
                    (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
                })
            });
            prop_assert_eq!(Slot::of(key.as_bytes()).get(), by_bit % 16_384);
        }
    }
}
