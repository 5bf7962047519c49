//! The agent's side of a recorder: the driver port, session policy, its clock, and the client of the SDK worker.

pub mod driver;
pub mod worker;
pub mod worker_protocol;
