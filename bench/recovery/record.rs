//! What calls a client made and how they ended: [`Record`], and what is read off it.

use std::time::Duration;

/// One call that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// Which of the streams of calls it belongs to.
    pub(crate) stream: usize,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    pub(crate) ok: bool,
}

/// All calls of a run, in the order in which they ended.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<Call>);

impl Call {
    /// As the process of a client writes it.
    pub(crate) fn line(&self) -> String {
        let (began, ended) = (self.began.as_nanos(), self.ended.as_nanos());
        format!("call {} {began} {ended} {}", self.stream, u8::from(self.ok))
    }

    /// None of another line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut numbers = line
            .strip_prefix("call ")?
            .split(' ')
            .map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            stream: next()? as usize,
            began: Duration::from_nanos(next()?),
            ended: Duration::from_nanos(next()?),
            ok: next()? == 1,
        })
    }
}

impl Record {
    pub(crate) fn push(&mut self, call: Call) {
        self.0.push(call);
    }

    fn successes(&self, stream: usize) -> impl Iterator<Item = Duration> {
        let of = self.0.iter().filter(move |call| call.stream == stream);
        of.filter(|call| call.ok).map(|call| call.ended)
    }

    /// When the first call after `from` ended well, whenever it began.
    pub(crate) fn first_success(&self, stream: usize, from: Duration) -> Option<Duration> {
        self.successes(stream).filter(|ended| *ended > from).min()
    }

    /// How many calls that were made from then on failed.
    pub(crate) fn failed(&self, stream: usize, from: Duration) -> usize {
        let of = self.0.iter().filter(|call| call.stream == stream);
        of.filter(|call| !call.ok && call.ended > from).count()
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
                ok,
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
        assert_eq!(record.failed(1, at(20)), 1);
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
