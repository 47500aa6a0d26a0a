//! The `journey` probe: users who take steps with cookies and values of their own. Each step is one request of the pacer; what this
//! module adds is who comes when, and what became of their sessions.

mod capture;
mod jar;
mod step;
mod user;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use http::HeaderMap;
use url::Url;

use crate::{
    clock,
    model::{
        journey::{JourneyProbe, JourneyStep, Users},
        probe::Connections,
        sample::{Policy, SampleOutcome},
        state::{Sessions, Span, StateFindings},
        time::nanos,
    },
    probe::{
        draw::{Purpose, draw},
        http::{Ear, Exchanged, Link},
        pacer::{Shared, most_in_flight},
        schedule::{Due, Turn},
        stage::{Stage, Trace},
    },
};
use step::{PreparedStep, Step};
use user::{Counts, Next, User};

/// The last looks at sessions are so far apart: 500 a second.
const BETWEEN_LOOKS_NS: u64 = 2_000_000;
/// Before a last look that did not come through is made again.
const BEFORE_NEXT_LOOK: Duration = Duration::from_secs(1);
/// Losses are told for so many instances, and the rest together.
const MOST_BACKENDS: usize = 256;

/// A journey, ready to move to the pacing thread.
pub struct PreparedJourney {
    name: String,
    spec: JourneyProbe,
    steps: Vec<PreparedStep>,
}

impl PreparedJourney {
    /// Words for the user when a step cannot be sent.
    pub fn new(name: &str, spec: &JourneyProbe, timeout: Duration) -> Result<Self, String> {
        if spec.steps.is_empty() {
            return Err("it has no steps".to_owned());
        }
        let steps = spec.steps.iter().map(|step| PreparedStep::new(spec, step, timeout)).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), spec: spec.clone(), steps })
    }

    /// The journey on the pacing thread.
    pub fn into_kind(self) -> JourneyKind {
        // A store may outlive the run: a value of an earlier one must not stand for one of this.
        let run = base_36((clock::wall().0 / 1_000_000) as u64);
        let steps: Vec<Step> = self.steps.into_iter().map(PreparedStep::into_step).collect();
        let mut origins: Vec<String> = Vec::new();
        let mut place = |origin: &String| {
            origins.iter().position(|known| known == origin).unwrap_or_else(|| {
                origins.push(origin.clone());
                origins.len() - 1
            })
        };
        let origins_of_steps = steps.iter().map(|step| place(&step.parts.origin)).collect();
        JourneyKind {
            name: self.name,
            run,
            spec: self.spec,
            origins: origins_of_steps,
            steps,
            users: RefCell::default(),
            sessions: RefCell::default(),
        }
    }
}

/// A journey on the pacing thread.
pub struct JourneyKind {
    name: String,
    /// A word that differs from run to run.
    run: String,
    spec: JourneyProbe,
    steps: Vec<Step>,
    /// Which connection each step uses: steps of one origin share theirs.
    origins: Vec<usize>,
    /// Those who are here, by number.
    users: RefCell<BTreeMap<u32, User>>,
    sessions: RefCell<Sessions>,
}

/// The user whose turn it is.
fn who(due: Due) -> u32 {
    match due.turn {
        Turn::Regular(user) | Turn::Again(user) => user,
    }
}

impl JourneyKind {
    /// A crowd comes in over one think time.
    pub fn first_turns(&self) -> Vec<(u64, u32)> {
        match self.spec.users {
            Users::Crowd(users) => (0..users).map(|user| (nanos(self.spec.think) * u64::from(user) / u64::from(users), user)).collect(),
            Users::Arriving(_) => Vec::new(),
        }
    }

    /// Every session that has something to lose is looked at once more.
    pub fn last_turns(&self, now_ns: u64) -> Vec<(u64, u32)> {
        self.sessions.borrow_mut().last_round_s = Some(now_ns as f64 / 1e9);
        let steps = self.specs();
        let mut users = self.users.borrow_mut();
        let looking = users.iter_mut().filter_map(|(number, user)| user.looks_again(&steps).then_some(*number));
        looking.zip(0_u64..).map(|(user, place)| (now_ns + place * BETWEEN_LOOKS_NS, user)).collect()
    }

