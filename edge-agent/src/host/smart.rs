//! What a disk says of itself (SMART, NVMe health), by `smartctl --json` of smartmontools where that is installed, and
//! what it means. Whatever `smartctl` answers is bounded and read strictly; what is missing is not known.

mod ask;
mod read;

pub use ask::{Smartctl, Unasked};
pub use read::read;

use wire::resource::{Disk, DiskHealth};

/// Longest text of a disk that is kept: a model has 40 characters.
const TEXT_CHARS_MAX: usize = 64;

/// A disk whose sectors had to be replaced this often is on its way; a few are ordinary.
const REALLOCATED_WARN: u64 = 10;
/// Wear from here on is told: a tenth of what the maker promised is left.
const WEAR_WARN: u64 = 90;
/// And from here on it is over.
const WEAR_END: u64 = 100;
/// Spare room is told so many per cent before the disk itself warns.
const SPARE_AHEAD: u64 = 10;
/// Temperature from which on a disk suffers, in °C; those with flash bear more.
const HOT_C: i64 = 60;
const HOT_FLASH_C: i64 = 75;

/// What was read of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Smart {
    /// Model.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// What the disk itself says: it is well, or it is failing.
    pub passed: Option<bool>,
    /// Hours with power.
    pub power_on_hours: Option<u64>,
    /// °C.
    pub temperature_c: Option<i64>,
    /// Sectors that were replaced by spare ones.
    pub reallocated: Option<u64>,
    /// Sectors that cannot be read now.
    pub pending: Option<u64>,
    /// Sectors that were lost.
    pub uncorrectable: Option<u64>,
    /// Errors of the medium that an NVMe disk could not mend.
    pub media_errors: Option<u64>,
    /// Of what the maker promised to be writable, per cent used; may exceed 100.
    pub wear_percent: Option<u64>,
    /// Per cent of spare room left, and below which the disk warns (NVMe).
    pub spare: Option<(u64, u64)>,
    /// Bits of the NVMe warning.
    pub critical_warning: u64,
    /// An attribute that foretells failure is below its threshold now.
    pub below_threshold: Option<String>,
    /// It is an NVMe disk or has flash.
    pub flash: bool,
}

impl Smart {
    /// As APIs show it, with what it means.
    pub fn told(&self, device: &str, read_at: wire::time::UtcTime) -> Disk {
        let (health, message) = self.verdict();
        Disk {
            device: device.to_owned(),
            model: self.model.clone(),
            serial: self.serial.clone(),
            power_on_hours: self.power_on_hours,
            temperature_c: self.temperature_c,
            reallocated_sectors: self.reallocated,
            pending_sectors: self.pending,
            uncorrectable_sectors: self.uncorrectable,
            media_errors: self.media_errors,
            wear_percent: self.wear_percent,
            health,
            message,
            read_at,
        }
    }

    /// What it means, and why.
    pub fn verdict(&self) -> (DiskHealth, String) {
        let dying = self.dying();
        if !dying.is_empty() {
            return (DiskHealth::Failing, dying.join("; "));
        }
        let ageing = self.ageing();
        if !ageing.is_empty() {
            return (DiskHealth::Ageing, ageing.join("; "));
        }
        if self.passed.is_none() && self.wear_percent.is_none() && self.reallocated.is_none() {
            return (
                DiskHealth::Unknown,
                "the disk tells nothing of its health".to_owned(),
            );
        }
        (DiskHealth::Good, "the disk finds nothing wrong".to_owned())
    }

    /// Why it is about to fail.
    fn dying(&self) -> Vec<String> {
        let mut why = Vec::new();
        if self.passed == Some(false) {
            why.push("the disk itself says that it is failing (SMART)".to_owned());
        }
        for (bit, says) in [
            (0x01, "its spare room is used up"),
            (0x04, "it is no longer reliable"),
            (0x08, "it has made itself read-only"),
        ] {
            if self.critical_warning & bit != 0 {
                why.push(format!("the disk warns that {says}"));
            }
        }
        if let Some(name) = &self.below_threshold {
            why.push(format!("its value {name} is below the maker's threshold"));
        }
        if let Some(wear) = self.wear_percent.filter(|wear| *wear >= WEAR_END) {
            why.push(format!(
                "{wear} % of what the maker promised has been written"
            ));
        }
        why
    }

    /// What is to be watched.
    fn ageing(&self) -> Vec<String> {
        let mut why = Vec::new();
        for (count, from, what) in [
            (self.pending, 1, "sectors cannot be read"),
            (self.uncorrectable, 1, "sectors were lost"),
            (self.media_errors, 1, "errors of the medium were not mended"),
            (
                self.reallocated,
                REALLOCATED_WARN,
                "sectors had to be replaced",
            ),
        ] {
            if let Some(count) = count.filter(|count| *count >= from) {
                why.push(format!("{count} {what}"));
            }
        }
        if let Some(wear) = self.wear_percent.filter(|wear| *wear >= WEAR_WARN) {
            why.push(format!(
                "{wear} % of what the maker promised has been written"
            ));
        }
        if let Some((left, _)) = self
            .spare
            .filter(|(left, least)| *left < least + SPARE_AHEAD)
        {
            why.push(format!("{left} % of its spare room are left"));
        }
        let limit = if self.flash { HOT_FLASH_C } else { HOT_C };
        if let Some(hot) = self.temperature_c.filter(|it| *it >= limit) {
            why.push(format!("it has {hot} °C; give it air"));
        }
        why
    }
}

/// A text of a disk: trimmed, printable, short.
pub fn short(text: &str) -> Option<String> {
    let text: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(TEXT_CHARS_MAX)
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests;
