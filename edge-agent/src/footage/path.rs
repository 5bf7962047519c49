//! How footage is named (R8): a path that a person can read, that sorts by time, and that can be read back.
//!
//! `cameras/<camera_id>/YYYY/MM/DD/<HHMMSS.mmmZ>_<duration>s`, in UTC, and `_2`, `_3`… where the name is taken (the
//! clock of a recorder was set back). Pure: nothing here touches a disk.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use wire::ids::CameraId;

use crate::model::time::{UtcRange, UtcTime};

/// Folder of all footage on a volume.
pub const CAMERAS: &str = "cameras";
/// Extension of the kept format.
pub const MEDIA: &str = "mp4";
/// Extension of the vendor's bytes, where a camera keeps them.
pub const NATIVE: &str = "ps";
/// Extension of the description.
pub const SIDECAR: &str = "json";

/// The name of one recording's files: a path relative to its volume, without extension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stem {
    text: String,
    camera: CameraId,
    start: UtcTime,
    duration_s: u64,
    nth: u32,
}

/// A path that is not a stem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a recording's files")]
pub struct NotAStem(pub String);

impl Stem {
    /// The stem of a camera's footage of this span; `nth` is 1 unless the name is taken.
    pub fn new(camera: CameraId, span: UtcRange, nth: u32) -> Self {
        // Names hold milliseconds, and no recorder was there before 1970.
        let start = UtcTime::from_micros(span.from.micros().max(0) / 1_000 * 1_000);
        let duration_s = (span.duration_ms().max(0).cast_unsigned() + 500) / 1_000;
        let (nth, at) = (nth.max(1), TimeZone::UTC.to_datetime(start.timestamp()));
        let mut text = format!(
            "{CAMERAS}/{camera}/{:04}/{:02}/{:02}/{:02}{:02}{:02}.{:03}Z_{duration_s}s",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond(),
        );
        if nth > 1 {
            text.push_str(&format!("_{nth}"));
        }
        Self {
            text,
            camera,
            start,
            duration_s,
            nth,
        }
    }

    /// The same under another number.
    pub fn numbered(&self, nth: u32) -> Self {
        let to = self.start.plus_s(self.duration_s.cast_signed());
        let span = UtcRange {
            from: self.start,
            to,
        };
        Self::new(self.camera, span, nth)
    }

    /// As the catalog and sidecars write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose footage.
    pub fn camera(&self) -> CameraId {
        self.camera
    }

    /// Start, to the millisecond.
    #[cfg(test)]
    pub fn start(&self) -> UtcTime {
        self.start
    }

    /// The day's folder, relative to the volume.
    pub fn folder(&self) -> &str {
        self.text.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// A file of this stem, relative to the volume.
    pub fn file(&self, extension: &str) -> PathBuf {
        PathBuf::from(format!("{}.{extension}", self.text))
    }

    /// The stem and extension of a file's path relative to its volume.
    pub fn of_file(path: &str) -> Result<(Self, &str), NotAStem> {
        let bad = || NotAStem(path.to_owned());
        // The name itself has a point before the milliseconds: the extension is what follows the last one.
        let (stem, extension) = path.rsplit_once('.').ok_or_else(bad)?;
        Ok((stem.parse().map_err(|_| bad())?, extension))
    }
}

impl fmt::Display for Stem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Stem {
    type Err = NotAStem;

