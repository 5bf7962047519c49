//! The scenario file: which recorders exist, what they hold and how they misbehave. `README.md` shows a full example.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::RecorderClock;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// Whether `dwSize` fields must be right, as only some devices insist.
    pub strict_sizes: bool,
    /// Whether Init takes SIGPIPE over, as the vendor's library does.
    pub sigpipe_handler: bool,
    /// How long a login to an address that nobody answers takes; never longer than the connect timeout.
    pub unreachable_after_ms: u64,
    /// Threads that Init starts and that do nothing; the vendor's starts 130.
    pub idle_threads: u32,
    /// How long Cleanup takes.
    pub cleanup_ms: u64,
    /// Whether functions that answer TRUE or FALSE fail with -1, as some of the vendor's do.
    pub minus_one: bool,
    /// The recorders.
    pub devices: Vec<Device>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            strict_sizes: true,
            sigpipe_handler: true,
            unreachable_after_ms: 200,
            idle_threads: 0,
            cleanup_ms: 0,
            minus_one: false,
            devices: Vec::new(),
        }
    }
}

/// One recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Address as it is given at login.
    pub address: String,
    /// Port as it is given at login.
    pub port: u16,
    /// False: nobody answers, sessions break, downloads and live streams end.
    pub reachable: bool,
    /// How long a login takes.
    pub connect_delay_ms: u64,
    /// Serial number as the device gives it.
    pub serial: String,
    /// Name of the model.
    pub model: String,
    /// Firmware as the HTTP side tells it.
    pub firmware: String,
    /// The vendor's number of the model.
    pub dev_type: u16,
    /// The one account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Wrong passwords until the account is locked.
    pub login_tries: u32,
    /// How long it is locked.
    pub lock_s: u64,
    /// The code page of its texts, as `byCharEncodeType` counts: 6 UTF-8; 0 (not told), 1 and 2 are written as GBK.
    pub char_encode_type: u8,
    /// Analog inputs.
    pub analog_channels: u8,
    /// Number of the first analog input.
    pub first_analog: u8,
    /// Digital inputs; absent: as many as the listed channels need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digital_channels: Option<u16>,
    /// Number of the first digital input: 33, or 1.
    pub first_digital: u8,
    /// Zone of its clock: `Z`, `+05:30`, a POSIX rule (`CET-1CEST,M3.5.0,M10.5.0/3`) or a name.
    pub zone: String,
    /// How many seconds its clock is ahead of UTC.
    pub clock_skew_s: i64,
    /// When its clock was set, oldest first: what it recorded until then bears the time of then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_was: Vec<ClockWas>,
    /// False: the V50 family of functions answers 23.
    pub v50: bool,
    /// Whether V50 results carry the difference to UTC.
    pub v50_offsets: bool,
    /// How often a search answers "not ready" before its first result.
    pub find_pending: u32,
    /// What is added to the size of every file that a search tells.
    pub stated_size_delta: i64,
    /// Rate of each download and playback; absent: as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle_bytes_per_s: Option<u64>,
    /// Downloads and playbacks at the same time; one more fails with 28.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<usize>,
    /// Streams of all kinds at the same time: downloads, playbacks, live views; one more fails with `full_error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<usize>,
    /// What one stream too many is refused with: 5, 24, 28, 52, 426 or 800 are what devices say.
    pub full_error: u32,
    /// Size at which every saved file is split, whatever local setting 17 says; absent: as the setting says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_bytes: Option<u64>,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// How it misbehaves.
    pub faults: Vec<Fault>,
    /// How it misbehaves by chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chaos: Option<Chaos>,
    /// What a library that was taken over tries when it starts and when somebody logs in here; how each attempt ended
    /// is in `state/hostile.jsonl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostile: Option<Hostile>,
}

