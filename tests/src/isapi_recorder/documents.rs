//! The documents of the device, in the words of real firmware.

use hcnetsdk::reel::{Reel, VideoCodec};
use hcnetsdk::scenario::Device;
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::Recorder;
use super::files::{self, Held, compact, meant, number, told};
use super::quirks::{Position, Quirks};

/// A text as content of an element.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The reverse, for the five entities.
pub fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

/// The text between an opening and a closing tag, wherever it is. Requests are read like this because foreign clients
/// do not always escape what they send, and recorders take it all the same.
pub fn inner<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
        .map(|(text, _)| text.trim())
}

fn document(quirks: &Quirks, root: &str, content: &str) -> String {
    let namespace = match quirks.namespace {
        "" => String::new(),
        namespace => format!(" version=\"2.0\" xmlns=\"{namespace}\""),
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}{namespace}>\n{content}</{root}>\n")
}

/// `ResponseStatus`.
pub fn response_status(quirks: &Quirks, url: &str, code: u32, text: &str, sub: &str) -> String {
    document(
        quirks,
        "ResponseStatus",
        &format!(
            "<requestURL>{}</requestURL>\n<statusCode>{code}</statusCode>\n<statusString>{text}</statusString>\n\
             <subStatusCode>{sub}</subStatusCode>\n",
            escape(url)
        ),
    )
}

/// `userCheck`, right or refused.
pub fn user_check(quirks: &Quirks, status: u16, lock: Option<(&str, String)>) -> String {
    let lock = match lock {
        Some((state, more)) => format!("<lockStatus>{state}</lockStatus>\n{more}\n"),
        None => String::new(),
    };
    let text = if status == 200 { "OK" } else { "Unauthorized" };
    document(
        quirks,
        "userCheck",
        &format!(
            "<statusValue>{status}</statusValue>\n<statusString>{text}</statusString>\n{lock}"
        ),
    )
}

/// `DeviceInfo`.
pub fn device_info(device: &Device, quirks: &Quirks) -> String {
    let (version, build) = device
        .firmware
        .split_once(' ')
        .unwrap_or((&device.firmware, ""));
    document(
        quirks,
        "DeviceInfo",
        &format!(
            "<deviceName>Network Video Recorder</deviceName>\n<deviceID>48443030-3030-3030-3030-000000000000</deviceID>\n\
             <model>{}</model>\n<serialNumber>{}</serialNumber>\n<macAddress>44:19:b6:00:00:01</macAddress>\n\
             <firmwareVersion>{version}</firmwareVersion>\n<firmwareReleasedDate>{build}</firmwareReleasedDate>\n\
             <deviceType>NVR</deviceType>\n",
            escape(&device.model),
            escape(&device.serial)
        ),
    )
}

/// `Time`.
pub fn time(device: &Device, quirks: &Quirks) -> String {
    let now = Timestamp::now();
    let clock = device.clock();
    let local = told(
        device,
        &Quirks {
            zulu_is_utc: false,
            ..Quirks::default()
        },
        now,
    );
    let offset = offset(clock.offset_minutes(now));
    document(
        quirks,
        "Time",
        &format!(
            "<timeMode>manual</timeMode>\n<localTime>{local}{offset}</localTime>\n<timeZone>{}</timeZone>\n",
            zone(device)
        ),
    )
}

