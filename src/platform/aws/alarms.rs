//! `CloudWatch` alarms as guards of a run: what their owner says is unwell is unwell, whatever our probes see. They are asked by a task of
//! their own, with calls of their own: neither a look at a large account nor its failure holds them up.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::mpsc::Sender, time::MissedTickBehavior};

use super::{
    calls::Action,
    connection::{Connection, Place},
    trouble::{Trouble, short},
};
use crate::{
    clock,
    file::suggest::listed,
    model::{
        aws::AwsSpec,
        observation::{Observation, Observed},
        quantity::show_duration,
    },
    platform::PlatformError,
};

const DESCRIBE: Action = Action::read("cloudwatch:DescribeAlarms");
/// Between the beginnings of two questions.
const EVERY: Duration = Duration::from_secs(1);
/// The limit for each answer, with all its tries; no other one is asked meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// So many questions in a row without an answer are an alarm, as with every guard: one that cannot see is none.
const MISSES: u32 = 3;
const SOURCE: &str = "CloudWatch";

/// An alarm and whether it rings, with its reason.
struct Alarm {
    name: String,
    rings: Option<String>,
}

/// What a plan says of them; nothing where the environment names none.
pub(super) fn says(spec: &AwsSpec) -> Option<String> {
    if spec.abort_alarms.is_empty() {
        return None;
    }
    let names = listed(spec.abort_alarms.iter().map(String::as_str), "or");
    // It may begin to ring just after a question that is answered late was read there: then the next one tells.
    let within = EVERY.max(ANSWER_LIMIT) + ANSWER_LIMIT;
    Some(format!("the CloudWatch alarm {names} rings; noticed within {}", show_duration(within)))
}

/// Asks until nobody listens any more. An alarm that goes on ringing is told once.
pub(super) async fn guard(connection: Arc<Connection>, spec: AwsSpec, told: Sender<Observation>) {
    let mut turn = tokio::time::interval(EVERY);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Heard::default();
    loop {
        tokio::select! {
            _ = turn.tick() => {}
            () = told.closed() => return,
        }
        let answer = tokio::time::timeout(ANSWER_LIMIT, ringing(&connection, &spec, ANSWER_LIMIT)).await;
        let answer = answer.unwrap_or(Err(PlatformError::Timeout(ANSWER_LIMIT)));
        if let Some(text) = heard.push(answer) {
            let alarm = Observation { at: clock::now(), source: SOURCE.to_owned(), what: Observed::Alarm { text } };
            if told.send(alarm).await.is_err() {
                return;
            }
        }
    }
}

/// What the alarms said lately. Pure.
#[derive(Debug, Default)]
struct Heard {
    /// Questions in a row without an answer.
    unanswered: u32,
    /// The words that were told last, while they still hold.
    told: Option<String>,
}

impl Heard {
    /// An answer; what is to be told of it.
    fn push(&mut self, answer: Result<Option<String>, PlatformError>) -> Option<String> {
        let says = match answer {
            Ok(rings) => {
                self.unanswered = 0;
                rings
            }
            Err(error) => {
                self.unanswered = self.unanswered.saturating_add(1);
                tracing::debug!(%error, misses = self.unanswered, "the alarms cannot be asked");
                if self.unanswered != MISSES {
                    return None;
                }
                Some(format!(
                    "the alarms that guard this run cannot be asked: nobody knows, there was no answer {MISSES} times in a row ({error})"
                ))
            }
        };
        let news = says.clone().filter(|_| says != self.told);
        self.told = says;
        news
    }
}

/// Words about the first alarm of the environment that rings; none when none does. `limit` is that for each region's answer.
///
/// # Errors
/// When none is known to ring and they cannot all be asked, or one that is named is in no region.
pub(super) async fn ringing(connection: &Connection, spec: &AwsSpec, limit: Duration) -> Result<Option<String>, PlatformError> {
    if spec.abort_alarms.is_empty() {
        return Ok(None);
    }
    let answers = join_all(connection.places.iter().map(|place| alarms(place, &spec.abort_alarms, limit))).await;
    let (mut found, mut trouble) = (Vec::new(), None);
    for answer in answers {
        match answer {
            Ok(alarms) => found.extend(alarms),
            Err(error) => trouble = trouble.or(Some(error)),
        }
    }
    // One that rings in a region that answers is heard, whatever another region does.
    if let Some((name, why)) = found.iter().find_map(|alarm: &Alarm| Some((&alarm.name, alarm.rings.as_ref()?))) {
        return Ok(Some(format!("the CloudWatch alarm {name} rings: {why}")));
    }
    if let Some(trouble) = trouble {
        return Err(trouble.into());
    }
    if let Some(name) = spec.abort_alarms.iter().find(|name| found.iter().all(|alarm| alarm.name != **name)) {
        let regions = listed(connection.places.iter().map(|place| place.region.as_str()), "or");
        return Err(PlatformError::Unavailable(format!("there is no CloudWatch alarm `{name}` in {regions}")));
    }
    Ok(None)
}

async fn alarms(place: &Place, names: &[String], limit: Duration) -> Result<Vec<Alarm>, Trouble> {
    use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
    let mut all = Vec::new();
    // The most names that a call takes.
    for names in names.chunks(100) {
        let ask = place
            .alarms
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .max_records(100);
        let answer = place.alarm_calls.call_within(limit, DESCRIBE, || ask.clone().send()).await?;
        let rings = |state: Option<StateValue>, reason: Option<String>| {
            (state == Some(StateValue::Alarm)).then(|| short(reason.as_deref().unwrap_or("in the state ALARM")))
        };
        let metric = answer.metric_alarms.unwrap_or_default().into_iter();
        all.extend(metric.filter_map(|a| Some(Alarm { name: a.alarm_name?, rings: rings(a.state_value, a.state_reason) })));
        let composite = answer.composite_alarms.unwrap_or_default().into_iter();
        all.extend(composite.filter_map(|a| Some(Alarm { name: a.alarm_name?, rings: rings(a.state_value, a.state_reason) })));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(answers: &str) -> Vec<(usize, String)> {
        let mut heard = Heard::default();
        let answer = |what| match what {
            '.' => Ok(None),
            '?' => Err(PlatformError::Timeout(ANSWER_LIMIT)),
            rings => Ok(Some(format!("{rings} rings"))),
        };
        answers.chars().enumerate().filter_map(|(n, what)| Some((n, heard.push(answer(what))?))).collect()
    }

    #[test]
    fn an_alarm_is_told_when_it_begins_to_ring() {
        assert_eq!(heard("..aaa"), [(2, "a rings".to_owned())]);
        assert_eq!(heard("aab.a").iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(heard("a?a"), [(0, "a rings".to_owned())], "one question without an answer is no break");
    }

    #[test]
    fn three_questions_in_a_row_without_an_answer_are_an_alarm_told_once() {
        assert!(heard("??.??.??").is_empty());
        let told = heard(".??????");
        assert!(matches!(&told[..], [(3, text)] if text.contains("no answer 3 times in a row")), "{told:?}");
        assert_eq!(heard("???.???").len(), 2);
    }

    #[test]
    fn a_plan_names_them_and_how_soon_they_are_noticed() {
        let mut spec = AwsSpec::default();
        assert_eq!(says(&spec), None);
        spec.abort_alarms = vec!["errors".to_owned(), "slow".to_owned()];
        assert_eq!(says(&spec).unwrap(), "the CloudWatch alarm `errors` or `slow` rings; noticed within 4 s");
    }
}
