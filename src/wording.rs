//! What the texts of all backends' errors have in common.

use std::fmt;

use crate::endpoint::Endpoint;
use crate::exit::Cause;

/// What an error begins with: what was tried, such as `INCR`, and where.
pub(crate) fn place(
    f: &mut fmt::Formatter<'_>,
    what: Option<&str>,
    endpoint: Option<&Endpoint>,
) -> fmt::Result {
    match (what, endpoint) {
        (Some(what), Some(endpoint)) => write!(f, "{what} at {endpoint}: "),
        (Some(what), None) => write!(f, "{what}: "),
        (None, Some(endpoint)) => write!(f, "{endpoint}: "),
        (None, None) => Ok(()),
    }
}

/// The cause behind a colon, where one is known.
pub(crate) fn after_colon(cause: Option<&Cause>) -> String {
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}
