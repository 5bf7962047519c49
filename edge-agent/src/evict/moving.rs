//! Room for footage that moves to a colder tier: made only by what is older. All tiers are one ring, so nothing leaves
//! for what should have left before it.

use super::archive::{ArchiveNeed, Begun};
use super::choice::Room;
use super::{Evictor, NoRoom};
use crate::footage::volume::{Reservation, Volume, VolumeError};
use crate::model::time::UtcTime;

/// Beside the media: its description, and what the file system needs.
const BESIDE_BYTES: u64 = 1 << 20;

impl Evictor {
    /// The room on a volume as it stands.
    pub async fn room_of(&self, volume: &Volume) -> Result<Room, NoRoom> {
        Ok(self.room(volume, 0).await?)
    }

    /// Promises room for a recording that moves, on one of these volumes, the next tier's first: where there is most room,
    /// or else where what is older than the recording may leave. Nothing leaves a volume that is not the coldest: from
    /// there it moves.
    pub async fn need_for_move(
        &self,
        targets: &[&Volume],
        bytes: u64,
        before: UtcTime,
    ) -> Result<Reservation, NoRoom> {
        let bytes = bytes.saturating_add(BESIDE_BYTES);
        let _turn = self.0.turn.lock().await;
        for tier in targets.chunk_by(|a, b| a.config().tier == b.config().tier) {
            if let Some(volume) = self.roomiest(tier, bytes).await? {
                return Ok(volume.reserve(bytes));
            }
        }
        let coldest = targets.iter().map(|volume| volume.config().tier).max();
        let mut missing = None;
        for volume in targets
            .iter()
            .filter(|volume| Some(volume.config().tier) == coldest)
        {
            let need = ArchiveNeed { bytes, before };
            match self
                .make_room_before(volume, need, Begun::default())
                .await?
            {
                0 => return Ok(volume.reserve(bytes)),
                short_bytes => {
                    missing = missing.or(Some(NoRoom::Full {
                        volume: volume.name().to_owned(),
                        short_bytes,
                    }));
                }
            }
        }
        Err(missing.unwrap_or_else(|| {
            NoRoom::Volume(VolumeError::Gone {
                name: "of a colder tier".to_owned(),
                path: "(none is there)".into(),
            })
        }))
    }
}
