//! The governor (R12): one budget per recorder, shared by live view, downloads that people asked for, and the
//! background. Here it is connected: who wants a stream enters with a [`Way`], gets a [`Place`], and hears on the way
//! when it is to be given back. What is decided is in [`budget`], what is learnt in [`limit`], the time of day in
//! [`window`], what people set in [`settings`]; all of them are pure.
//!
//! What is learnt lives as long as the agent: after a start it costs each recorder one refusal to learn it again. A
//! recorder that was replaced by another is learnt anew by trying, as one that other people have left is.

pub mod budget;
pub mod limit;
pub mod settings;
pub mod window;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::Clock;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::ids::RecorderId;

use self::budget::{Budget, Class, Decision, Places, Usage, UseId, Window};
use self::settings::{Chosen, Settings};
use self::window::DayWindow;
use crate::model::time::UtcTime;
use crate::recorder::driver::{FailureKind, LiveStream, RecorderError};

/// How long a recorder may take to forget a live view that was ended: nobody tells when it has.
const LIVE_LET_GO: Duration = Duration::from_millis(500);
/// Pause before something is asked for once more after a refusal.
const AGAIN: Duration = Duration::from_millis(300);
/// Longest time that somebody who waits goes without a look at the clock.
const LOOK: Duration = Duration::from_secs(1);

/// How somebody who holds a place hears that he is to give it back. Clones are the same way.
#[derive(Debug, Clone, Default)]
pub struct Way(Arc<watch::Sender<Option<Instant>>>);

impl Way {
    /// Asks for the place: at the next safe point, at the latest then.
    pub fn give_by(&self, by: Instant) {
        self.0.send_if_modified(|known| {
            let is_sooner = known.is_none_or(|known| by < known);
            if is_sooner {
                *known = Some(by);
            }
            is_sooner
        });
    }

    /// Until when the place is to be given back; none: nobody wants it.
    pub fn asked(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Returns when somebody asks for the place, or for it sooner than `known`.
    pub async fn changed(&self, known: Option<Instant>) -> Instant {
        let mut asked = self.0.subscribe();
        let asked = asked.wait_for(|asked| asked.is_some() && *asked != known);
        // The sender lives in self.
        match asked.await.map(|asked| *asked) {
            Ok(Some(by)) => by,
            _ => std::future::pending().await,
        }
    }
}

/// The budgets of all recorders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Governor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// A place has become free, or something was learnt.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    budgets: HashMap<RecorderId, Budget>,
    /// Who has asked, and how he hears of it.
    entrants: BTreeMap<UseId, Entrant>,
    /// The last refusal of each recorder, in its words.
    words: HashMap<RecorderId, String>,
    next: u64,
}

#[derive(Debug)]
struct Entrant {
    way: Way,
    answer: Option<oneshot::Sender<bool>>,
}

/// How a recorder is used, as people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In numbers.
    pub usage: Usage,
    /// The last refusal in the recorder's words.
    pub refusal: Option<String>,
    /// The time of day for the background.
    pub window: Option<DayWindow>,
}

impl Governor {
    /// Of recorders of which nothing is known.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            settings: Mutex::new(settings),
            state: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// What people have set.
    pub fn settings(&self) -> Settings {
        self.locked_settings().clone()
    }

    /// People have chosen anew. Downloads of the background that are no longer at their time of day give way; a
    /// bandwidth holds for what is asked of a recorder from now on, part by part.
    pub fn choose(&self, chosen: Chosen) {
        self.locked_settings().chosen = chosen;
        let recorders: Vec<RecorderId> = self.state().budgets.keys().copied().collect();
        for recorder in recorders {
            self.look(recorder);
        }
        self.0.changed.notify_one();
    }

    /// Waits for a place. None: there is none now and none is about to become free, or the way says to give it back.
    pub async fn enter(&self, recorder: RecorderId, class: Class, way: &Way) -> Option<Place> {
        let (answer, mut answered) = oneshot::channel();
        let place = {
            let mut state = self.state();
            let id = UseId(state.next);
            state.next += 1;
            let entrant = Entrant {
                way: way.clone(),
                answer: Some(answer),
            };
            state.entrants.insert(id, entrant);
            self.budget(&mut state, recorder).ask(id, class);
            // From here on dropping it takes the wish back.
            Place {
                governor: self.clone(),
                recorder,
                id,
            }
        };
        self.look(recorder);
        loop {
            tokio::select! {
                begin = &mut answered => return begin.unwrap_or(false).then_some(place),
                _ = way.changed(None) => return None,
                () = tokio::time::sleep(LOOK) => self.look(recorder),
            }
        }
    }

    /// What a plan may begin at each recorder that it asks about.
    pub fn places(&self, recorder: RecorderId) -> Places {
        self.look(recorder);
        let (now, window) = self.now();
        let mut state = self.state();
        self.budget(&mut state, recorder).places(now, window)
    }

    /// Whether the background may download at this time of day; if not, when it may.
    pub fn window(&self) -> Window {
        self.now().1
    }

    /// How a recorder is used.
    pub fn report(&self, recorder: RecorderId) -> Report {
        let (now, window) = self.now();
        let mut state = self.state();
        let usage = self.budget(&mut state, recorder).usage(now, window);
        let refusal = state.words.get(&recorder).cloned();
        Report {
            usage,
            refusal: refusal.filter(|_| usage.limit.is_some()),
            window: self.settings().chosen.window,
        }
    }