/// What a library that was taken over is after, besides what it always tries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hostile {
    /// Files to read.
    pub read: Vec<PathBuf>,
    /// Files to write, change and remove.
    pub write: Vec<PathBuf>,
    /// Folders to list.
    pub list: Vec<PathBuf>,
    /// Addresses to reach, by TCP and UDP.
    pub connect: Vec<std::net::SocketAddr>,
    /// Process to disturb; absent: the parent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<i32>,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            address: String::new(),
            port: 8000,
            reachable: true,
            connect_delay_ms: 0,
            serial: "DS-7608NI-K20820200101CCRRD00000001WCVU".to_string(),
            model: "DS-7608NI-K2".to_string(),
            firmware: "V4.30.085 build 200916".to_string(),
            dev_type: 2219,
            user: "admin".to_string(),
            password: String::new(),
            login_tries: 5,
            lock_s: 1800,
            char_encode_type: 6,
            analog_channels: 0,
            first_analog: 1,
            digital_channels: None,
            first_digital: 33,
            zone: "Z".to_string(),
            clock_skew_s: 0,
            clock_was: Vec::new(),
            v50: true,
            v50_offsets: false,
            find_pending: 0,
            stated_size_delta: 0,
            throttle_bytes_per_s: None,
            max_downloads: None,
            max_streams: None,
            full_error: crate::codes::error::OVER_MAXLINK,
            split_bytes: None,
            disks: vec![Disk::default()],
            channels: Vec::new(),
            faults: Vec::new(),
            hostile: None,
            chaos: None,
        }
    }
}

/// Misbehaviour by chance: the same seed gives the same faults at the same places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// What decides.
    pub seed: u64,
    /// Each recording meets between none and so many faults, one per download of it.
    pub faults_max: u32,
    /// Which kinds; none: all that a download can meet, but for `write_77`, which is not the recorder's.
    pub kinds: Vec<FaultKind>,
    /// So many in a thousand calls go wrong that are no download's: logging in and out, searching, configuration.
    pub calls_permille: u32,
    /// How long a reboot takes at most.
    pub down_ms_max: u64,
}

impl Default for Chaos {
    fn default() -> Self {
        Self {
            seed: 0,
            faults_max: 1,
            kinds: Vec::new(),
            calls_permille: 0,
            down_ms_max: 2_000,
        }
    }
}

/// A time in which a recorder's clock was wrong in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockWas {
    /// Its end, in true time.
    pub until: Timestamp,
    /// How many seconds the clock was ahead of UTC.
    pub skew_s: i64,
}

/// One disk of a recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disk {
    /// Size in megabytes.
    pub capacity_mb: u32,
    /// Free space in megabytes.
    pub free_mb: u32,
    /// The vendor's state: 0 normal, 2 error, 5 asleep.
    pub status: u32,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            capacity_mb: 3_815_447,
            free_mb: 0,
            status: 0,
        }
    }
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    /// Number as the SDK counts.
    pub number: u32,
    /// Name as the recorder shows it.
    pub name: String,
    /// Whether its camera answers. What it recorded can be had all the same.
    pub online: bool,
    /// Which of the recorder's cameras feeds a digital channel, from 1; absent: in the order of the channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_id: Option<u16>,
    /// Reel of the live main stream; without it the channel has no live stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<PathBuf>,
    /// Reel of the live sub stream; absent: as the main stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_sub: Option<PathBuf>,
    /// What it has recorded.
    pub recordings: Vec<Recording>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            number: 0,
            name: String::new(),
            online: true,
            ip_id: None,
            live: None,
            live_sub: None,
            recordings: Vec::new(),
        }
    }
}

/// One file on a recorder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Name of the file on the recorder.
    pub name: String,
    /// True time of its first picture. A recording that is not over yet is told up to now and grows.
    pub start: Timestamp,
    /// Length; absent: the reel once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u64>,
    /// Its reel, looped as long as needed; relative to the folder of the scenario.
    pub media: PathBuf,
    /// Whether the recorder protects it.
    #[serde(default)]
    pub locked: bool,
    /// The vendor's record type: 0 timed, 1 motion, ...
    #[serde(default)]
    pub file_type: u8,
    /// 0 main stream, 1 sub stream, 2 third stream.
    #[serde(default)]
    pub stream: u8,
}

/// One misbehaviour and what sets it off. See `README.md` for what each kind does where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To which kind of call.
    pub on: Scope,
    /// Only to the n-th matching call, from 1, counted over restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Only to the recording of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only to this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u32>,
    /// Bytes of the file or stream, header included, before it happens.
    #[serde(default)]
    pub at_bytes: u64,
    /// The same as a share of what the transfer has to give, in thousandths; goes before `at_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_permille: Option<u32>,
    /// How many: of garbage, of leaked memory, by which a stated size is wrong.
    #[serde(default)]
    pub bytes: u64,
    /// How long it takes before it happens (`error`), or how long the recorder is away (`reboot`).
    #[serde(default)]
    pub down_ms: u64,
    /// How often it happens, counted over restarts; 0: always.
    #[serde(default = "once")]
    pub times: u64,
    /// The error code of `error` and `fail_200`.
    #[serde(default = "no_answer")]
    pub error: u32,
    /// Name of the counter; absent: the place in the list. Give one when faults are added while counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Fault {
    /// A fault that happens once, at the first matching call, before any byte.
    pub fn once(kind: FaultKind, on: Scope) -> Self {
        Self {
            kind,
            on,
            nth: None,
            name: None,
            channel: None,
            at_bytes: 0,
            at_permille: None,
            bytes: 0,
            down_ms: 0,
            times: once(),
            error: no_answer(),
            id: None,
        }
    }
}

