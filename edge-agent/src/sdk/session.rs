//! A login at a recorder: what it tells of itself. Logs out when the last search, download or stream of it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use jiff::civil::DateTime;
use zeroize::Zeroize;

use super::bindings::{
    DeviceCfgV40, DeviceInfoV30, DeviceInfoV40, GET_DEVICECFG_V40, GET_IPPARACFG_V40, GET_NTPCFG,
    GET_PICCFG_V30, GET_PICCFG_V40, GET_TIMECFG, GET_ZONEANDDST, IpParaCfgV40, LoginInfo, NtpPara,
    PicCfgV30, PicCfgV40, Plain, Time, TimePoint, ZoneAndDst, put_text,
};
use super::codes::Code;
use super::library::Sdk;
use super::text::CodePage;
use crate::recorder::worker_protocol::{
    Channel, ClockFacts, Failure, Kind, SummerTime, YearlyMoment,
};

/// Channels of one group of `GET_IPPARACFG_V40`.
const GROUP: u32 = 64;
/// Groups asked for at most: recorders with more than 1024 inputs are not made.
const GROUPS_MAX: u32 = 16;

/// One login.
pub struct Session {
    /// The library.
    pub sdk: &'static Sdk,
    /// The library's number for the login; 0 is one of them.
    pub user: i32,
    /// Address and port, for messages.
    pub at: String,
    /// Which form of searching the recorder understood last: 50, 40 or 30.
    pub find_form: AtomicU8,
    /// Code page of its texts.
    pub texts: CodePage,
    info: DeviceInfoV30,
}

impl Session {
    /// Logs in.
    pub fn login(
        sdk: &'static Sdk,
        address: &str,
        port: u16,
        username: &str,
        password: &str,
    ) -> Result<Arc<Self>, Failure> {
        let at = if address.contains(':') {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        };
        let too_long = |what: &str, fits: usize| Failure {
            kind: Kind::Refused,
            message: format!(
                "{what} for {at} is longer than the {fits} bytes that the recorder takes, or has a NUL in it"
            ),
            code: None,
        };
        // Reserved bytes zero, synchronous, wall clock without conversion, the vendor's own protocol, no TLS.
        let mut login = LoginInfo {
            port,
            ..LoginInfo::zeroed()
        };
        put_text(&mut login.address, address).map_err(|fits| too_long("the address", fits))?;
        put_text(&mut login.user, username).map_err(|fits| too_long("the user name", fits))?;
        put_text(&mut login.password, password).map_err(|fits| too_long("the password", fits))?;
        let outcome = sdk.login(&mut login);
        login.password.zeroize();
        match outcome {
            Ok((user, device)) => Ok(Arc::new(Self {
                sdk,
                user,
                at,
                find_form: AtomicU8::new(50),
                texts: CodePage::from_login(device.text_encoding),
                info: device.v30,
            })),
            Err((code, device)) => Err(code.login_failure(&at, lock_of(&device))),
        }
    }

    /// A failure of this recorder in words.
    pub fn failure(&self, code: Code, doing: &str) -> Failure {
        code.failure(&self.at, doing)
    }

    /// Serial number.
    pub fn serial(&self) -> String {
        self.texts.decode(&self.info.serial)
    }

    /// Model, or the vendor's number of it where the recorder does not say.
    pub fn model(&self) -> Result<String, Failure> {
        let name = match self
            .sdk
            .config::<DeviceCfgV40>(self.user, GET_DEVICECFG_V40, ANY)
        {
            Ok(config) => self.texts.decode(&config.type_name),
            Err(code) => self
                .unsupported_is_none(code, "read the model")?
                .unwrap_or_default(),
        };
        Ok(if name.is_empty() {
            format!("type {}", self.info.device_type)
        } else {
            name
        })
    }

    /// What it says about its clock.
    pub fn clock(&self) -> Result<ClockFacts, Failure> {
        let asked_at = Timestamp::now().into();
        let time = self
            .sdk
            .config::<Time>(self.user, GET_TIMECFG, ANY)
            .map_err(|code| self.failure(code, "read the clock"))?;
        let answered_at = Timestamp::now().into();
        let wall = wall_clock(&time).ok_or_else(|| Failure {
            kind: Kind::Device,
            message: format!(
                "{}: the recorder's clock shows {}: set its date and time",
                self.at,
                shown(&time)
            ),
            code: None,
        })?;
        let zone_minutes = match self.sdk.config::<NtpPara>(self.user, GET_NTPCFG, ANY) {
            Ok(ntp) => {
                Some(i32::from(ntp.difference_hours) * 60 + i32::from(ntp.difference_minutes))
            }
            Err(code) => self.unsupported_is_none(code, "read the time zone")?,
        };
        let summer_time = match self
            .sdk
            .config::<ZoneAndDst>(self.user, GET_ZONEANDDST, ANY)
        {
            Ok(zone) => summer_time(&zone),
            Err(code) => self.unsupported_is_none(code, "read the summer time")?,
        };
        Ok(ClockFacts {
            wall,
            asked_at,
            answered_at,
            zone_minutes,
            summer_time,
            zone_text: None,
        })
    }

    /// What a recorder does not support is not a failure of the login; a broken connection is.
    fn unsupported_is_none<T>(&self, code: Code, doing: &str) -> Result<Option<T>, Failure> {
        match code.kind() {
            Kind::Unsupported | Kind::Refused | Kind::Device => Ok(None),
            _ => Err(self.failure(code, doing)),
        }
    }

