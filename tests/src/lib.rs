//! End-to-end: harness for stories in real processes, the demo and the benchmarks.

pub mod appliance;
pub mod broker;
pub mod browser;
pub mod client;
pub mod cross;
pub mod disk_box;
pub mod disks;
pub mod eventually;
pub mod footage;
pub mod image;
pub mod isapi_recorder;
pub mod mail_server;
pub mod main_job;
pub mod power_cut;
pub mod process;
pub mod python;
pub mod rebuild_rate;
pub mod relay;
pub mod results;
pub mod seed;
pub mod site;
pub mod stand_in;
pub mod storage;
pub mod torture;
