//! A login over ISAPI: the driver's calls, in true time. In-process, since it is our own code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::answers::{self, Input, Item, Suffix, refusal};
use super::client::{Call, Client, Patience};
use super::download::{self, Wanted};
use super::learnt::{Learnt, Resume, Zulu};
use super::rtsp::{Playing, Stopped};
use super::uri::{PlaybackUri, SourceName};
use super::{playback, search, zone};
use crate::media::ps;
use crate::model::inventory::{
    ChannelInfo, FoundRecording, Inventory, RecorderClock, RecorderIdentity,
};
use crate::model::time::{RecorderTime, UtcRange};
use crate::recorder::clock::{ClockBook, DeviceClock, Told};
use crate::recorder::config::SdkConfig;
use crate::recorder::driver::{
    FailureKind, LiveStream, PartProgress, PartRequest, RecorderAccount, RecorderError, Source,
    StreamKind,
};
use crate::recorder::reading::Reading;
use crate::recorder::worker_protocol::ClockFacts;

/// Port of RTSP where the device does not tell.
const RTSP_PORT: u16 = 554;
/// Longest window of one search; some devices answer nothing to longer ones.
const WINDOW_HOURS: i64 = 24;
/// Recordings whose address is remembered from searches; more are asked for again.
const ADDRESSES_MAX: usize = 8_192;
/// Zones reach from 12 hours west to 14 hours east: this far a misunderstood `Z` can shift a search.
const ZONE_HOURS: i64 = 14;
/// A recording's first picture and its told start lie at most this far apart.
const SAME_S: i64 = 10 * 60;
/// Within so many bytes of a recording lies the first system map with its wall clock.
const HEAD_BYTES: usize = 64 << 10;
/// Live: how long no picture may come.
const SILENCE: Duration = Duration::from_secs(20);

/// A login at one recorder. Clones share it.
#[derive(Debug, Clone)]
pub struct IsapiSession(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    account: RecorderAccount,
    client: Client,
    learnt: Arc<Learnt>,
    patience: Patience,
    identity: Arc<RecorderIdentity>,
    rtsp_port: u16,
    book: ClockBook,
    clocks: Mutex<Clocks>,
    /// Devices do one search at a time.
    searches: Semaphore,
    addresses: Mutex<HashMap<String, PlaybackUri>>,
}

/// The recorder's clock, read in both ways that a `Z` may be meant.
#[derive(Debug, Clone)]
struct Clocks {
    wall: Reading,
    /// As now: what it was before is known by the wall clock only.
    utc: DeviceClock,
}

impl Clocks {
    fn note(book: &ClockBook, at: &str, facts: &ClockFacts) -> Self {
        let wall = Reading::note(book, at, facts);
        let minutes = i64::from(wall.clock.reading().zone_minutes);
        let utc = DeviceClock::measure(&ClockFacts {
            wall: facts.wall.saturating_sub(minutes.minutes()),
            zone_minutes: Some(0),
            summer_time: None,
            zone_text: None,
            ..facts.clone()
        });
        Self { wall, utc }
    }

    fn meant(&self, zulu: Zulu) -> &DeviceClock {
        match zulu {
            Zulu::Utc => &self.utc,
            Zulu::Wall => &self.wall.clock,
        }
    }

    /// What a `Z` means when a recording that is told to begin at `told` shows `shown` in its first picture. None when
    /// the two have nothing to do with each other.
    fn compare(&self, told: DateTime, shown: DateTime) -> Option<Zulu> {
        let as_utc = self.utc.to_utc(RecorderTime::new(told));
        let apart_s = |a: DateTime, b: DateTime| a.duration_since(b).as_secs().abs();
        let wall_s = apart_s(told, shown);
        let utc_s = apart_s(self.wall.clock.to_recorder(as_utc).wall, shown);
        match wall_s.min(utc_s) {
            near if near > SAME_S => None,
            near if near == wall_s => Some(Zulu::Wall),
            _ => Some(Zulu::Utc),
        }
    }
}

