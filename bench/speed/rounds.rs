//! Who runs when, and what comes of it: [`run`].

use std::collections::BTreeMap;

use crate::answer;
use crate::arguments::Arguments;
use crate::load::{Order, Sample};
use crate::peers::{Contender, Target};
use crate::screen::Screen;
use crate::servers::Servers;
use crate::support::waiting::Result;
use crate::workload::Workload;

/// What a workload gave.
pub(crate) struct Compared {
    pub(crate) workload: Workload,
    /// Each client's runs, one for each round.
    pub(crate) samples: BTreeMap<Contender, Vec<Sample>>,
    /// Who could not do it, and why.
    pub(crate) failed: BTreeMap<Contender, String>,
}

impl Compared {
    /// The median of a figure over the rounds.
    pub(crate) fn median(
        &self,
        contender: Contender,
        figure: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        median(self.samples.get(&contender)?.iter().map(figure).collect())
    }

    /// The median of the rounds' ratios of a figure, ours to theirs.
    pub(crate) fn ratio(
        &self,
        ours: Contender,
        theirs: Contender,
        figure: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        let pairs = self
            .samples
            .get(&ours)?
            .iter()
            .zip(self.samples.get(&theirs)?);
        median(
            pairs
                .map(|(our, their)| figure(our) / figure(their))
                .collect(),
        )
    }
}

fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        even if even % 2 == 0 => Some((figures[middle - 1] + figures[middle]) / 2.0),
        _ => Some(figures[middle]),
    }
}

/// Lets every client do every workload, in alternating rounds.
///
/// # Errors
/// everlink failed. What others cannot do is noted.
pub(crate) fn run(
    servers: &Servers,
    workloads: &[Workload],
    arguments: &Arguments,
    screen: &Screen,
) -> Result<Vec<Compared>> {
    let mut all = Vec::new();
    for (number, workload) in workloads.iter().enumerate() {
        let mut compared = Compared {
            workload: *workload,
            samples: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        let mut contenders = Contender::of(workload);
        for round in 0..arguments.rounds {
            for contender in &contenders {
                screen.progress(format!(
                    "workload {} of {}: {}; round {} of {}: {}",
                    number + 1,
                    workloads.len(),
                    workload.name(),
                    round + 1,
                    arguments.rounds,
                    contender.name()
                ));
                let order = Order {
                    contender: *contender,
                    workload: *workload,
                    target: Target {
                        ports: servers.ports(workload.cluster),
                        cluster: workload.cluster,
                    },
                    pids: servers.pids(workload.cluster)?,
                    seconds: arguments.seconds,
                };
                match answer::ask::<Sample>("sample", &order) {
                    Ok(sample) => compared.samples.entry(*contender).or_default().push(sample),
                    Err(error) if contender.is_everlink() => {
                        let what = format!("{}, {}", contender.name(), workload.name());
                        return Err(error.while_doing(what));
                    }
                    Err(error) => {
                        compared.samples.remove(contender);
                        compared.failed.insert(*contender, error.to_string());
                    }
                }
            }
            contenders.retain(|contender| !compared.failed.contains_key(contender));
            // Nobody always runs after the same neighbour.
            contenders.rotate_left(1);
        }
        let name = workload.name();
        let done = compared.median(Contender::EverlinkClient, |sample| sample.per_second);
        screen.line(format!("{name}: {:.0}/s", done.unwrap_or_default()));
        all.push(compared);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(vec![4.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
