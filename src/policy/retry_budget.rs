//! [`RetryBudget`]: how much load retries may add.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::policy::error::PolicyError;

/// What counts for the balance: this many seconds, the present one included.
const WINDOW: usize = 10;

/// How much load retries may add to a server: a share of the traffic, and a little more for links
/// without much traffic.
///
/// Each request deposits `ratio` of a retry, each retry takes one; both count for 10 s. Without a
/// budget, a server that answers late gets the same work again and again just when it can do least
/// (retries as a cause of outages: Google's "Site Reliability Engineering", chapter 22). Default:
/// 20 % of the traffic, and 10 retries a second.
///
/// In a configuration: `budget = { ratio = 0.2, per_second = 10 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRetryBudget")]
pub struct RetryBudget {
    ratio: f64,
    per_second: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetryBudget {
    ratio: Option<f64>,
    per_second: Option<u32>,
}

impl RetryBudget {
    /// Retries may make up `ratio` of the requests, and `per_second` on top.
    ///
    /// # Errors
    /// When `ratio` is negative or not finite, or when both are zero: no retry would ever be made.
    pub fn new(ratio: f64, per_second: u32) -> Result<Self, PolicyError> {
        if !(ratio.is_finite() && ratio >= 0.0) {
            let allowed = "a finite number of at least 0";
            return Err(PolicyError::new("ratio", ratio, allowed));
        }
        if ratio == 0.0 && per_second == 0 {
            let allowed = "at least 1 without a ratio";
            return Err(PolicyError::new("per_second", per_second, allowed));
        }
        Ok(Self { ratio, per_second })
    }

    /// Retries for each request.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Retries in each second, whatever the traffic.
    pub fn per_second(&self) -> u32 {
        self.per_second
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            per_second: 10,
        }
    }
}

impl TryFrom<RawRetryBudget> for RetryBudget {
    type Error = PolicyError;

    fn try_from(raw: RawRetryBudget) -> Result<Self, PolicyError> {
        let default = Self::default();
        Self::new(
            raw.ratio.unwrap_or(default.ratio),
            raw.per_second.unwrap_or(default.per_second),
        )
    }
}

/// What was deposited and taken lately under a [`RetryBudget`].
#[derive(Debug, Clone)]
pub struct RetryAccount {
    budget: RetryBudget,
    /// One entry for each second of the window, by the second's number.
    seconds: [Second; WINDOW],
    began: Instant,
    /// The second up to which entries are valid, counted from the beginning.
    newest: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Second {
    requests: u64,
    retries: u64,
}

impl RetryAccount {
    /// An account with what the budget allows without any traffic.
    pub fn new(budget: RetryBudget, now: Instant) -> Self {
        Self {
            budget,
            seconds: [Second::default(); WINDOW],
            began: now,
            newest: 0,
        }
    }

    /// So many requests were made.
    pub fn deposit(&mut self, requests: usize, now: Instant) {
        self.second(now).requests += requests as u64;
    }

    /// Takes one retry; false if none is left.
    pub fn withdraw(&mut self, now: Instant) -> bool {
        self.second(now);
        let allowed = f64::from(self.budget.per_second) * WINDOW as f64;
        let (requests, retries) = self.seconds.iter().fold((0, 0), |(requests, retries), s| {
            (requests + s.requests, retries + s.retries)
        });
        let allowed = allowed + self.budget.ratio * requests as f64;
        let left = retries as f64 + 1.0 <= allowed;
        if left {
            self.second(now).retries += 1;
        }
        left
    }

    /// The entry of the present second; those that are too old are forgotten.
    fn second(&mut self, now: Instant) -> &mut Second {
        // A clock that stands behind counts for the newest second that was seen.
        let number = now
            .saturating_duration_since(self.began)
            .max(Duration::from_secs(self.newest))
            .as_secs();
        let passed = usize::try_from(number - self.newest).unwrap_or(WINDOW);
        for step in 1..=passed.min(WINDOW) {
            let place = (self.newest as usize).wrapping_add(step) % WINDOW;
            self.seconds[place] = Second::default();
        }
        if passed >= WINDOW {
            self.seconds = [Second::default(); WINDOW];
        }
        self.newest = number;
        &mut self.seconds[number as usize % WINDOW]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn withdrawals(account: &mut RetryAccount, now: Instant) -> usize {
        (0..).take_while(|_| account.withdraw(now)).count()
    }

    #[test]
    fn a_quiet_link_has_its_retries_a_second_and_a_busy_one_its_share() {
        let now = tokio::time::Instant::now().into_std();
        let mut quiet = RetryAccount::new(RetryBudget::default(), now);
        assert_eq!(withdrawals(&mut quiet, now), 100);
        let later = now + Duration::from_secs(10);
        assert_eq!(withdrawals(&mut quiet, later), 100);

        let mut busy = RetryAccount::new(RetryBudget::default(), now);
        busy.deposit(10_000, now);
        assert_eq!(withdrawals(&mut busy, now), 2_100);
        busy.deposit(5, now);
        assert_eq!(withdrawals(&mut busy, now), 1, "five requests earn one");
    }

    #[test]
    fn what_is_older_than_ten_seconds_does_not_count() {
        let now = tokio::time::Instant::now().into_std();
        let budget = RetryBudget::new(0.5, 0).expect("valid");
        let mut account = RetryAccount::new(budget, now);
        account.deposit(10, now);
        let nine = now + Duration::from_secs(9);
        assert_eq!(withdrawals(&mut account.clone(), nine), 5);
        let ten = now + Duration::from_secs(10);
        assert_eq!(withdrawals(&mut account.clone(), ten), 0);
        let years = now + Duration::from_secs(100_000_000);
        assert_eq!(withdrawals(&mut account, years), 0);
    }

    #[test]
    fn refuses_what_cannot_work() {
        for (ratio, per_second) in [(-0.1, 1), (f64::NAN, 1), (f64::INFINITY, 1), (0.0, 0)] {
            assert!(RetryBudget::new(ratio, per_second).is_err());
        }
        assert!(toml::from_str::<RetryBudget>("ratio = -1.0").is_err());
        assert!(toml::from_str::<RetryBudget>("rato = 1.0").is_err());
        let read: RetryBudget = toml::from_str("per_second = 3").expect("valid");
        assert_eq!((read.ratio(), read.per_second()), (0.2, 3));
    }

    proptest! {
        /// Against every step written down and summed anew.
        #[test]
        fn counts_as_the_rule_says(
            steps in proptest::collection::vec((0u64..4_000, 0usize..30, any::<bool>()), 1..60),
        ) {
            let start = tokio::time::Instant::now().into_std();
            let budget = RetryBudget::new(0.25, 1).expect("valid");
            let mut account = RetryAccount::new(budget, start);
            let mut log: Vec<(u64, f64)> = Vec::new();
            let mut at = 0;
            for (pause, requests, retry) in steps {
                at += pause;
                let now = start + Duration::from_millis(at);
                account.deposit(requests, now);
                log.push((at / 1000, 0.25 * requests as f64));
                if retry {
                    let oldest = (at / 1000).saturating_sub(WINDOW as u64 - 1);
                    let recent = log.iter().filter(|(second, _)| *second >= oldest);
                    let balance = 10.0 + recent.map(|(_, amount)| amount).sum::<f64>();
                    prop_assert_eq!(account.withdraw(now), balance >= 1.0);
                    if balance >= 1.0 {
                        log.push((at / 1000, -1.0));
                    }
                }
            }
        }
    }
}
