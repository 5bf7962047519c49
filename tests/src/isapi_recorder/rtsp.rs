//! The RTSP side: live streams and playback, interleaved in the connection.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE64, HEXLOWER};
use hcnetsdk::feed::{Step, Steps, Stretch};
use hcnetsdk::reel::{Reel, VideoCodec};
use jiff::Timestamp;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::message::{Answer, Request};
use super::rtp::{Track, audio_format, split};
use super::{Recorder, Seen, documents, files, lock};

const PROTOCOL: &str = "RTSP/1.0";
const VIDEO_TYPE: u8 = 96;

/// What an address stands for.
struct Source {
    reel: Arc<Reel>,
    stretch: Stretch,
}

/// One connection with at most one session.
struct Session {
    recorder: Arc<Recorder>,
    number: u64,
    source: Option<Source>,
    tracks: [Option<Track>; 2],
    stop: CancellationToken,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.cancel();
        lock(&self.recorder.rtsp_sessions).remove(&self.number);
    }
}

/// Answers the requests of a connection.
pub(super) async fn serve(connection: TcpStream, recorder: Arc<Recorder>) {
    let (reading, writing) = connection.into_split();
    let mut reading = BufReader::new(reading);
    let writing = Arc::new(Mutex::new(writing));
    let mut session = Session {
        number: rand_number(),
        recorder: recorder.clone(),
        source: None,
        tracks: [None, None],
        stop: CancellationToken::new(),
    };
    while let Ok(Some(request)) = Request::read(&mut reading).await {
        let mut answer = match recorder.refuse(&request) {
            Some(mut refusal) => {
                refusal.body.clear();
                refusal
                    .headers
                    .retain(|(name, _)| *name == "WWW-Authenticate");
                refusal
            }
            None => session.answer(&request),
        };
        let sequence = request.header("cseq").unwrap_or("0").to_owned();
        answer.headers.insert(0, ("CSeq", sequence));
        recorder.saw(Seen {
            request: format!("{} {}", request.method, request.target),
            status: answer.status,
            with_credentials: request.header("authorization").is_some(),
            from_byte: None,
            sent_bytes: 0,
        });
        let plays = request.method == "PLAY" && answer.status == 200;
        if answer
            .write(PROTOCOL, &mut *writing.lock().await)
            .await
            .is_err()
        {
            return;
        }
        if plays && let Some(source) = session.source.take() {
            let tracks = std::mem::take(&mut session.tracks);
            let playing = play(source, tracks, writing.clone());
            tokio::spawn(session.stop.clone().run_until_cancelled_owned(playing));
        }
        if request.method == "TEARDOWN" {
            return;
        }
    }
}

fn rand_number() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

impl Session {
    fn answer(&mut self, request: &Request) -> Answer {
        match request.method.as_str() {
            "OPTIONS" => Answer::status(200).with(
                "Public",
                "OPTIONS, DESCRIBE, PLAY, PAUSE, SETUP, TEARDOWN, SET_PARAMETER, GET_PARAMETER",
            ),
            "DESCRIBE" => self.describe(request),
            "SETUP" => self.setup(request),
            "PLAY" => self.play(request),
            "GET_PARAMETER" | "SET_PARAMETER" | "TEARDOWN" => Answer::status(200),
            _ => Answer::status(405),
        }
    }

    fn describe(&mut self, request: &Request) -> Answer {
        match self.find(&request.target) {
            Ok(Some(source)) => {
                let answer = Answer::status(200)
                    .with("Content-Type", "application/sdp")
                    .with(
                        "Content-Base",
                        format!("{}/", request.target.trim_end_matches('/')),
                    );
                let sdp = describe(&source.reel);
                self.source = Some(source);
                match sdp {
                    Ok(sdp) => Answer {
                        body: sdp.into_bytes(),
                        ..answer
                    },
                    Err(error) => broken(&error.into()),
                }
            }
            Ok(None) => Answer::status(404),
            Err(error) => broken(&error),
        }
    }

