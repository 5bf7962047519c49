//! Room for an archive: made only by what is older than all of it. An archive is a copy for somebody to fetch; footage
//! that nobody has another copy of does not leave for it.

use wire::resource::EvictionCause;

use super::choice::{self, Room};
use super::{Evictor, NoRoom, ROUNDS_MAX, RoomUnknown};
use crate::catalog::CatalogError;
use crate::footage::volume::{LOOK_MAX, Reservation, Volume};
use crate::model::time::UtcTime;

/// What an archive needs.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveNeed {
    /// Size of its file.
    pub bytes: u64,
    /// Start of its range: what ended by then may leave for it.
    pub before: UtcTime,
}

/// What a volume has of an archive already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Begun {
    /// Counted as held by the catalog.
    counted_bytes: u64,
    /// Set aside by the disk.
    there_bytes: u64,
}

impl Evictor {
    /// Promises room for an archive, on the first volume that has it or can make it.
    pub async fn need_for_archive(&self, need: ArchiveNeed) -> Result<Reservation, NoRoom> {
        let _turn = self.0.turn.lock().await;
        let fit = self.0.volumes.for_writing().await?;
        let mut first = None;
        for volume in fit.iter().copied() {
            if self.room(volume, need.bytes).await?.is_enough() {
                return Ok(volume.reserve(need.bytes));
            }
        }
        for volume in fit {
            match self
                .make_room_before(volume, need, Begun::default())
                .await?
            {
                0 => return Ok(volume.reserve(need.bytes)),
                short_bytes => {
                    first = first.or(Some(NoRoom::ForArchive {
                        bytes: need.bytes,
                        volume: volume.name().to_owned(),
                        short_bytes,
                    }));
                }
            }
        }
        Err(first.unwrap_or_else(|| NoRoom::ForArchive {
            bytes: need.bytes,
            volume: "none".to_owned(),
            short_bytes: need.bytes,
        }))
    }

    /// The same for an archive that was begun on a volume, where the disk has set `there_bytes` aside for it.
    pub async fn need_for_begun_archive(
        &self,
        volume: &Volume,
        need: ArchiveNeed,
        there_bytes: u64,
    ) -> Result<Reservation, NoRoom> {
        let _turn = self.0.turn.lock().await;
        volume
            .within(LOOK_MAX, Volume::check_writable)
            .await
            .flatten()?;
        let begun = Begun {
            // Its row counts as held.
            counted_bytes: need.bytes,
            there_bytes,
        };
        match self.make_room_before(volume, need, begun).await? {
            0 => Ok(volume.reserve(need.bytes.saturating_sub(there_bytes))),
            short_bytes => Err(NoRoom::ForArchive {
                bytes: need.bytes,
                volume: volume.name().to_owned(),
                short_bytes,
            }),
        }
    }

    /// Evicts what is older; returns the bytes that are missing still.
    pub(super) async fn make_room_before(
        &self,
        volume: &Volume,
        need: ArchiveNeed,
        begun: Begun,
    ) -> Result<u64, RoomUnknown> {
        let mut short_bytes = 0;
        for _ in 0..ROUNDS_MAX {
            let mut room = self.room(volume, need.bytes).await?;
            room.held_bytes = room.held_bytes.saturating_sub(begun.counted_bytes);
            room.free_bytes = room.free_bytes.saturating_add(begun.there_bytes);
            if room.is_enough() {
                return Ok(0);
            }
            short_bytes = room.short_bytes();
            let victims = self.choose_before(volume, room, need.before).await?;
            if victims.is_empty() || self.remove(victims, EvictionCause::Pressure).await? == 0 {
                return Ok(short_bytes);
            }
        }
        Ok(short_bytes)
    }

    async fn choose_before(
        &self,
        volume: &Volume,
        room: Room,
        before: UtcTime,
    ) -> Result<Vec<wire::ids::RecordingId>, CatalogError> {
        let rules = self.rules().await?;
        let now = self.0.catalog.now();
        self.0
            .catalog
            .choose_on_volume(volume.id(), move |candidates| {
                let min_age_ms = |camera| rules.get(&camera).map_or(0, |rule| rule.min_age_ms);
                let mut older = candidates
                    .take_while(|one| one.span.from < before)
                    .filter(|one| one.span.to <= before);
                let relief = choice::under_pressure(&room, now, min_age_ms, &mut older);
                // Nothing leaves by force for an archive, and nothing in vain.
                let helps = relief.freed_bytes >= room.short_bytes();
                match helps && relief.forced.is_empty() {
                    true => relief.victims,
                    false => Vec::new(),
                }
            })
            .await
    }
}
