//! The checks that settings share. Each says which field, what it was and what is allowed.

use std::fmt::Display;
use std::time::Duration;

use humantime_serde::re::humantime::format_duration;

use crate::redis::error::{Error, Result};

/// The longest duration any setting takes. Timers and `Instant` arithmetic overflow somewhere
/// beyond it. One year, as `humantime` counts it.
const LONGEST: Duration = Duration::from_secs(31_557_600);

/// Not zero, and at most one year.
pub(super) fn positive(field: &str, value: Duration) -> Result<()> {
    if value.is_zero() {
        return Err(Error::config(format!("{field} must be greater than zero")));
    }
    at_most(field, value, LONGEST)
}

/// At most 365 days; zero is allowed.
pub(super) fn bounded(field: &str, value: Duration) -> Result<()> {
    at_most(field, value, LONGEST)
}

/// From `low` to `high`, both included.
pub(super) fn within(field: &str, value: Duration, low: Duration, high: Duration) -> Result<()> {
    if value < low {
        return Err(Error::config(format!(
            "{field} is {}, it must be at least {}",
            format_duration(value),
            format_duration(low)
        )));
    }
    at_most(field, value, high)
}

fn at_most(field: &str, value: Duration, high: Duration) -> Result<()> {
    if value <= high {
        return Ok(());
    }
    Err(Error::config(format!(
        "{field} is {}, it must be at most {}",
        format_duration(value),
        format_duration(high)
    )))
}

/// The first must not be longer than the second.
pub(super) fn ordered(low: (&str, Duration), high: (&str, Duration)) -> Result<()> {
    if low.1 <= high.1 {
        return Ok(());
    }
    Err(Error::config(format!(
        "{} is {}, it must not be longer than {}, which is {}",
        low.0,
        format_duration(low.1),
        high.0,
        format_duration(high.1)
    )))
}

/// A count or a size from `low` to `high`, both included.
pub(super) fn counted<N: PartialOrd + Display>(
    field: &str,
    value: N,
    low: N,
    high: N,
) -> Result<()> {
    if value < low {
        return Err(Error::config(format!(
            "{field} is {value}, it must be at least {low}"
        )));
    }
    if value > high {
        return Err(Error::config(format!(
            "{field} is {value}, it must be at most {high}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(result: Result<()>) -> String {
        result.expect_err("must be refused").to_string()
    }

    #[test]
    fn says_which_field_what_it_was_and_what_is_allowed() {
        let second = Duration::from_secs(1);
        let text = said(positive("timeouts.connect", Duration::ZERO));
        assert!(text.contains("timeouts.connect must be greater than zero"));
        let text = said(positive("a.b", Duration::MAX));
        assert!(
            text.contains("a.b is ") && text.contains("at most 1year"),
            "{text}"
        );
        let text = said(within("a.b", second / 2, second, second * 2));
        assert!(
            text.contains("a.b is 500ms, it must be at least 1s"),
            "{text}"
        );
        let text = said(ordered(("low", second * 2), ("high", second)));
        assert!(text.contains("low is 2s, it must not be longer than high, which is 1s"));
        let text = said(counted("a.n", 0, 1, 9));
        assert!(text.contains("a.n is 0, it must be at least 1"), "{text}");
        let text = said(counted("a.n", 10, 1, 9));
        assert!(text.contains("a.n is 10, it must be at most 9"), "{text}");
    }

    #[test]
    fn accepts_the_bounds_themselves() {
        let second = Duration::from_secs(1);
        within("a", second, second, second).expect("both bounds are included");
        ordered(("a", second), ("b", second)).expect("equal is not longer");
        counted("a", 1, 1, 1).expect("both bounds are included");
        positive("a", LONGEST).expect("the longest is allowed");
        bounded("a", Duration::ZERO).expect("zero is allowed here");
    }
}
