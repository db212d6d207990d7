//! The name of a command that was sent away: [`KeptName`].

use std::fmt;

use crate::redis::command::Command;

/// What two words hold. Few names are longer.
const SHORT: usize = 16;

/// A command's name for an error that seldom comes: without an allocation, unless it is a long one.
///
/// Its letters are put into words one by one. Copied as bytes, and then moved as words, they would make
/// a processor wait for each piece.
#[derive(Debug, Clone)]
pub(crate) enum KeptName {
    /// Its letters, the first one lowest, and how many they are.
    Short([u64; 2], u8),
    Long(Box<str>),
}

impl KeptName {
    #[inline]
    pub(crate) fn of(command: &Command) -> Self {
        let name = command.name_bytes();
        match u8::try_from(name.len()) {
            Ok(length) if name.len() <= SHORT => {
                let (first, second) = name.split_at(name.len().min(SHORT / 2));
                Self::Short([word(first), word(second)], length)
            }
            _ => Self::Long(command.name().into()),
        }
    }
}

#[inline]
fn word(letters: &[u8]) -> u64 {
    let letters = letters.iter().rev();
    letters.fold(0, |word, letter| word << 8 | u64::from(*letter))
}

impl fmt::Display for KeptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(words, length) => {
                let letters = words.map(u64::to_le_bytes);
                let name = letters.as_flattened().get(..usize::from(*length));
                f.write_str(std::str::from_utf8(name.unwrap_or_default()).unwrap_or_default())
            }
            Self::Long(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;

    #[test]
    fn a_name_of_any_length_is_kept_as_it_is() {
        for length in (1..=SHORT + 1).chain([300]) {
            for letters in ["abcdefghijklmnopq", "\u{e9}"] {
                let name: String = letters.chars().cycle().take(length).collect();
                let kept = KeptName::of(&cmd(&name));
                assert_eq!(kept.to_string(), name);
                let fits = name.len() <= SHORT;
                assert_eq!(matches!(kept, KeptName::Short(..)), fits, "{name}");
            }
        }
    }
}
