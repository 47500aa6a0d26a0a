//! `CloudWatch` alarms as guards of a run: what their owner says is unwell is unwell, whatever our probes see.

use futures_util::future::try_join_all;

use super::{
    calls::Action,
    connection::{Connection, Place},
    trouble::{Trouble, short},
};
use crate::{file::suggest::listed, model::aws::AwsSpec, platform::PlatformError};

const DESCRIBE: Action = Action::read("cloudwatch:DescribeAlarms");

/// An alarm and whether it rings, with its reason.
struct Alarm {
    name: String,
    rings: Option<String>,
}

/// Words about the first alarm of the environment that rings; none when none does.
///
/// # Errors
/// When they cannot be asked, or one that is named is in no region.
pub(super) async fn ringing(connection: &Connection, spec: &AwsSpec) -> Result<Option<String>, PlatformError> {
    if spec.abort_alarms.is_empty() {
        return Ok(None);
    }
    let found: Vec<Alarm> =
        try_join_all(connection.places.iter().map(|place| alarms(place, &spec.abort_alarms))).await?.into_iter().flatten().collect();
    if let Some(name) = spec.abort_alarms.iter().find(|name| found.iter().all(|alarm| alarm.name != **name)) {
        let regions = listed(connection.places.iter().map(|place| place.region.as_str()), "or");
        return Err(PlatformError::Unavailable(format!("there is no CloudWatch alarm `{name}` in {regions}")));
    }
    Ok(found.into_iter().find_map(|alarm| Some(format!("the CloudWatch alarm {} rings: {}", alarm.name, alarm.rings?))))
}

async fn alarms(place: &Place, names: &[String]) -> Result<Vec<Alarm>, Trouble> {
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
        let answer = place.calls.call(DESCRIBE, || ask.clone().send()).await?;
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
