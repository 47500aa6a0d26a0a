//! `firedrill schema`.

use super::{
    args::{Schema, SchemaOf},
    say,
};
use crate::{event::Event, file, gameday::DayEvent, model::plan::Plan, platform::local::spec_file, report};

/// Prints a JSON Schema.
pub fn schema(args: &Schema) -> u8 {
    let schema = match args.of {
        SchemaOf::Experiment => file::schema::experiment(),
        SchemaOf::Project => file::schema::project(),
        SchemaOf::Gameday => file::schema::gameday(),
        SchemaOf::DayEvent => schemars::schema_for!(DayEvent).to_value(),
        SchemaOf::System => spec_file::schema(),
        SchemaOf::Result => report::result_schema(),
        SchemaOf::Event => schemars::schema_for!(Event).to_value(),
        SchemaOf::Plan => schemars::schema_for!(Plan).to_value(),
    };
    say::json(schema);
    0
}
