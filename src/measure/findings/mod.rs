//! What a run found out about the system beside its numbers: who depends on whom, what there is only one of, what is not like its
//! siblings. Pure: from the measurement and from what each probe felt while a service was away.
//!
//! | module | finds |
//! | --- | --- |
//! | `felt` | what the routes felt while a service was away: failed, failed before already, went on |
//! | `dependency` | a service whose routes fail without another one; those that go on |
//! | `single_point` | a service of which there is one instance, and without which nothing works |
//! | `drift` | instances that are not like their siblings |
//! | `disagree` | users of one probe who felt different things |
//! | `words` | the sentences of them all |

mod dependency;
mod disagree;
mod drift;
mod felt;
mod single_point;
#[cfg(test)]
mod tests;
mod words;

pub use drift::replacements;

use super::{reach::Reach, run::Input};
use crate::model::{finding::Finding, measurement::Measurement};

/// All findings of a run, kind by kind. `measurement` is complete but for them.
pub fn findings(input: &Input<'_>, measurement: &Measurement, reach: &Reach) -> Vec<Finding> {
    let stories = felt::stories(input, measurement, reach);
    let mut all = Vec::new();
    for story in &stories {
        let single = single_point::of(story);
        let all_of_it = single.as_ref().is_some_and(|single| single.everything);
        all.extend(single.map(|single| single.finding));
        // That everything fails without it holds the numbers of each already.
        if !all_of_it {
            all.extend(dependency::of(story));
        }
    }
    all.extend(drift::snowflakes(input.course));
    all.extend(drift::of(&measurement.replacements));
    let probes = input.experiment.probes.iter().zip(&measurement.probes);
    all.extend(probes.flat_map(|(spec, probe)| disagree::findings(spec, &probe.groups)));
    all
}
