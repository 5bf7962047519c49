//! Pure: what people set about the use of recorders, in the file and from the page, and what follows for one download.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::budget::{Class, Window};
use super::window::DayWindow;
use crate::model::time::UtcTime;

/// Key under which the catalog keeps what was chosen from the page.
pub const CHOSEN: &str = "downloads";

/// What people have set. It holds for each recorder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Downloads at once from one recorder.
    pub downloads_max: usize,
    /// What the page may change.
    pub chosen: Chosen,
}

/// What the page may change. What was chosen there goes before the file, also after a start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chosen {
    /// Bandwidth of all downloads from one recorder together, in kbit/s; none: as much as it gives.
    pub limit_kbps: Option<u32>,
    /// The same for what nobody asked for; none: as `limit_kbps`.
    pub background_limit_kbps: Option<u32>,
    /// Time of day for the background; none: always.
    pub window: Option<DayWindow>,
    /// The zone it is meant in; none: that of this box.
    #[serde(with = "jiff::fmt::serde::tz::optional")]
    pub zone: Option<TimeZone>,
}

impl Settings {
    /// The zone that times of day are meant in.
    pub fn zone(&self) -> TimeZone {
        self.chosen.zone.clone().unwrap_or_else(TimeZone::system)
    }

    /// Whether it is the background's time of day.
    pub fn window(&self, now: UtcTime) -> Window {
        match self.chosen.window {
            Some(window) => window.look(&self.zone(), now),
            None => Ok(()),
        }
    }

    /// Bandwidth of one download in kbit/s: its share of what is set, so that all together stay below it, however many
    /// join it later.
    pub fn share_kbps(&self, class: Class) -> Option<u32> {
        let places = u32::try_from(self.downloads_max.max(1)).unwrap_or(u32::MAX);
        let of_background = self
            .chosen
            .background_limit_kbps
            .filter(|_| class < Class::Asked);
        let limits = self.chosen.limit_kbps.into_iter().chain(of_background);
        Some((limits.min()? / places).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(downloads_max: usize, all: Option<u32>, background: Option<u32>) -> Settings {
        let chosen = Chosen {
            limit_kbps: all,
            background_limit_kbps: background,
            ..Chosen::default()
        };
        Settings {
            downloads_max,
            chosen,
        }
    }

    #[test]
    fn all_downloads_together_stay_below_what_is_set() {
        let check = |all, background, want_asked, want_background| {
            let settings = settings(2, all, background);
            assert_eq!(settings.share_kbps(Class::Asked), want_asked);
            assert_eq!(settings.share_kbps(Class::Background), want_background);
        };
        check(None, None, None, None);
        check(Some(20_000), None, Some(10_000), Some(10_000));
        check(Some(20_000), Some(8_000), Some(10_000), Some(4_000));
        check(None, Some(8_000), None, Some(4_000));
        // The background is within all, whatever is set for it.
        check(Some(4_000), Some(8_000), Some(2_000), Some(2_000));
        check(Some(1), None, Some(1), Some(1));
    }

    #[test]
    fn what_was_chosen_is_kept_as_it_was() {
        let chosen = Chosen {
            limit_kbps: Some(20_000),
            window: Some("22:00-06:00".parse().unwrap()),
            zone: Some(TimeZone::get("Europe/Berlin").unwrap()),
            ..Chosen::default()
        };
        let kept = serde_json::to_string(&chosen).unwrap();
        assert_eq!(
            kept,
            r#"{"limit_kbps":20000,"background_limit_kbps":null,"window":"22:00-06:00","zone":"Europe/Berlin"}"#
        );
        assert_eq!(serde_json::from_str::<Chosen>(&kept).unwrap(), chosen);
    }

    #[test]
    fn the_window_is_meant_in_its_zone() {
        let mut settings = settings(1, None, None);
        let now: UtcTime = "2026-07-01T20:30:00Z".parse().unwrap();
        assert_eq!(settings.window(now), Ok(()));
        settings.chosen.window = Some("22:00-06:00".parse().unwrap());
        settings.chosen.zone = Some(TimeZone::UTC);
        assert_eq!(settings.window(now), Err(now.plus_s(5_400)));
        settings.chosen.zone = Some(TimeZone::get("Europe/Berlin").unwrap());
        assert_eq!(settings.window(now), Ok(()));
    }
}