impl IsapiSession {
    /// Logs in: proves the account, and asks who the device is, what time it has and which channels.
    pub async fn login(
        account: &RecorderAccount,
        config: &SdkConfig,
        learnt: Arc<Learnt>,
        book: ClockBook,
    ) -> Result<Self, RecorderError> {
        let seconds = |s: u32| Duration::from_secs(s.max(1).into());
        let patience = Patience {
            connect: seconds(config.connect_timeout_s),
            answer: seconds(config.answer_timeout_s),
            piece: seconds(config.stall_timeout_s),
        };
        let client = Client::new(account, patience)?;
        check_account(&client).await?;
        let (serial, model) = device(&client).await?;
        let clocks = Clocks::note(&book, client.at(), &clock_facts(&client).await?);
        let channels = channels(&client).await?;
        let access = Call::get("ask for its ports", "/ISAPI/Security/adminAccesses");
        let rtsp_port = optional(&client, access)
            .await?
            .and_then(|root| answers::rtsp_port(&root))
            .unwrap_or(RTSP_PORT);
        let identity = RecorderIdentity {
            serial,
            model,
            channels,
            clock: clocks.wall.clock.reading(),
            certificate: client.certificate(),
        };
        Ok(Self(Arc::new(Inner {
            account: account.clone(),
            client,
            learnt,
            patience,
            identity: Arc::new(identity),
            rtsp_port,
            book,
            clocks: Mutex::new(clocks),
            searches: Semaphore::new(1),
            addresses: Mutex::default(),
        })))
    }

    /// What the login told.
    pub fn identity(&self) -> &Arc<RecorderIdentity> {
        &self.0.identity
    }

    /// Keep-alive, and the clock measured anew.
    pub async fn ping(&self) -> Result<RecorderClock, RecorderError> {
        let facts = clock_facts(&self.0.client).await?;
        let clocks = Clocks::note(&self.0.book, self.0.client.at(), &facts);
        let reading = clocks.wall.clock.reading();
        *self.clocks() = clocks;
        Ok(reading)
    }

    /// Whether a long recording is best asked for as a whole: it goes on by byte when it breaks, or cannot be cut.
    pub fn fetches_whole(&self) -> bool {
        match self.0.learnt.get().resume {
            Resume::Unknown | Resume::ByByte | Resume::Never => true,
            Resume::BySlice => false,
        }
    }

    /// What a channel holds in a range of true time.
    pub async fn search(&self, channel: u32, range: UtcRange) -> Result<Inventory, RecorderError> {
        let clocks = self.fresh_clocks().await?;
        let track = track_of(channel, StreamKind::Main);
        let (clock, items) = match self.zulu(&clocks, track, range).await? {
            Some(zulu) => {
                let clock = clocks.meant(zulu);
                let mut items = Vec::new();
                for (start, end) in clock.questions(range) {
                    for item in self.list(track, start, end).await? {
                        add(&mut items, item);
                    }
                }
                (clock, items)
            }
            None => (clocks.meant(Zulu::Wall), Vec::new()),
        };
        let told: Vec<Told> = items.iter().map(told).collect();
        let mut recordings = Vec::with_capacity(items.len());
        let answered_at = Timestamp::now().into();
        let placed = clock.place(&told, range, answered_at);
        for ((item, told), placed) in items.into_iter().zip(&told).zip(placed) {
            let name = self.remember(channel, &item);
            let Some(placed) = placed else {
                tracing::warn!(
                    recorder.address = self.0.client.at(),
                    channel.no = channel,
                    source_name = name,
                    "The recorder lists a recording that ends before it begins ({} to {}); it is ignored",
                    item.start.wall,
                    item.end.wall
                );
                continue;
            };
            // What may lie inside is not left out: the catalog knows it or should.
            let mut others = clock.readings(told);
            others.retain(|other| *other != placed);
            if !placed.span.overlaps(range) && others.is_empty() {
                continue;
            }
            recordings.push(FoundRecording {
                source_name: name,
                start: placed.start,
                end: placed.end,
                span: placed.span,
                clock: placed.clock,
                others,
                stated_bytes: item.uri.size_bytes(),
                source_type: item.kind,
                source_locked: item.locked,
            });
        }
        clocks.wall.check_box(self.0.client.at(), channel)?;
        Ok(Inventory {
            channel,
            asked: range,
            answered_at,
            clock: clocks.wall.clock.reading(),
            recordings,
        })
    }

