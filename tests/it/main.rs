//! Integration tests: one binary, because linking is the slow part.

#[cfg(feature = "aws")]
mod aws;
mod bad_files;
mod balancer;
mod chaostoolkit;
mod cli;
mod conformance;

#[cfg(feature = "docker")]
mod docker;
#[cfg(feature = "docker")]
mod docker_deeds;
#[cfg(feature = "docker")]
mod docker_hosts;
mod docker_lab;
#[cfg(feature = "docker")]
mod docker_life;
#[cfg(feature = "docker")]
mod docker_swarm;
#[cfg(feature = "docker")]
mod docker_wire;
mod docs;
mod engine;
mod examples;
mod fuzz_corpus;
mod gallery;
mod hostile;
mod journal;
mod journey;
mod ladder;
mod layers;
mod local_conformance;
mod local_faults;
mod local_meeting;
mod local_platform;
mod local_rig;
mod local_service;
mod local_system;
#[cfg(feature = "notify")]
mod notify;
mod planning;
mod probe_dns;
mod probe_kinds;
mod probe_ledger;
mod probe_limits;
mod probe_names;
mod probe_prometheus;
mod probe_stores;
mod probe_tls;
mod probe_truth;
mod probe_websocket;
mod report;
mod support;
mod what_time;
