//! The runs of a day, read from their own folders. One that is gone, or cannot be read, leaves a gap that the report names.

use std::path::{Component, Path};

use crate::{
    gameday::{Day, record::ItemRecord},
    report::{RunRecord, write},
};

/// A drill of the day with its run.
#[derive(Debug)]
pub struct DayRun<'a> {
    /// The item of the agenda.
    pub item: &'a ItemRecord,
    /// Its run folder, seen from the day's.
    pub folder: &'a str,
    /// What the run recorded, or why that cannot be told.
    pub record: Result<RunRecord, String>,
}

/// The runs, in order. `folder` is the day's.
pub fn of<'a>(day: &'a Day, folder: &Path) -> Vec<DayRun<'a>> {
    let drills = day.items.iter().filter_map(|item| Some((item, item.drill.as_ref()?)));
    let runs = drills.map(|(item, drill)| {
        let record = if beside(&drill.folder) {
            write::load(&folder.join(&drill.folder)).map_err(|error| error.to_string())
        } else {
            Err(format!("`{}` is no run folder beside the day's", drill.folder))
        };
        DayRun { item, folder: &drill.folder, record }
    });
    runs.collect()
}

/// Whether a folder is one beside the day's: a record from elsewhere cannot make a reader look anywhere else.
fn beside(folder: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(folder).components().collect();
    matches!(parts.as_slice(), [Component::ParentDir, Component::Normal(_)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_beside_the_days_is_looked_into() {
        assert!(beside("../20261128-120000-abcdef"));
        for wrong in ["../..", "/etc", "../a/b", "a", "", "../../a"] {
            assert!(!beside(wrong), "{wrong}");
        }
    }
}
