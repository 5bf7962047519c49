//! Watches over updates: tidies what was left half done, orders what waits when its moment has come, and tells people what
//! became of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use wire::telemetry::Severity;

use super::choice::{self, Decision, Facts, Wait};
use super::folder::{Order, Outcome, Outcomes, Seen, Wanted};
use super::{UpdateError, Updates, Waits, at};
use crate::catalog::CatalogError;
use crate::live::LiveHub;
use crate::model::reach::at_risk;
use crate::model::time::UtcTime;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// And while the box's update service is at work.
const LOOK_SOON: Duration = Duration::from_secs(2);
/// A part that nobody has gone on with for so long is removed.
const STALE: Duration = Duration::from_secs(7 * 24 * 3600);
/// A new system shows within a quarter of an hour that it is well; what is not said an hour later will not be said.
const JUDGEMENT_MS: i64 = 60 * 60 * 1_000;
/// Rows of each recorder that are looked at: those that are overwritten soonest come first.
const LOOKAHEAD: usize = 8;

/// People are told when an update did not end well.
const RULE: &str = "update_failed";

/// Whether anybody plays or downloads footage, or did a moment ago.
pub type FootageInUse = Arc<dyn Fn() -> bool + Send + Sync>;

/// Watches over updates.
pub struct Keeper {
    updates: Updates,
    live: LiveHub,
    footage_in_use: FootageInUse,
    /// What could not be read or done, so that it is said once.
    said: Option<String>,
}

/// Why a look failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Update(#[from] UpdateError),
    #[error("the catalog: {0}")]
    Catalog(#[from] CatalogError),
}

impl Keeper {
    /// Over these.
    pub fn new(updates: Updates, live: LiveHub, footage_in_use: FootageInUse) -> Self {
        Self {
            updates,
            live,
            footage_in_use,
            said: None,
        }
    }