    /// Fetches one part into its file; see [`crate::recorder::driver::RecorderSession::download`].
    pub async fn download(
        &self,
        part: PartRequest,
        progress: watch::Sender<PartProgress>,
        cancel: CancellationToken,
    ) -> Result<u64, RecorderError> {
        let (name, uri, whole) = match &part.source {
            Source::Name(name) => (name.clone(), self.address_of(name).await?, true),
            Source::Time {
                channel,
                start,
                end,
            } => {
                let (start, end) = (start.wall, end.wall);
                let covering = self.covering(*channel, start).await?;
                let name = format!("channel {channel} from {start} to {end}");
                (name, covering.between(start, end), false)
            }
        };
        let wanted = Wanted {
            name: &name,
            uri: &uri,
            whole,
            path: &part.path,
            stated_bytes: part.stated_bytes,
            limit_kbps: part.limit_kbps,
        };
        let fetched =
            download::fetch(&self.0.client, &self.0.learnt, wanted, &progress, &cancel).await;
        match (fetched, &part.source) {
            // A recorder says "not supported" of a file that is gone: its own listing tells the two apart.
            (Err(error), Source::Name(name)) if error.kind == FailureKind::Unsupported => {
                self.addresses().remove(name);
                let uri = self.address_of(name).await?;
                self.play_back(&uri, &part, name, &progress, &cancel).await
            }
            (Err(error), Source::Time { .. }) if error.kind == FailureKind::Unsupported => {
                self.play_back(&uri, &part, &name, &progress, &cancel).await
            }
            (fetched, _) => fetched,
        }
    }

    /// The way of devices that have no downloads: the recording is played over RTSP, at its own pace, and written down.
    async fn play_back(
        &self,
        uri: &PlaybackUri,
        part: &PartRequest,
        name: &str,
        progress: &watch::Sender<PartProgress>,
        cancel: &CancellationToken,
    ) -> Result<u64, RecorderError> {
        let what = format!("play back {name}");
        let url = uri.at(&self.rtsp_at());
        let playing = Playing::start(&url, &self.0.account, &what, self.0.patience.answer).await?;
        playback::write(playing, part, uri.seconds(), progress, cancel).await
    }

    /// Starts a live stream.
    pub async fn live(
        &self,
        channel: u32,
        stream: StreamKind,
    ) -> Result<LiveStream, RecorderError> {
        let what = format!("show channel {channel} live");
        let url = format!(
            "rtsp://{}/Streaming/Channels/{}",
            self.rtsp_at(),
            track_of(channel, stream)
        );
        let playing = Playing::start(&url, &self.0.account, &what, self.0.patience.answer).await?;
        let (bytes, ours) = UnixStream::pair().map_err(|error| {
            let message = format!("{}: cannot {what}: {error}", self.0.client.at());
            RecorderError::new(FailureKind::Local, message)
        })?;
        let guard = CancellationToken::new();
        tokio::spawn({
            let guard = guard.clone();
            async move {
                // Closing our end tells the reader; why is for the journal.
                match playing.write_to(ours, SILENCE, &guard).await {
                    Stopped::Broken(error) | Stopped::Silent(error) => {
                        tracing::info!(reason = error.message, "A live stream broke");
                    }
                    Stopped::Ended | Stopped::Unwanted => {}
                }
            }
        });
        Ok(LiveStream {
            bytes,
            guard: guard.drop_guard(),
        })
    }

