//! Pure: who may use a recorder now. One budget per recorder for live view, downloads that a person asked for, and the
//! background, in this order (R12).
//!
//! It hears events with their times and gives decisions; it reads no clock and does nothing itself. A *place* is one
//! stream at the recorder: a live view or a download.
//!
//! Policy:
//!
//! 1. Within the learnt limit whoever asks begins. Nobody begins while somebody before him still waits.
//! 2. Is there no place left, then lower work gives way: the background first, of that what began last, so that the
//!    same recording is not broken off again and again. It gets time to come to the end of its part, little where
//!    somebody waits for pictures.
//! 3. A live view with nobody to give way asks the recorder all the same, one at a time: its refusal is worth more than
//!    what was learnt, and it costs one request. So nobody is refused because of something remembered.
//! 4. What nobody asked for and the recorder is about to overwrite gives way as the background does, but last of it, and
//!    waits for no time of day: it would be lost.
//! 5. A person who was refused although that may help asks again in a moment; until then the place is kept for him.
//! 6. Downloads do not queue here. What cannot begin goes back to the plan, which knows the order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limit::Learnt;
use crate::model::time::UtcTime;

/// How soon a person who was refused asks again: nothing lower takes the place in between.
pub const COMES_BACK: Duration = Duration::from_secs(1);
/// Time to come to the end of a part while a viewer waits.
pub const GRACE_LIVE: Duration = Duration::from_secs(2);
/// The same while a person's download waits.
pub const GRACE_ASKED: Duration = Duration::from_secs(20);
/// The same when the time of day for the background is over.
pub const GRACE_WINDOW: Duration = Duration::from_secs(60);

/// On whose behalf. The greater goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nobody asked for it.
    Background,
    /// Nobody asked for it, and its recorder is about to overwrite it.
    Urgent,
    /// A person asked for the download.
    Asked,
    /// Somebody watches.
    Live,
}

impl Class {
    fn grace(self) -> Duration {
        match self {
            Self::Live => GRACE_LIVE,
            Self::Asked | Self::Urgent | Self::Background => GRACE_ASKED,
        }
    }
}

/// Names one use of a recorder; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UseId(pub u64);

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It has a place: ask the recorder.
    Begin(UseId),
    /// It gives its place back: at the end of its part, or at this moment if that comes first.
    GiveWay(UseId, UtcTime),
    /// There is no place, and none is about to become free: plan again.
    NotNow(UseId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Without a place.
    Waiting,
    /// Has a place; the recorder has not answered.
    Begun,
    /// The recorder gives.
    Runs,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    class: Class,
    phase: Phase,
    /// It has been told to give its place back, by then at the latest.
    gives_way: Option<UtcTime>,
}

/// Why the background waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It is not its time of day; until then.
    Window(UtcTime),
    /// People use what the recorder gives.
    People,
    /// The recorder refused; tried again then.
    Refused(UtcTime),
}

/// How a recorder is used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Live views.
    pub live: usize,
    /// Downloads that people asked for.
    pub asked: usize,
    /// Downloads of the background.
    pub background: usize,
    /// Who waits for a place.
    pub waiting: usize,
    /// The learnt limit of all of them together.
    pub limit: Option<usize>,
    /// When the refusal was that it rests on.
    pub refused_at: Option<UtcTime>,
    /// When one more is tried.
    pub probe_at: Option<UtcTime>,
    /// Why the background does not begin more; none while it may, or runs as many as are set.
    pub background_waits: Option<Wait>,
}

/// Downloads that a plan may have at this recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Of people.
    pub asked: usize,
    /// Of all together, when the background is to begin one more.
    pub background: usize,
    /// The same when that one would be lost by waiting.
    pub urgent: usize,
    /// When time alone may change that.
    pub again_at: Option<UtcTime>,
}

/// The budget of one recorder.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Downloads at once, as set.
    downloads_max: usize,
    learnt: Learnt,
    uses: BTreeMap<UseId, Use>,
    /// A person was refused and asks again, until then at the latest.
    comes_back: Option<(Class, UtcTime)>,
}

/// Whether the background may run now; if not, when it may.
pub type Window = Result<(), UtcTime>;

impl Budget {
    /// Of a recorder of which nothing is known.
    pub fn new(downloads_max: usize) -> Self {
        Self {
            downloads_max: downloads_max.max(1),
            learnt: Learnt::default(),
            uses: BTreeMap::new(),
            comes_back: None,
        }
    }

    /// Somebody wants a place.
    pub fn ask(&mut self, id: UseId, class: Class) {
        let new = Use {
            class,
            phase: Phase::Waiting,
            gives_way: None,
        };
        self.uses.insert(id, new);
        if self.comes_back.is_some_and(|(back, _)| back <= class) {
            self.comes_back = None;
        }
    }

