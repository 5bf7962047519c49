//! The ISAPI driver (R10): recorders that answer over HTTP and RTSP, without the vendor's library and without a worker
//! process. What is known of the protocol stands in `docs/ref/isapi.md`.
//!
//! Everything that a device says is untrusted: documents are bounded (`xml.rs`), read strictly (`answers.rs`), and
//! addresses in them never decide where anything connects to.

mod answers;
mod certificate;
mod client;
mod download;
#[cfg(test)]
mod fuzz;
mod handshake;
mod learnt;
mod playback;
mod rtsp;
mod search;
mod session;
mod uri;
pub(super) mod xml;
mod zone;

pub use handshake::handshake;
pub use learnt::Learnt;
pub use session::IsapiSession;
