//! Certificates or a key in PEM form, as a file or as a text: [`Pem`].

use std::fmt;
use std::path::PathBuf;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::secret::Secret;

/// How every PEM text begins, after comments that some tools write before it.
const BEGIN: &str = "-----BEGIN ";

/// Certificates or a private key in PEM form.
///
/// In text a value that contains `-----BEGIN` is the PEM itself, any other the path of a file.
/// `Debug` and `Serialize` show a path as it is, and `***` in place of a text, as with a
/// [`Secret`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pem {
    /// A file, read anew at each connect.
    File(PathBuf),
    /// The text itself.
    Text(Secret),
}

impl Pem {
    /// A file, by its path.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// The PEM text itself.
    pub fn text(text: impl Into<Secret>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::File(path) => path.as_os_str().is_empty(),
            Self::Text(text) => text.is_empty(),
        }
    }
}

/// The path, or what is shown instead of a text.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Display::fmt(&path.display(), f),
            Self::Text(text) => fmt::Display::fmt(text, f),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => fmt::Debug::fmt(path, f),
            Self::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

impl Serialize for Pem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::File(path) => path.serialize(serializer),
            Self::Text(text) => text.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a secret, since no error may repeat it.
        let text = Secret::deserialize(deserializer)?;
        let is_pem = text.expose().contains(BEGIN);
        // A key that lost its first line: as a path it would be shown.
        if !is_pem && text.expose().contains(char::is_control) {
            return Err(D::Error::custom(
                "neither PEM, which begins with -----BEGIN, nor the path of a file",
            ));
        }
        Ok(if is_pem {
            Self::Text(text)
        } else {
            Self::File(text.expose().into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_and_a_text_is_not() {
        let pems: Vec<Pem> =
            serde_json::from_str(r#"["/run/tls/key.pem", "-----BEGIN PRIVATE KEY-----\nhunter2"]"#)
                .expect("two");
        assert_eq!(pems[0], Pem::file("/run/tls/key.pem"));
        assert!(matches!(&pems[1], Pem::Text(text) if text.expose().contains("hunter2")));
        assert_eq!(format!("{pems:?}"), r#"["/run/tls/key.pem", ***]"#);
        let written = serde_json::to_string(&pems).expect("texts");
        assert_eq!(written, r#"["/run/tls/key.pem","***"]"#);
        for odd in ["4711", r#""MIIEvhunter2\nQQ==""#] {
            let error = serde_json::from_str::<Pem>(odd).expect_err(odd).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
