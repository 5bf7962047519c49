//! Pure: what is next for a delivery, by what its appliance says of itself; and what a site that takes updates by itself is
//! sent.

use wire::update::{BundleDigest, InstallWhen, Update, UpdateProgress};

use super::PIECE_BYTES;
use crate::store::updates::{Bundle, Delivery};

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Announce it.
    Begin,
    /// Send so many bytes from here.
    Send {
        /// First byte.
        first: u64,
        /// How many.
        count: u64,
    },
    /// Say when it is to be installed.
    Install(InstallWhen),
    /// The appliance has it.
    Done,
    /// It cannot be sent at all.
    GiveUp(String),
    /// Not now.
    Later(String),
}

/// What is next for a delivery to an appliance that says this.
pub fn next(delivery: &Delivery, told: &Update) -> Step {
    if let Some(why) = &told.unable {
        return Step::GiveUp(why.clone());
    }
    if let Some(running) = &told.running {
        if *running == delivery.version {
            return Step::Done;
        }
        if *running > delivery.version {
            return Step::GiveUp(format!("{running} runs there, which is newer."));
        }
    }
    match &told.progress {
        UpdateProgress::Receiving {
            sha256,
            bytes,
            received_bytes,
            ..
        } if *sha256 == delivery.sha256 => match bytes.saturating_sub(*received_bytes) {
            // All of it came; announced again, it is compared.
            0 => Step::Begin,
            left => Step::Send {
                first: *received_bytes,
                count: left.min(PIECE_BYTES),
            },
        },
        UpdateProgress::Waiting { sha256, chosen, .. } if *sha256 == delivery.sha256 => {
            match delivery.chosen {
                Some(when) if *chosen != Some(when) => Step::Install(when),
                _ => Step::Done,
            }
        }
        UpdateProgress::Ordered { version } | UpdateProgress::Installed { version, .. }
            if *version == delivery.version =>
        {
            Step::Done
        }
        UpdateProgress::Ordered { version } => {
            Step::Later(format!("{version} is being installed there."))
        }
        UpdateProgress::WentBack {
            version, reason, ..
        } if *version == delivery.version => Step::GiveUp(format!(
            "It was not well there, and the box went back: {reason}"
        )),
        // What else is there gives way, or the appliance says why not.
        _ => Step::Begin,
    }
}

/// What an appliance that takes updates by itself is sent: the newest system, once. `last`: what was sent to it last.
pub fn automatic<'a>(
    told: Option<&Update>,
    last: Option<&BundleDigest>,
    newest: Option<&'a Bundle>,
) -> Option<&'a Bundle> {
    let (told, newest) = (told?, newest?);
    let running = told.running.as_ref()?;
    let wanted = told.unable.is_none() && *running < newest.version && last != Some(&newest.sha256);
    wanted.then_some(newest)
}

#[cfg(test)]
mod tests {
    use wire::ids::ApplianceId;
    use wire::time::UtcTime;
    use wire::update::{ImageVersion, WaitsFor};

    use super::*;
    use crate::store::updates::DeliveryState;

    fn at() -> UtcTime {
        "2026-11-22T07:15:00Z".parse().unwrap()
    }

    fn version(text: &str) -> ImageVersion {
        text.parse().unwrap()
    }

    fn digest(byte: &str) -> BundleDigest {
        byte.repeat(32).parse().unwrap()
    }

    fn delivery(chosen: Option<InstallWhen>) -> Delivery {
        Delivery {
            appliance: ApplianceId::from_spki(b"box"),
            version: version("0.1.0+2"),
            sha256: digest("aa"),
            bytes: 5_000_000,
            chosen,
            asked_by: None,
            state: DeliveryState::Pending,
            message: None,
            asked_at: at(),
            updated_at: at(),
        }
    }

    fn told(running: &str, progress: UpdateProgress) -> Update {
        Update {
            running: Some(version(running)),
            unable: None,
            automatic: true,
            window: "02:00-05:00".into(),
            progress,
        }
    }

    fn receiving(sha256: BundleDigest, received_bytes: u64) -> UpdateProgress {
        UpdateProgress::Receiving {
            version: version("0.1.0+2"),
            sha256,
            bytes: 5_000_000,
            received_bytes,
        }
    }

