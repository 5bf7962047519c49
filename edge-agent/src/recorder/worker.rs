//! The client of the SDK worker process.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::driver::{
    FailureKind, LiveStream, PartProgress, PartRequest, RecorderError, StreamKind,
};
use crate::model::inventory::{Inventory, RecorderClock, RecorderIdentity};
use crate::model::time::UtcRange;

/// A login at one recorder through its worker process.
#[derive(Debug, Clone)]
pub struct WorkerSession {
    identity: std::sync::Arc<RecorderIdentity>,
}

impl WorkerSession {
    /// What the login told.
    pub fn identity(&self) -> &RecorderIdentity {
        &self.identity
    }
    /// Keep-alive.
    pub async fn ping(&self) -> Result<RecorderClock, RecorderError> {
        Err(RecorderError::new(FailureKind::Worker, "not built yet"))
    }
    /// Search.
    pub async fn search(
        &self,
        _channel: u32,
        _range: UtcRange,
    ) -> Result<Inventory, RecorderError> {
        Err(RecorderError::new(FailureKind::Worker, "not built yet"))
    }
    /// Download.
    pub async fn download(
        &self,
        _part: PartRequest,
        _progress: watch::Sender<PartProgress>,
        _cancel: CancellationToken,
    ) -> Result<u64, RecorderError> {
        Err(RecorderError::new(FailureKind::Worker, "not built yet"))
    }
    /// Live.
    pub async fn live(
        &self,
        _channel: u32,
        _stream: StreamKind,
    ) -> Result<LiveStream, RecorderError> {
        Err(RecorderError::new(FailureKind::Worker, "not built yet"))
    }
}
