//! Ground that both programs stand on. Nothing here knows what a recording is.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod child;
pub mod clock;
pub mod durable;
pub mod http;
pub mod mqtt;
pub mod net;
pub mod password;
pub mod places;
pub mod rate_limit;
pub mod shutdown;
pub mod sqlite;
pub mod tasks;
pub mod tls;
pub mod token;
pub mod tracing_setup;
pub mod untrusted;