fn offset(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// `CST-1:00:00DST01:00:00,M3.5.0/02:00:00,M10.5.0/03:00:00`.
fn zone(device: &Device) -> String {
    let clock = device.clock();
    let west = -clock.standard_offset_minutes();
    let sign = if west < 0 { "-" } else { "+" };
    let mut text = format!("CST{sign}{}:{:02}:00", west.abs() / 60, west.abs() % 60);
    let summer = clock.zone_and_dst();
    if summer.dwEnableDST == 1 {
        let moment = |p: hcnetsdk::layout::TimePoint| {
            format!(
                "M{}.{}.{}/{:02}:{:02}:00",
                p.dwMonth + 1,
                p.dwWeekNo + 1,
                p.dwWeekDate,
                p.dwHour,
                p.dwMin
            )
        };
        let bias = summer.byDSTBias;
        text.push_str(&format!(
            "DST{:02}:{:02}:00,{},{}",
            bias / 60,
            bias % 60,
            moment(summer.struBeginPoint),
            moment(summer.struEndPoint)
        ));
    }
    text
}

/// `AdminAccessProtocolList`.
pub fn admin_accesses(quirks: &Quirks, http: u16, rtsp: u16) -> String {
    let entry = |id: u32, name: &str, port: u16| {
        format!(
            "<AdminAccessProtocol>\n<id>{id}</id>\n<enabled>true</enabled>\n<protocol>{name}</protocol>\n\
             <portNo>{port}</portNo>\n</AdminAccessProtocol>\n"
        )
    };
    document(
        quirks,
        "AdminAccessProtocolList",
        &[
            entry(1, "HTTP", http),
            entry(2, "RTSP", rtsp),
            entry(3, "DEV_MANAGE", 8000),
        ]
        .concat(),
    )
}

/// `VideoInputChannelList`: the analog inputs.
pub fn video_inputs(device: &Device, quirks: &Quirks) -> String {
    let entries: String = device
        .channels
        .iter()
        .filter(|channel| !device.is_digital(channel.number))
        .map(|channel| {
            format!(
                "<VideoInputChannel>\n<id>{}</id>\n<inputPort>{}</inputPort>\n<name>{}</name>\n<resDesc>1080P25</resDesc>\n\
                 </VideoInputChannel>\n",
                number(device, channel),
                number(device, channel),
                escape(&channel.name)
            )
        })
        .collect();
    document(quirks, "VideoInputChannelList", &entries)
}

/// `InputProxyChannelList`: the cameras of the network.
pub fn input_proxies(device: &Device, quirks: &Quirks) -> String {
    let entries: String = device
        .channels
        .iter()
        .filter(|channel| device.is_digital(channel.number))
        .map(|channel| {
            format!(
                "<InputProxyChannel>\n<id>{}</id>\n<name>{}</name>\n<sourceInputPortDescriptor>\n\
                 <proxyProtocol>HIKVISION</proxyProtocol>\n<addressingFormatType>ipaddress</addressingFormatType>\n\
                 <ipAddress>192.168.254.{}</ipAddress>\n<managePortNo>8000</managePortNo>\n<srcInputPort>1</srcInputPort>\n\
                 <userName>admin</userName>\n<streamType>auto</streamType>\n</sourceInputPortDescriptor>\n\
                 </InputProxyChannel>\n",
                number(device, channel),
                escape(&channel.name),
                number(device, channel) % 250 + 2
            )
        })
        .collect();
    document(quirks, "InputProxyChannelList", &entries)
}

/// `InputProxyChannelStatusList`.
pub fn input_states(device: &Device, quirks: &Quirks) -> String {
    let entries: String = device
        .channels
        .iter()
        .filter(|channel| device.is_digital(channel.number))
        .map(|channel| {
            format!(
                "<InputProxyChannelStatus>\n<id>{}</id>\n<online>{}</online>\n<chanDetectResult>{}</chanDetectResult>\n\
                 </InputProxyChannelStatus>\n",
                number(device, channel),
                channel.online,
                if channel.online { "connect" } else { "netUnreachable" }
            )
        })
        .collect();
    document(quirks, "InputProxyChannelStatusList", &entries)
}

/// `StreamingChannelList`: main and sub stream of every channel.
pub fn streaming_channels(recorder: &Recorder, device: &Device, quirks: &Quirks) -> String {
    let mut entries = String::new();
    for channel in &device.channels {
        for stream in [1, 2] {
            let codec = channel
                .live
                .as_ref()
                .and_then(|live| Reel::open(&recorder.media.join(live)).ok())
                .map_or("H.264", |reel| match reel.description.codec {
                    VideoCodec::H264 => "H.264",
                    VideoCodec::H265 => "H.265",
                });
            entries.push_str(&format!(
                "<StreamingChannel>\n<id>{}</id>\n<channelName>{}</channelName>\n<enabled>true</enabled>\n<Transport>\n\
                 <ControlProtocolList>\n<ControlProtocol>\n<streamingTransport>RTSP</streamingTransport>\n\
                 </ControlProtocol>\n</ControlProtocolList>\n</Transport>\n<Video>\n<enabled>true</enabled>\n\
                 <videoCodecType>{codec}</videoCodecType>\n</Video>\n</StreamingChannel>\n",
                number(device, channel) * 100 + stream,
                escape(&channel.name)
            ));
        }
    }
    document(quirks, "StreamingChannelList", &entries)
}

/// `CMSearchResult`. None when the request is not understood.
pub fn search(device: &Device, quirks: &Quirks, request: &str, all: &[Held]) -> Option<String> {
    let track: u32 = inner(request, "trackID")?.parse().ok()?;
    let digits = |name: &str| -> Option<DateTime> {
        let text = inner(request, name)?;
        let seconds = text.split(['Z', '+', '.']).next()?;
        seconds.parse().ok()
    };
    let (from, to) = (digits("startTime")?, digits("endTime")?);
    let asked: usize = inner(request, "maxResults")?.parse().ok()?;
    let element = match quirks.position {
        Position::Vendor => Some("searchResultPostion"),
        Position::Dictionary => Some("searchResultPosition"),
        Position::Ignored => None,
    };
    let position: usize = element
        .and_then(|name| inner(request, name))
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let found: Vec<&Held> = all
        .iter()
        .filter(|held| held.track == track)
        .filter(|held| {
            told(device, quirks, held.recording.start) <= to
                && told(device, quirks, held.stop()) >= from
        })
        .collect();
    let first = match quirks.repeats_last && position > 0 {
        true => position - 1,
        false => position,
    };
    let rest = found.get(first..).unwrap_or_default();
    let page = &rest[..rest.len().min(asked).min(quirks.page_cap)];
    let status = if quirks.always_more || page.len() < rest.len() {
        "MORE"
    } else if page.is_empty() {
        "NO MATCHES"
    } else {
        "OK"
    };
    let items: String = page.iter().map(|held| item(device, quirks, held)).collect();
    Some(document(
        quirks,
        "CMSearchResult",
        &format!(
            "<searchID>{}</searchID>\n<responseStatus>true</responseStatus>\n\
             <responseStatusStrg>{status}</responseStatusStrg>\n<numOfMatches>{}</numOfMatches>\n<matchList>\n{items}\
             </matchList>\n",
            inner(request, "searchID").unwrap_or_default(),
            page.len()
        ),
    ))
}

fn item(device: &Device, quirks: &Quirks, held: &Held) -> String {
    let (start, stop) = (held.recording.start, held.stop());
    let time = |utc: Timestamp| {
        let digits = told(device, quirks, utc);
        match quirks.offsets {
            true => format!("{digits}{}", offset(device.clock().offset_minutes(utc))),
            false => format!("{digits}Z"),
        }
    };
    let kind = match held.recording.file_type {
        0 => "timing",
        1 => "motion",
        _ => "alarm",
    };
    format!(
        "<searchMatchItem>\n<sourceID>{{0000000000-0000-0000-0000-000000000000}}</sourceID>\n<trackID>{}</trackID>\n\
         <timeSpan>\n<startTime>{}</startTime>\n<endTime>{}</endTime>\n</timeSpan>\n<mediaSegmentDescriptor>\n\
         <contentType>video</contentType>\n<codecType>H.264</codecType>\n<playbackURI>{}</playbackURI>\n\
         <lockStatus>{}</lockStatus>\n</mediaSegmentDescriptor>\n<metadataMatches>\n\
         <metadataDescriptor>recordType.meta.hikvision.com/{kind}</metadataDescriptor>\n</metadataMatches>\n\
         </searchMatchItem>\n",
        held.track,
        time(start),
        time(stop),
        escape(&playback_uri(device, quirks, held)),
        if held.recording.locked {
            "lock"
        } else {
            "unlock"
        }
    )
}

/// The address that a download wants back.
pub fn playback_uri(device: &Device, quirks: &Quirks, held: &Held) -> String {
    format!(
        "rtsp://{}/Streaming/tracks/{}/?starttime={}&endtime={}&name={}&size={}",
        quirks.host,
        held.track,
        compact(told(device, quirks, held.recording.start)),
        compact(told(device, quirks, held.stop())),
        held.recording.name,
        held.bytes().saturating_add_signed(quirks.size_delta)
    )
}

/// Which recording and which part of it an address names.
pub fn located(
    device: &Device,
    quirks: &Quirks,
    uri: &str,
    all: &[Held],
) -> Option<(Held, Option<(Timestamp, Timestamp)>)> {
    let parameter = |name: &str| {
        let query = uri.split_once('?')?.1;
        query
            .split('&')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let track: u32 = uri
        .split_once("/tracks/")?
        .1
        .split('/')
        .next()?
        .parse()
        .ok()?;
    let start = parameter("starttime").and_then(files::from_compact);
    let end = parameter("endtime").and_then(files::from_compact);
    let held = all.iter().find(|held| {
        held.track == track
            && match parameter("name") {
                Some(name) => held.recording.name == name,
                None => start.is_some_and(|start| told(device, quirks, held.stop()) > start),
            }
    })?;
    let (start, end) = (start?, end?);
    let is_whole = start <= told(device, quirks, held.recording.start)
        && end >= told(device, quirks, held.stop());
    let part = (!is_whole && quirks.cuts)
        .then(|| (meant(device, quirks, start), meant(device, quirks, end)));
    Some((held.clone(), part))
}
