//! What is due at a moment.
//!
//! A firing that is noticed in time fires. One that is noticed late was missed: the machine was off or suspended, or its clock was put
//! forward. Of several of one source only the last one counts, and what is done about it is for its schedule to say: never a burst of
//! runs that make up for lost ones, and never one later than its window.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::schedule::{Entry, Firing, Reason, Roster, Walk, roster::Missed, walk::HORIZON};

/// A firing that is noticed within so long is in time: a busy machine is no reason to skip.
pub const IN_TIME: SignedDuration = SignedDuration::from_mins(1);
/// So many times of one source are looked at for one answer; where more are suppressed, the search goes on a moment later.
const MOST_TIMES: usize = 50_000;

/// What is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// Which source, and by what its last firing is remembered.
    pub key: String,
    /// The experiment.
    pub entry: Entry,
    /// When it was due.
    pub at: Timestamp,
    /// What is to be done.
    pub what: What,
    /// How many of the source passed unnoticed before this one.
    pub passed: usize,
}

/// What is to be done about a firing.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It is fired, and may begin until this moment.
    Fire {
        /// The last moment for its beginning.
        latest: Timestamp,
    },
    /// It was missed and is not fired.
    Missed(Why),
}

/// Why a missed firing is not fired after all.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// Its schedule says so.
    Skipped,
    /// It may not begin so late.
    TooLate,
    /// Something keeps it from firing now.
    Suppressed(Vec<Reason>),
}

/// The roster, and when each of its sources is next looked at.
#[derive(Debug)]
pub struct Agenda {
    roster: Arc<Roster>,
    // From where on each source is looked at, and when it last fired.
    from: Vec<(Timestamp, Option<Timestamp>)>,
    // When, which source, and whether it fires then: else the search for its next firing was given up there.
    next: BinaryHeap<Reverse<(Timestamp, usize, bool)>>,
}

impl Agenda {
    /// Of a roster. `from` says for each key from where on its times count, and when it last fired.
    pub fn new(roster: Roster, from: impl Fn(&str) -> (Timestamp, Option<Timestamp>)) -> Self {
        let from: Vec<_> = roster.sources().iter().map(|source| from(&source.key)).collect();
        let mut agenda = Self { roster: Arc::new(roster), from, next: BinaryHeap::new() };
        for source in 0..agenda.from.len() {
            agenda.look(source);
        }
        agenda
    }

    /// The roster.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The roster, for others to keep.
    pub fn shared(&self) -> Arc<Roster> {
        self.roster.clone()
    }

    /// When each source last fired, by its key; those that never did are left out.
    pub fn last(&self) -> BTreeMap<String, Timestamp> {
        let all = self.roster.sources().iter().zip(&self.from);
        all.filter_map(|(source, (_, last))| Some((source.key.clone(), (*last)?))).collect()
    }

    /// Fires an experiment because a person asks for it: as if it were due now, by every rule but chance. It counts as fired from now on.
    /// None when there is no experiment of this name.
    ///
    /// # Errors
    /// With what keeps it from firing.
    pub fn by_hand(&mut self, name: &str, now: Timestamp) -> Option<Result<Due, Vec<Reason>>> {
        let at = self.roster.entries().iter().position(|entry| entry.name == name)?;
        let (source, member) = self.roster.source_of(at)?;
        let (here, entry) = (&self.roster.sources()[source], &self.roster.entries()[at]);
        let zoned = now.to_zoned(here.zone.clone());
        let mut reasons = here.against(member, &zoned, self.from[source].1);
        let within = here.hours_end(&zoned).unwrap_or_else(|reason| {
            reasons.push(reason);
            None
        });
        if !reasons.is_empty() {
            return Some(Err(reasons));
        }
        let latest = now.saturating_add(entry.within).unwrap_or(Timestamp::MAX);
        let latest = within.map_or(latest, |end| latest.min(end));
        let due = Due { key: here.key.clone(), entry: entry.clone(), at: now, what: What::Fire { latest }, passed: 0 };
        self.from[source].1 = Some(now);
        Some(Ok(due))
    }

    /// From where on each source is looked at, by its key: what another roster goes on with.
    pub fn cursors(&self) -> BTreeMap<String, (Timestamp, Option<Timestamp>)> {
        self.roster.sources().iter().map(|source| source.key.clone()).zip(self.from.iter().copied()).collect()
    }

    /// When something fires next.
    pub fn next(&self) -> Option<Timestamp> {
        self.next.iter().filter_map(|Reverse((at, _, fires))| fires.then_some(*at)).min()
    }

