//! Latencies, counted in buckets: [`Histogram`].

use std::time::Duration;

/// Each power of two is divided in so many buckets: an error of 3 % at most.
const PARTS: u64 = 32;

/// How often which latency was seen.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            buckets: vec![0; 64 * PARTS as usize],
            count: 0,
        }
    }

    pub(crate) fn note(&mut self, latency: Duration) {
        self.buckets[bucket(latency.as_nanos() as u64)] += 1;
        self.count += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += more;
        }
        self.count += other.count;
    }

    /// The latency that this part of all calls did not exceed, in microseconds.
    pub(crate) fn quantile_us(&self, part: f64) -> f64 {
        let rank = (self.count as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return middle(index) / 1_000.0;
            }
        }
        0.0
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(PARTS);
    let power = u64::from(nanos.ilog2());
    let part = (nanos >> (power - u64::from(PARTS.ilog2()))) - PARTS;
    (power * PARTS + part) as usize
}

fn middle(index: usize) -> f64 {
    let (power, part) = (index as u64 / PARTS, index as u64 % PARTS);
    let width = 2f64.powi(power as i32) / PARTS as f64;
    2f64.powi(power as i32) + (part as f64 + 0.5) * width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_three_percent() {
        let mut histogram = Histogram::new();
        for micros in 1..=1_000 {
            histogram.note(Duration::from_micros(micros));
        }
        for (part, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1_000.0)] {
            let found = histogram.quantile_us(part);
            assert!((found / expected - 1.0).abs() < 0.03, "{part}: {found}");
        }
    }
}