    /// The channels that have something behind them, in the recorder's order (ABI.md §8).
    pub fn channels(&self) -> Result<Vec<Channel>, Failure> {
        let mut found: Vec<(u32, Option<bool>)> = Vec::new();
        let first = u32::from(self.info.first_analog.max(1));
        found.extend(
            (first..first + u32::from(self.info.analog_channels)).map(|number| (number, None)),
        );
        let digital = u32::from(self.info.digital_channels)
            + 256 * u32::from(self.info.digital_channels_high);
        let first = u32::from(self.info.first_digital);
        if digital > 0 && first > 0 {
            match self.digital_channels()? {
                Some(channels) => found.extend(
                    channels
                        .into_iter()
                        .map(|(number, online)| (number, Some(online))),
                ),
                // It does not list them: every number that the login told may be one.
                None => found.extend((first..first + digital).map(|number| (number, None))),
            }
        }
        let mut newer = true;
        found
            .into_iter()
            .map(|(number, online)| {
                Ok(Channel {
                    number,
                    name: self.channel_name(number, &mut newer)?,
                    online,
                })
            })
            .collect()
    }

    /// Number and connection of the digital channels with a camera; None when the recorder does not list them.
    fn digital_channels(&self) -> Result<Option<Vec<(u32, bool)>>, Failure> {
        let mut channels = Vec::new();
        let mut groups = 1;
        let mut group = 0;
        while group < groups {
            let config =
                match self
                    .sdk
                    .config::<IpParaCfgV40>(self.user, GET_IPPARACFG_V40, group as i32)
                {
                    Ok(config) => config,
                    Err(code) if group == 0 => {
                        return self.unsupported_is_none(code, "list the channels");
                    }
                    Err(code) => return Err(self.failure(code, "list the channels")),
                };
            if group == 0 {
                groups = config.groups.clamp(1, GROUPS_MAX);
            }
            let first = config.first_digital + group * GROUP;
            let cameras = config
                .modes
                .iter()
                .zip(first..)
                .filter_map(|(mode, number)| {
                    let (_, online) = mode.camera()?;
                    Some((number, online))
                });
            channels.extend(cameras);
            group += 1;
        }
        Ok(Some(channels))
    }

    /// The name of a channel; empty when it has none. `newer`: whether the newer form is still worth asking.
    fn channel_name(&self, number: u32, newer: &mut bool) -> Result<String, Failure> {
        if *newer {
            match self
                .sdk
                .config::<PicCfgV40>(self.user, GET_PICCFG_V40, number as i32)
            {
                Ok(config) => return Ok(self.texts.decode(&config.channel_name)),
                Err(code) if code.kind() == Kind::Unsupported => *newer = false,
                Err(code) => {
                    return Ok(self
                        .unsupported_is_none(code, "read a channel's name")?
                        .unwrap_or_default());
                }
            }
        }
        match self
            .sdk
            .config::<PicCfgV30>(self.user, GET_PICCFG_V30, number as i32)
        {
            Ok(config) => Ok(self.texts.decode(&config.channel_name)),
            Err(code) => Ok(self
                .unsupported_is_none(code, "read a channel's name")?
                .unwrap_or_default()),
        }
    }

    /// Remembers which form of searching works.
    pub fn settle_find_form(&self, form: u8) {
        self.find_form.store(form, Ordering::Relaxed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(code) = self.sdk.logout(self.user) {
            eprintln!(
                "{}: the logout failed with error {}",
                self.at,
                code.number()
            );
        }
    }
}

/// The channel argument of commands that are not about a channel.
const ANY: i32 = -1;

/// Tries left and seconds of the lock, where the recorder tells.
fn lock_of(device: &DeviceInfoV40) -> Option<(u8, u32)> {
    (device.has_lock == 1).then_some((device.tries_left, device.locked_for_s))
}

/// A wall clock as the library tells it; None when it is no date.
pub fn wall_clock(time: &Time) -> Option<DateTime> {
    DateTime::new(
        i16::try_from(time.year).ok()?,
        i8::try_from(time.month).ok()?,
        i8::try_from(time.day).ok()?,
        i8::try_from(time.hour).ok()?,
        i8::try_from(time.minute).ok()?,
        i8::try_from(time.second).ok()?,
        0,
    )
    .ok()
}

/// A wall clock as the library takes it; None outside of what it can say.
pub fn library_time(wall: DateTime) -> Option<Time> {
    Some(Time {
        year: u32::try_from(wall.year()).ok()?,
        month: wall.month() as u32,
        day: wall.day() as u32,
        hour: wall.hour() as u32,
        minute: wall.minute() as u32,
        second: wall.second() as u32,
    })
}

fn shown(time: &Time) -> String {
    let Time {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = time;
    format!("{year}-{month}-{day} {hour}:{minute}:{second}")
}

/// The vendor counts months and weeks from 0, and week 4 is the last one of the month.
fn summer_time(zone: &ZoneAndDst) -> Option<SummerTime> {
    (zone.dst_enabled != 0).then_some(())?;
    let moment = |point: &TimePoint| {
        Some(YearlyMoment {
            month: u8::try_from(point.month + 1)
                .ok()
                .filter(|month| *month <= 12)?,
            week: u8::try_from(point.week + 1)
                .ok()
                .filter(|week| *week <= 5)?,
            weekday: u8::try_from(point.weekday).ok().filter(|day| *day <= 6)?,
            hour: u8::try_from(point.hour).ok().filter(|hour| *hour <= 23)?,
            minute: u8::try_from(point.minute)
                .ok()
                .filter(|minute| *minute <= 59)?,
        })
    };
    Some(SummerTime {
        bias_minutes: zone.dst_bias,
        begin: moment(&zone.begin)?,
        end: moment(&zone.end)?,
    })
}
