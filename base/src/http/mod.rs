//! How both programs answer over HTTP: one shape of a failure, one id per request, one way to serve the bundled page
//! and to keep a browser's login. Who may do what is each program's own.

pub mod cookies;
pub mod error;
pub mod extract;
pub mod page;
pub mod request;

pub use error::{ApiError, ApiResult};
