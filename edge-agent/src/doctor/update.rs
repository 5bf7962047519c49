//! Updates of the system: how far one is, and what became of the last one.

use jiff::tz::TimeZone;

use super::finding::Finding;
use crate::config::State;
use crate::model::time::UtcTime;
use crate::update::folder::{Folder, Outcomes, Seen, running};
use crate::update::{NO_IMAGE, UpdateConfig};

const ABOUT: &str = "updates of the system";

/// Looks at what lies there.
pub fn update(state: &State, config: &UpdateConfig, now: UtcTime) -> Finding {
    let version = match running(&config.version_file) {
        Ok(Some(version)) => version.to_string(),
        Ok(None) => return Finding::well(ABOUT, NO_IMAGE),
        Err(why) => {
            return Finding::wrong(
                ABOUT,
                format!("it is not known which system runs: {why}"),
                "No update is taken until it is. Flash the image anew, or report this.",
            );
        }
    };
    match Folder::of(&state.folder).look() {
        Ok(seen) => judge(&version, &seen, now),
        Err(error) => Finding::wrong(
            ABOUT,
            format!("{}: {error}", Folder::of(&state.folder).path().display()),
            "Run this as root or as the agent's user.",
        ),
    }
}

/// Pure: what it means.
fn judge(running: &str, seen: &Seen, now: UtcTime) -> Finding {
    if let Some(unreadable) = seen.unreadable.first() {
        return Finding::wrong(
            ABOUT,
            unreadable.clone(),
            "Remove the file and send the update again.",
        );
    }
    if let Some(wanted) = seen.wanted.as_ref().filter(|_| !seen.is_consumed()) {
        let version = &wanted.version;
        return match wanted.received_at {
            Some(_) if seen.is_ordered => Finding::note(
                ABOUT,
                format!("{running} runs; {version} is being installed"),
                "It takes a minute, and the box restarts. If this stays, `journal-box.txt` in the support bundle \
                 (*System*) tells why.",
            ),
            Some(_) => Finding::well(
                ABOUT,
                format!("{running} runs; {version} is here and waits"),
            ),
            None => Finding::well(
                ABOUT,
                format!(
                    "{running} runs; {} of {} bytes of {version} are here",
                    seen.part_bytes, wanted.bytes
                ),
            ),
        };
    }
    let Some(outcome) = &seen.outcome else {
        return Finding::well(ABOUT, format!("{running} runs; no other is here"));
    };
    let version = &outcome.version;
    let when = outcome.at.timestamp().to_zoned(TimeZone::UTC);
    let when = when.strftime("%Y-%m-%d %H:%M UTC");
    let reason = &outcome.reason;
    match outcome.result {
        Outcomes::Good => Finding::well(ABOUT, format!("{running} runs, well since {when}")),
        // A start takes minutes, and a system that is not well is left within an hour.
        Outcomes::Installed if now.ms_since(outcome.at) > 3_600_000 => Finding::wrong(
            ABOUT,
            format!(
                "{running} runs; {version} was installed {when} and nothing was heard of it since"
            ),
            "`journal-box.txt` in the support bundle (*System*) holds what it said.",
        ),
        Outcomes::Installed => Finding::note(
            ABOUT,
            format!(
                "{running} runs; {version} was installed {when}, and is to show that it is well"
            ),
            "Wait a quarter of an hour.",
        ),
        Outcomes::Refused => Finding::note(
            ABOUT,
            format!("{running} runs; {version} was not installed {when}: {reason}"),
            "Send one that is newer and signed for this box.",
        ),
        Outcomes::Failed => Finding::note(
            ABOUT,
            format!("{running} runs; {version} did not come into use {when}: {reason}"),
            "Send it again; if it fails again, `journal-box.txt` in the support bundle (*System*) tells why.",
        ),
        Outcomes::WentBack => Finding::wrong(
            ABOUT,
            format!(
                "{running} runs; {version} was not well, and the box went back {when}: {reason}"
            ),
            "Send a support bundle to whoever made the update, and wait for a newer one.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::update::folder::Outcome;

    #[test]
    fn outcomes_are_judged() {
        let at: UtcTime = "2026-11-22T07:15:00Z".parse().unwrap();
        let level = |result, now: UtcTime| {
            let outcome = Outcome {
                version: "0.1.0+2".parse().unwrap(),
                result,
                reason: "the agent is not ready".into(),
                at,
            };
            let seen = Seen {
                outcome: Some(outcome),
                ..Seen::default()
            };
            judge("0.1.0+1", &seen, now).level
        };
        assert_eq!(level(Outcomes::Good, at), Level::Well);
        assert_eq!(level(Outcomes::Installed, at.plus_s(60)), Level::Note);
        assert_eq!(level(Outcomes::Installed, at.plus_s(7_200)), Level::Wrong);
        assert_eq!(level(Outcomes::Refused, at), Level::Note);
        assert_eq!(level(Outcomes::Failed, at), Level::Note);
        assert_eq!(level(Outcomes::WentBack, at), Level::Wrong);
        let nothing = judge("0.1.0+1", &Seen::default(), at);
        assert_eq!(nothing.level, Level::Well);
        let unreadable = Seen {
            unreadable: vec!["outcome.json: no".into()],
            ..Seen::default()
        };
        assert_eq!(judge("0.1.0+1", &unreadable, at).level, Level::Wrong);
    }

    #[test]
    fn a_box_without_an_image_is_well() {
        let dir = tempfile::tempdir().unwrap();
        let state = State {
            folder: dir.path().to_owned(),
            ..State::default()
        };
        let config = UpdateConfig {
            version_file: dir.path().join("version"),
            ..UpdateConfig::default()
        };
        let now: UtcTime = "2026-11-22T07:15:00Z".parse().unwrap();
        let finding = update(&state, &config, now);
        assert_eq!(finding.level, Level::Well);
        assert!(finding.seen.contains("Debian package"), "{}", finding.seen);
        std::fs::write(&config.version_file, "0.1.0+1\n").unwrap();
        assert_eq!(
            update(&state, &config, now).seen,
            "0.1.0+1 runs; no other is here"
        );
        std::fs::write(&config.version_file, "who knows").unwrap();
        assert_eq!(update(&state, &config, now).level, Level::Wrong);
    }
}