    /// A user could not take a turn: later, then. Who had not come yet does not come.
    pub fn skipped(&self, shared: &Shared, due: Due) {
        let users = self.users.borrow();
        if let Some(user) = users.get(&who(due)) {
            self.plan(shared, due, user.step, user.is_looking());
        } else if matches!(due.turn, Turn::Again(_)) {
            // One of a crowd, at the first turn.
            self.plan(shared, due, 0, false);
        }
    }

    /// What became of the sessions. Those that live have continued.
    pub fn state(&self) -> StateFindings {
        let mut found = self.sessions.borrow().clone();
        for user in self.users.borrow().values().filter(|user| user.started) {
            if user.is_looking() {
                found.unchecked += 1;
            } else {
                found.continued += 1;
            }
        }
        StateFindings::Sessions(found)
    }

    /// See `pacer::most_in_flight`. Each of a crowd waits for one answer at most; of those who come by, there are as many as their
    /// patience lets be there when nothing is answered.
    pub fn most_in_flight(&self, rate: f64, timeout: Duration) -> u64 {
        let more = match self.spec.users {
            Users::Crowd(users) => f64::from(users),
            Users::Arriving(rate) => {
                let think = self.spec.steps.iter().map(|step| self.spec.think_after(step)).max().unwrap_or_default();
                rate.0 * f64::from(user::PATIENCE) * (timeout + think).as_secs_f64()
            }
        };
        most_in_flight(rate, timeout).max(more.ceil() as u64 + 64)
    }

    /// One step of one user.
    pub async fn attempt(&self, shared: &Rc<Shared>, trace: &mut Trace) -> SampleOutcome {
        let keep = self.spec.connections != Connections::New;
        trace.policy = if keep { Policy::KeepAlive } else { Policy::New };
        let number = who(trace.due);
        let (place, request, url, expect, link) = self.begin(number, keep);
        trace.route = place as u16 + 1;
        let step = &self.steps[place];
        let mut headers = HeaderMap::new();
        let mut on_head = |head: &HeaderMap| {
            self.heard(number, head, &url);
            headers.clone_from(head);
        };
        let expect = expect.as_ref().unwrap_or_else(|| step.http.expect());
        let mut ear = Ear { expect, on_head: &mut on_head, wants_body: step.parts.captures_body(), body: Vec::new() };
        let mut kept = link.filter(|link| !link.is_stale());
        let bits = draw(shared.seed, trace.due.probe, trace.due.number, Purpose::Address);
        let (outcome, link) = loop {
            let link = if let Some(link) = kept.take() {
                trace.address = link.address;
                trace.stage = Stage::Waiting;
                link
            } else {
                trace.reused = false;
                match step.http.open_anew(shared, bits, trace).await {
                    Ok(link) => link,
                    Err(failed) => return failed,
                }
            };
            let fresh = !link.used;
            match step.http.exchange(shared, link, request.clone(), Some(&mut ear), trace).await {
                Exchanged::Done(outcome, link) => break (outcome, link),
                Exchanged::NeverSent if fresh => return SampleOutcome::EofNew,
                // Its end had arrived before the request left: a browser takes another connection.
                Exchanged::NeverSent => {}
            }
        };
        let body = std::mem::take(&mut ear.body);
        if let Some(user) = self.users.borrow_mut().get_mut(&number) {
            if let Some(link) = link.filter(|_| keep) {
                user.links.push((self.origins[place], link));
            }
            if outcome == SampleOutcome::Ok {
                for (name, finder) in &step.parts.captures {
                    let Some(value) = finder.find(&headers, &user.jar, &url, &body) else { return SampleOutcome::Expectation };
                    user.captured.insert(name.clone(), value);
                }
            }
        }
        self.meaning(place, outcome, trace.status)
    }

    /// What a deadline that passed means for the step.
    pub fn at_deadline(&self, trace: &Trace) -> SampleOutcome {
        let outcome = trace.at_deadline();
        usize::from(trace.route).checked_sub(1).map_or(outcome, |place| self.meaning(place, outcome, trace.status))
    }

