//! Fetching one part into a file, which the library writes itself (ABI.md §10).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bindings::{Plain, PlayCond, SPEED_KBPS_MIN};
use super::cancel::Cancel;
use super::codes::Code;
use super::search::cancelled;
use super::session::{Session, library_time};
use crate::recorder::worker_protocol::{Failure, Kind, Source};

/// Time between two looks at the position, a number in the library's memory: the end is noticed soon.
const LOOK: Duration = Duration::from_millis(20);
/// Time between two looks at the file.
const LOOK_AT_FILE: Duration = Duration::from_millis(500);
/// Bytes that a recorder's name for a file has at most.
const NAME_BYTES_MAX: usize = 99;
/// Position: the device sent its end mark.
const ENDED: i32 = 100;

/// What is fetched where.
pub struct Order<'a> {
    /// What.
    pub source: &'a Source,
    /// Where to; absolute.
    pub path: &'a Path,
    /// Bandwidth limit.
    pub limit_kbps: Option<u32>,
    /// How long the file may stay as long as it is.
    pub stall: Duration,
}

/// Fetches the part to its end. `progress` hears bytes and percent at each look, also when nothing moved. Returns the
/// size of what was written once the device has sent its end mark.
pub fn download(
    session: &Arc<Session>,
    order: &Order<'_>,
    cancel: &Cancel,
    mut progress: impl FnMut(u64, u8),
) -> Result<u64, Failure> {
    let doing = match order.source {
        Source::Name(name) => format!("download {name}"),
        Source::Time {
            channel,
            start,
            end,
        } => format!("download channel {channel} from {start} to {end}"),
    };
    let fail = |code: Code| session.failure(code, &doing);
    let failure = |kind: Kind, what: String| Failure {
        kind,
        message: format!("{}: cannot {doing}: {what}", session.at),
        code: None,
    };
    let size = |what: &str| {
        size_of_all(order.path).map_err(|error| {
            failure(
                Kind::Local,
                format!("{what} {}: {error}", order.path.display()),
            )
        })
    };
    let transfer = Transfer::open(session, order).map_err(fail)?;
    if let Some(kbps) = order.limit_kbps
        && let Err(code) = session
            .sdk
            .limit_file(transfer.handle, kbps.max(SPEED_KBPS_MIN))
    {
        // A recorder without this command is slower to share, but no reason to fetch nothing.
        eprintln!(
            "{}: the rate of a download cannot be limited: error {}",
            session.at,
            code.number()
        );
    }
    session.sdk.start_file(transfer.handle).map_err(fail)?;

    let (mut largest, mut grown_at) = (0, Instant::now());
    let mut looked_at = Instant::now();
    loop {
        let stop = cancel.wait(LOOK);
        let position = session
            .sdk
            .download_position(transfer.handle)
            .map_err(fail)?;
        match position {
            0..ENDED => {}
            ENDED => {
                transfer.close().map_err(fail)?;
                let bytes = size("look at")?;
                progress(bytes, 100);
                return Ok(bytes);
            }
            // Broken off. Without a reason it is the connection: nothing else ends a stream without a word.
            _ => {
                return Err(match session.sdk.last_error() {
                    Code::NoReason => failure(
                        Kind::Network,
                        format!(
                            "the stream ended without the recorder's end mark (position {position})"
                        ),
                    ),
                    code => fail(code),
                });
            }
        }
        if stop {
            return Err(cancelled(&session.at, &doing));
        }
        if looked_at.elapsed() < LOOK_AT_FILE {
            continue;
        }
        looked_at = Instant::now();
        let bytes = size("look at")?;
        if bytes > largest {
            (largest, grown_at) = (bytes, Instant::now());
        }
        progress(bytes, position as u8);
        if grown_at.elapsed() >= order.stall {
            let seconds = order.stall.as_secs();
            return Err(failure(
                Kind::Network,
                format!(
                    "the recorder stopped sending: no byte for {seconds} s at {position} % and {bytes} bytes"
                ),
            ));
        }
    }
}

/// Bytes of the file, and of those that a library made after it which was told not to split (ABI §10.2).
fn size_of_all(path: &Path) -> std::io::Result<u64> {
    let mut bytes = std::fs::metadata(path)?.len();
    for n in 1.. {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push(format!("_{n}."));
        name.push(path.extension().unwrap_or_default());
        match std::fs::metadata(path.with_file_name(name)) {
            Ok(part) => bytes += part.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// A prepared or running download; stopped when dropped.
struct Transfer {
    session: Arc<Session>,
    handle: i32,
    open: bool,
}

impl Transfer {
    fn open(session: &Arc<Session>, order: &Order<'_>) -> Result<Self, Code> {
        let path =
            CString::new(order.path.as_os_str().as_bytes()).map_err(|_| Code::CannotCreateFile)?;
        let (sdk, user) = (session.sdk, session.user);
        let handle = match order.source {
            Source::Name(name) => {
                let name = session
                    .texts
                    .encode(name)
                    .filter(|name| name.len() <= NAME_BYTES_MAX);
                let name = name
                    .and_then(|name| CString::new(name).ok())
                    .ok_or(Code::NoSuchFile)?;
                sdk.file_by_name(user, &name, &path)?
            }
            Source::Time {
                channel,
                start,
                end,
            } => {
                let mut cond = PlayCond {
                    channel: *channel,
                    start: library_time(*start).ok_or(Code::BadTime)?,
                    stop: library_time(*end).ok_or(Code::BadTime)?,
                    download: 1,
                    ..PlayCond::zeroed()
                };
                sdk.file_by_time(user, &path, &mut cond)?
            }
        };
        Ok(Self {
            session: session.clone(),
            handle,
            open: true,
        })
    }

    /// Ends it after its end, and says whether the library agrees.
    fn close(mut self) -> Result<(), Code> {
        self.open = false;
        self.session.sdk.stop_file(self.handle)
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if self.open
            && let Err(code) = self.session.sdk.stop_file(self.handle)
        {
            eprintln!(
                "{}: a download could not be stopped: error {}",
                self.session.at,
                code.number()
            );
        }
    }
}
