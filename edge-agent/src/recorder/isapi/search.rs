//! What a track holds: `CMSearch`, page by page, over the quirks of devices (`docs/ref/isapi.md`, "Search").
//!
//! Pure decisions in [`Pager`]; [`listing`] does the asking.

use std::collections::HashMap;

use http::Method;
use jiff::ToSpan;
use jiff::civil::DateTime;
use uuid::Uuid;

use super::answers::{Item, Page, page};
use super::client::{Call, Client};
use super::learnt::{Learnt, Paging};
use super::uri::SourceName;
use crate::recorder::driver::{FailureKind, RecorderError};

/// Path of a search.
const PATH: &str = "/ISAPI/ContentMgmt/search";
/// Recordings asked for at once: what the vendor's own library asks for.
const PAGE_ITEMS: usize = 40;
/// Most pages of one window: 500 pages of one recording each are still more than a day has.
const PAGES_MAX: usize = 500;

/// All recordings of a track in a window of the device's clock, both ends inclusive, each once, in the order told.
pub async fn listing(
    client: &Client,
    learnt: &Learnt,
    track: u32,
    from: DateTime,
    to: DateTime,
) -> Result<Vec<Item>, RecorderError> {
    let mut pager = Pager::new(track, from, to, learnt.get().paging);
    for _ in 0..PAGES_MAX {
        let question = pager.question();
        let what = format!("search channel {}", track / 100);
        let root = client
            .document(Call {
                what: &what,
                method: Method::POST,
                path: PATH,
                body: Some(document(track, to, &question)),
                from_byte: None,
            })
            .await?;
        let Some(page) = page(&root) else {
            let message = format!(
                "{}: cannot {what}: the search failed at the recorder",
                client.at()
            );
            return Err(RecorderError::new(FailureKind::Device, message));
        };
        if page.unreadable > 0 {
            tracing::warn!(
                recorder.address = client.at(),
                channel.no = track / 100,
                count = page.unreadable,
                "The recorder lists recordings that are not understood; they are ignored"
            );
        }
        match pager.answer(page) {
            Next::Ask => {}
            Next::Switched(paging) => {
                tracing::info!(
                    recorder.address = client.at(),
                    ?paging,
                    "The recorder repeats the first page; the next is asked for in another way"
                );
                learnt.note(|ways| ways.paging = paging);
            }
            Next::Done => return Ok(pager.items),
        }
    }
    let message = format!(
        "{}: the search of channel {} from {from} to {to} does not come to an end after {PAGES_MAX} pages",
        client.at(),
        track / 100
    );
    Err(RecorderError::new(FailureKind::Device, message))
}

/// Order and spelling are the vendor library's own; a new id for every page, as it does.
fn document(track: u32, to: DateTime, question: &Question) -> String {
    let id = Uuid::new_v4().to_string().to_uppercase();
    let position = match question.paging {
        Paging::Vendor => format!(
            "<searchResultPostion>{}</searchResultPostion>",
            question.position
        ),
        Paging::Dictionary => format!(
            "<searchResultPosition>{}</searchResultPosition>",
            question.position
        ),
        Paging::ByTime => "<searchResultPostion>0</searchResultPostion>".to_owned(),
    };
    format!(
        "<CMSearchDescription><searchID>{{{id}}}</searchID><trackIDList><trackID>{track}</trackID></trackIDList>\
         <timeSpanList><timeSpan><startTime>{}Z</startTime><endTime>{to}Z</endTime></timeSpan></timeSpanList>\
         <contentTypeList><contentType>video</contentType></contentTypeList><maxResults>{PAGE_ITEMS}</maxResults>\
         {position}</CMSearchDescription>",
        question.from
    )
}

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    from: DateTime,
    position: usize,
    paging: Paging,
}

/// What follows from an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// There is more.
    Ask,
    /// There is more, and it has to be asked for in another way from now on.
    Switched(Paging),
    /// The listing is whole.
    Done,
}

/// A recording is the same one when track, start and stored file are; the newest grows between two pages.
type Key = SourceName;

/// Turns pages into a listing.
struct Pager {
    track: u32,
    to: DateTime,
    from: DateTime,
    position: usize,
    paging: Paging,
    /// Of the first page of this `from`.
    first: Option<Key>,
    known: HashMap<Key, usize>,
    items: Vec<Item>,
}

impl Pager {
    fn new(track: u32, from: DateTime, to: DateTime, paging: Paging) -> Self {
        Self {
            track,
            to,
            from,
            position: 0,
            paging,
            first: None,
            known: HashMap::new(),
            items: Vec::new(),
        }
    }

    fn question(&self) -> Question {
        Question {
            from: self.from,
            position: self.position,
            paging: self.paging,
        }
    }