    /// An answer that is not what it must be says that the session is gone, where the step says so. Above 499 the system says that it
    /// failed, and who is to come again later (408, 425, 429) was not looked at: neither says anything about the session.
    fn meaning(&self, place: usize, outcome: SampleOutcome, status: u16) -> SampleOutcome {
        let unmet = matches!(outcome, SampleOutcome::Status | SampleOutcome::Expectation);
        let says_nothing = status >= 500 || matches!(status, 408 | 425 | 429);
        if unmet && !says_nothing && self.steps[place].parts.spec.state_lost { SampleOutcome::StateLost } else { outcome }
    }

    /// A request is over: what it means for the user, and when the next one is due.
    pub fn over(&self, shared: &Shared, trace: &Trace, outcome: SampleOutcome) {
        let number = who(trace.due);
        let mut users = self.users.borrow_mut();
        let Some(user) = users.get_mut(&number) else { return };
        let place = user.step;
        let stays = matches!(self.spec.users, Users::Crowd(_));
        let (next, counts) = user.after(&self.specs(), outcome, trace.backend, stays);
        self.count(shared, counts);
        match next {
            Next::Goes => self.plan(shared, trace.due, place, user.is_looking()),
            Next::Leaves => drop(users.remove(&number)),
        }
    }

    fn count(&self, shared: &Shared, counts: Counts) {
        let mut all = self.sessions.borrow_mut();
        all.started += u64::from(counts.started);
        all.continued += u64::from(counts.continued);
        all.forced_log_ins += u64::from(counts.forced_log_in);
        all.given_up += u64::from(counts.given_up);
        all.unchecked += u64::from(counts.unchecked);
        let Some(home) = counts.lost_on else { return };
        all.lost += 1;
        all.lost_at_the_end += u64::from(all.last_round_s.is_some());
        Span::with(&mut all.lost_within, clock::now().seconds_from(shared.origin));
        let names = shared.names.borrow();
        let mut home = names.get(home).to_owned();
        if all.lost_by_backend.len() >= MOST_BACKENDS && !all.lost_by_backend.contains_key(&home) {
            "(others)".clone_into(&mut home);
        }
        *all.lost_by_backend.entry(home).or_default() += 1;
    }

    /// The user's next turn, after thinking about the step at `place`.
    fn plan(&self, shared: &Shared, due: Due, place: usize, looking: bool) {
        let think = self.spec.think_after(&self.spec.steps[place]);
        let think = if looking { think.min(BEFORE_NEXT_LOOK) } else { think };
        // From 0.9 to 1.1 of it: users who wait for the same thing do not go on in step.
        let bits = draw(shared.seed, due.probe, due.number, Purpose::Think);
        let factor = 0.9 + 0.2 * (bits >> 11) as f64 / (1_u64 << 53) as f64;
        shared.again(due.probe, clock::now().plus(think.mul_f64(factor)), who(due));
    }

    /// Makes the user's request, and takes the connection that is kept for it.
    fn begin(
        &self,
        number: u32,
        keep: bool,
    ) -> (usize, http::Request<crate::probe::http::Body>, Url, Option<crate::probe::http::Expect>, Option<Link>) {
        let mut users = self.users.borrow_mut();
        let user = users.entry(number).or_default();
        let place = user.step;
        user.tried = true;
        let value = |name: &str| match name {
            "unique" => format!("{}-{}-{}-{}", self.name, u64::from(number) + 1, u64::from(user.session) + 1, self.run),
            "user" => (u64::from(number) + 1).to_string(),
            captured => user.captured.get(captured).cloned().unwrap_or_default(),
        };
        let step = &self.steps[place];
        let (request, url) = step.request(&value, &user.jar, keep);
        let expect = step.expect(&value);
        let link = user.links.iter().position(|(origin, _)| *origin == self.origins[place]).map(|at| user.links.swap_remove(at).1);
        (place, request, url, expect, link)
    }

