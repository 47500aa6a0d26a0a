//! One user: where in the journey, with which cookies and values, and on which instance the session lives. Pure but for the
//! connections that a user keeps.

use std::collections::BTreeMap;

use crate::{
    model::{
        journey::JourneyStep,
        sample::{NameIndex, SampleOutcome},
    },
    probe::{http::Link, journey::jar::Jar},
};

/// A user who came by leaves after so many failures.
pub const PATIENCE: u32 = 10;
/// A last look that does not come through is made so many times.
const LOOKS: u32 = 3;

/// A user.
#[derive(Default)]
pub struct User {
    /// How many sessions came before this one.
    pub session: u32,
    /// The step that is done next.
    pub step: usize,
    /// How often it was done already, of the times that it is repeated.
    done: u32,
    /// Whether it was tried, and is not known to be done: it may have happened all the same.
    pub tried: bool,
    /// Whether the session has begun.
    pub started: bool,
    /// The cookies.
    pub jar: Jar,
    /// What was captured in this session.
    pub captured: BTreeMap<String, String>,
    /// The kept connections, by origin.
    pub links: Vec<(usize, Link)>,
    /// The last value of the sticky cookie.
    pub sticky: Option<String>,
    /// Where the session lives.
    home: NameIndex,
    /// Whether that is where something was made or changed, rather than only seen.
    wrote: bool,
    /// The session before was lost, and no log-in came since.
    was_lost: bool,
    /// Failures of this visit.
    failures: u32,
    /// The run is over, and so many last looks were made.
    looking: Option<u32>,
}

/// What became of the user with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Goes on after thinking.
    Goes,
    /// Is through, or has given up: comes no more.
    Leaves,
}

/// What there is to count of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// A session began.
    pub started: bool,
    /// A session came to its end.
    pub continued: bool,
    /// A session was lost that lived here.
    pub lost_on: Option<NameIndex>,
    /// A log-in was done again after a loss.
    pub forced_log_in: bool,
    /// A session ended because its user gave up.
    pub given_up: bool,
    /// A session's last look did not come through.
    pub unchecked: bool,
}

impl User {
    /// A request of the step that is next was answered, or failed. `stays`: one of a crowd, who begins anew at the end and never gives up.
    pub fn after(&mut self, steps: &[&JourneyStep], outcome: SampleOutcome, backend: NameIndex, stays: bool) -> (Next, Counts) {
        let mut counts = Counts::default();
        if let Some(looks) = self.looking {
            match outcome {
                SampleOutcome::StateLost => counts.lost_on = Some(self.home),
                _ if outcome.is_ok() => counts.continued = true,
                _ if looks + 1 < LOOKS => {
                    self.looking = Some(looks + 1);
                    return (Next::Goes, counts);
                }
                _ => counts.unchecked = true,
            }
            return (Next::Leaves, counts);
        }
        if outcome.is_ok() {
            return (self.succeeded(steps, backend, stays, &mut counts), counts);
        }
        // What we could not send says nothing about the system, and tries nobody's patience.
        self.failures += u32::from(outcome != SampleOutcome::NotSent);
        if outcome == SampleOutcome::StateLost {
            counts.lost_on = Some(self.home);
            self.begins_anew();
            self.was_lost = true;
        }
        if !stays && self.failures >= PATIENCE {
            counts.given_up = self.started;
            return (Next::Leaves, counts);
        }
        (Next::Goes, counts)
    }

    fn succeeded(&mut self, steps: &[&JourneyStep], backend: NameIndex, stays: bool, counts: &mut Counts) -> Next {
        let step = steps[self.step];
        self.tried = false;
        counts.started = !std::mem::replace(&mut self.started, true);
        if !step.is_safe() {
            (self.home, self.wrote) = (backend, true);
        } else if !self.wrote {
            self.home = backend;
        }
        counts.forced_log_in = step.log_in && std::mem::take(&mut self.was_lost);
        self.done += 1;
        if step.repeat.times().is_none_or(|times| self.done < times) {
            return Next::Goes;
        }
        (self.step, self.done) = (self.step + 1, 0);
        if self.step < steps.len() {
            return Next::Goes;
        }
        counts.continued = true;
        if !stays {
            return Next::Leaves;
        }
        // The next visitor in this place: another browser.
        *self = Self { session: self.session + 1, ..Self::default() };
        Next::Goes
    }

    /// The first step again, with the cookies and connections of a browser that was here before.
    fn begins_anew(&mut self) {
        self.session += 1;
        (self.step, self.done) = (0, 0);
        (self.tried, self.started, self.wrote) = (false, false, false);
        self.home = NameIndex(0);
        self.captured.clear();
    }

    /// When the run is over: whether the session has state that a step can find lost, and only that. Then that step is done next, for
    /// the last time.
    ///
    /// All steps before it must have been done, and nothing since that may have changed what it looks at: a user who has paid finds an
    /// empty cart, and nothing is lost. The same holds for a change that was tried and may have happened.
    pub fn looks_again(&mut self, steps: &[&JourneyStep]) -> bool {
        let Some(look) = (0..=self.step).rev().find(|place| steps.get(*place).is_some_and(|step| step.state_lost)) else {
            return false;
        };
        let changes = |place: usize| !steps[place].is_safe();
        let maybe_changed = self.step != look && changes(self.step) && (self.tried || self.done > 0);
        if !self.started || (look + 1..self.step).any(changes) || maybe_changed {
            return false;
        }
        (self.step, self.looking) = (look, Some(0));
        true
    }

