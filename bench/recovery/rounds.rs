//! Who goes through what, and when: [`run`].

use std::collections::BTreeMap;

use crate::arguments::Arguments;
use crate::clients::Contender;
use crate::figures::Sample;
use crate::scenarios::Scenario;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::support::waiting::Result;

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
        let mut contenders = Contender::ALL.to_vec();
        for round in 1..=arguments.rounds {
            for contender in &contenders {
                screen.progress(format!(
                    "{} of {count}: {name}; round {round} of {}: {}",
                    number + 1,
                    arguments.rounds,
                    contender.name(scenario.in_cluster())
                ));
                match scenario.run(&stage, *contender).await {
                    Ok(sample) => compared.samples.entry(*contender).or_default().push(sample),
                    Err(error) if *contender == Contender::Everlink => {
                        return Err(error.while_doing(format!("everlink, {name}")));
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
        screen.line(format!("{name}: done"));
        all.push(compared);
    }
    Ok(all)
}