    /// What is due at a moment and has not been told. It is told once: what is to be fired counts as fired from now on.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut out = Vec::new();
        while let Some(Reverse((at, source, _))) = self.next.peek().copied()
            && at <= now
        {
            self.next.pop();
            out.extend(self.due_of(source, now));
            self.look(source);
        }
        out
    }

    fn due_of(&mut self, source: usize, now: Timestamp) -> Option<Due> {
        let (from, last) = self.from[source];
        let here = &self.roster.sources()[source];
        let mut found: Option<(Firing, usize)> = None;
        for firing in Walk::new(here, from, last).take(MOST_TIMES).take_while(|firing| firing.at.timestamp() <= now) {
            self.from[source].0 = firing.at.timestamp();
            if firing.fires() {
                let passed = found.map_or(0, |(_, passed)| passed + 1);
                found = Some((firing, passed));
            }
        }
        let (firing, passed) = found?;
        let (entry, at) = (self.roster.entry(source, firing.member), firing.at.timestamp());
        let latest = entry.latest(&firing);
        let in_time = now.duration_since(at) <= IN_TIME;
        let closed = here.now(firing.member, now);
        let what = match (in_time, entry.missed) {
            // Even in time: who fires does so within the window, and when nothing has closed it since.
            (true, _) | (false, Missed::RunOnce) if now > latest => What::Missed(Why::TooLate),
            (true, _) | (false, Missed::RunOnce) if !closed.is_empty() => What::Missed(Why::Suppressed(closed)),
            (true, _) | (false, Missed::RunOnce) => What::Fire { latest },
            (false, Missed::Skip) => What::Missed(Why::Skipped),
        };
        let due = Due { key: here.key.clone(), entry: entry.clone(), at, what, passed };
        if matches!(due.what, What::Fire { .. }) {
            self.from[source].1 = Some(at);
        }
        Some(due)
    }

    /// Finds when a source is looked at next: at its next firing, or where the search for it was given up.
    fn look(&mut self, source: usize) {
        let (from, last) = self.from[source];
        let end = from.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut found = None;
        for (looked_at, firing) in Walk::new(&self.roster.sources()[source], from, last).enumerate() {
            let at = firing.at.timestamp();
            let fires = firing.fires() && at <= end;
            if fires || at > end || looked_at >= MOST_TIMES {
                found = Some((at, fires));
                break;
            }
        }
        self.next.extend(found.map(|(at, fires)| Reverse((at, source, fires))));
    }
}

