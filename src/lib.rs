//! firedrill
pub mod balancer;
pub mod cli;
pub mod clock;
pub mod engine;
pub mod event;
pub mod failpoint;
pub mod file;
pub mod journal;
pub mod lock;
pub mod measure;
pub mod model;
pub mod plan;
pub mod platform;
pub mod probe;
pub mod report;
pub mod sample_app;
pub mod state_dir;
