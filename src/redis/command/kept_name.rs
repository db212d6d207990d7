//! The name of a command that was sent away: [`KeptName`].

use crate::redis::command::Command;

/// More than any command of a server has.
const SHORT: usize = 30;

/// A command's name for an error that seldom comes: without an allocation, unless it is a very long
/// one.
#[derive(Debug, Clone)]
pub(crate) enum KeptName {
    /// So many of these bytes.
    Short([u8; SHORT], u8),
    Long(Box<str>),
}

impl KeptName {
    #[inline]
    pub(crate) fn of(command: &Command) -> Self {
        let name = command.name_bytes();
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name);
                Self::Short(bytes, length)
            }
            _ => Self::Long(command.name().into()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Short(bytes, length) => {
                let name = bytes.get(..usize::from(*length)).unwrap_or_default();
                std::str::from_utf8(name).unwrap_or_default()
            }
            Self::Long(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::command::cmd;

    #[test]
    fn a_name_of_any_length_is_kept_as_it_is() {
        for length in [1, SHORT - 1, SHORT, SHORT + 1, 300] {
            for letter in ["x", "é"] {
                let name = letter.repeat(length);
                let kept = KeptName::of(&cmd(&name));
                assert_eq!(kept.as_str(), name);
                let fits = name.len() <= SHORT;
                assert_eq!(matches!(kept, KeptName::Short(..)), fits, "{name}");
            }
        }
    }
}
