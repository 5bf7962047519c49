//! The agent's side of a recorder: the driver port, session policy, its clock, and the client of the SDK worker.

pub mod clock;
pub mod config;
mod connection_test;
pub mod driver;
pub mod session;
pub mod worker;
mod worker_log;
mod worker_process;
pub mod worker_protocol;

pub use connection_test::{Examination, examine, library_problem, test_connection};