/// The shortest time between two looks at the clock: it may be put forward, and the machine may have slept.
pub const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::schedule::{Between, Closed, Cover, Cron, Period, Rule, Window};

    fn entry(name: &str, rule: Rule, missed: Missed) -> Entry {
        Entry {
            name: name.to_owned(),
            draws: name.to_owned(),
            path: name.into(),
            project: None,
            group: None,
            seed: 7,
            rule,
            zone: TimeZone::get("Europe/Lisbon").unwrap(),
            working: crate::schedule::Working::default(),
            gap: None,
            hours: None,
            closed: Closed::default(),
            missed,
            within: Duration::from_mins(10),
            enabled: true,
        }
    }

    fn cron(line: &str) -> Rule {
        Rule::Cron { cron: Cron::parse(line).unwrap(), probability: 1.0 }
    }

    fn agenda(entries: Vec<Entry>, from: &str) -> Agenda {
        let from = moment(from);
        Agenda::new(Roster::new(entries), |_| (from, None))
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn told(due: &[Due]) -> Vec<String> {
        due.iter()
            .map(|due| {
                let what = match &due.what {
                    What::Fire { .. } => "fires".to_owned(),
                    What::Missed(why) => format!("{why:?}"),
                };
                format!("{} {} {what} {}", due.entry.name, due.at, due.passed)
            })
            .collect()
    }

    #[test]
    fn what_is_due_is_told_once() {
        let mut agenda =
            agenda(vec![entry("a", cron("0 10 * * *"), Missed::Skip), entry("b", cron("30 10 * * *"), Missed::Skip)], "2026-12-01T09:00Z");
        assert_eq!(agenda.next(), Some(moment("2026-12-01T10:00Z")));
        assert_eq!(told(&agenda.due(moment("2026-12-01T09:59:59Z"))), [""; 0]);
        assert_eq!(told(&agenda.due(moment("2026-12-01T10:00:01Z"))), ["a 2026-12-01T10:00:00Z fires 0"]);
        assert_eq!(told(&agenda.due(moment("2026-12-01T10:00:02Z"))), [""; 0]);
        // The clock is put back an hour: what has fired does not fire again.
        assert_eq!(told(&agenda.due(moment("2026-12-01T09:30:00Z"))), [""; 0]);
        assert_eq!(told(&agenda.due(moment("2026-12-01T10:30:00Z"))), ["b 2026-12-01T10:30:00Z fires 0"]);
        // A new roster goes on from there.
        let cursors = agenda.cursors();
        let again = Agenda::new(agenda.roster().clone(), |key| cursors[key]);
        assert_eq!(again.next(), Some(moment("2026-12-02T10:00Z")));
    }

    #[test]
    fn of_those_that_were_missed_none_is_made_up_for() {
        let mut skips = agenda(vec![entry("a", cron("0 10 * * *"), Missed::Skip)], "2026-12-01T09:00Z");
        assert_eq!(told(&skips.due(moment("2026-12-11T10:05Z"))), ["a 2026-12-11T10:00:00Z Skipped 10"]);
        assert_eq!(skips.next(), Some(moment("2026-12-12T10:00Z")));
    }

    #[test]
    fn one_that_was_missed_runs_within_its_window_only() {
        let run = |now: &str| {
            let mut agenda = agenda(vec![entry("a", cron("0 10 * * *"), Missed::RunOnce)], "2026-12-01T09:00Z");
            told(&agenda.due(moment(now)))
        };
        assert_eq!(run("2026-12-11T10:09Z"), ["a 2026-12-11T10:00:00Z fires 10"]);
        assert_eq!(run("2026-12-11T10:11Z"), ["a 2026-12-11T10:00:00Z TooLate 10"]);
        // A random time ends with its hours, however late it may be.
        let between = Between { from: jiff::civil::time(10, 0, 0, 0), to: jiff::civil::time(11, 0, 0, 0) };
        let rule = Rule::Times { count: 1, per: Period::Day, between, probability: 1.0 };
        let late = Entry { within: Duration::from_hours(10), ..entry("a", rule, Missed::RunOnce) };
        let mut before = agenda(vec![late.clone()], "2026-12-01T09:00Z");
        assert!(told(&before.due(moment("2026-12-01T10:59:59Z")))[0].contains("fires"));
        let mut after = agenda(vec![late], "2026-12-01T09:00Z");
        assert!(told(&after.due(moment("2026-12-01T11:00:01Z")))[0].contains("TooLate"));
    }

    #[test]
    fn a_person_fires_by_the_same_rules() {
        use crate::schedule::Gap;
        let gap = Some(Gap::Time(SignedDuration::from_hours(2)));
        let mut agenda = agenda(vec![Entry { gap, ..entry("a", cron("0 10 * * *"), Missed::Skip) }], "2026-12-01T09:00Z");
        let now = moment("2026-12-01T09:30Z");
        assert!(agenda.by_hand("b", now).is_none());
        let due = agenda.by_hand("a", now).unwrap().unwrap();
        assert_eq!(due.what, What::Fire { latest: moment("2026-12-01T09:40Z") });
        let reasons = agenda.by_hand("a", moment("2026-12-01T09:31Z")).unwrap().unwrap_err();
        assert!(matches!(reasons.as_slice(), [Reason::MinGap { .. }]), "{reasons:?}");
        assert_eq!(agenda.last()[&due.key], now);
        // The one of ten o'clock would come too soon after it.
        assert_eq!(told(&agenda.due(moment("2026-12-01T10:00:01Z"))), [""; 0]);
        let mut off = self::agenda(vec![Entry { enabled: false, ..entry("a", cron("0 10 * * *"), Missed::Skip) }], "2026-12-01T09:00Z");
        assert_eq!(off.by_hand("a", now).unwrap().unwrap_err(), [Reason::Disabled]);
    }

    #[test]
    fn what_has_been_closed_since_does_not_run_late() {
        let zone = TimeZone::get("Europe/Lisbon").unwrap();
        let (from, to) = ("2026-12-01T10:05".parse().unwrap(), "2026-12-01T12:00".parse().unwrap());
        let freeze = Window::clock(&zone, from, to, Cover::Freeze { name: "release".to_owned() });
        let closed = Closed::new(vec![freeze]);
        let mut agenda = agenda(vec![Entry { closed, ..entry("a", cron("0 10 * * *"), Missed::RunOnce) }], "2026-12-01T09:00Z");
        let told = told(&agenda.due(moment("2026-12-01T10:06Z")));
        assert!(told[0].contains("Suppressed") && told[0].contains("release"), "{told:?}");
    }
}
