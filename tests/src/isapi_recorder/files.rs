//! What the recorder holds, told and given as it would: in its wall clock (or UTC), up to now, as program streams.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use hcnetsdk::feed::{Feed, Steps, Stretch};
use hcnetsdk::reel::{Reel, TICKS_PER_S};
use hcnetsdk::scenario::{Channel, Device, Recording};
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::quirks::Quirks;

/// A recording as far as it exists now.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its entry.
    pub recording: Recording,
    /// The track that it is in.
    pub track: u32,
    reel: Arc<Reel>,
    ticks: u64,
}

impl Held {
    fn new(
        folder: &Path,
        recording: &Recording,
        track: u32,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let reel = Arc::new(Reel::open(&folder.join(&recording.media))?);
        let whole = match recording.duration_s {
            Some(seconds) => seconds * TICKS_PER_S,
            None => reel.description.duration_ticks,
        };
        let so_far = now.duration_since(recording.start).as_micros();
        let Ok(so_far) = u64::try_from(so_far) else {
            return Ok(None); // not begun yet
        };
        Ok(Some(Self {
            recording: recording.clone(),
            track,
            reel,
            ticks: whole.min(so_far * 9 / 100),
        }))
    }

    /// True time of its end so far.
    pub fn stop(&self) -> Timestamp {
        self.recording.start + SignedDuration::from_micros((self.ticks * 100 / 9) as i64)
    }

    /// The steps from one true time to another; whole groups of pictures.
    pub fn steps(&self, part: Option<(Timestamp, Timestamp)>) -> Steps {
        let Some((from, to)) = part else {
            return Steps::whole(self.reel.clone(), self.ticks);
        };
        let ticks = |utc: Timestamp| {
            let into = utc.duration_since(self.recording.start).as_micros().max(0) as u64 * 9 / 100;
            into.min(self.ticks.saturating_sub(1))
        };
        Steps::between(self.reel.clone(), ticks(from), ticks(to), self.ticks)
    }

    /// Length of the whole file.
    pub fn bytes(&self) -> u64 {
        self.steps(None).bytes() + hcnetsdk::ps::HEADER_BYTES as u64
    }

    /// The file, or a part of it.
    pub fn file(&self, device: &Device, part: Option<(Timestamp, Timestamp)>) -> Result<Vec<u8>> {
        let stretch = Stretch::of_recording(self.steps(part), self.recording.start);
        let mut feed = Feed::new(vec![stretch], device.clock());
        let mut bytes = feed.header().to_vec();
        while feed.next_piece(&mut bytes)?.is_some() {}
        Ok(bytes)
    }
}

/// Number of a channel as ISAPI counts: digital ones from 1, behind the analog ones.
pub fn number(device: &Device, channel: &Channel) -> u32 {
    match device.is_digital(channel.number) {
        true => {
            channel.number - u32::from(device.first_digital) + 1 + u32::from(device.analog_channels)
        }
        false => channel.number - u32::from(device.first_analog) + 1,
    }
}

/// What all tracks hold now, by time. A reel that cannot be read is an error of the test.
pub fn held(device: &Device, folder: &Path) -> Result<Vec<Held>> {
    let now = Timestamp::now();
    let mut all = Vec::new();
    for channel in &device.channels {
        for recording in &channel.recordings {
            let track = number(device, channel) * 100 + 1 + u32::from(recording.stream);
            let held = Held::new(folder, recording, track, now)
                .with_context(|| format!("recording {}", recording.name))?;
            all.extend(held);
        }
    }
    all.sort_by_key(|held| held.recording.start);
    Ok(all)
}

/// The digits that the recorder shows for a true time.
pub fn told(device: &Device, quirks: &Quirks, utc: Timestamp) -> DateTime {
    let told = match quirks.zulu_is_utc {
        true => TimeZone::UTC.to_datetime(device.clock().told_utc(utc)),
        false => device.clock().wall(utc),
    };
    told.with().subsec_nanosecond(0).build().unwrap_or(told)
}

/// The true time that digits stand for.
pub fn meant(device: &Device, quirks: &Quirks, digits: DateTime) -> Timestamp {
    match quirks.zulu_is_utc {
        true => {
            let told = TimeZone::UTC.to_timestamp(digits).unwrap_or(Timestamp::MAX);
            told - SignedDuration::from_secs(device.clock_skew_s)
        }
        false => device.clock().utc(digits),
    }
}

/// `20240501T101500Z`.
pub fn compact(time: DateTime) -> String {
    strtime::format("%Y%m%dT%H%M%SZ", time).unwrap_or_default()
}

/// The reverse of [`compact`].
pub fn from_compact(text: &str) -> Option<DateTime> {
    strtime::parse("%Y%m%dT%H%M%SZ", text)
        .and_then(|parts| parts.to_datetime())
        .ok()
}
