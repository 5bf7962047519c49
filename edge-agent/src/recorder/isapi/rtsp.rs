//! RTSP in-process: a stream of the recorder turned into the program stream that everything else here reads.
//!
//! FFmpeg could fetch the stream itself, but only with the password in its address, which every process list shows. So
//! the session (digest, TCP interleaved, keep-alive) and the unpacking of RTP are done here, and FFmpeg gets the
//! same bytes on its standard input as from the vendor's library.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::StreamExt;
use retina::client::{
    Credentials, Demuxed, InitialTimestampPolicy, PlayOptions, Session, SessionOptions,
    SetupOptions, TcpTransportOptions, Transport,
};
use retina::codec::{CodecItem, FrameFormat};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::media::ps::VideoCodec;
use crate::media::ps_writer::{PsWriter, Sound};
use crate::recorder::driver::{FailureKind, RecorderAccount, RecorderError};

/// Timestamp of the first picture: the clock of a program stream runs ahead of it.
const FIRST_TICKS: i64 = 90_000;
/// Ticks of a second in MPEG timestamps.
const TICKS_PER_S: i128 = 90_000;

/// A stream that plays.
pub struct Playing {
    at: String,
    what: String,
    demuxed: Demuxed,
    video: usize,
    sound: Option<usize>,
    writer: PsWriter,
}

/// Why a stream stopped being written.
#[derive(Debug)]
pub enum Stopped {
    /// The recorder ended it.
    Ended,
    /// It broke.
    Broken(RecorderError),
    /// Nothing came for a while, which is how some recorders end a playback.
    Silent(RecorderError),
    /// Who reads it has gone, or it was stopped.
    Unwanted,
}

impl Playing {
    /// Starts a stream; `url` carries no credentials.
    pub async fn start(
        url: &str,
        account: &RecorderAccount,
        what: &str,
        patience: Duration,
    ) -> Result<Self, RecorderError> {
        tokio::time::timeout(patience, Self::open(url, account, what))
            .await
            .unwrap_or_else(|_| {
                let message = format!(
                    "{}: cannot {what}: RTSP does not answer in time",
                    account.at()
                );
                Err(RecorderError::new(FailureKind::Network, message))
            })
    }

    async fn open(url: &str, account: &RecorderAccount, what: &str) -> Result<Self, RecorderError> {
        let at = account.at();
        let failed = |error: retina::Error| told(&at, what, &error);
        let unsupported = |words: &str| {
            let message = format!("{at}: cannot {what}: {words}");
            RecorderError::new(FailureKind::Unsupported, message)
        };
        let url = reqwest::Url::parse(url)
            .map_err(|error| unsupported(&format!("its address is not understood ({error})")))?;
        let credentials = Credentials {
            username: account.username.clone(),
            password: account.password.to_string(),
        };
        let options = SessionOptions::default().creds(Some(credentials));
        let mut session = Session::describe(url, options).await.map_err(failed)?;

        let pick = |media: &str, names: &[&str]| {
            session.streams().iter().position(|stream| {
                stream.media() == media && names.contains(&stream.encoding_name())
            })
        };
        let Some(video) = pick("video", &["h264", "h265"]) else {
            return Err(unsupported("the stream has no pictures in H.264 or H.265"));
        };
        // Other sound does not go into a program stream; pictures without it are better than nothing.
        let sound = pick("audio", &["pcma", "pcmu", "mpeg4-generic"]);
        let codec = match session.streams()[video].encoding_name() {
            "h265" => VideoCodec::H265,
            _ => VideoCodec::H264,
        };
        let sound_kind = sound.map(|n| match session.streams()[n].encoding_name() {
            "pcma" => Sound::G711a,
            "pcmu" => Sound::G711u,
            _ => Sound::Aac,
        });
        for stream in [Some(video), sound].into_iter().flatten() {
            let setup = SetupOptions::default()
                .transport(Transport::Tcp(TcpTransportOptions::default()))
                .frame_format(FrameFormat::SIMPLE);
            session.setup(stream, setup).await.map_err(failed)?;
        }
        let play = PlayOptions::default()
            .initial_timestamp(InitialTimestampPolicy::Permissive)
            .enforce_timestamps_with_max_jump_secs(
                NonZeroU32::new(3_600).unwrap_or(NonZeroU32::MIN),
            );
        let demuxed = session
            .play(play)
            .await
            .and_then(Session::demuxed)
            .map_err(failed)?;
        Ok(Self {
            what: what.to_owned(),
            demuxed,
            video,
            sound,
            writer: PsWriter::new(codec, sound_kind),
            at,
        })
    }