fn once() -> u64 {
    1
}

/// Error 10, a timeout: what an overloaded recorder gives.
fn no_answer() -> u32 {
    10
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The process dies of a segmentation fault.
    Sigsegv,
    /// The process gives up by itself.
    Sigabrt,
    /// Memory is taken and never given back.
    Leak,
    /// Bytes that are no frame go out through every socket of the process, as a wild write does it.
    Frames,
    /// All bytes come, and the end never does: the position stays at 99.
    #[serde(rename = "stuck_99")]
    Stuck99,
    /// So many bytes are not what the recorder has.
    Garbage,
    /// The file is split there, whatever local setting 17 says.
    Split,
    /// The file cannot be written: position -1, error 77.
    #[serde(rename = "write_77")]
    Write77,
    /// The recorder goes away for a while: what runs breaks with 73, what is asked fails with 7.
    Reboot,
    /// A search states another size.
    WrongSize,
    /// Nothing more comes, and nobody says so.
    Stall,
    /// A download ends with position 200 and the chosen error.
    #[serde(rename = "fail_200")]
    Fail200,
    /// A download ends early and says 100.
    ShortFile,
    /// The call does not return.
    Hang,
    /// The call fails with the chosen error.
    Error,
    /// A search says "broken" (1004) instead of its first result.
    Exception,
    /// A search says "not ready" (1002) for ever.
    Endless,
    /// A search tells its results again and again.
    Repeat,
    /// A live stream breaks and comes back.
    Break,
}

/// Which calls a fault can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Logging in.
    Login,
    /// Searching.
    Find,
    /// The answers of a search.
    Next,
    /// Asking for the configuration, the clock among it.
    Config,
    /// Logging out.
    Logout,
    /// Downloading by name or time, and playback: the call that opens, and with bytes the transfer.
    Download,
    /// The bytes of a download.
    Transfer,
    /// The start command of a download.
    Start,
    /// Asking for the position of a download.
    Position,
    /// Ending a download.
    Stop,
    /// Live streams.
    Live,
}

impl Scope {
    /// The call at which a fault is armed: what a download or a search meets later belongs to its opening.
    pub fn opened_by(self) -> Self {
        match self {
            Self::Transfer | Self::Start | Self::Position | Self::Stop => Self::Download,
            Self::Next => Self::Find,
            other => other,
        }
    }
}

impl Scenario {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let scenario: Self = toml::from_str(&text).with_context(|| path.display().to_string())?;
        scenario
            .check()
            .with_context(|| path.display().to_string())?;
        Ok(scenario)
    }

    /// Checks it and writes it to `path` in one step, so that a running library never sees half of it.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.check()?;
        crate::state::write_whole(path, toml::to_string(self)?.as_bytes())?;
        Ok(())
    }

    /// The place of the recorder that answers at `address` and `port`.
    pub fn position(&self, address: &str, port: u16) -> Option<usize> {
        self.devices
            .iter()
            .position(|device| device.address == address && device.port == port)
    }

    fn check(&self) -> Result<()> {
        for device in &self.devices {
            device
                .check()
                .with_context(|| format!("device {}:{}", device.address, device.port))?;
        }
        Ok(())
    }
}

impl Device {
    /// Its clock.
    pub fn clock(&self) -> RecorderClock {
        RecorderClock::new(&self.zone, self.clock_skew_s)
            .expect("the zone was checked when the scenario was read")
    }

    /// Its clock as it was when something was recorded at this true time.
    pub fn clock_at(&self, recorded: Timestamp) -> RecorderClock {
        let was = self.clock_was.iter().find(|was| recorded < was.until);
        was.map_or_else(
            || self.clock(),
            |was| {
                RecorderClock::new(&self.zone, was.skew_s)
                    .expect("the zone was checked when the scenario was read")
            },
        )
    }

    /// The channel of this number.
    pub fn channel(&self, number: u32) -> Option<&Channel> {
        self.channels
            .iter()
            .find(|channel| channel.number == number)
    }

