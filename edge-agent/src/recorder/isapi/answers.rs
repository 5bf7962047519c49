//! Documents of the device turned into values. Pure, strict about what is used and blind to the rest: fields differ from
//! firmware to firmware. `docs/ref/isapi.md` lists the resources.

use jiff::civil::DateTime;

use super::uri::PlaybackUri;
use super::xml::Element;

/// Most channels of a recorder: the largest have 256.
const CHANNELS_MAX: usize = 512;
/// Highest channel number taken.
const CHANNEL_NUMBER_MAX: u32 = 10_000;
/// Most recordings taken of one page; devices cap it themselves at 40 to 200.
const ITEMS_MAX: usize = 1_000;
/// Longest text of a device that is kept.
const TEXT_CHARS_MAX: usize = 128;

/// `DeviceInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
}

/// Reads `DeviceInfo`; None without a serial number, which a recorder is known by.
pub fn device_info(root: &Element) -> Option<DeviceInfo> {
    let info = root.find("DeviceInfo")?;
    Some(DeviceInfo {
        serial: short(info.text_at(&["serialNumber"])?),
        model: short(info.text_at(&["model"]).unwrap_or("unknown model")),
    })
}

/// A channel of one of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Number in its list.
    pub id: u32,
    /// Name; empty without.
    pub name: String,
}

/// Reads `VideoInputChannelList` or `InputProxyChannelList`: each number once, in order.
pub fn inputs(root: &Element) -> Vec<Input> {
    let mut found: Vec<Input> = Vec::new();
    for entry in ["VideoInputChannel", "InputProxyChannel"]
        .iter()
        .flat_map(|name| root.all(name))
        .take(CHANNELS_MAX)
    {
        let Some(id) = channel_number(entry.text_at(&["id"])) else {
            continue;
        };
        if found.iter().any(|other| other.id == id) {
            continue;
        }
        let name = entry.text_at(&["name"]).unwrap_or_default();
        found.push(Input {
            id,
            name: short(name),
        });
    }
    found
}

/// Reads `InputProxyChannelStatusList`: number and whether its camera is connected.
pub fn online(root: &Element) -> Vec<(u32, bool)> {
    root.all("InputProxyChannelStatus")
        .take(CHANNELS_MAX)
        .filter_map(|entry| {
            let id = channel_number(entry.text_at(&["id"]))?;
            let online = entry.text_at(&["online"])?;
            Some((id, online.eq_ignore_ascii_case("true")))
        })
        .collect()
}

/// Reads `StreamingChannelList`: the channels that have a main stream, and their names.
pub fn streams(root: &Element) -> Vec<Input> {
    root.all("StreamingChannel")
        .take(CHANNELS_MAX)
        .filter_map(|entry| {
            let track: u32 = entry.text_at(&["id"])?.parse().ok()?;
            let is_main = track % 100 == 1 && track / 100 <= CHANNEL_NUMBER_MAX;
            is_main.then(|| Input {
                id: track / 100,
                name: short(entry.text_at(&["channelName"]).unwrap_or_default()),
            })
        })
        .collect()
}

fn channel_number(text: Option<&str>) -> Option<u32> {
    let number = text?.parse().ok()?;
    (1..=CHANNEL_NUMBER_MAX).contains(&number).then_some(number)
}

/// Reads `AdminAccessProtocolList`: the port of RTSP.
pub fn rtsp_port(root: &Element) -> Option<u16> {
    let entry = root.all("AdminAccessProtocol").find(|entry| {
        entry
            .text_at(&["protocol"])
            .is_some_and(|name| name.eq_ignore_ascii_case("RTSP"))
    })?;
    let off = entry.text_at(&["enabled"]) == Some("false");
    let port: u16 = entry.text_at(&["portNo"])?.parse().ok()?;
    (!off && port > 0).then_some(port)
}

/// A time as told, and its offset from UTC where it is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldTime {
    /// The digits.
    pub wall: DateTime,
    /// What stands behind them.
    pub suffix: Suffix,
}

/// What stands behind the digits of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// Nothing.
    None,
    /// `Z`, which means UTC to some devices and nothing to most.
    Z,
    /// `+08:00`: minutes east of UTC.
    Offset(i32),
}

/// Reads `2024-05-01T10:15:00` with `Z`, an offset, or nothing behind it. Fractions are dropped.
pub fn told_time(text: &str) -> Option<ToldTime> {
    let text = text.trim();
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let digits = text.get(..19)?;
    let wall: DateTime = digits.parse().ok()?;
    let mut rest = &text[19..];
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    let suffix = match rest {
        "" => Suffix::None,
        "Z" | "z" => Suffix::Z,
        _ => Suffix::Offset(offset_minutes(rest)?),
    };
    Some(ToldTime { wall, suffix })
}

/// `+08:00`, `-0330`.
fn offset_minutes(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let total = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
    (total <= 15 * 60).then_some(sign * total)
}

