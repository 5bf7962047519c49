//! Asks one recorder what it holds where the catalog does not know it yet, and records the answers (R4).
//!
//! Every round asks each channel for its newest stretch that is still unknown, so that today is known of all cameras
//! before last week is known of one. A window is at most a week: recorders cap the length of a listing. Paging and the
//! recorder's clock are the driver's business.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wire::ids::RecorderId;

use crate::catalog::cameras::ChannelToDiscover;
use crate::catalog::{Catalog, CatalogError};
use crate::model::inventory::Inventory;
use crate::model::time::{UtcRange, UtcTime};
use crate::recorder::driver::{FailureKind, RecorderError};

/// Longest range of one search.
const WINDOW_S: i64 = 7 * 86_400;

/// How often it is read how far back a recorder reaches.
const REACH_INTERVAL: Duration = Duration::from_secs(3_600);

/// First stretch in which the oldest footage of a channel is looked for; each next one is four times as long.
const OLDEST_WITHIN_S: i64 = 6 * 3_600;

/// What to ask.
#[derive(Debug, Clone)]
pub struct Question {
    /// Of these channels.
    pub channels: Vec<u32>,
    /// Within this range.
    pub range: UtcRange,
    /// Also about what is known already: a person asked.
    pub anew: bool,
    /// Margin within which the end of a recording counts as still growing.
    pub settle: Duration,
    /// Of these, among the channels, also how far back the recorder reaches; stretches in doubt are asked again.
    pub reach_of: Vec<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// Searches that were answered.
    pub windows: u64,
    /// Recordings listed for the first time.
    pub new: u64,
    /// Why it did not come to its end, if it did not.
    pub failure: Option<RecorderError>,
}

/// Asks. `search` is the port's; a failure of one channel does not keep the others from being asked, one of the
/// session does.
pub async fn discover<F: Future<Output = Result<Inventory, RecorderError>>>(
    catalog: &Catalog,
    recorder: RecorderId,
    question: &Question,
    search: impl Fn(u32, UtcRange) -> F,
    cancel: &CancellationToken,
) -> Result<Discovered, CatalogError> {
    let mut windows = Vec::new();
    for channel in &question.channels {
        let open = if question.anew {
            vec![question.range]
        } else if question.reach_of.contains(channel) {
            catalog
                .uncovered_or_doubtful(recorder, *channel, question.range)
                .await?
        } else {
            catalog
                .uncovered(recorder, *channel, question.range)
                .await?
        };
        windows.push((*channel, newest_first(&open)));
    }
    let settle_ms = question.settle.as_millis() as i64;
    let rounds = windows.iter().map(|(_, w)| w.len()).max().unwrap_or(0);
    let mut discovered = Discovered::default();
    let mut silent: Vec<u32> = Vec::new();
    for round in 0..rounds {
        for (channel, of_channel) in &windows {
            let Some(window) = of_channel.get(round).filter(|_| !silent.contains(channel)) else {
                continue;
            };
            if cancel.is_cancelled() {
                return Ok(discovered);
            }
            match search(*channel, *window).await {
                Ok(inventory) => {
                    let observed = catalog
                        .record_observation(recorder, &inventory, settle_ms)
                        .await?;
                    discovered.windows += 1;
                    discovered.new += observed.new.len() as u64;
                }
                Err(error) if error.kind == FailureKind::Cancelled => return Ok(discovered),
                Err(error) if concerns_channel(error.kind) => {
                    catalog
                        .record_failed_observation(recorder, *channel, *window, &error.message)
                        .await?;
                    discovered.failure = Some(error);
                    silent.push(*channel);
                }
                Err(error) => {
                    // Nobody is asked any more, so nothing is known of anybody's newest stretch.
                    for (channel, windows) in windows.iter() {
                        if let Some(window) = windows.get(round) {
                            catalog
                                .record_failed_observation(
                                    recorder,
                                    *channel,
                                    *window,
                                    &error.message,
                                )
                                .await?;
                        }
                    }
                    discovered.failure = Some(error);
                    return Ok(discovered);
                }
            }
        }
    }
    for channel in &question.reach_of {
        if silent.contains(channel) || cancel.is_cancelled() {
            continue;
        }
        match read_reach(catalog, recorder, *channel, question.range.from, &search).await? {
            Ok(()) => {}
            Err(error) if error.kind == FailureKind::Cancelled => return Ok(discovered),
            Err(error) => {
                let ends = !concerns_channel(error.kind);
                discovered.failure = Some(error);
                if ends {
                    return Ok(discovered);
                }
            }
        }
    }
    if !question.reach_of.is_empty() {
        catalog.assess_overwriting(recorder).await?;
    }
    Ok(discovered)
}