    /// Whether a last look was to be made, and is not over.
    pub fn is_looking(&self) -> bool {
        self.looking.is_some()
    }
}

#[cfg(test)]
mod tests {
    use SampleOutcome as O;

    use super::*;
    use crate::model::journey::Repeat;

    fn step(method: &str, state_lost: bool, log_in: bool, repeat: Repeat) -> JourneyStep {
        JourneyStep {
            name: method.to_owned(),
            method: method.to_owned(),
            url: "http://x/".to_owned(),
            headers: Vec::new(),
            body: None,
            expect: crate::model::probe::HttpExpect::default(),
            capture: BTreeMap::new(),
            think: None,
            state_lost,
            log_in,
            repeat,
            service: None,
        }
    }

    /// Log in, add, read twice, pay.
    fn shop() -> Vec<JourneyStep> {
        vec![
            step("POST", false, true, Repeat::Once),
            step("POST", false, false, Repeat::Once),
            step("GET", true, false, Repeat::Times(2)),
            step("POST", false, false, Repeat::Once),
        ]
    }

    fn act(user: &mut User, outcome: SampleOutcome, backend: u16) -> (Next, Counts) {
        let steps = shop();
        let steps: Vec<&JourneyStep> = steps.iter().collect();
        user.after(&steps, outcome, NameIndex(backend), true)
    }

    #[test]
    fn a_session_is_started_lost_where_it_lived_and_begun_anew() {
        let mut user = User::default();
        assert!(!act(&mut user, O::Refused, 0).1.started);
        assert!(act(&mut user, O::Ok, 1).1.started);
        assert_eq!(act(&mut user, O::Ok, 2).1, Counts::default());
        // Reading elsewhere moves nothing; a failure neither.
        act(&mut user, O::Ok, 3);
        act(&mut user, O::Status, 3);
        assert_eq!((user.step, user.done), (2, 1));
        let (next, counts) = act(&mut user, O::StateLost, 3);
        assert_eq!((next, counts.lost_on), (Next::Goes, Some(NameIndex(2))));
        assert_eq!((user.step, user.session, user.started), (0, 1, false));
        let counts = act(&mut user, O::OkSlow, 1).1;
        assert!(counts.started && counts.forced_log_in);
        for _ in 0..3 {
            assert!(!act(&mut user, O::Ok, 1).1.continued);
        }
        assert!(act(&mut user, O::Ok, 1).1.continued);
        assert_eq!((user.step, user.session, user.started), (0, 2, false));
        assert!(!act(&mut user, O::Ok, 1).1.forced_log_in, "a new visitor");
    }

    #[test]
    fn who_only_came_by_gives_up_and_leaves_at_the_end() {
        let steps = shop();
        let steps: Vec<&JourneyStep> = steps.iter().collect();
        let mut user = User::default();
        user.after(&steps, O::Ok, NameIndex(1), false);
        for _ in 0..PATIENCE - 1 {
            assert_eq!(user.after(&steps, O::Refused, NameIndex(0), false).0, Next::Goes);
            assert_eq!(user.after(&steps, O::NotSent, NameIndex(0), false).0, Next::Goes);
        }
        let (next, counts) = user.after(&steps, O::Refused, NameIndex(0), false);
        assert!(next == Next::Leaves && counts.given_up);
        let mut user = User::default();
        let last = (0..5).map(|_| user.after(&steps, O::Ok, NameIndex(1), false)).last().unwrap();
        assert!(last.0 == Next::Leaves && last.1.continued);
    }

    #[test]
    fn a_last_look_is_made_only_at_what_must_still_be_there() {
        let steps = shop();
        let steps: Vec<&JourneyStep> = steps.iter().collect();
        let looks = |oks: usize, tried: bool| {
            let mut user = User::default();
            for _ in 0..oks {
                user.after(&steps, O::Ok, NameIndex(1), true);
            }
            user.tried = tried;
            user.looks_again(&steps)
        };
        assert!(!looks(0, false) && !looks(1, false), "nothing was put in the cart yet");
        assert!(looks(2, false) && looks(2, true) && looks(3, false) && looks(4, false));
        assert!(!looks(4, true), "it may be paid");
        assert!(!looks(5, false), "a new visitor");
        let mut user = User::default();
        for _ in 0..2 {
            user.after(&steps, O::Ok, NameIndex(1), true);
        }
        assert!(user.looks_again(&steps));
        assert_eq!(user.after(&steps, O::Refused, NameIndex(0), true).0, Next::Goes);
        assert_eq!(
            user.after(&steps, O::StateLost, NameIndex(0), true),
            (Next::Leaves, Counts { lost_on: Some(NameIndex(1)), ..Counts::default() })
        );
    }
}