    /// Watches until told to stop. Ends with an error only when the catalog is closed.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), CatalogError> {
        loop {
            let pause = match self.look().await {
                Ok(pause) => pause,
                Err(LookError::Catalog(
                    error @ CatalogError::Db(base::sqlite::DbError::Closed),
                )) => {
                    return Err(error);
                }
                Err(error) => {
                    self.say(error.to_string());
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.updates.0.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn say(&mut self, what: String) {
        if self.said.as_ref() != Some(&what) {
            tracing::warn!(
                reason = what,
                "Updates are not looked after as they should be; tried again"
            );
            self.said = Some(what);
        }
    }

    /// One look, and what follows from it. Returns when to look again.
    pub(super) async fn look(&mut self) -> Result<Duration, LookError> {
        let updates = self.updates.clone();
        let seen = {
            // What is just being received is not tidied away. It will wake us.
            let Ok(_turn) = updates.0.turn.try_lock() else {
                return Ok(LOOK_SOON);
            };
            let seen = updates.look()?;
            for unreadable in &seen.unreadable {
                self.say(unreadable.clone());
            }
            self.tidy(&seen)?;
            updates.look()?
        };
        let waits = match waiting(&seen) {
            Some(wanted) => self.decide(&seen, wanted.clone()).await?,
            None => None,
        };
        let seen = updates.look()?;
        updates.tell(&seen, waits);
        self.alarm(&seen).await?;
        // What is told is told once, until all is well again.
        if seen.unreadable.is_empty() {
            self.said = None;
        }
        let is_working = seen.is_ordered
            || matches!(&seen.outcome, Some(outcome) if outcome.result == Outcomes::Installed);
        Ok(if is_working { LOOK_SOON } else { LOOK_EVERY })
    }

    /// Removes what is nobody's any more.
    fn tidy(&self, seen: &Seen) -> Result<(), UpdateError> {
        let folder = &self.updates.0.folder;
        let wrong = at(folder.path());
        if let Some(wanted) = &seen.wanted
            && seen.is_consumed()
        {
            let said = seen
                .outcome
                .as_ref()
                .filter(|it| it.version == wanted.version);
            match said {
                Some(outcome) => {
                    tracing::info!(version = %wanted.version, result = ?outcome.result, reason = outcome.reason, "The box's update service has done its part");
                }
                None => {
                    let outcome = Outcome {
                        version: wanted.version.clone(),
                        result: Outcomes::Failed,
                        reason: "the box's update service took the order and did not say what became of it; the \
                                 journal of holdfast-update may"
                            .into(),
                        at: self.updates.0.catalog.now(),
                    };
                    folder.conclude(&outcome).map_err(at(folder.path()))?;
                }
            }
            return folder.forget_bundle().map_err(wrong);
        }
        let stale = |touched: SystemTime| touched.elapsed().is_ok_and(|age| age > STALE);
        let is_stale = match &seen.wanted {
            Some(wanted) => {
                wanted.received_at.is_none()
                    && seen.part_touched.is_none_or(stale)
                    && !seen.has_bundle
            }
            None => seen.part_touched.is_some() || seen.has_bundle,
        };
        // Never under the hands of the box's service.
        if is_stale && !seen.is_ordered {
            tracing::info!("What came of an update that nobody goes on with is removed");
            folder.forget_bundle().map_err(wrong)?;
        }
        Ok(())
    }

    /// Orders it, or says what it waits for.
    async fn decide(&self, seen: &Seen, wanted: Wanted) -> Result<Option<Waits>, LookError> {
        let updates = &self.updates;
        let Ok(running) = updates.able() else {
            return Ok(None);
        };
        let now = updates.0.catalog.now();
        let since = wanted.received_at.unwrap_or(now);
        let settings = updates.0.config.settings();
        let facts = self.facts(seen, now).await?;
        match choice::decide(wanted.chosen, since, &settings, &facts, now) {
            Decision::Wait(wait) => Ok(Some(Waits {
                kind: wait.kind(),
                message: wait.words(settings.window),
                opens_at: match wait {
                    Wait::Window(opens) => Some(opens),
                    _ => None,
                },
            })),
            Decision::Install(because) => {
                let _turn = updates.0.turn.lock().await;
                // It may have been forgotten, or put off, while we looked around.
                let again = updates.look()?;
                if waiting(&again) != Some(&wanted) {
                    updates.0.wake.notify_one();
                    return Ok(None);
                }
                let folder = &updates.0.folder;
                tracing::warn!(version = %wanted.version, running = %running, because = because.words(), "An update is ordered; the box will restart");
                let order = Order {
                    version: wanted.version,
                    sha256: wanted.sha256,
                };
                folder.order(&order).map_err(at(folder.path()))?;
                Ok(None)
            }
        }
    }

    /// What goes on in the box.
    async fn facts(&self, seen: &Seen, now: UtcTime) -> Result<Facts, CatalogError> {
        let catalog = &self.updates.0.catalog;
        let is_unjudged = seen.outcome.as_ref().is_some_and(|outcome| {
            let age_ms = now.ms_since(outcome.at);
            outcome.result == Outcomes::Installed && (0..JUDGEMENT_MS).contains(&age_ms)
        });
        let to_fetch = catalog.to_fetch(now, LOOKAHEAD).await?;
        Ok(Facts {
            is_unjudged,
            viewers: self.live.health().iter().map(|(_, it)| it.viewers).sum(),
            footage: (self.footage_in_use)(),
            syncs: catalog.open_jobs().await?.len(),
            archive: catalog.archive_to_build().await?.is_some(),
            gone_at: to_fetch
                .into_iter()
                .filter_map(|row| row.gone_at)
                .filter(|gone_at| at_risk(Some(*gone_at), now))
                .min(),
        })
    }

    /// People are told once of what did not end well, until another update is begun or ends well.
    async fn alarm(&self, seen: &Seen) -> Result<(), CatalogError> {
        let catalog = &self.updates.0.catalog;
        let bad = seen.outcome.as_ref().and_then(|outcome| {
            let what = match outcome.result {
                Outcomes::Refused => "was not installed",
                Outcomes::Failed => "did not come into use",
                Outcomes::WentBack => {
                    "was installed and was not well; the system before it runs again"
                }
                Outcomes::Installed | Outcomes::Good => return None,
            };
            let message = format!(
                "Update {} {what}: {}",
                outcome.version,
                match outcome.reason.as_str() {
                    "" => "no reason was given",
                    reason => reason,
                }
            );
            Some((outcome.version.to_string(), message))
        });
        let subjects = bad.iter().map(|(subject, _)| subject.clone());
        catalog
            .keep_alarms(RULE, subjects.collect::<HashSet<_>>())
            .await?;
        if let Some((subject, message)) = bad {
            catalog
                .raise_alarm(RULE, subject, Severity::Warning, message)
                .await?;
        }
        Ok(())
    }
}

/// The bundle that is here, whole, and that nobody works on.
fn waiting(seen: &Seen) -> Option<&Wanted> {
    let wanted = seen.wanted.as_ref()?;
    (wanted.received_at.is_some() && seen.has_bundle && !seen.is_ordered && !seen.is_consumed())
        .then_some(wanted)
}