/// `Time`: what the device's clock shows and its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTime {
    /// Now.
    pub local: ToldTime,
    /// `CST-1:00:00DST01:00:00,M3.5.0/02:00:00,M10.5.0/03:00:00`, as told.
    pub zone: Option<String>,
}

/// Reads `Time`.
pub fn device_time(root: &Element) -> Option<DeviceTime> {
    let time = root.find("Time")?;
    Some(DeviceTime {
        local: told_time(time.text_at(&["localTime"])?)?,
        zone: time.text_at(&["timeZone"]).map(short),
    })
}

/// A recording of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// First second.
    pub start: ToldTime,
    /// Last second.
    pub end: ToldTime,
    /// What a download wants back.
    pub uri: PlaybackUri,
    /// Whether the recorder protects it.
    pub locked: bool,
    /// 0 timed, 1 motion, 2 alarm and others: the SDK's numbers as far as the word tells.
    pub kind: u32,
}

/// One answer to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Whether the device says that there is more.
    pub more: bool,
    /// Recordings of this page.
    pub items: Vec<Item>,
    /// Entries that could not be read.
    pub unreadable: usize,
}

/// Reads `CMSearchResult`. None when it is none, or says that it failed.
pub fn page(root: &Element) -> Option<Page> {
    let result = root.find("CMSearchResult")?;
    let status = result.text_at(&["responseStatusStrg"]).unwrap_or_default();
    let failed = result.text_at(&["responseStatus"]) == Some("false");
    let none = status.eq_ignore_ascii_case("NO MATCHES");
    if failed && !none {
        return None;
    }
    let mut page = Page {
        more: status.eq_ignore_ascii_case("MORE"),
        items: Vec::new(),
        unreadable: 0,
    };
    let list = result.child("matchList");
    for entry in list
        .iter()
        .flat_map(|list| list.all("searchMatchItem"))
        .take(ITEMS_MAX)
    {
        match item(entry) {
            Some(Some(item)) => page.items.push(item),
            Some(None) => {}
            None => page.unreadable += 1,
        }
    }
    Some(page)
}

/// None: unreadable; some none: not a video.
fn item(entry: &Element) -> Option<Option<Item>> {
    let segment = entry.child("mediaSegmentDescriptor")?;
    if segment
        .text_at(&["contentType"])
        .is_some_and(|kind| !kind.eq_ignore_ascii_case("video"))
    {
        return Some(None);
    }
    let word = entry
        .text_at(&["metadataMatches", "metadataDescriptor"])
        .and_then(|text| text.rsplit('/').next())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let kind = match word.as_str() {
        "motion" | "videomotion" | "vmd" => 1,
        "alarm" => 2,
        "alarmormotion" => 3,
        "alarmandmotion" => 4,
        "command" => 5,
        "manual" => 6,
        "smart" => 7,
        _ => 0,
    };
    Some(Some(Item {
        start: told_time(entry.text_at(&["timeSpan", "startTime"])?)?,
        end: told_time(entry.text_at(&["timeSpan", "endTime"])?)?,
        uri: PlaybackUri::parse(segment.text_at(&["playbackURI"])?)?,
        locked: segment
            .text_at(&["lockStatus"])
            .is_some_and(|status| status.eq_ignore_ascii_case("lock")),
        kind,
    }))
}

/// What a refusal says about itself: `ResponseStatus`, or `userCheck` of a login.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The device's number.
    pub status_code: Option<u32>,
    /// `deviceBusy`, `notSupport`, ... in lower case; empty when it does not say.
    pub sub_status: String,
    /// The account or this box's address is locked.
    pub locked: bool,
    /// Attempts that are left.
    pub tries_left: Option<u32>,
    /// Seconds until the lock ends.
    pub unlock_s: Option<u32>,
}