/// Looks for the oldest footage of a channel, from where nothing that counts lies before, and stores what it finds.
async fn read_reach<F: Future<Output = Result<Inventory, RecorderError>>>(
    catalog: &Catalog,
    recorder: RecorderId,
    channel: u32,
    horizon: UtcTime,
    search: &impl Fn(u32, UtcRange) -> F,
) -> Result<Result<(), RecorderError>, CatalogError> {
    let begins = catalog.reach_begins(recorder, channel, horizon).await?;
    let (mut from, mut within_s) = (begins, OLDEST_WITHIN_S);
    loop {
        let now = catalog.now();
        let to = from.plus_s(within_s).min(now.max(from));
        let mut inventory = match search(channel, UtcRange { from, to }).await {
            Ok(inventory) => inventory,
            Err(error) => return Ok(Err(error)),
        };
        if inventory.recordings.is_empty() && to < now {
            (from, within_s) = (to, within_s.saturating_mul(4).min(WINDOW_S));
            continue;
        }
        // Everything from there on has been answered.
        inventory.asked.from = begins;
        catalog.note_reach(recorder, &inventory).await?;
        return Ok(Ok(()));
    }
}

/// Whether other channels may answer all the same.
fn concerns_channel(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Device | FailureKind::Unsupported | FailureKind::SourceGone
    )
}

/// Cuts ranges into windows, the newest first.
fn newest_first(open: &[UtcRange]) -> Vec<UtcRange> {
    let mut windows = Vec::new();
    for range in open.iter().rev() {
        let mut to = range.to;
        while to > range.from {
            let from = range.from.max(to.plus_s(-WINDOW_S));
            windows.push(UtcRange { from, to });
            to = from;
        }
    }
    windows
}

/// What a recorder is to be asked now: of the channels that are due, where nothing is settled within `range`. All are
/// due when the recorder is `back` after it could not be asked.
pub fn question(
    channels: &[ChannelToDiscover],
    back: bool,
    range: UtcRange,
    interval: Duration,
    settle: Duration,
) -> Option<Question> {
    let now = range.to;
    let due: Vec<&ChannelToDiscover> = channels
        .iter()
        .filter(|channel| back || is_due(channel.last_asked, interval, now))
        .collect();
    let numbers = |due: &[&ChannelToDiscover]| due.iter().map(|channel| channel.channel).collect();
    let mut reach_of = due.clone();
    reach_of.retain(|channel| is_due(channel.reach_read, REACH_INTERVAL, now));
    (!due.is_empty()).then(|| Question {
        channels: numbers(&due),
        range,
        anew: false,
        settle,
        reach_of: numbers(&reach_of),
    })
}

