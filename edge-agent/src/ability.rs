//! What this system is able to do by itself, whatever recorders and relay do: make footage, load the vendor's library. A
//! newer system that is able to do less than the one before it is not kept (docs/guide/image.md).

pub mod rehearsal;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::media::MediaConfig;
use crate::recorder::config::SdkConfig;
use crate::recorder::library_problem;

/// Pause before what did not work is tried again: an installer who has just put it right sees it on the page at once.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// Pause where it worked: somebody may still take a library or a program away.
const LOOK_LATER: Duration = Duration::from_secs(15 * 60);

/// What is known of an ability.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ability {
    /// Nobody has looked yet.
    #[default]
    NotLooked,
    /// It is there.
    There,
    /// It is missing; why, in words.
    Missing(String),
}

impl Ability {
    /// Why it is missing, where it is.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Missing(why) => Some(why),
            Self::NotLooked | Self::There => None,
        }
    }

    fn pause(&self) -> Duration {
        match self {
            Self::There => LOOK_LATER,
            Self::NotLooked | Self::Missing(_) => LOOK_AGAIN,
        }
    }
}

impl From<Option<String>> for Ability {
    fn from(problem: Option<String>) -> Self {
        problem.map_or(Self::There, Self::Missing)
    }
}

/// Keeps known whether the vendor's library can be used, until `stop`.
pub async fn watch_library(
    config: Arc<SdkConfig>,
    told: watch::Sender<Ability>,
    stop: CancellationToken,
) {
    let look = || async { library_problem(&config).await.into() };
    keep_known(look, told, "The vendor's library cannot be used", stop).await;
}

/// Keeps known whether footage can be made, until `stop`; `folder` is for the rehearsal alone.
pub async fn watch_footage(
    config: MediaConfig,
    folder: PathBuf,
    told: watch::Sender<Ability>,
    stop: CancellationToken,
) {
    let look = || async {
        let (config, folder) = (config.clone(), folder.clone());
        let cancel = stop.child_token();
        let rehearsed =
            tokio::task::spawn_blocking(move || rehearsal::rehearse(&config, &folder, &cancel));
        let rehearsed = rehearsed
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        rehearsed.err().into()
    };
    keep_known(
        look,
        told,
        "This box cannot make footage of what recorders send",
        stop.clone(),
    )
    .await;
}

async fn keep_known<Look: Future<Output = Ability>>(
    look: impl Fn() -> Look,
    told: watch::Sender<Ability>,
    about: &'static str,
    stop: CancellationToken,
) {
    loop {
        let Some(found) = stop.run_until_cancelled(look()).await else {
            return;
        };
        let pause = found.pause();
        told.send_if_modified(|known| {
            let is_new = *known != found;
            if let (true, Ability::Missing(problem)) = (is_new, &found) {
                tracing::warn!(problem, "{about}");
            }
            *known = found;
            is_new
        });
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}
