//! The nearest name: what somebody who wrote `probs` may have meant.

/// The candidate nearest to `found`, when it is near enough to be worth a question.
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A typing error changes a letter or two; a text of some length cannot be one.
    if found.is_empty() || found.len() > 80 {
        return None;
    }
    let found = found.to_lowercase().replace('_', "-");
    let most = (found.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|c| !c.is_empty())
        .map(|c| (strsim::damerau_levenshtein(&found, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= most && *distance < c.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// "`a`, `b` or `c`"; long lists are cut.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    const MOST: usize = 24;
    let names: Vec<String> = names.into_iter().map(super::escape::quote).collect();
    match names.as_slice() {
        [] => "there are none".to_owned(),
        [one] => one.clone(),
        many if many.len() > MOST => format!("{} and {} more", many[..MOST].join(", "), many.len() - MOST),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["probes", "method", "steady-state"];
        assert_eq!(nearest("probs", names), Some("probes"));
        assert_eq!(nearest("steady_state", names), Some("steady-state"));
        assert_eq!(nearest("guardrails", names), None);
        assert_eq!(nearest("x", ["a"]), None);
    }

    #[test]
    fn lists_read_like_sentences() {
        assert_eq!(listed(["a", "b", "c"], "or"), "`a`, `b` or `c`");
        assert_eq!(listed(["a"], "or"), "`a`");
    }
}