    /// Accepts exactly what [`Stem::new`] writes: one recording, one spelling.
    fn from_str(text: &str) -> Result<Self, NotAStem> {
        parse(text)
            .filter(|stem| stem.text == text)
            .ok_or_else(|| NotAStem(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Stem> {
    let mut levels = text.split('/');
    let (cameras, camera) = (levels.next()?, levels.next()?.parse().ok()?);
    let (year, month, day) = (levels.next()?, levels.next()?, levels.next()?);
    let name = levels.next()?;
    if cameras != CAMERAS || levels.next().is_some() {
        return None;
    }
    let mut pieces = name.split('_');
    let clock = pieces.next()?.strip_suffix('Z')?;
    let duration_s = pieces.next()?.strip_suffix('s')?.parse::<u64>().ok()?;
    let nth = pieces.next().map_or(Some(1), |n| n.parse().ok())?;
    if pieces.next().is_some() || clock.len() != 10 || !clock.is_ascii() {
        return None;
    }
    let time = Time::new(
        clock[0..2].parse().ok()?,
        clock[2..4].parse().ok()?,
        clock[4..6].parse().ok()?,
        clock[7..10].parse::<i32>().ok()? * 1_000_000,
    )
    .ok()?;
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let from: UtcTime = TimeZone::UTC
        .to_timestamp(date.to_datetime(time))
        .ok()?
        .into();
    let length_ms = i64::try_from(duration_s.checked_mul(1_000)?).ok()?;
    let to = from.plus_ms(length_ms);
    Some(Stem::new(camera, UtcRange { from, to }, nth))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAMERA: &str = "0198c0de-0000-7000-8000-000000000001";

    fn span(from: &str, to: &str) -> UtcRange {
        UtcRange {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    #[test]
    fn a_name_that_people_can_read() {
        let stem = Stem::new(
            CAMERA.parse().unwrap(),
            span("2026-11-03T14:05:00.25Z", "2026-11-03T14:09:59.9Z"),
            1,
        );
        assert_eq!(
            stem.as_str(),
            format!("cameras/{CAMERA}/2026/11/03/140500.250Z_300s")
        );
        assert_eq!(stem.folder(), format!("cameras/{CAMERA}/2026/11/03"));
        let file = format!("{stem}.mp4");
        let (back, extension) = Stem::of_file(&file).unwrap();
        assert_eq!((back, extension), (stem, MEDIA));
    }

    #[test]
    fn only_our_own_names_are_read() {
        for bad in [
            "cameras/x/2026/11/03/140500.250Z_300s",
            &format!("cameras/{CAMERA}/2026/11/03/140500.250Z_300s_1"),
            &format!("cameras/{CAMERA}/2026/11/03/140500.250Z_0300s"),
            &format!("cameras/{CAMERA}/2026/11/31/140500.250Z_300s"),
            &format!("cameras/{CAMERA}/2026/11/03/140500+250Z_300s"),
            &format!("cameras/{CAMERA}/2026/11/03/../140500.250Z_300s"),
            &format!("/cameras/{CAMERA}/2026/11/03/140500.250Z_300s"),
        ] {
            assert!(bad.parse::<Stem>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(start_ms in 0_i64..4_102_444_800_000, length_ms in 0_i64..200_000_000, nth in 1_u32..20) {
            let from = UtcTime::from_micros(0).plus_ms(start_ms);
            let stem = Stem::new(CAMERA.parse().unwrap(), UtcRange { from, to: from.plus_ms(length_ms) }, nth);
            let back: Stem = stem.as_str().parse().unwrap();
            prop_assert_eq!(back.start(), from);
            prop_assert_eq!(back, stem);
        }

        #[test]
        fn names_sort_by_time(a_ms in 0_i64..4_102_444_800_000, b_ms in 0_i64..4_102_444_800_000) {
            let stem = |ms| {
                let from = UtcTime::from_micros(0).plus_ms(ms);
                Stem::new(CAMERA.parse().unwrap(), UtcRange { from, to: from.plus_s(60) }, 1)
            };
            prop_assert_eq!(a_ms.cmp(&b_ms), stem(a_ms).as_str().cmp(stem(b_ms).as_str()));
        }

        #[test]
        fn any_text_is_refused_or_ours(text in "cameras/[0-9a-f-]{36}/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9.Z_s]{1,24}") {
            if let Ok(stem) = text.parse::<Stem>() {
                prop_assert_eq!(stem.as_str(), text);
            }
        }
    }
}