    /// Host and port of RTSP: the configured host, since the device's own idea of it may be anything.
    fn rtsp_at(&self) -> String {
        RecorderAccount {
            port: self.0.rtsp_port,
            ..self.0.account.clone()
        }
        .at()
    }

    /// What a `Z` means to this recorder. Found out once, by the wall clock in the pictures of a recording (ABI §11.1)
    /// and the time that a search tells for it. None when there is no recording of this track anywhere near, whatever it
    /// means.
    async fn zulu(
        &self,
        clocks: &Clocks,
        track: u32,
        range: UtcRange,
    ) -> Result<Option<Zulu>, RecorderError> {
        if let Some(known) = self.0.learnt.get().zulu {
            return Ok(Some(known));
        }
        // Without a zone both mean the same; with offsets written out it is not needed.
        if clocks.wall.clock.reading().zone_minutes == 0 {
            return Ok(Some(Zulu::Wall));
        }
        let questions = clocks.wall.clock.questions(range);
        let (Some((start, _)), Some((_, end))) = (questions.first(), questions.last()) else {
            return Ok(None);
        };
        let wide = (
            start.saturating_sub(ZONE_HOURS.hours()),
            end.saturating_add(ZONE_HOURS.hours()),
        );
        let items = self.list(track, wide.0, wide.1).await?;
        // Not the oldest, which may be overwritten just now, and not the newest, which grows.
        let Some(item) = items.get(items.len() / 2) else {
            return Ok(None);
        };
        let head = download::head(&self.0.client, &self.0.learnt, &item.uri, HEAD_BYTES).await;
        let shown = head.ok().and_then(|bytes| first_wall_clock(&bytes));
        let found = shown.and_then(|shown| clocks.compare(item.start.wall, shown));
        tracing::info!(
            recorder.address = self.0.client.at(),
            found = ?found,
            "Looked at what the recorder means by the Z behind its times; unless found, its wall clock is assumed"
        );
        let zulu = found.unwrap_or(Zulu::Wall);
        self.0.learnt.note(|ways| ways.zulu = Some(zulu));
        Ok(Some(zulu))
    }

    async fn list(
        &self,
        track: u32,
        from: DateTime,
        to: DateTime,
    ) -> Result<Vec<Item>, RecorderError> {
        let _alone = self
            .0
            .searches
            .acquire()
            .await
            .map_err(|_| RecorderError::new(FailureKind::Cancelled, "the agent is stopping"))?;
        let mut items: Vec<Item> = Vec::new();
        let mut begin = from;
        while begin <= to {
            let end = begin.saturating_add(WINDOW_HOURS.hours()).min(to);
            let of_window =
                search::listing(&self.0.client, &self.0.learnt, track, begin, end).await?;
            for item in of_window {
                add(&mut items, item);
            }
            begin = end.saturating_add(1.second());
        }
        Ok(items)
    }

    /// Keeps the address of a recording, and gives it its name.
    fn remember(&self, channel: u32, item: &Item) -> String {
        let track = item
            .uri
            .track()
            .unwrap_or(track_of(channel, StreamKind::Main));
        let name = SourceName::of(&item.uri, track, item.start.wall).to_string();
        let mut addresses = self.addresses();
        if addresses.len() >= ADDRESSES_MAX {
            addresses.clear();
        }
        addresses.insert(name.clone(), item.uri.clone());
        name
    }

    /// The address of a recording by the name that a search gave it.
    async fn address_of(&self, name: &str) -> Result<PlaybackUri, RecorderError> {
        if let Some(uri) = self.addresses().get(name) {
            return Ok(uri.clone());
        }
        let gone = || {
            let message = format!("{}: the recorder no longer has {name}", self.0.client.at());
            RecorderError::new(FailureKind::SourceGone, message)
        };
        // A name of another driver: the recorder was worked with in another way when it was found.
        let wanted = SourceName::parse(name).ok_or_else(gone)?;
        let items = self.list(
            wanted.track,
            wanted.start,
            wanted.start.saturating_add(1.second()),
        );
        for item in items.await? {
            if self.remember(wanted.channel(), &item) == name {
                return Ok(item.uri);
            }
        }
        Err(gone())
    }