/// Reads what a refusal says.
pub fn refusal(root: &Element) -> Refusal {
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| root.text_at(&[name]))
            .unwrap_or_default()
            .to_owned()
    };
    let number = |names: &[&str]| text(names).parse().ok();
    let sub_status = text(&["subStatusCode", "statusString"]).to_ascii_lowercase();
    Refusal {
        status_code: number(&["statusCode", "statusValue"]),
        locked: text(&["lockStatus"]).eq_ignore_ascii_case("lock")
            || matches!(sub_status.as_str(), "userlocked" | "lock" | "iplocked"),
        sub_status,
        tries_left: number(&["retryLoginTime", "retryTimes"]),
        unlock_s: number(&["unlockTime"]),
    }
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(TEXT_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Element {
        Element::parse(text.as_bytes()).unwrap()
    }

    fn wall(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[test]
    fn times_with_and_without_a_suffix() {
        let told = |text: &str| told_time(text).map(|told| (told.wall, told.suffix));
        let at = wall("2024-05-01T10:15:00");
        assert_eq!(told("2024-05-01T10:15:00Z"), Some((at, Suffix::Z)));
        assert_eq!(told(" 2024-05-01T10:15:00 "), Some((at, Suffix::None)));
        assert_eq!(
            told("2024-05-01T10:15:00.250+08:00"),
            Some((at, Suffix::Offset(480)))
        );
        assert_eq!(
            told("2024-05-01T10:15:00-0330"),
            Some((at, Suffix::Offset(-210)))
        );
        for bad in [
            "",
            "2024-05-01",
            "2024-13-01T10:15:00Z",
            "2024-05-01T10:15:00+99:00",
            "2024-05-01T10:15:00ZZ",
        ] {
            assert_eq!(told(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_page_of_a_search() {
        let item = |start: &str, kind: &str| {
            format!(
                "<searchMatchItem><trackID>101</trackID><timeSpan><startTime>{start}</startTime>\
                 <endTime>2024-05-01T10:20:00Z</endTime></timeSpan><mediaSegmentDescriptor>\
                 <contentType>{kind}</contentType><codecType>H.264</codecType><lockStatus>lock</lockStatus>\
                 <playbackURI>rtsp://h/Streaming/tracks/101/?starttime=20240501T101500Z&amp;name=ch01_1&amp;size=7</playbackURI>\
                 </mediaSegmentDescriptor><metadataMatches><metadataDescriptor>recordType.meta.hikvision.com/motion\
                 </metadataDescriptor></metadataMatches></searchMatchItem>"
            )
        };
        let document = format!(
            "<CMSearchResult xmlns='x'><responseStatus>true</responseStatus><responseStatusStrg>MORE</responseStatusStrg>\
             <numOfMatches>3</numOfMatches><matchList>{}{}{}</matchList></CMSearchResult>",
            item("2024-05-01T10:15:00Z", "video"),
            item("2024-05-01T10:15:00Z", "picture"),
            item("yesterday", "video")
        );
        let page = page(&root(&document)).unwrap();
        assert!(page.more);
        assert_eq!((page.items.len(), page.unreadable), (1, 1));
        let found = &page.items[0];
        assert_eq!(
            (found.uri.size_bytes(), found.locked, found.kind),
            (7, true, 1)
        );
        let none = "<CMSearchResult><responseStatus>false</responseStatus><responseStatusStrg>NO MATCHES\
                    </responseStatusStrg><matchList> </matchList></CMSearchResult>";
        let none = super::page(&root(none)).unwrap();
        assert!(!none.more && none.items.is_empty());
        let failed = "<CMSearchResult><responseStatus>false</responseStatus></CMSearchResult>";
        assert_eq!(super::page(&root(failed)), None);
    }

    #[test]
    fn channels_with_holes_and_names() {
        let list = root(
            "<InputProxyChannelList><InputProxyChannel><id>1</id><name>Tor &amp; Hof</name></InputProxyChannel>\
             <InputProxyChannel><id>7</id><name>大门</name></InputProxyChannel>\
             <InputProxyChannel><id>7</id></InputProxyChannel><InputProxyChannel><id>x</id></InputProxyChannel>\
             </InputProxyChannelList>",
        );
        let told: Vec<_> = inputs(&list).into_iter().map(|i| (i.id, i.name)).collect();
        assert_eq!(told, [(1, "Tor & Hof".to_owned()), (7, "大门".to_owned())]);
        let status = root(
            "<L><InputProxyChannelStatus><id>1</id><online>true</online></InputProxyChannelStatus>\
             <InputProxyChannelStatus><id>7</id><online>false</online></InputProxyChannelStatus></L>",
        );
        assert_eq!(online(&status), [(1, true), (7, false)]);
    }

    #[test]
    fn refusals_tell_about_locks() {
        let locked = refusal(&root(
            "<userCheck><statusValue>401</statusValue><lockStatus>lock</lockStatus><unlockTime>1797</unlockTime></userCheck>",
        ));
        assert!(locked.locked);
        assert_eq!((locked.unlock_s, locked.tries_left), (Some(1797), None));
        let busy = refusal(&root(
            "<ResponseStatus><statusCode>2</statusCode><subStatusCode>deviceBusy</subStatusCode></ResponseStatus>",
        ));
        assert_eq!(
            (busy.sub_status.as_str(), busy.locked),
            ("devicebusy", false)
        );
    }

    #[test]
    fn the_port_of_rtsp() {
        let list = root(
            "<AdminAccessProtocolList><AdminAccessProtocol><protocol>HTTP</protocol><portNo>80</portNo></AdminAccessProtocol>\
             <AdminAccessProtocol><protocol>RTSP</protocol><portNo>8554</portNo></AdminAccessProtocol></AdminAccessProtocolList>",
        );
        assert_eq!(rtsp_port(&list), Some(8554));
    }
}
