//! Dependencies: a fault on one service, and the routes of another one that fail with it; and those that go on without it.
//!
//! Only where the file says of at least one probe which service answers it: else nothing tells a route of the service that was hit
//! from one that merely needs it. A probe that says no service is then told by its name.

use super::{
    felt::{Fate, Route, Story},
    words,
};
use crate::model::finding::{Finding, FindingKind};

/// The dependencies that a step showed, one finding a route; and, if the whole of a service was away, one for all that went on.
pub fn of(story: &Story<'_>) -> Vec<Finding> {
    if !story.services_named {
        return Vec::new();
    }
    let others: Vec<&Route<'_>> =
        story.routes.iter().filter(|route| route.service.is_none_or(|service| !story.away.services.contains(service))).collect();
    let failed = others.iter().filter(|route| route.fate == Fate::Failed);
    let mut all: Vec<Finding> =
        failed.map(|route| Finding { kind: FindingKind::Dependency, says: words::dependency(story, route) }).collect();
    let went_on: Vec<&Route<'_>> = others.iter().filter(|route| route.fate == Fate::WentOn).copied().collect();
    if story.whole() && !went_on.is_empty() {
        all.push(Finding { kind: FindingKind::Independent, says: words::went_on(story, &went_on) });
    }
    all
}
