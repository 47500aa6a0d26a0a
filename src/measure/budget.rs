//! The error budget: how much of it this run burned, and how many such events a month the objective bears.

use crate::model::{
    experiment::Objective,
    measurement::{Budget, Stats},
};

/// Thirty days in seconds.
const MONTH_S: f64 = 30.0 * 86_400.0;

/// The budget, at a constant rate of requests over the period. An objective of 100 % has no budget to burn.
pub fn budget(objective: Objective, rate: f64, whole: &Stats) -> Option<Budget> {
    let allowed_share = 1.0 - objective.availability.0;
    let over_s = objective.over.as_secs_f64();
    if allowed_share <= 0.0 || over_s <= 0.0 || rate <= 0.0 {
        return None;
    }
    let failed = whole.failed() as f64;
    Some(Budget {
        objective: objective.availability.0,
        over_s,
        burned: failed / (allowed_share * rate * over_s),
        events_per_month: (failed > 0.0).then(|| allowed_share * rate * MONTH_S / failed),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::quantity::Share;

    #[test]
    fn sixty_seconds_of_outage_against_three_nines() {
        let objective = Objective { availability: Share(0.999), over: Duration::from_hours(30 * 24) };
        let whole = Stats { requests: 6_000, ok: 5_400, ..Stats::default() };
        let budget = budget(objective, 10.0, &whole).unwrap();
        // 43.2 minutes a month, of which one went.
        assert!((budget.burned - 1.0 / 43.2).abs() < 1e-9);
        assert!((budget.events_per_month.unwrap() - 43.2).abs() < 1e-9);
    }
}