    fn find(&self, target: &str) -> anyhow::Result<Option<Source>> {
        let (device, quirks) = (self.recorder.device(), self.recorder.quirks());
        let path = target.to_ascii_lowercase();
        if let Some((_, rest)) = path.split_once("/streaming/channels/") {
            let track: u32 = rest
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .unwrap_or(0);
            let channel = device
                .channels
                .iter()
                .find(|channel| files::number(&device, channel) == track / 100);
            let Some(channel) = channel.filter(|channel| channel.online) else {
                return Ok(None);
            };
            let sub = channel.live_sub.as_ref().filter(|_| track % 100 == 2);
            let Some(live) = sub.or(channel.live.as_ref()) else {
                return Ok(None);
            };
            let reel = Arc::new(Reel::open(&self.recorder.media.join(live))?);
            let now = Timestamp::now().as_microsecond().max(0) as u64 * 9 / 100;
            let steps = Steps::endless(reel.clone(), now);
            let stretch = Stretch::of_live(steps, Timestamp::UNIX_EPOCH);
            return Ok(Some(Source { reel, stretch }));
        }
        let all = files::held(&device, &self.recorder.media)?;
        let Some((held, part)) = documents::located(&device, &quirks, target, &all) else {
            return Ok(None);
        };
        let steps = held.steps(part);
        let reel = steps.reel().clone();
        let stretch = Stretch::of_recording(steps, held.recording.start);
        Ok(Some(Source { reel, stretch }))
    }

    fn setup(&mut self, request: &Request) -> Answer {
        let Some(source) = &self.source else {
            return Answer::status(455);
        };
        let most = self.recorder.quirks().rtsp_sessions_max;
        {
            let mut sessions = lock(&self.recorder.rtsp_sessions);
            if !sessions.contains_key(&self.number) && sessions.len() >= most {
                return Answer::status(453);
            }
            sessions.insert(self.number, ());
        }
        let transport = request.header("transport").unwrap_or_default();
        let channel = transport
            .split("interleaved=")
            .nth(1)
            .and_then(|rest| rest.split('-').next())
            .and_then(|number| number.parse::<u8>().ok());
        let Some(channel) = channel else {
            return Answer::status(461);
        };
        let is_audio = request.target.ends_with("trackID=2");
        let kind = match (is_audio, source.reel.description.audio) {
            (true, Some(codec)) => audio_format(codec).0,
            (true, None) => return Answer::status(404),
            (false, _) => VIDEO_TYPE,
        };
        self.tracks[usize::from(is_audio)] = Some(Track::new(channel, kind));
        Answer::status(200)
            .with("Session", format!("{};timeout=60", self.number))
            .with(
                "Transport",
                format!(
                    "RTP/AVP/TCP;unicast;interleaved={channel}-{};ssrc={:08x}",
                    channel + 1,
                    0x5EED_0000 + u32::from(channel)
                ),
            )
    }

    fn play(&self, request: &Request) -> Answer {
        let Some(source) = &self.source else {
            return Answer::status(455);
        };
        let first = first_pts(source);
        let base = request.target.trim_end_matches('/');
        let info: Vec<String> = (1..)
            .zip(&self.tracks)
            .filter_map(|(id, track)| {
                let sequence = track.as_ref()?.sequence();
                let time = if id == 1 {
                    first as u32
                } else {
                    sound_time(first)
                };
                Some(format!(
                    "url={base}/trackID={id};seq={sequence};rtptime={time}"
                ))
            })
            .collect();
        Answer::status(200)
            .with("Session", format!("{};timeout=60", self.number))
            .with("Range", "npt=0.000-")
            .with("RTP-Info", info.join(","))
    }
}

fn broken(error: &anyhow::Error) -> Answer {
    eprintln!("stand-in recorder: {error:#}");
    Answer::status(500)
}

