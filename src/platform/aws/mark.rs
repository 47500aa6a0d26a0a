//! Marks on resources: tags that tell whose fault it is and how it was before, so that it can be undone without a journal, from another
//! machine too.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    clock,
    platform::mark::{Judged, Mark},
};

/// The run.
pub(super) const RUN: &str = "firedrill:run";
/// The act's mark: which process made it.
pub(super) const MARK: &str = "firedrill:mark";
/// Until when the run lives in any case, in seconds since 1970; it is renewed while the run lasts.
pub(super) const UNTIL: &str = "firedrill:until";
/// For how long a run promises to live.
pub(super) const LEASE: Duration = Duration::from_mins(5);

/// The most letters of a tag's value.
const LONGEST: usize = 250;

/// A list in as many tags as it needs: `KEY`, `KEY:2`, `KEY:3`.
pub(super) fn lines(key: &str, list: &[String]) -> BTreeMap<String, String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in list {
        let full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > LONGEST);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.into_iter().enumerate().map(|(n, line)| (numbered(key, n + 1), line)).collect()
}

fn numbered(key: &str, n: usize) -> String {
    if n == 1 { key.to_owned() } else { format!("{key}:{n}") }
}

/// The keys of such a list that are there.
pub(super) fn keys(tags: &BTreeMap<String, String>, key: &str) -> Vec<String> {
    (1..=50).map(|n| numbered(key, n)).take_while(|key| tags.contains_key(key)).collect()
}

/// Such a list, read.
pub(super) fn list(tags: &BTreeMap<String, String>, key: &str) -> Vec<String> {
    let lines = keys(tags, key);
    lines
        .iter()
        .filter_map(|key| tags.get(key))
        .flat_map(|line| line.split(' '))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Until when a run that lives now says that it lives.
pub(super) fn until() -> String {
    ((clock::wall().0 / 1_000_000_000).max(0) as u64 + LEASE.as_secs()).to_string()
}

/// Whether what carries this mark was left behind: its process is gone; or it is one of another machine, whose promise to live has run out.
pub(super) fn left_behind(mark: &str, tags: &BTreeMap<String, String>) -> bool {
    match Mark::read(mark).map(Mark::judged) {
        Some(Judged::Gone) => true,
        Some(Judged::Lives) => false,
        Some(Judged::Elsewhere) | None => {
            let until: i64 = tags.get(UNTIL).and_then(|until| until.parse().ok()).unwrap_or_default();
            until < clock::wall().0 / 1_000_000_000
        }
    }
}

/// Whether what carries this mark is another process's, and was not left behind.
pub(super) fn of_another(mark: &str, tags: &BTreeMap<String, String>) -> bool {
    Mark::read(mark).is_none_or(Mark::of_another) && !left_behind(mark, tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_goes_on_in_further_tags() {
        let list_of: Vec<String> = (0..30).map(|n| format!("subnet-{n:017x}")).collect();
        let tags = lines("firedrill:order", &list_of);
        assert_eq!(tags.len(), 3);
        assert!(tags.values().all(|line| line.len() <= 256 && line.starts_with("subnet-")));
        assert_eq!(list(&tags, "firedrill:order"), list_of);
        assert_eq!(keys(&tags, "firedrill:order").len(), 3);
        assert_eq!(list(&lines("k", &[]), "k"), Vec::<String>::new());
    }

    #[test]
    fn what_another_machine_did_is_left_to_it_while_it_says_that_it_lives() {
        let elsewhere = "0".repeat(18);
        let of = |until: String| BTreeMap::from([(UNTIL.to_owned(), until)]);
        assert!(!left_behind(&elsewhere, &of(until())));
        assert!(left_behind(&elsewhere, &of("1".to_owned())));
        assert!(left_behind(&elsewhere, &BTreeMap::new()));
        let own = crate::platform::mark::fresh().unwrap().to_string();
        assert!(!left_behind(&own, &of("1".to_owned())), "this process lives");
        assert!(!of_another(&own, &of(until())) && of_another(&elsewhere, &of(until())) && !of_another(&elsewhere, &of("1".to_owned())));
    }
}
