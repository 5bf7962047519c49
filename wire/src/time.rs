//! Instants as every API, payload and table of ours writes them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, SchemaFormat, schema::Type};

/// An instant in UTC, in microseconds since 1970: the unit inside both programs and in SQLite.
///
/// Outside it is RFC 3339 with `Z` (`2026-11-03T14:05:00Z`, with a fraction only where there is one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(i64);

impl UtcTime {
    /// From microseconds since 1970; out-of-range values (beyond the year 9999) are clamped.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(
            Timestamp::MIN.as_microsecond(),
            Timestamp::MAX.as_microsecond(),
        ))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved by `ms` milliseconds (negative: back), clamped to the range.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_micros(self.0.saturating_add(ms.saturating_mul(1_000)))
    }

    /// This instant moved by `s` seconds (negative: back), clamped to the range.
    pub fn plus_s(self, s: i64) -> Self {
        self.plus_ms(s.saturating_mul(1_000))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is the later one.
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// As `jiff` has it, for calendars and zones.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).expect("clamped at construction")
    }
}

impl From<Timestamp> for UtcTime {
    fn from(t: Timestamp) -> Self {
        Self(t.as_microsecond())
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp().fmt(f)
    }
}

impl FromStr for UtcTime {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(Self::from)
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(|_| {
            serde::de::Error::custom(format!(
                "{text:?} is not an RFC 3339 time like 2026-11-03T14:05:00Z"
            ))
        })
    }
}

impl JsonSchema for UtcTime {
    fn schema_name() -> Cow<'static, str> {
        "UtcTime".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC (Z)" })
    }
}

impl utoipa::PartialSchema for UtcTime {
    fn schema() -> RefOr<utoipa::openapi::schema::Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, UTC (Z)"))
            .into()
    }
}

impl utoipa::ToSchema for UtcTime {
    fn name() -> Cow<'static, str> {
        "UtcTime".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_rfc_3339_in_utc() {
        let t: UtcTime = "2026-11-03T15:05:00.25+01:00".parse().unwrap();
        assert_eq!(t.to_string(), "2026-11-03T14:05:00.25Z");
        assert_eq!(
            serde_json::to_string(&t).unwrap(),
            "\"2026-11-03T14:05:00.25Z\""
        );
        assert_eq!(t.plus_ms(-250).to_string(), "2026-11-03T14:05:00Z");
        assert!(serde_json::from_str::<UtcTime>("\"2026-11-03 14:05\"").is_err());
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(
            UtcTime::from_micros(i64::MAX).plus_s(i64::MAX),
            UtcTime::from_micros(i64::MAX)
        );
        assert_eq!(
            UtcTime::from_micros(i64::MIN).plus_s(-1),
            UtcTime::from_micros(i64::MIN)
        );
    }
}
