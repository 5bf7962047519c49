//! Playback addresses: what a search gives for a recording and a download wants back.
//!
//! `rtsp://HOST[:PORT]/Streaming/tracks/101/?starttime=20240501T101500Z&endtime=20240501T102000Z&name=ch01_…&size=265433088`
//!
//! The text is kept as it came, because it goes back unchanged; only times are replaced, and for RTSP host and port,
//! which are often the device's own idea of its address.

use jiff::civil::DateTime;
use jiff::fmt::strtime;

/// Longest address that is kept.
const BYTES_MAX: usize = 2_048;
/// Longest file name that becomes part of a source name, which has at most 99 bytes.
const NAME_BYTES_MAX: usize = 64;

/// A playback address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybackUri(String);

impl PlaybackUri {
    /// An address with a track and a scheme, and nothing in it that could leave its element or its request line.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain = text.len() <= BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic());
        let this = Self(text.to_owned());
        (plain && text.starts_with("rtsp://") && this.track().is_some()).then_some(this)
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The track: channel * 100 + stream.
    pub fn track(&self) -> Option<u32> {
        let (_, rest) = self.path().split_once("/tracks/")?;
        rest.split(['/', '?']).next()?.parse().ok()
    }

    /// The stored file's name, where it has one that fits.
    pub fn name(&self) -> Option<&str> {
        self.parameter("name").filter(|name| {
            (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('/') && !name.contains(' ')
        })
    }

    /// The stored file's size; 0 when it does not say.
    pub fn size_bytes(&self) -> u64 {
        self.parameter("size")
            .and_then(|size| size.parse().ok())
            .unwrap_or(0)
    }

    /// The same file, with other first and last seconds.
    pub fn between(&self, start: DateTime, end: DateTime) -> Self {
        let (path, query) = self.0.split_once('?').unwrap_or((&self.0, ""));
        let mut parts = vec![
            format!("starttime={}", compact(start)),
            format!("endtime={}", compact(end)),
        ];
        let others = query.split('&').filter(|part| {
            let key = part.split('=').next().unwrap_or_default();
            !part.is_empty()
                && !key.eq_ignore_ascii_case("starttime")
                && !key.eq_ignore_ascii_case("endtime")
        });
        parts.extend(others.map(str::to_owned));
        Self(format!("{path}?{}", parts.join("&")))
    }

    /// Seconds from its first to its last, as it says itself.
    pub fn seconds(&self) -> Option<u64> {
        let time = |key| self.parameter(key).and_then(from_compact);
        let (start, end) = (time("starttime")?, time("endtime")?);
        u64::try_from(end.duration_since(start).as_secs()).ok()
    }

    /// Path and query behind another host and port, for RTSP.
    pub fn at(&self, host_and_port: &str) -> String {
        format!("rtsp://{host_and_port}{}", self.path())
    }

    /// Path and query.
    fn path(&self) -> &str {
        let rest = self.0.strip_prefix("rtsp://").unwrap_or(&self.0);
        rest.find('/').map_or("", |at| &rest[at..])
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        let (_, query) = self.0.split_once('?')?;
        query.split('&').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.eq_ignore_ascii_case(key).then_some(value)
        })
    }
}

/// `20240501T101500Z`. The `Z` stands there whatever it means to the device.
pub fn compact(time: DateTime) -> String {
    strtime::format("%Y%m%dT%H%M%SZ", time).unwrap_or_default()
}

/// The reverse of [`compact`].
pub fn from_compact(text: &str) -> Option<DateTime> {
    strtime::parse("%Y%m%dT%H%M%SZ", text)
        .and_then(|parts| parts.to_datetime())
        .ok()
}

/// What this driver calls a recording (the recorder itself has no name that says where to look):
/// `<track>/<start>/<stored file>`, at most 99 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceName {
    /// Channel * 100 + stream.
    pub track: u32,
    /// Start as told.
    pub start: DateTime,
    /// Name of the stored file; empty when the recorder tells none.
    pub file: String,
}

impl SourceName {
    /// Of a recording that a search found.
    pub fn of(uri: &PlaybackUri, track: u32, start: DateTime) -> Self {
        Self {
            track,
            start,
            file: uri.name().unwrap_or_default().to_owned(),
        }
    }

    /// As the catalog keeps it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        Some(Self {
            track: parts.next()?.parse().ok()?,
            start: from_compact(parts.next()?)?,
            file: parts.next()?.to_owned(),
        })
    }

    /// Channel and stream of a track.
    pub fn channel(&self) -> u32 {
        self.track / 100
    }
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.track, compact(self.start), self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "rtsp://0.0.0.0:554/Streaming/tracks/1201/?starttime=20240501T101500Z&endtime=20240501T102000Z&name=ch12_00000000012000213&size=4294967300";

    #[test]
    fn parts_are_found_and_the_text_stays() {
        let uri = PlaybackUri::parse(URI).unwrap();
        assert_eq!(uri.as_str(), URI);
        assert_eq!(uri.track(), Some(1201));
        assert_eq!(uri.name(), Some("ch12_00000000012000213"));
        assert_eq!(uri.size_bytes(), 4_294_967_300);
        assert_eq!(
            uri.at("[fe80::1]:8554"),
            URI.replace("0.0.0.0:554", "[fe80::1]:8554")
        );
        let isapi = PlaybackUri::parse("rtsp://[::1]/ISAPI/Streaming/tracks/101?size=x").unwrap();
        assert_eq!(
            (isapi.track(), isapi.size_bytes(), isapi.name()),
            (Some(101), 0, None)
        );
    }

    #[test]
    fn only_times_are_replaced() {
        let uri = PlaybackUri::parse(URI).unwrap();
        let part = uri.between(
            "2024-05-01T10:16:00".parse().unwrap(),
            "2024-05-01T10:16:59".parse().unwrap(),
        );
        assert_eq!(
            part.as_str(),
            URI.replace("T101500Z", "T101600Z")
                .replace("T102000Z", "T101659Z")
        );
    }

    #[test]
    fn what_could_leave_its_place_is_refused() {
        for bad in [
            "http://h/Streaming/tracks/101/",
            "rtsp://h/live/ch1",
            "rtsp://h/tracks/x/",
            "rtsp://h/tracks/101/?name=a b",
            "rtsp://h/tracks/101/?name=a\r\nX: y",
        ] {
            assert_eq!(PlaybackUri::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn names_carry_track_and_start() {
        let uri = PlaybackUri::parse(URI).unwrap();
        let name = SourceName::of(&uri, 1201, "2024-05-01T10:15:00".parse().unwrap());
        let text = name.to_string();
        assert_eq!(text, "1201/20240501T101500Z/ch12_00000000012000213");
        assert_eq!(SourceName::parse(&text), Some(name.clone()));
        assert_eq!(name.channel(), 12);
        let bare = SourceName {
            file: String::new(),
            ..name
        };
        assert_eq!(SourceName::parse(&bare.to_string()), Some(bare));
        assert_eq!(SourceName::parse("ch12_00000000012000213"), None);
    }
}