    fn waiting(sha256: BundleDigest, chosen: Option<InstallWhen>) -> UpdateProgress {
        UpdateProgress::Waiting {
            version: version("0.1.0+2"),
            sha256,
            since: at(),
            chosen,
            waits_for: WaitsFor::Window,
            message: "It waits.".into(),
            opens_at: None,
            latest_at: at(),
        }
    }

    fn ordered(text: &str) -> UpdateProgress {
        UpdateProgress::Ordered {
            version: version(text),
        }
    }

    #[test]
    fn step_by_step() {
        let step = |progress| next(&delivery(None), &told("0.1.0+1", progress));
        let check = |progress, want| assert_eq!(step(progress), want);
        check(UpdateProgress::None, Step::Begin);
        let send = |first, count| Step::Send { first, count };
        let mine = |received| receiving(digest("aa"), received);
        check(mine(0), send(0, PIECE_BYTES));
        check(mine(PIECE_BYTES), send(PIECE_BYTES, PIECE_BYTES));
        check(mine(4_999_999), send(4_999_999, 1));
        check(mine(5_000_000), Step::Begin);
        check(receiving(digest("bb"), 10), Step::Begin);
        check(waiting(digest("aa"), None), Step::Done);
        check(waiting(digest("bb"), None), Step::Begin);
        check(ordered("0.1.0+2"), Step::Done);
        assert!(matches!(step(ordered("0.1.0+1.5")), Step::Later(_)));
        let (at, version) = (at(), version("0.1.0+2"));
        let installed = UpdateProgress::Installed {
            version: version.clone(),
            at,
        };
        check(installed, Step::Done);
        // Tried before, and asked for once more.
        let failed = UpdateProgress::Failed {
            version: version.clone(),
            reason: "no room".into(),
            at,
        };
        check(failed, Step::Begin);
        let back = UpdateProgress::WentBack {
            version,
            reason: "not ready".into(),
            at,
        };
        assert!(matches!(step(back), Step::GiveUp(_)));
        let runs = |running| next(&delivery(None), &told(running, UpdateProgress::None));
        assert_eq!(runs("0.1.0+2"), Step::Done);
        assert!(matches!(runs("0.1.0+3"), Step::GiveUp(_)));
    }

    #[test]
    fn a_persons_word_is_passed_on_once() {
        let when = Some(InstallWhen::Now);
        let step = |chosen| {
            let waits = waiting(digest("aa"), chosen);
            next(&delivery(when), &told("0.1.0+1", waits))
        };
        assert_eq!(step(None), Step::Install(InstallWhen::Now));
        let other = Some(InstallWhen::Window);
        assert_eq!(step(other), Step::Install(InstallWhen::Now));
        assert_eq!(step(when), Step::Done);
    }

    fn bundle(text: &str) -> Bundle {
        Bundle {
            version: version(text),
            sha256: digest("aa"),
            bytes: 1,
            added_at: at(),
        }
    }

    #[test]
    fn a_box_without_the_image_is_not_sent_anything() {
        let told = Update {
            running: None,
            unable: Some("Not an image.".into()),
            ..told("0.1.0", UpdateProgress::None)
        };
        let step = next(&delivery(None), &told);
        assert_eq!(step, Step::GiveUp("Not an image.".into()));
        assert_eq!(automatic(Some(&told), None, Some(&bundle("0.1.0+2"))), None);
    }

    #[test]
    fn a_site_that_takes_them_by_itself_is_sent_the_newest_once() {
        let newest = bundle("0.1.0+2");
        let sent = |running: &str, last: Option<&str>| {
            let (told, last) = (told(running, UpdateProgress::None), last.map(digest));
            automatic(Some(&told), last.as_ref(), Some(&newest)).is_some()
        };
        assert!(sent("0.1.0+1", None));
        assert!(sent("0.1.0+1", Some("bb")));
        // Sent before, whatever became of it: a person looks first.
        assert!(!sent("0.1.0+1", Some("aa")));
        assert!(!sent("0.1.0+2", None));
        assert!(!sent("0.1.0+3", None));
        assert_eq!(automatic(None, None, Some(&newest)), None);
        let told = told("0.1.0+1", UpdateProgress::None);
        assert_eq!(automatic(Some(&told), None, None), None);
    }
}
