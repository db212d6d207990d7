//! Which of the 16,384 hash slots of a cluster a key belongs to: [`Slot`].
//!
//! The rule is that of the Redis Cluster specification ("Key distribution model" and "Hash
//! tags"): CRC16-XMODEM of the key, or of its hash tag, modulo 16,384.

use std::fmt;

/// A hash slot, from 0 to 16,383.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u16);

impl Slot {
    /// How many slots a cluster has.
    pub const COUNT: usize = 16_384;

    /// The slot with this number; none from [`Slot::COUNT`] on.
    pub const fn new(number: u16) -> Option<Self> {
        if (number as usize) < Self::COUNT {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The slot of a key.
    pub const fn of(key: &[u8]) -> Self {
        // Nearly no key has a tag: one walk looks for it and adds up.
        let mut crc = 0;
        let mut at = 0;
        while at < key.len() {
            if key[at] == b'{' {
                crc = crc16(hash_tag(key));
                break;
            }
            crc = crc16_step(crc, key[at]);
            at += 1;
        }
        Self(crc % Self::COUNT as u16)
    }

    /// The number of the slot.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> Self {
        slot.0
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
    (crc << 8) ^ CRC16[((crc >> 8) as u8 ^ byte) as usize]
}

/// CRC16-XMODEM (polynomial 0x1021, initial value 0), for each high byte.
static CRC16: [u16; 256] = crc16_table();

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
    }
}