    /// The address of the recording that this second lies in.
    async fn covering(&self, channel: u32, second: DateTime) -> Result<PlaybackUri, RecorderError> {
        let track = track_of(channel, StreamKind::Main);
        let items = self
            .list(track, second, second.saturating_add(1.second()))
            .await?;
        items
            .into_iter()
            .find(|item| item.start.wall <= second && second <= item.end.wall)
            .map(|item| item.uri)
            .ok_or_else(|| {
                let message = format!(
                    "{}: the recorder no longer has channel {channel} at {second}",
                    self.0.client.at()
                );
                RecorderError::new(FailureKind::SourceGone, message)
            })
    }

    /// Clocks that are good for a search: read just now, by a box whose clock is believed.
    async fn fresh_clocks(&self) -> Result<Clocks, RecorderError> {
        let is_stale = self.clocks().wall.is_stale();
        if is_stale {
            self.ping().await?;
        }
        let clocks = self.clocks().clone();
        clocks.wall.clone().believed(self.0.client.at())?;
        Ok(clocks)
    }

    fn clocks(&self) -> MutexGuard<'_, Clocks> {
        self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<String, PlaybackUri>> {
        self.0
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that reaches over midnight is told in both windows; the later answer knows more of it.
fn add(items: &mut Vec<Item>, item: Item) {
    let same = |known: &Item| known.start == item.start && known.uri.name() == item.uri.name();
    match items.iter().rposition(same) {
        Some(place) => items[place] = item,
        None => items.push(item),
    }
}

/// The wall clock in the first system map of a program stream.
fn first_wall_clock(bytes: &[u8]) -> Option<DateTime> {
    let layout = ps::scan(std::io::Cursor::new(bytes)).ok()?;
    let packed = layout.groups.iter().find_map(|group| group.wall)?;
    // 8 bits of year since 2000, 4 of month, 5 of day, 5 of hour, 6 of minute, 6 of second, 10 of millisecond.
    let bits = |shift: u32, width: u32| (packed >> shift & ((1 << width) - 1)) as i8;
    let year = 2000 + (packed >> 36 & 0xFF) as i16;
    DateTime::new(
        year,
        bits(32, 4),
        bits(27, 5),
        bits(22, 5),
        bits(16, 6),
        bits(10, 6),
        0,
    )
    .ok()
}

/// Channel * 100 + stream.
fn track_of(channel: u32, stream: StreamKind) -> u32 {
    channel * 100
        + match stream {
            StreamKind::Main => 1,
            StreamKind::Sub => 2,
        }
}

/// Offsets are believed where they are written out.
fn told(item: &Item) -> Told {
    let difference_minutes = match (item.start.suffix, item.end.suffix) {
        (Suffix::Offset(start), Suffix::Offset(end)) => Some((start, end)),
        _ => None,
    };
    Told {
        start: item.start.wall,
        end: item.end.wall,
        difference_minutes,
    }
}

/// The cheapest proof of the account; old firmware does not know it, then the next request proves it.
async fn check_account(client: &Client) -> Result<(), RecorderError> {
    let call = Call::get("log in", "/ISAPI/Security/userCheck");
    let Some(root) = optional(client, call).await? else {
        return Ok(());
    };
    let told = refusal(&root);
    match told.status_code {
        Some(status @ 400..=599) => {
            let status = u16::try_from(status)
                .ok()
                .and_then(|s| http::StatusCode::from_u16(s).ok());
            Err(client.refusal(
                "log in",
                status.unwrap_or(http::StatusCode::UNAUTHORIZED),
                &told,
            ))
        }
        _ => Ok(()),
    }
}

async fn optional(
    client: &Client,
    call: Call<'_>,
) -> Result<Option<super::xml::Element>, RecorderError> {
    client.optional(call).await
}

async fn device(client: &Client) -> Result<(String, String), RecorderError> {
    let call = Call::get("ask who it is", "/ISAPI/System/deviceInfo");
    let root = client.document(call).await?;
    let info = answers::device_info(&root).ok_or_else(|| {
        let message = format!(
            "{}: the device does not tell its serial number: is it a recorder that speaks ISAPI?",
            client.at()
        );
        RecorderError::new(FailureKind::Unsupported, message)
    })?;
    Ok((info.serial, info.model))
}

async fn clock_facts(client: &Client) -> Result<ClockFacts, RecorderError> {
    let asked_at = Timestamp::now().into();
    let root = client
        .document(Call::get("ask for its time", "/ISAPI/System/time"))
        .await?;
    let answered_at = Timestamp::now().into();
    let told = answers::device_time(&root).ok_or_else(|| {
        let message = format!("{}: the recorder's time is not understood", client.at());
        RecorderError::new(FailureKind::Device, message)
    })?;
    Ok(zone::facts(&told, asked_at, answered_at))
}

/// Analog inputs first, then those of the network, as hybrid recorders count (ISAPI reference §2.1).
async fn channels(client: &Client) -> Result<Vec<ChannelInfo>, RecorderError> {
    let list = |path: &'static str| optional(client, Call::get("list its channels", path));
    let read = |root: Option<super::xml::Element>| root.map(|root| answers::inputs(&root));
    let analog = read(list("/ISAPI/System/Video/inputs/channels").await?).unwrap_or_default();
    let network = read(list("/ISAPI/ContentMgmt/InputProxy/channels").await?).unwrap_or_default();
    let online = match network.is_empty() {
        true => Vec::new(),
        false => list("/ISAPI/ContentMgmt/InputProxy/channels/status")
            .await?
            .map(|root| answers::online(&root))
            .unwrap_or_default(),
    };
    let found = number(&analog, &network, &online);
    if !found.is_empty() {
        return Ok(found);
    }
    let streams = list("/ISAPI/Streaming/channels").await?;
    let streams = streams
        .map(|root| answers::streams(&root))
        .unwrap_or_default();
    Ok(number(&streams, &[], &[]))
}

/// One numbering for both lists: those of the network follow where both begin with 1.
fn number(analog: &[Input], network: &[Input], online: &[(u32, bool)]) -> Vec<ChannelInfo> {
    let clash = network.iter().any(|n| analog.iter().any(|a| a.id == n.id));
    let last = analog.iter().map(|input| input.id).max().unwrap_or(0);
    let shift = if clash { last } else { 0 };
    let analog = analog.iter().map(|input| ChannelInfo {
        number: input.id,
        name: input.name.clone(),
        online: None,
    });
    let network = network.iter().map(|input| ChannelInfo {
        number: input.id + shift,
        name: input.name.clone(),
        online: online
            .iter()
            .find(|(id, _)| *id == input.id)
            .map(|(_, online)| *online),
    });
    analog.chain(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn analog_channels_come_first() {
        let input = |id| Input {
            id,
            name: format!("c{id}"),
        };
        let numbers = |analog: &[u32], network: &[u32]| -> Vec<u32> {
            let list = |ids: &[u32]| ids.iter().copied().map(input).collect::<Vec<_>>();
            number(&list(analog), &list(network), &[])
                .iter()
                .map(|channel| channel.number)
                .collect()
        };
        assert_eq!(numbers(&[], &[1, 3, 12]), [1, 3, 12]);
        assert_eq!(numbers(&[1, 2, 3, 4], &[1, 2]), [1, 2, 3, 4, 5, 6]);
        assert_eq!(numbers(&[1, 2], &[33, 35]), [1, 2, 33, 35]);
    }
}
