//! The session with a recorder as a table: which state follows on what (R3). Pure: no I/O, no clock.
//!
//! | failure | told as | next login |
//! | --- | --- | --- |
//! | credentials refused | error | when a person changes the account, or enters the same password once more |
//! | account locked, credentials never accepted | error | the same, or when a person asks: ours may be what locked it |
//! | account locked, credentials accepted before | error | once the lock is over: somebody else locked it |
//! | another certificate | error | when a person accepts it, or asks for a check, which sends no credentials |
//! | library missing, request not understood | error | after a minute; neither can lock an account |
//! | the worker died several times in a row | error | with back-off |
//! | anything else | offline | with back-off |

use wire::resource::RecorderState;

use crate::recorder::driver::FailureKind;

/// Deaths of the worker in a row that are an error and no accident.
pub const DEATHS_MAX: u32 = 3;

/// What a session is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A login is under way.
    LoggingIn,
    /// Logged in, and asked now and then whether that is still so.
    Online,
    /// It failed; this is told, and the next login is due then.
    Failed(RecorderState, Retry),
    /// The agent is stopping.
    Stopped,
}

/// When a failed session is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// With back-off.
    BackingOff,
    /// Slowly: only a person is likely to mend it, and trying does no harm.
    Slowly,
    /// When the recorder has forgotten the lock.
    AfterLock,
    /// When a person changes the account or asks for a check.
    WhenAsked,
    /// When a person changes the account: every further attempt could lock it.
    WhenChanged,
}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The login succeeded.
    LoggedIn,
    /// The recorder still answers a session that has lasted a while.
    Lasts,
    /// The login failed, or the session was lost.
    Failed(FailureKind),
    /// The pause is over.
    Due,
    /// A person asks for a check.
    Asked,
    /// A person has changed address or credentials.
    AccountChanged,
    /// The worker has grown too large.
    Outgrown,
    /// The agent is stopping.
    Stop,
}

/// The state, and what of the past decides the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    state: State,
    /// The recorder has accepted these credentials before.
    proven: bool,
    /// Deaths of the worker in a row.
    deaths: u32,
}