    /// A person asks for what the background is fetching.
    pub fn promote(&mut self, id: UseId) {
        if let Some(one) = self.uses.get_mut(&id)
            && one.class < Class::Asked
        {
            one.class = Class::Asked;
        }
    }

    /// On whose behalf it is; none once it is over.
    pub fn class(&self, id: UseId) -> Option<Class> {
        self.uses.get(&id).map(|one| one.class)
    }

    /// The recorder gives.
    pub fn accepted(&mut self, id: UseId, now: UtcTime) {
        match self.uses.get_mut(&id) {
            Some(one) if one.phase == Phase::Begun => one.phase = Phase::Runs,
            _ => return,
        }
        let running = self.count(|one| one.phase == Phase::Runs);
        self.learnt.accepted(running, now);
    }

    /// The recorder refuses; the place is given back. True: asking again may help, as lower work can give way or no
    /// such limit was known: what chance, or a refusal of others a moment before, says is no answer to a person.
    pub fn refused(&mut self, id: UseId, now: UtcTime) -> bool {
        let Some(one) = self.uses.remove(&id) else {
            return false;
        };
        let was_known = self
            .learnt
            .limit()
            .is_some_and(|limit| self.held() >= limit);
        self.learnt.refused(self.held(), now);
        let is_person = one.class >= Class::Asked;
        let is_above = |other: &Use| is_person && other.is_held() && other.class < one.class;
        let again = !was_known || self.uses.values().any(is_above);
        if again && is_person {
            let until = now.plus_ms(COMES_BACK.as_millis() as i64);
            self.comes_back = self.comes_back.max(Some((one.class, until)));
        }
        again
    }

    /// It is over, or nobody wants it any more.
    pub fn ended(&mut self, id: UseId) {
        self.uses.remove(&id);
    }

    /// Other streams of ours that the recorder has while it has not answered this one; 0 once it gives.
    pub fn others_unless_given(&self, id: UseId) -> usize {
        match self.uses.get(&id) {
            Some(one) if one.phase == Phase::Begun => self.held() - 1,
            _ => 0,
        }
    }

