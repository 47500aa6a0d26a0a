//! Containers of Docker engines.

pub mod host_process;
pub mod host_tool;
pub mod network;