    /// The recording of this name and the channel that holds it.
    pub fn recording(&self, name: &str) -> Option<(u32, &Recording)> {
        self.channels.iter().find_map(|channel| {
            let recording = channel
                .recordings
                .iter()
                .find(|recording| recording.name == name)?;
            Some((channel.number, recording))
        })
    }

    /// Whether this number is one of its inputs, listed or not.
    pub fn has_channel(&self, number: u32) -> bool {
        self.is_analog(number) || self.is_digital(number)
    }

    /// Whether this number is one of its digital inputs.
    pub fn is_digital(&self, number: u32) -> bool {
        let first = u32::from(self.first_digital);
        (first..first + u32::from(self.digital_count())).contains(&number)
    }

    /// A text of it in its code page.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        match self.char_encode_type {
            6 => text.as_bytes().to_vec(),
            _ => encoding_rs::GBK.encode(text).0.into_owned(),
        }
    }

    /// How many digital inputs it has.
    pub fn digital_count(&self) -> u16 {
        self.digital_channels.unwrap_or_else(|| {
            let last = self
                .channels
                .iter()
                .map(|channel| channel.number)
                .filter(|number| !self.is_analog(*number))
                .max();
            last.map_or(0, |last| {
                last.saturating_sub(u32::from(self.first_digital)) as u16 + 1
            })
        })
    }

    fn is_analog(&self, number: u32) -> bool {
        let first = u32::from(self.first_analog);
        (first..first + u32::from(self.analog_channels)).contains(&number)
    }

    fn check(&self) -> Result<()> {
        ensure!(!self.address.is_empty(), "an address is missing");
        ensure!(
            self.serial.len() <= 48,
            "a serial number has at most 48 bytes"
        );
        ensure!(self.login_tries >= 1, "login_tries begins at 1");
        RecorderClock::new(&self.zone, self.clock_skew_s)?;
        ensure!(
            matches!(self.char_encode_type, 0..=2 | 6),
            "char_encode_type {} is not spoken here: 6 is UTF-8, 0 to 2 are GBK",
            self.char_encode_type
        );
        for channel in &self.channels {
            let number = channel.number;
            ensure!(
                self.has_channel(number),
                "channel {number} is none of its inputs"
            );
            let twins = self
                .channels
                .iter()
                .filter(|other| other.number == number)
                .count();
            ensure!(twins == 1, "channel {number} is listed {twins} times");
            for recording in &channel.recordings {
                ensure!(
                    (1..100).contains(&recording.name.len()),
                    "the name {:?} has not between 1 and 99 bytes",
                    recording.name
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        let channel = Channel {
            number: 33,
            name: "Yard".to_string(),
            live: Some("live.reel".into()),
            recordings: vec![Recording {
                name: "ch01_00000000001".to_string(),
                start: "2026-11-21T06:00:00Z".parse().unwrap(),
                duration_s: Some(60),
                media: "a.reel".into(),
                locked: false,
                file_type: 0,
                stream: 0,
            }],
            ..Channel::default()
        };
        let device = Device {
            address: "192.0.2.10".to_string(),
            channels: vec![channel],
            faults: vec![Fault::once(FaultKind::Fail200, Scope::Download)],
            ..Device::default()
        };
        let scenario = Scenario {
            devices: vec![device],
            ..Scenario::default()
        };
        scenario.write(&path).unwrap();
        assert_eq!(Scenario::read(&path).unwrap(), scenario);
        assert_eq!(scenario.devices[0].digital_count(), 1);
    }

    #[test]
    fn the_example_of_the_readme_is_valid() {
        let readme = include_str!("../README.md");
        let example = readme
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let scenario: Scenario = toml::from_str(example).unwrap();
        scenario.check().unwrap();
        assert!(!scenario.devices.is_empty());
    }

    #[test]
    fn mistakes_are_told() {
        assert!(toml::from_str::<Scenario>("strict_size = true").is_err());
        let twice: Scenario = toml::from_str(
            "[[devices]]\naddress = '192.0.2.1'\n[[devices.channels]]\nnumber = 33\n[[devices.channels]]\nnumber = 33\n",
        )
        .unwrap();
        assert!(format!("{:#}", twice.check().unwrap_err()).contains("listed 2 times"));
        let nowhere: Scenario = toml::from_str(
            "[[devices]]\naddress = '192.0.2.1'\n[[devices.channels]]\nnumber = 7\n",
        )
        .unwrap();
        assert!(nowhere.check().is_err());
    }
}