    /// Decides for all that wait and all that run. To be asked after every event, and when [`Places::again_at`] comes.
    pub fn decide(&mut self, now: UtcTime, window: Window) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if window.is_err() {
            self.close_window(now, &mut decisions);
        }
        let mut waiting: Vec<(Class, UseId)> = self
            .uses
            .iter()
            .filter(|(_, one)| one.phase == Phase::Waiting)
            .map(|(id, one)| (one.class, *id))
            .collect();
        waiting.sort_by_key(|(class, id)| (std::cmp::Reverse(*class), *id));
        // Places that are about to become free and have not been promised to anybody; what comes soonest is last.
        let mut coming: Vec<(UtcTime, UseId)> = self
            .uses
            .iter()
            .filter_map(|(id, one)| Some((one.gives_way?, *id)))
            .collect();
        coming.sort_by_key(|place| std::cmp::Reverse(*place));
        let mut somebody_waits = false;
        for (class, id) in waiting {
            if !somebody_waits && self.has_room(class, now, window) {
                self.uses
                    .entry(id)
                    .and_modify(|one| one.phase = Phase::Begun);
                decisions.push(Decision::Begin(id));
                continue;
            }
            if class >= Class::Asked
                && let Some(victim) = coming
                    .pop()
                    .map(|(_, id)| id)
                    .or_else(|| self.victim(class))
            {
                let by = now.plus_ms(class.grace().as_millis() as i64);
                self.give_way(victim, by, &mut decisions);
                somebody_waits = true;
                continue;
            }
            if !somebody_waits && self.may_try(class, now) {
                self.uses
                    .entry(id)
                    .and_modify(|one| one.phase = Phase::Begun);
                decisions.push(Decision::Begin(id));
            } else if class == Class::Live {
                somebody_waits = true;
            } else {
                self.uses.remove(&id);
                decisions.push(Decision::NotNow(id));
            }
        }
        decisions
    }

    /// What a plan may begin.
    pub fn places(&self, now: UtcTime, window: Window) -> Places {
        let live = self.count(|one| one.class == Class::Live);
        let left = |limit: usize| limit.saturating_sub(live).min(self.downloads_max);
        // One try beyond the limit at a time, none while somebody waits, and then nothing for the background at all.
        let comes_back = self.comes_back.map(|(_, until)| until);
        let comes_back = comes_back.filter(|until| *until > now);
        let waits = comes_back.is_some() || self.count(|one| one.phase == Phase::Waiting) > 0;
        let or_known = |limit: usize| match waits || self.is_asking() {
            true => limit.min(self.learnt.for_people()),
            false => limit,
        };
        let urgent = match waits {
            true => 0,
            false => left(or_known(self.learnt.for_background(now))),
        };
        let opens = window.err();
        Places {
            asked: match self.is_kept(Class::Asked, now) {
                true => 0,
                false => left(or_known(self.learnt.for_asked(now))),
            },
            background: if window.is_ok() { urgent } else { 0 },
            urgent,
            again_at: [self.learnt.again_at(now), opens, comes_back]
                .into_iter()
                .flatten()
                .min(),
        }
    }

    /// How it is used.
    pub fn usage(&self, now: UtcTime, window: Window) -> Usage {
        let held = |class| self.count(move |one| one.class == class && one.is_held());
        Usage {
            live: held(Class::Live),
            asked: held(Class::Asked),
            background: held(Class::Background) + held(Class::Urgent),
            waiting: self.count(|one| one.phase == Phase::Waiting),
            limit: self.learnt.limit(),
            refused_at: self.learnt.refused_at(),
            probe_at: self.learnt.probe_at(),
            background_waits: self.background_waits(now, window),
        }
    }

    fn background_waits(&self, now: UtcTime, window: Window) -> Option<Wait> {
        if let Err(opens) = window {
            return Some(Wait::Window(opens));
        }
        let people = self.count(|one| one.class >= Class::Asked);
        let places = self.places(now, window);
        if places.background > self.downloads() {
            return None;
        }
        if people > 0 {
            return Some(Wait::People);
        }
        // Runs at its limit: that is no waiting.
        let idle = self.held() == 0;
        idle.then(|| Wait::Refused(places.again_at.unwrap_or(now)))
    }

    fn close_window(&mut self, now: UtcTime, decisions: &mut Vec<Decision>) {
        let by = now.plus_ms(GRACE_WINDOW.as_millis() as i64);
        let background = |one: &Use| one.class == Class::Background && one.is_held();
        let ids: Vec<UseId> = self
            .uses
            .iter()
            .filter(|(_, one)| background(one))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.give_way(id, by, decisions);
        }
    }

    /// Tells it, or tells it that there is less time than it was told before.
    fn give_way(&mut self, id: UseId, by: UtcTime, decisions: &mut Vec<Decision>) {
        if let Some(one) = self.uses.get_mut(&id)
            && one.gives_way.is_none_or(|known| by < known)
        {
            one.gives_way = Some(by);
            decisions.push(Decision::GiveWay(id, by));
        }
    }

    /// Whether one more of this class may ask the recorder.
    fn has_room(&self, class: Class, now: UtcTime, window: Window) -> bool {
        let held = self.held();
        match class {
            Class::Live => held < self.learnt.for_people(),
            Class::Asked => {
                !self.is_kept(class, now)
                    && held < self.learnt.for_people()
                    && self.downloads() < self.downloads_max
            }
            Class::Background | Class::Urgent => {
                // One try beyond what is known at a time: two refusals at once would say nothing.
                let is_try = held >= self.learnt.for_people();
                (window.is_ok() || class == Class::Urgent)
                    && !self.is_kept(class, now)
                    && held < self.learnt.for_background(now)
                    && self.downloads() < self.downloads_max
                    && !(is_try && self.is_asking())
            }
        }
    }

    /// Whether what is free is kept for somebody higher, who was refused and asks again in a moment.
    fn is_kept(&self, class: Class, now: UtcTime) -> bool {
        self.comes_back
            .is_some_and(|(back, until)| back > class && until > now)
    }

    /// Whether a person for whom nobody can give way may ask the recorder beyond the limit.
    fn may_try(&self, class: Class, now: UtcTime) -> bool {
        let allowed = match class {
            Class::Live => true,
            Class::Asked => {
                !self.is_kept(class, now)
                    && self.held() < self.learnt.for_asked(now)
                    && self.downloads() < self.downloads_max
            }
            Class::Background | Class::Urgent => false,
        };
        allowed && !self.is_asking()
    }

    /// Who gives way to this class: the lowest that runs, of these the last that began.
    fn victim(&self, class: Class) -> Option<UseId> {
        self.uses
            .iter()
            .filter(|(_, one)| one.is_held() && one.gives_way.is_none() && one.class < class)
            .min_by_key(|(id, one)| (one.class, std::cmp::Reverse(**id)))
            .map(|(id, _)| *id)
    }

    fn is_asking(&self) -> bool {
        self.uses.values().any(|one| one.phase == Phase::Begun)
    }

    fn held(&self) -> usize {
        self.count(Use::is_held)
    }

    fn downloads(&self) -> usize {
        self.count(|one| one.class < Class::Live && one.is_held())
    }

    fn count(&self, wanted: impl Fn(&Use) -> bool) -> usize {
        self.uses.values().filter(|one| wanted(one)).count()
    }
}

impl Use {
    fn is_held(&self) -> bool {
        self.phase != Phase::Waiting
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