    /// The head of an answer: cookies are taken in whatever becomes of the body.
    fn heard(&self, number: u32, headers: &HeaderMap, url: &Url) {
        let mut users = self.users.borrow_mut();
        let Some(user) = users.get_mut(&number) else { return };
        user.jar.store(headers, url);
        let Some(value) = self.spec.sticky.as_ref().and_then(|name| user.jar.value(name, url)) else { return };
        let changed = user.sticky.as_deref().is_some_and(|before| before != value);
        user.sticky = Some(value.to_owned());
        self.sessions.borrow_mut().sticky_changes += u64::from(changed && user.started);
    }

    fn specs(&self) -> Vec<&JourneyStep> {
        self.steps.iter().map(|step| &step.parts.spec).collect()
    }
}

/// A number in few letters and digits.
fn base_36(mut n: u64) -> String {
    let mut out = Vec::new();
    loop {
        out.push(char::from_digit((n % 36) as u32, 36).unwrap_or('0'));
        n /= 36;
        if n == 0 {
            return out.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        journey::Repeat,
        probe::{HttpExpect, TlsSettings},
        quantity::Rate,
    };

    fn kind(users: Users) -> JourneyKind {
        let step = JourneyStep {
            name: "read".to_owned(),
            method: "GET".to_owned(),
            url: "http://127.0.0.1:9/".to_owned(),
            headers: Vec::new(),
            body: None,
            expect: HttpExpect::default(),
            capture: BTreeMap::new(),
            think: None,
            state_lost: false,
            log_in: false,
            repeat: Repeat::Once,
            service: None,
        };
        let spec = JourneyProbe {
            users,
            think: Duration::from_secs(1),
            sticky: None,
            steps: vec![step],
            connections: Connections::KeepAlive,
            body_limit: 1024,
            served_by: None,
            tls: TlsSettings::default(),
        };
        PreparedJourney::new("cart", &spec, Duration::from_secs(1)).unwrap().into_kind()
    }

    fn due(turn: Turn) -> Due {
        Due { at_ns: 0, probe: 0, number: 0, turn }
    }

    #[test]
    fn who_could_not_take_a_turn_takes_it_later() {
        let (shared, crowd) = (Shared::still(), kind(Users::Crowd(4)));
        assert_eq!(crowd.first_turns(), [(0, 0), (250_000_000, 1), (500_000_000, 2), (750_000_000, 3)]);
        // At the first turn, and after one.
        crowd.skipped(&shared, due(Turn::Again(2)));
        crowd.begin(1, true);
        crowd.skipped(&shared, due(Turn::Again(1)));
        let asked = shared.asked();
        assert_eq!(asked.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [2, 1]);
        // After thinking for about a second; a busy machine may take its time.
        assert!(asked.iter().all(|(_, at_ns)| (900_000_000..20_000_000_000).contains(at_ns)), "{asked:?}");
        assert_eq!(crowd.state(), StateFindings::Sessions(Sessions::default()), "nothing began, and nothing was lost");

        let passers = kind(Users::Arriving(Rate(5.0)));
        passers.skipped(&shared, due(Turn::Regular(0)));
        assert_eq!((passers.first_turns().len(), shared.asked().len()), (0, 0), "who did not come in does not come back");
    }

    #[test]
    fn who_is_to_come_again_later_has_lost_nothing() {
        let mut kind = kind(Users::Crowd(1));
        kind.steps[0].parts.spec.state_lost = true;
        for (status, meant) in [(200, true), (302, true), (404, true), (401, true), (408, false), (429, false), (500, false), (503, false)]
        {
            let outcome = kind.meaning(0, SampleOutcome::Expectation, status);
            assert_eq!(outcome == SampleOutcome::StateLost, meant, "{status}");
        }
        assert_eq!(kind.meaning(0, SampleOutcome::Refused, 0), SampleOutcome::Refused);
    }

    #[test]
    fn as_many_wait_at_once_as_there_can_be_users() {
        let second = Duration::from_secs(1);
        assert!(kind(Users::Crowd(500)).most_in_flight(1.0, second) >= 500);
        assert!(kind(Users::Arriving(Rate(100.0))).most_in_flight(100.0, second) >= 100 * 10 * 2);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!((base_36(0), base_36(35), base_36(36 * 36)), ("0".to_owned(), "z".to_owned(), "100".to_owned()));
    }
}
