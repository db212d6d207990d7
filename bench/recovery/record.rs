//! What calls a client made and how they ended: [`Record`], and what is read off it.

use std::collections::BTreeMap;
use std::time::Duration;

/// One call that ended.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Which of the streams of calls it belongs to.
    pub(crate) stream: usize,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// All calls of a run, in the order in which they ended.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<Call>);

impl Call {
    /// As the process of a client writes it.
    pub(crate) fn line(&self) -> String {
        let (began, ended) = (self.began.as_nanos(), self.ended.as_nanos());
        let why = self.failure.as_deref().unwrap_or_default();
        format!(
            "call {} {began} {ended} {}",
            self.stream,
            why.replace('\n', " ")
        )
    }

    /// None of another line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("call ")?.splitn(4, ' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (stream, began, ended) = (number()?, number()?, number()?);
        let why = words.next()?;
        Some(Self {
            stream: stream as usize,
            began: Duration::from_nanos(began),
            ended: Duration::from_nanos(ended),
            failure: (!why.is_empty()).then(|| why.to_owned()),
        })
    }
}

impl Record {
    pub(crate) fn push(&mut self, call: Call) {
        self.0.push(call);
    }

    fn successes(&self, stream: usize) -> impl Iterator<Item = Duration> {
        let of = self.0.iter().filter(move |call| call.stream == stream);
        of.filter(|call| call.failure.is_none())
            .map(|call| call.ended)
    }

    /// When the first call after `from` ended well, whenever it began.
    pub(crate) fn first_success(&self, stream: usize, from: Duration) -> Option<Duration> {
        self.successes(stream).filter(|ended| *ended > from).min()
    }

    /// Why the calls that ended from then on failed, and how many for each reason.
    pub(crate) fn failures(&self, stream: usize, from: Duration) -> BTreeMap<String, usize> {
        let mut failures = BTreeMap::new();
        let of = self.0.iter().filter(|call| call.stream == stream);
        for call in of.filter(|call| call.ended > from) {
            if let Some(why) = &call.failure {
                *failures.entry(why.clone()).or_default() += 1;
            }
        }
        failures
    }

    /// The longest call.
    pub(crate) fn longest(&self, stream: usize) -> Duration {
        let of = self.0.iter().filter(|call| call.stream == stream);
        let lasted = of.map(|call| call.ended.saturating_sub(call.began));
        lasted.max().unwrap_or_default()
    }

    /// The longest time without a success between two instants.
    pub(crate) fn longest_gap(&self, stream: usize, from: Duration, to: Duration) -> Duration {
        let within = |ended: &Duration| (from..to).contains(ended);
        let mut ends: Vec<_> = self.successes(stream).filter(within).collect();
        ends.extend([from, to]);
        ends.sort_unstable();
        let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ends: &[(u64, bool)]) -> Record {
        let mut record = Record::default();
        for &(ended, ok) in ends {
            let call = Call {
                stream: 1,
                began: Duration::from_millis(ended - 5),
                ended: Duration::from_millis(ended),
                failure: (!ok).then(|| "two words".to_owned()),
            };
            record.push(Call::parse(&call.line()).expect("a call"));
        }
        record
    }

    #[test]
    fn the_first_success_is_the_one_that_ended_first() {
        let record = record(&[(10, true), (40, false), (60, true), (50, true)]);
        let at = Duration::from_millis;
        assert_eq!(record.first_success(1, at(20)), Some(at(50)));
        assert_eq!(record.first_success(1, at(60)), None);
        assert_eq!(record.first_success(0, at(0)), None);
        let failures = [("two words".to_owned(), 1)].into();
        assert_eq!(record.failures(1, at(20)), failures);
        assert_eq!(record.longest(1), at(5));
    }

    #[test]
    fn a_gap_may_begin_and_end_at_a_border() {
        let at = Duration::from_millis;
        let record = record(&[(10, true), (40, false), (60, true), (70, true)]);
        assert_eq!(record.longest_gap(1, at(0), at(80)), at(50));
        assert_eq!(record.longest_gap(1, at(65), at(100)), at(30));
        assert_eq!(record.longest_gap(1, at(200), at(240)), at(40));
    }
}