    /// Returns when a place has become free or something was learnt since the last time.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Begins a live view. Lower work gives way for it, also work of which only the recorder's refusal tells.
    pub async fn live<F: Future<Output = Result<LiveStream, RecorderError>>>(
        &self,
        recorder: RecorderId,
        open: impl Fn() -> F,
    ) -> Result<LiveStream, RecorderError> {
        let (LiveStream { bytes, guard }, place) = self.begin(recorder, Class::Live, open).await?;
        place.accepted();
        let watched = CancellationToken::new();
        tokio::spawn({
            let watched = watched.clone();
            async move {
                watched.cancelled().await;
                drop(guard);
                tokio::time::sleep(LIVE_LET_GO).await;
                drop(place);
            }
        });
        let guard = watched.drop_guard();
        Ok(LiveStream { bytes, guard })
    }

    /// Carries something out that needs a place. Refused, it is tried again as long as that may help.
    pub async fn begin<T, F: Future<Output = Result<T, RecorderError>>>(
        &self,
        recorder: RecorderId,
        class: Class,
        open: impl Fn() -> F,
    ) -> Result<(T, Place), RecorderError> {
        loop {
            let Some(place) = self.enter(recorder, class, &Way::default()).await else {
                return Err(RecorderError::new(
                    FailureKind::Capacity,
                    "people use all that the recorder gives at once: try again when a live view is closed",
                ));
            };
            match open().await {
                Ok(value) => return Ok((value, place)),
                Err(error) => match place.failed(&error) {
                    Failed::Refused { again: true } => tokio::time::sleep(AGAIN).await,
                    _ => return Err(error),
                },
            }
        }
    }

    /// A person asks for what was begun for the background.
    pub fn promote(&self, recorder: RecorderId, way: &Way) {
        let mut state = self.state();
        let same = |entrant: &Entrant| Arc::ptr_eq(&entrant.way.0, &way.0);
        let entrants = state.entrants.iter();
        let id = entrants
            .filter(|(_, entrant)| same(entrant))
            .map(|(id, _)| *id)
            .next();
        if let Some(id) = id {
            self.budget(&mut state, recorder).promote(id);
        }
    }

    /// Decides for a recorder and tells those concerned.
    fn look(&self, recorder: RecorderId) {
        let (now, window) = self.now();
        let mut state = self.state();
        let decisions = self.budget(&mut state, recorder).decide(now, window);
        for decision in decisions {
            let (id, begins) = match decision {
                Decision::GiveWay(id, by) => {
                    if let Some(entrant) = state.entrants.get(&id) {
                        let ms = by.ms_since(now).max(0).unsigned_abs();
                        entrant
                            .way
                            .give_by(Instant::now() + Duration::from_millis(ms));
                        tracing::info!(recorder.id = %recorder, within_ms = ms, "A download is to give its place at the recorder back");
                    }
                    continue;
                }
                Decision::Begin(id) => (id, true),
                Decision::NotNow(id) => (id, false),
            };
            let answer = state
                .entrants
                .get_mut(&id)
                .and_then(|entrant| entrant.answer.take());
            // Who does not listen any more is about to take his wish back.
            let _ = answer.map(|answer| answer.send(begins));
        }
    }

    fn budget<'a>(&self, state: &'a mut State, recorder: RecorderId) -> &'a mut Budget {
        let downloads_max = self.locked_settings().downloads_max;
        state
            .budgets
            .entry(recorder)
            .or_insert_with(|| Budget::new(downloads_max))
    }

    fn now(&self) -> (UtcTime, Window) {
        let now = UtcTime::from(self.0.clock.now());
        (now, self.locked_settings().window(now))
    }

    /// Never held while the budgets are waited for.
    fn locked_settings(&self) -> MutexGuard<'_, Settings> {
        self.0
            .settings
            .lock()
            .expect("nothing panics while holding the settings")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .state
            .lock()
            .expect("nothing panics while holding the budgets")
    }
}

/// What a failure to begin means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The recorder has no more places than this.
    Refused {
        /// Asking again may help: lower work can give way, or the refusal may be a mood.
        again: bool,
    },
    /// Something else.
    Otherwise,
}

/// One place at a recorder. Dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    governor: Governor,
    recorder: RecorderId,
    id: UseId,
}

impl Place {
    /// Bandwidth in kbit/s of the part that is asked for next; none: as much as the recorder gives.
    pub fn limit_kbps(&self) -> Option<u32> {
        let class = {
            let mut state = self.governor.state();
            let budget = self.governor.budget(&mut state, self.recorder);
            budget.class(self.id)
        };
        self.governor.locked_settings().share_kbps(class?)
    }

    /// The recorder gives.
    pub fn accepted(&self) {
        let (now, _) = self.governor.now();
        let mut state = self.governor.state();
        let budget = self.governor.budget(&mut state, self.recorder);
        budget.accepted(self.id, now);
        drop(state);
        self.tell();
    }

    /// The recorder does not give, or no longer.
    pub fn failed(self, error: &RecorderError) -> Failed {
        let (now, _) = self.governor.now();
        let mut state = self.governor.state();
        let budget = self.governor.budget(&mut state, self.recorder);
        if !limit::is_refusal(error, budget.others_unless_given(self.id)) {
            return Failed::Otherwise;
        }
        let before = budget.usage(now, Ok(())).limit;
        let again = budget.refused(self.id, now);
        let limit = budget.usage(now, Ok(())).limit;
        state.words.insert(self.recorder, error.message.clone());
        if limit != before {
            tracing::warn!(
                recorder.id = %self.recorder,
                places = limit,
                reason = error.message,
                "A recorder gives no more streams at once than this"
            );
        }
        Failed::Refused { again }
    }

    fn tell(&self) {
        self.governor.look(self.recorder);
        self.governor.0.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.governor.state();
        state.entrants.remove(&self.id);
        self.governor
            .budget(&mut state, self.recorder)
            .ended(self.id);
        drop(state);
        self.tell();
    }
}
