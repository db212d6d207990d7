//! Figures of several runs: [`Sample`], [`Figures`].

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::digits::grouped;
use crate::median::median;

/// What one run gave.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// By the name of the figure. One that is missing was never reached.
    figures: BTreeMap<&'static str, f64>,
    /// Why calls failed, and how many for each reason.
    failures: BTreeMap<String, usize>,
}

impl<const N: usize> From<[(&'static str, f64); N]> for Sample {
    fn from(figures: [(&'static str, f64); N]) -> Self {
        Self {
            figures: figures.into(),
            failures: BTreeMap::new(),
        }
    }
}

impl Sample {
    pub(crate) fn set(&mut self, name: &'static str, figure: f64) {
        self.figures.insert(name, figure);
    }

    /// Keeps the reasons, and counts them all as the figure `failed`.
    pub(crate) fn failures(&mut self, failures: BTreeMap<String, usize>) {
        self.set("failed", failures.values().sum::<usize>() as f64);
        self.failures = failures;
    }

    /// The most frequent reasons of several runs.
    pub(crate) fn reasons(samples: &[Self]) -> Vec<(String, usize)> {
        let mut all = BTreeMap::<&str, usize>::new();
        for (why, count) in samples.iter().flat_map(|sample| &sample.failures) {
            *all.entry(why).or_default() += count;
        }
        let mut all: Vec<_> = (all.into_iter())
            .map(|(why, count)| (why.to_owned(), count))
            .collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(REASONS);
        all
    }
}

/// So many are shown.
const REASONS: usize = 4;

/// One figure of all runs.
pub(crate) struct Figures {
    found: Vec<f64>,
    runs: usize,
}

impl Figures {
    pub(crate) fn of(samples: &[Sample], name: &str) -> Self {
        let mut found: Vec<f64> = (samples.iter())
            .filter_map(|sample| sample.figures.get(name).copied())
            .collect();
        found.sort_by(f64::total_cmp);
        Self {
            found,
            runs: samples.len(),
        }
    }

    /// A run that never got there counts as the worst. None if that is so in the middle.
    pub(crate) fn median(&self) -> Option<f64> {
        let never = std::iter::repeat_n(f64::INFINITY, self.runs - self.found.len());
        median(self.found.iter().copied().chain(never)).filter(|median| median.is_finite())
    }

    /// The median, and the range in brackets if there is one.
    pub(crate) fn text(&self) -> String {
        let Some(median) = self.median() else {
            return match self.found.first() {
                Some(best) => format!("never ({}–never)", short(*best)),
                None => "never".to_owned(),
            };
        };
        let (least, most) = (self.found[0], self.found[self.found.len() - 1]);
        let reached = self.found.len() == self.runs;
        let most = if reached {
            short(most)
        } else {
            "never".to_owned()
        };
        if self.runs == 1 || short(least) == most {
            short(median)
        } else {
            format!("{} ({}–{most})", short(median), short(least))
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "median": self.median(), "reached": self.found, "runs": self.runs })
    }
}

/// No more digits than matter.
fn short(figure: f64) -> String {
    if figure < 10.0 && figure.fract() != 0.0 {
        return format!("{figure:.1}");
    }
    grouped(figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(figures: &[Option<f64>]) -> String {
        let samples: Vec<Sample> = (figures.iter())
            .map(|figure| {
                let mut sample = Sample::default();
                if let Some(figure) = figure {
                    sample.set("it", *figure);
                }
                sample
            })
            .collect();
        Figures::of(&samples, "it").text()
    }

    #[test]
    fn a_run_that_never_got_there_counts_as_the_worst() {
        assert_eq!(text(&[Some(2.0), None, Some(1_234.0)]), "1,234 (2–never)");
        assert_eq!(text(&[None, None, Some(1.0)]), "never (1–never)");
        assert_eq!(text(&[None]), "never");
        assert_eq!(text(&[Some(2.5), Some(1.5)]), "2 (1.5–2.5)");
        assert_eq!(text(&[Some(0.0), Some(0.0)]), "0");
    }
}
