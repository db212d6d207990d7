//! Who runs when, and what comes of it: [`run`].

use std::collections::BTreeMap;

use crate::answer;
use crate::arguments::Arguments;
use crate::cores::{self, Cores};
use crate::load::{Order, Sample};
use crate::median::median;
use crate::peers::{Contender, Target};
use crate::screen::Screen;
use crate::servers::Servers;
use crate::support::waiting::Result;
use crate::turns::turn;
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
        median(self.samples.get(&contender)?.iter().map(figure))
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
        median(pairs.map(|(our, their)| figure(our) / figure(their)))
    }
}

/// Lets every client do every workload, in alternating rounds.
///
/// # Errors
/// everlink failed. What others cannot do is noted.
pub(crate) fn run(
    servers: &Servers,
    cores: &Cores,
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
        let contenders = Contender::of(workload);
        let (client, server) = cores.of(workload);
        let pids = servers.pids(workload.cluster)?;
        cores::keep(&pids, server)?;
        for round in 0..arguments.rounds {
            for contender in turn(&contenders, round) {
                if compared.failed.contains_key(&contender) {
                    continue;
                }
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
                    contender,
                    workload: *workload,
                    target: Target {
                        ports: servers.ports(workload.cluster),
                        cluster: workload.cluster,
                        timeout: None,
                    },
                    pids: pids.clone(),
                    cores: client.to_vec(),
                    seconds: workload.seconds(arguments.seconds),
                };
                match answer::ask::<Sample>("sample", &order) {
                    Ok(sample) => compared.samples.entry(contender).or_default().push(sample),
                    Err(error) if contender.is_everlink() => {
                        let what = format!("{}, {}", contender.name(), workload.name());
                        return Err(error.while_doing(what));
                    }
                    Err(error) => {
                        compared.samples.remove(&contender);
                        compared.failed.insert(contender, error.to_string());
                    }
                }
            }
        }
        let name = workload.name();
        let done = compared.median(Contender::EverlinkClient, |sample| sample.per_second);
        screen.line(format!("{name}: {:.0}/s", done.unwrap_or_default()));
        all.push(compared);
    }
    Ok(all)
}
