//! The escapes of URLs: [`decoded`].

/// The text with each `%40` as `@`; none if it is not well encoded. A plus sign is a plus sign:
/// this is not a web form.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_escapes_and_leaves_plus_signs() {
        assert_eq!(decoded("a+b%20%C3%a4%25").as_deref(), Some("a+b ä%"));
        for text in ["%", "%2", "%zz", "%+1", "%ff", "a%2"] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }
}
