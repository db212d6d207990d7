//! Who goes through what, and when: [`run`].

use std::collections::BTreeMap;

use crate::arguments::Arguments;
use crate::figures::Sample;
use crate::peers::Contender;
use crate::scenarios::Scenario;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::support::waiting::Result;
use crate::turns::turn;

/// What a scenario gave.
pub(crate) struct Compared {
    pub(crate) scenario: Scenario,
    /// Each client's runs, one for each round.
    pub(crate) samples: BTreeMap<Contender, Vec<Sample>>,
    /// Who could not even begin, and why.
    pub(crate) failed: BTreeMap<Contender, String>,
}

/// Lets every client go through everything, in alternating rounds.
///
/// # Errors
/// The servers fail, or everlink. What others cannot do is noted.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> Result<Vec<Compared>> {
    let scenarios = Scenario::all(arguments);
    let mut all = Vec::new();
    for (number, scenario) in scenarios.iter().copied().enumerate() {
        let (name, count) = (scenario.name(), scenarios.len());
        screen.progress(format!("{name}: starting servers"));
        let stage = Stage::start(scenario).await?;
        let mut compared = Compared {
            scenario,
            samples: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for round in 0..arguments.rounds {
            for contender in turn(&Contender::ALL, round) {
                if compared.failed.contains_key(&contender) {
                    continue;
                }
                screen.progress(format!(
                    "{} of {count}: {name}; round {} of {}: {}",
                    number + 1,
                    round + 1,
                    arguments.rounds,
                    contender.name(scenario.in_cluster())
                ));
                match scenario.run(&stage, contender).await {
                    Ok(sample) => compared.samples.entry(contender).or_default().push(sample),
                    Err(error) if contender == Contender::Everlink => {
                        return Err(error.while_doing(format!("everlink, {name}")));
                    }
                    Err(error) => {
                        compared.samples.remove(&contender);
                        compared.failed.insert(contender, error.to_string());
                    }
                }
            }
        }
        screen.line(format!("{name}: done"));
        all.push(compared);
    }
    Ok(all)
}
