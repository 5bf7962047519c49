//! End-to-end: harness for stories in real processes, the demo and the benchmarks.

pub mod client;
pub mod eventually;
pub mod process;
