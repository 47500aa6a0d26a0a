//! Single points of failure: there is one instance of a service, and without it nothing works, or nothing of some other services.
//!
//! Only a step that hit nothing but this service can show it. A route fails wholly when less than half of its requests succeed.

use super::{
    felt::{Fate, Route, Story},
    words,
};
use crate::model::finding::{Finding, FindingKind};

/// Below this availability a route counts as gone.
const GONE: f64 = 0.5;

/// A single point of failure.
pub struct Single {
    /// In words.
    pub finding: Finding,
    /// Whether every route fails without it; the finding then holds the numbers of each.
    pub everything: bool,
}

/// The single point of failure that a step showed, if it did.
pub fn of(story: &Story<'_>) -> Option<Single> {
    let mut services = story.away.services.iter();
    let (Some(service), None) = (services.next(), services.next()) else { return None };
    if !story.whole() || story.instances.get(service) != Some(&1) {
        return None;
    }
    let gone: Vec<&Route<'_>> = story.routes.iter().filter(|route| route.fate == Fate::Failed && route.then.value < GONE).collect();
    let everything = gone.len() == story.routes.len();
    let says = if everything {
        words::single_point(story, service, &gone)
    } else {
        let others: Vec<&Route<'_>> = gone.into_iter().filter(|route| route.service.is_some_and(|own| own != service)).collect();
        if others.is_empty() {
            return None;
        }
        words::single_point_for(service, &others)
    };
    Some(Single { finding: Finding { kind: FindingKind::SinglePointOfFailure, says }, everything })
}
