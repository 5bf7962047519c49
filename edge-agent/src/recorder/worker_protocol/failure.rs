//! Failures as a worker tells them.

use serde::{Deserialize, Serialize};

use crate::recorder::driver::{FailureKind, RecorderError};

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What to do about it.
    pub kind: Kind,
    /// What happened, naming the recorder, and what to do.
    pub message: String,
    /// The vendor's number, where there is one.
    pub code: Option<u32>,
}

/// [`FailureKind`] on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each stands for the FailureKind of its name")]
pub enum Kind {
    Refused,
    Locked,
    Capacity,
    Network,
    Device,
    SourceGone,
    Unsupported,
    Local,
    LibraryMissing,
    Worker,
    Cancelled,
}

impl From<Kind> for FailureKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Refused => Self::Refused,
            Kind::Locked => Self::Locked,
            Kind::Capacity => Self::Capacity,
            Kind::Network => Self::Network,
            Kind::Device => Self::Device,
            Kind::SourceGone => Self::SourceGone,
            Kind::Unsupported => Self::Unsupported,
            Kind::Local => Self::Local,
            Kind::LibraryMissing => Self::LibraryMissing,
            Kind::Worker => Self::Worker,
            Kind::Cancelled => Self::Cancelled,
        }
    }
}

impl From<Failure> for RecorderError {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind.into(),
            message: failure.message,
            vendor_code: failure.code,
        }
    }
}
