//! What groups tell of themselves: their scaling activities. Asked only while a group has not what it wants; that is when they say why.

use std::collections::BTreeSet;

use super::{
    calls::Action,
    connection::Place,
    trouble::{Trouble, short},
};

const ACTIVITIES: Action = Action::read("autoscaling:DescribeScalingActivities");
/// Of one look: the newest ones.
const MOST: i32 = 20;

/// An activity that was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Activity {
    /// Nanoseconds since 1970.
    pub(super) began: i128,
    /// What it is, with its end if that was bad.
    pub(super) says: String,
}

/// The activities of a group that are not in `told` yet, the oldest first; they are added to it.
pub(super) async fn news(place: &Place, group: &str, told: &mut BTreeSet<String>) -> Result<Vec<Activity>, Trouble> {
    let ask = place.scaling.describe_scaling_activities().auto_scaling_group_name(group).max_records(MOST);
    let answer = place.calls.call(ACTIVITIES, || ask.clone().send()).await?;
    let mut news = Vec::new();
    for activity in answer.activities.unwrap_or_default().into_iter().rev() {
        let status = activity.status_code.as_ref().map_or("", |status| status.as_str());
        let bad = matches!(status, "Failed" | "Cancelled");
        // Told once when it begins, and once more if it ends badly.
        let key = format!("{} {}", activity.activity_id.as_deref().unwrap_or_default(), if bad { "bad" } else { "" });
        if !told.insert(key) {
            continue;
        }
        let what = short(activity.description.as_deref().unwrap_or_default());
        let why = short(activity.status_message.as_deref().unwrap_or_default());
        let says = if bad { format!("{group}: {what}: {status}: {why}") } else { format!("{group}: {what}") };
        news.push(Activity { began: activity.start_time.map_or(0, |time| time.as_nanos()), says });
    }
    Ok(news)
}