/// The first timestamp that is sent, in ticks.
fn first_pts(source: &Source) -> u64 {
    let first = source.stretch.steps.start_dts();
    first.wrapping_add_signed(source.stretch.shift_ticks)
}

/// The same in samples of G.711.
fn sound_time(ticks: u64) -> u32 {
    (ticks * 8_000 / 90_000) as u32
}

fn describe(reel: &Reel) -> std::io::Result<String> {
    let mut unit = Vec::new();
    reel.read_video(&reel.units[0], &mut unit)?;
    let nals = split(&unit);
    let of_kind = |kind: u8, h265: bool| {
        nals.iter()
            .find(|nal| {
                if h265 {
                    nal[0] >> 1 & 0x3F == kind
                } else {
                    nal[0] & 0x1F == kind
                }
            })
            .map(|nal| BASE64.encode(nal))
            .unwrap_or_default()
    };
    let (name, format) = match reel.description.codec {
        VideoCodec::H264 => (
            "H264",
            format!(
                "packetization-mode=1;sprop-parameter-sets={},{}",
                of_kind(7, false),
                of_kind(8, false)
            ),
        ),
        VideoCodec::H265 => (
            "H265",
            format!(
                "sprop-vps={};sprop-sps={};sprop-pps={}",
                of_kind(32, true),
                of_kind(33, true),
                of_kind(34, true)
            ),
        ),
    };
    let audio = reel.description.audio.map_or(String::new(), |codec| {
        let (kind, name) = audio_format(codec);
        format!(
            "m=audio 0 RTP/AVP {kind}\r\na=rtpmap:{kind} {name}/8000\r\na=control:trackID=2\r\n"
        )
    });
    let program = hcnetsdk::ps::Program {
        video: reel.description.codec,
        audio: reel.description.audio,
    };
    Ok(format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Media Presentation\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP {VIDEO_TYPE}\r\na=rtpmap:{VIDEO_TYPE} {name}/90000\r\na=fmtp:{VIDEO_TYPE} {format}\r\n\
         a=control:trackID=1\r\n{audio}a=Media_header:MEDIAINFO={};\r\n",
        HEXLOWER.encode(&hcnetsdk::ps::media_header(program))
    ))
}

/// Sends step after step when it is due, to the end of the recording or until the session ends.
async fn play(source: Source, mut tracks: [Option<Track>; 2], to: Arc<Mutex<OwnedWriteHalf>>) {
    let Source { reel, stretch } = source;
    let codec = reel.description.codec;
    let (begun_utc, begun) = (
        stretch.utc(stretch.steps.start_dts()),
        tokio::time::Instant::now(),
    );
    let shift = |ticks: u64| ticks.wrapping_add_signed(stretch.shift_ticks);
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    for step in stretch.steps.clone() {
        out.clear();
        let (utc, read) = match step {
            Step::Video { unit, pts, .. } => {
                let read = reel.read_video(&unit, &mut bytes);
                if let Some(track) = &mut tracks[0] {
                    track.video(&mut out, codec, &bytes, shift(pts) as u32);
                }
                (stretch.utc(pts), read)
            }
            Step::Sound {
                offset,
                bytes: count,
                pts,
            } => {
                let read = reel.read_audio(offset, count, &mut bytes);
                if let Some(track) = &mut tracks[1] {
                    track.audio(&mut out, &bytes, sound_time(shift(pts)));
                }
                (stretch.utc(pts), read)
            }
        };
        if let Err(error) = read {
            eprintln!("stand-in recorder: {error}");
            return;
        }
        let due = Duration::try_from(utc.duration_since(begun_utc)).unwrap_or_default();
        tokio::time::sleep_until(begun + due).await;
        if to.lock().await.write_all(&out).await.is_err() {
            return;
        }
    }
    // The end of a recording: the connection is closed.
    if let Err(error) = to.lock().await.shutdown().await {
        eprintln!("stand-in recorder: {error}");
    }
}