    fn answer(&mut self, page: Page) -> Next {
        let listed = page.items.len() + page.unreadable;
        // "MORE" with nothing is said by some, for ever.
        if listed == 0 {
            return Next::Done;
        }
        let key = |item: &Item| SourceName::of(&item.uri, self.track, item.start.wall);
        let first = page.items.first().map(key);
        if self.position > 0 && first.is_some() && first == self.first {
            self.paging = match self.paging {
                Paging::Vendor => Paging::Dictionary,
                Paging::Dictionary | Paging::ByTime => {
                    self.position = 0;
                    self.move_start();
                    Paging::ByTime
                }
            };
            return Next::Switched(self.paging);
        }
        if self.position == 0 {
            self.first = first;
        }
        let before = self.items.len();
        for item in page.items {
            let key = SourceName::of(&item.uri, self.track, item.start.wall);
            match self.known.get(&key) {
                Some(place) => self.items[*place] = item,
                None => {
                    self.known.insert(key, self.items.len());
                    self.items.push(item);
                }
            }
        }
        if !page.more {
            return Next::Done;
        }
        match self.paging {
            Paging::Vendor | Paging::Dictionary => self.position += listed,
            Paging::ByTime => {
                // Nothing new where it should go on: moving on would only repeat that.
                if self.items.len() == before || !self.move_start() {
                    return Next::Done;
                }
            }
        }
        Next::Ask
    }

    /// To the end of what is known. False where that is the end of the window.
    fn move_start(&mut self) -> bool {
        let last = self.items.iter().map(|item| item.end.wall).max();
        let next = last
            .unwrap_or(self.from)
            .max(self.from.saturating_add(1.second()));
        self.from = next.min(self.to);
        self.first = None;
        next < self.to
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recorder::isapi::answers::told_time;
    use crate::recorder::isapi::uri::{PlaybackUri, compact};

    fn at(minute: usize) -> DateTime {
        let day: DateTime = "2026-11-03T00:00:00".parse().unwrap();
        day.saturating_add((minute as i64).minutes())
    }

    fn item(minute: usize) -> Item {
        let time = |wall: DateTime| told_time(&format!("{wall}Z")).unwrap();
        let uri = format!(
            "rtsp://h/Streaming/tracks/101/?starttime={}&name=ch01_{minute}&size=1",
            compact(at(minute))
        );
        Item {
            start: time(at(minute)),
            end: time(at(minute + 1)),
            uri: PlaybackUri::parse(&uri).unwrap(),
            locked: false,
            kind: 0,
        }
    }

    /// A device with this many recordings of a minute, and its quirks.
    #[derive(Debug, Clone, Copy)]
    struct Device {
        held: usize,
        page: usize,
        understands: Option<Paging>,
        repeats_last: bool,
        always_more: bool,
    }

    impl Device {
        fn answer(&self, question: Question) -> Page {
            let listed: Vec<usize> = (0..self.held)
                .filter(|n| at(n + 1) >= question.from)
                .collect();
            let understood = Some(question.paging) == self.understands;
            let mut start = if understood { question.position } else { 0 };
            if self.repeats_last && start > 0 {
                start -= 1;
            }
            let rest = listed.get(start..).unwrap_or_default();
            let items: Vec<Item> = rest.iter().take(self.page).map(|n| item(*n)).collect();
            Page {
                more: self.always_more || rest.len() > items.len(),
                items,
                unreadable: 0,
            }
        }
    }

    fn list(device: Device) -> (Vec<Item>, usize) {
        let mut pager = Pager::new(101, at(0), at(24 * 60 - 1), Paging::Vendor);
        for n in 1..=PAGES_MAX {
            if pager.answer(device.answer(pager.question())) == Next::Done {
                return (pager.items, n);
            }
        }
        panic!("no end: {device:?}");
    }

    proptest! {
        #[test]
        fn every_recording_once_whatever_the_quirks(
            held in 0usize..100,
            page in 2usize..50,
            understands in prop::option::of(prop::sample::select(vec![Paging::Vendor, Paging::Dictionary])),
            repeats_last: bool,
            always_more: bool,
        ) {
            let (items, _) = list(Device { held, page, understands, repeats_last, always_more });
            let expected: Vec<Item> = (0..held).map(item).collect();
            prop_assert_eq!(items, expected);
        }
    }

    #[test]
    fn a_device_that_pages_as_it_should_is_asked_once_per_page() {
        let device = Device {
            held: 100,
            page: 40,
            understands: Some(Paging::Vendor),
            repeats_last: false,
            always_more: false,
        };
        assert_eq!(list(device).1, 3);
    }

    #[test]
    fn the_newest_grows_between_two_pages() {
        let mut pager = Pager::new(101, at(0), at(60), Paging::Vendor);
        let page = |end: usize| {
            let mut grown = item(5);
            grown.end = item(end).end;
            Page {
                more: true,
                items: vec![item(4), grown],
                unreadable: 0,
            }
        };
        assert_eq!(pager.answer(page(5)), Next::Ask);
        let mut again = page(7);
        again.items.remove(0);
        again.more = false;
        assert_eq!(pager.answer(again), Next::Done);
        assert_eq!(pager.items.len(), 2);
        assert_eq!(pager.items[1].end.wall, at(8));
    }
}