/// When a channel that was asked last at `last_asked` is due again.
fn is_due(last_asked: Option<UtcTime>, interval: Duration, now: UtcTime) -> bool {
    // A clock that was set back must not silence a channel for as long as it was wrong.
    last_asked.is_none_or(|last| {
        let since_ms = now.ms_since(last);
        since_ms < 0 || since_ms >= interval.as_millis() as i64
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::catalog::testing::{House, at, found, range};
    use crate::model::inventory::RecorderClock;

    fn inventory(channel: u32, asked: UtcRange, answered_at: UtcTime) -> Inventory {
        Inventory {
            channel,
            asked,
            answered_at,
            clock: RecorderClock {
                zone_minutes: 60,
                offset_ms: 0,
            },
            recordings: Vec::new(),
        }
    }

    fn question(channels: &[u32], range: UtcRange, anew: bool) -> Question {
        Question {
            channels: channels.to_vec(),
            range,
            anew,
            settle: Duration::from_secs(120),
            reach_of: Vec::new(),
        }
    }

    #[tokio::test]
    async fn the_newest_of_every_channel_is_asked_first_and_nothing_twice() {
        let house = House::new().await;
        let recorder = house.recorder("SERIAL", 2).await.id;
        let horizon = range("2026-10-20T12:00:00Z", "2026-11-03T12:00:00Z");
        let asked = RefCell::new(Vec::new());
        let search = |channel: u32, window: UtcRange| {
            asked.borrow_mut().push((channel, window.from.to_string()));
            let mut inventory = inventory(channel, window, house.catalog.now());
            if window.from < at("2026-10-25T00:00:00Z") {
                let span = range("2026-10-21T00:00:00Z", "2026-10-21T00:10:00Z");
                inventory.recordings.push(found("old", span, 1_000));
            }
            std::future::ready(Ok(inventory))
        };
        let channels = house.catalog.channels_to_discover(recorder).await.unwrap();
        let numbers: Vec<u32> = channels.iter().map(|c| c.channel).collect();
        let cancel = CancellationToken::new();
        let done = discover(
            &house.catalog,
            recorder,
            &question(&numbers, horizon, false),
            search,
            &cancel,
        )
        .await
        .unwrap();
        assert_eq!((done.windows, done.new, done.failure), (4, 2, None));
        let told: Vec<_> = asked.take();
        assert_eq!(
            told,
            [
                (numbers[0], "2026-10-27T12:00:00Z".to_owned()),
                (numbers[1], "2026-10-27T12:00:00Z".to_owned()),
                (numbers[0], "2026-10-20T12:00:00Z".to_owned()),
                (numbers[1], "2026-10-20T12:00:00Z".to_owned()),
            ]
        );
        // Again: only what has not settled yet.
        let again = discover(
            &house.catalog,
            recorder,
            &question(&numbers, horizon, false),
            search,
            &cancel,
        )
        .await
        .unwrap();
        assert_eq!((again.windows, again.new), (2, 0));
        assert!(
            asked
                .take()
                .iter()
                .all(|(_, from)| from == "2026-11-03T11:58:00Z")
        );
        // A person who asks gets an answer about all of it.
        let day = range("2026-10-21T00:00:00Z", "2026-10-22T00:00:00Z");
        let anew = question(&numbers[..1], day, true);
        let asked_for = discover(&house.catalog, recorder, &anew, search, &cancel).await;
        assert_eq!(asked_for.unwrap().windows, 1);
    }

    #[tokio::test]
    async fn a_channel_that_fails_is_noted_and_a_session_that_fails_ends_it() {
        let house = House::new().await;
        let recorder = house.recorder("SERIAL", 3).await.id;
        let day = range("2026-11-02T12:00:00Z", "2026-11-03T12:00:00Z");
        let channels = house.catalog.channels_to_discover(recorder).await.unwrap();
        let numbers: Vec<u32> = channels.iter().map(|c| c.channel).collect();
        let asked = RefCell::new(0);
        for (kind, searches) in [(FailureKind::Device, 3), (FailureKind::Network, 1)] {
            asked.replace(0);
            let search = |channel: u32, window: UtcRange| {
                *asked.borrow_mut() += 1;
                std::future::ready(if channel == numbers[0] {
                    Err(RecorderError::new(kind, "no answer"))
                } else {
                    Ok(inventory(channel, window, house.catalog.now()))
                })
            };
            let question = question(&numbers, day, true);
            let done = discover(
                &house.catalog,
                recorder,
                &question,
                search,
                &CancellationToken::new(),
            )
            .await
            .unwrap();
            assert_eq!(*asked.borrow(), searches);
            assert_eq!(done.failure.unwrap().kind, kind);
            let camera = channels[0].camera;
            let (settled, failure) = house.catalog.observed(camera, day).await.unwrap();
            assert!(settled.is_empty());
            assert_eq!(failure.as_deref(), Some("no answer"));
            // Of the others nothing new is known when nobody was asked.
            let (_, other) = house
                .catalog
                .observed(channels[1].camera, day)
                .await
                .unwrap();
            assert_eq!(other.is_some(), kind == FailureKind::Network);
        }
    }

    #[test]
    fn windows_are_a_week_at_most_and_the_newest_comes_first() {
        let day = |n: u32| at(&format!("2026-11-{n:02}T00:00:00Z"));
        let range = |from, to| UtcRange {
            from: day(from),
            to: day(to),
        };
        assert_eq!(
            newest_first(&[range(1, 3), range(5, 21)]),
            [range(14, 21), range(7, 14), range(5, 7), range(1, 3)]
        );
        assert!(newest_first(&[range(3, 3)]).is_empty());
    }

    #[test]
    fn a_channel_is_due_after_its_interval_and_after_a_clock_step() {
        let now = at("2026-11-03T14:00:00Z");
        let interval = Duration::from_secs(300);
        assert!(is_due(None, interval, now));
        assert!(is_due(Some(now.plus_s(-300)), interval, now));
        assert!(!is_due(Some(now.plus_s(-299)), interval, now));
        assert!(is_due(Some(now.plus_s(3_600)), interval, now));
    }
}