impl Machine {
    /// Before the first login with these credentials.
    pub fn new(proven: bool) -> Self {
        Self {
            state: State::LoggingIn,
            proven,
            deaths: 0,
        }
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// Takes in what has happened.
    pub fn on(&mut self, event: Event) -> State {
        match event {
            Event::LoggedIn => self.proven = true,
            Event::Lasts => self.deaths = 0,
            Event::Failed(FailureKind::Worker) => self.deaths += 1,
            Event::AccountChanged => *self = Self::new(false),
            _ => {}
        }
        self.state = match (self.state, event) {
            (State::Stopped, _) | (_, Event::Stop) => State::Stopped,
            (State::LoggingIn, Event::LoggedIn) => State::Online,
            (State::LoggingIn | State::Online, Event::Failed(kind)) => self.failed(kind),
            (State::Online, Event::Outgrown) => State::LoggingIn,
            (State::Failed(_, Retry::WhenChanged), Event::Asked) => self.state,
            (State::Failed(..), Event::Due | Event::Asked) => State::LoggingIn,
            // A check of a session that works is made beside it, and what is late changes nothing.
            (state, _) => state,
        };
        self.state
    }

    fn failed(&self, kind: FailureKind) -> State {
        use FailureKind::{LibraryMissing, Locked, OtherCertificate, Refused, Unsupported, Worker};
        let error = |retry| State::Failed(RecorderState::Error, retry);
        match kind {
            Locked if self.proven => error(Retry::AfterLock),
            Refused => error(Retry::WhenChanged),
            Locked | OtherCertificate(_) => error(Retry::WhenAsked),
            LibraryMissing | Unsupported => error(Retry::Slowly),
            Worker if self.deaths >= DEATHS_MAX => error(Retry::BackingOff),
            _ => State::Failed(RecorderState::Offline, Retry::BackingOff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::{
        Cancelled, Capacity, Device, LibraryMissing, Local, Locked, Network, Refused, SourceGone,
        Unsupported, Worker,
    };
    use proptest::prelude::*;

    const OFFLINE: State = State::Failed(RecorderState::Offline, Retry::BackingOff);

    fn error(retry: Retry) -> State {
        State::Failed(RecorderState::Error, retry)
    }

    #[test]
    fn every_failure_has_its_retry() {
        for (kind, fresh, proven) in [
            (
                Refused,
                error(Retry::WhenChanged),
                error(Retry::WhenChanged),
            ),
            (Locked, error(Retry::WhenAsked), error(Retry::AfterLock)),
            (LibraryMissing, error(Retry::Slowly), error(Retry::Slowly)),
            (Unsupported, error(Retry::Slowly), error(Retry::Slowly)),
            (Capacity, OFFLINE, OFFLINE),
            (Network, OFFLINE, OFFLINE),
            (Device, OFFLINE, OFFLINE),
            (SourceGone, OFFLINE, OFFLINE),
            (Local, OFFLINE, OFFLINE),
            (Worker, OFFLINE, OFFLINE),
            (Cancelled, OFFLINE, OFFLINE),
        ] {
            assert_eq!(
                Machine::new(false).on(Event::Failed(kind)),
                fresh,
                "{kind:?}"
            );
            assert_eq!(
                Machine::new(true).on(Event::Failed(kind)),
                proven,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_worker_that_keeps_dying_is_an_error_until_it_lasts() {
        let mut machine = Machine::new(false);
        let die = |machine: &mut Machine| {
            machine.on(Event::LoggedIn);
            let after = machine.on(Event::Failed(Worker));
            machine.on(Event::Due);
            after
        };
        let told: Vec<_> = (0..3).map(|_| die(&mut machine)).collect();
        assert_eq!(told, [OFFLINE, OFFLINE, error(Retry::BackingOff)]);
        machine.on(Event::LoggedIn);
        machine.on(Event::Lasts);
        machine.on(Event::Failed(Worker));
        assert_eq!(machine.state(), OFFLINE);
    }

    #[test]
    fn another_account_is_not_proven_by_the_one_before() {
        let mut machine = Machine::new(false);
        machine.on(Event::LoggedIn);
        assert_eq!(machine.on(Event::AccountChanged), State::LoggingIn);
        assert_eq!(machine.on(Event::Failed(Locked)), error(Retry::WhenAsked));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let kinds = [
            Refused,
            Locked,
            Capacity,
            Network,
            Device,
            SourceGone,
            Unsupported,
            Local,
            LibraryMissing,
            Worker,
            Cancelled,
        ];
        let failed = prop::sample::select(kinds.to_vec()).prop_map(Event::Failed);
        prop_oneof![
            4 => failed,
            2 => Just(Event::LoggedIn),
            2 => Just(Event::Due),
            1 => Just(Event::Asked),
            1 => Just(Event::AccountChanged),
            1 => Just(Event::Lasts),
            1 => Just(Event::Outgrown),
        ]
    }

    proptest! {
        /// Whatever happens: credentials that were refused are never sent again.
        #[test]
        fn what_was_refused_is_sent_again_only_when_changed(events in prop::collection::vec(any_event(), 1..60)) {
            let mut machine = Machine::new(false);
            let mut refused = false;
            for event in events {
                let before = machine.state();
                // A pause that has no end never comes due.
                let endless = matches!(before, State::Failed(_, Retry::WhenAsked | Retry::WhenChanged));
                if event == Event::Due && endless {
                    continue;
                }
                let after = machine.on(event);
                let counts = matches!(before, State::LoggingIn | State::Online);
                if counts && event == Event::Failed(Refused) {
                    refused = true;
                }
                if event == Event::AccountChanged {
                    refused = false;
                }
                prop_assert!(!(refused && matches!(after, State::LoggingIn | State::Online)), "{event:?} led to {after:?}");
            }
            prop_assert_eq!(machine.on(Event::Stop), State::Stopped);
            prop_assert_eq!(machine.on(Event::Due), State::Stopped);
        }
    }
}
