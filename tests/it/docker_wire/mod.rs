//! The Docker platform against an engine that is told what to answer: errors, refusals and silences that a real engine gives only
//! when it is sick.

mod deeds;
mod endpoints;
mod errors;
mod fake_engine;
mod hostile;
mod inventories;