    /// Writes the program stream until it ends, or until `stop`. Nothing is written before the first key picture.
    pub async fn write_to(
        mut self,
        mut to: impl AsyncWrite + Unpin,
        silence: Duration,
        stop: &CancellationToken,
    ) -> Stopped {
        if to.write_all(&self.writer.header()).await.is_err() {
            return Stopped::Unwanted;
        }
        let mut bytes = Vec::new();
        let mut has_begun = false;
        loop {
            let next = tokio::time::timeout(silence, self.demuxed.next());
            let item = match stop.run_until_cancelled(next).await {
                None => return Stopped::Unwanted,
                Some(Ok(Some(Ok(item)))) => item,
                Some(Ok(Some(Err(error)))) => {
                    return Stopped::Broken(told(&self.at, &self.what, &error));
                }
                Some(Ok(None)) => return Stopped::Ended,
                Some(Err(_)) => {
                    let message = format!(
                        "{}: cannot {}: nothing came for {} s",
                        self.at,
                        self.what,
                        silence.as_secs()
                    );
                    return Stopped::Silent(RecorderError::new(FailureKind::Network, message));
                }
            };
            bytes.clear();
            match &item {
                CodecItem::VideoFrame(frame) if frame.stream_id() == self.video => {
                    has_begun |= frame.is_random_access_point();
                    if has_begun {
                        let key = frame.is_random_access_point();
                        self.writer
                            .video(&mut bytes, frame.data(), ticks(frame.timestamp()), key);
                    }
                }
                CodecItem::AudioFrame(frame)
                    if has_begun && Some(frame.stream_id()) == self.sound =>
                {
                    self.writer
                        .audio(&mut bytes, frame.data(), ticks(frame.timestamp()));
                }
                _ => {}
            }
            if !bytes.is_empty() && to.write_all(&bytes).await.is_err() {
                return Stopped::Unwanted;
            }
        }
    }
}

/// In 90 kHz ticks since the beginning of the stream.
fn ticks(timestamp: retina::Timestamp) -> u64 {
    let elapsed = i128::from(timestamp.elapsed());
    let ticks = elapsed * TICKS_PER_S / i128::from(timestamp.clock_rate().get());
    u64::try_from(ticks + i128::from(FIRST_TICKS)).unwrap_or(0)
}

/// What went wrong, in words (ISAPI reference §8).
fn told(at: &str, what: &str, error: &retina::Error) -> RecorderError {
    let status = error.status_code();
    let (kind, words) = match status {
        Some(401 | 403) => (
            FailureKind::Refused,
            "the recorder refuses the account: give it the right for live view and playback"
                .to_owned(),
        ),
        Some(453 | 503) => (
            FailureKind::Capacity,
            "the recorder has no place for another viewer: close one elsewhere, or wait".to_owned(),
        ),
        Some(400 | 404) => (
            FailureKind::Unsupported,
            "the recorder has no such stream".to_owned(),
        ),
        // The first line says what; the rest is about packets.
        _ => (
            FailureKind::Network,
            error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        ),
    };
    RecorderError {
        kind,
        message: format!("{at}: cannot {what}: {words}"),
        vendor_code: status.map(u32::from),
    }
}
