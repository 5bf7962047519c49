//! The agent's side of a recorder: the driver port, session policy, its clock, the client of the SDK worker, and ISAPI.

pub mod clock;
pub mod config;
pub mod driver;
pub mod examination;
mod isapi;
pub mod onvif;
mod reach;
mod reading;
pub mod sandbox;
pub mod session;
#[cfg(test)]
mod stories;
pub mod worker;
mod worker_log;
mod worker_process;
pub mod worker_protocol;
mod worker_requests;

pub use examination::library_problem;
