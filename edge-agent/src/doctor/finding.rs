//! What an examination finds, and how it is told.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FindingLevel)]
pub enum Level {
    /// As it should be.
    Well,
    /// Works, and may become a problem; or something that one may want is not there.
    Note,
    /// Does not work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// What was looked at: `clock`, `volume "main"`.
    pub about: String,
    /// What was seen.
    pub seen: String,
    /// What to do, where there is something to do.
    pub advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn well(about: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            level: Level::Well,
            about: about.into(),
            seen: seen.into(),
            advice: None,
        }
    }

    /// Worth knowing.
    pub fn note(
        about: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Note,
            advice: Some(advice.into()),
            ..Self::well(about, seen)
        }
    }

    /// Does not work.
    pub fn wrong(
        about: impl Into<String>,
        seen: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Wrong,
            ..Self::note(about, seen, advice)
        }
    }
}

/// What was found in one part of the box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ExaminedPart)]
pub struct Part {
    /// Which.
    #[schema(value_type = String)]
    pub name: &'static str,
    /// In the order in which one would look.
    pub findings: Vec<Finding>,
}

/// The whole examination: what `edge-agent doctor --json` prints, and the answer to `GET /system/doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Examination)]
pub struct Report {
    /// Version of the program that looked.
    #[schema(value_type = String)]
    pub version: &'static str,
    /// From the ground up.
    pub parts: Vec<Part>,
}

impl Report {
    /// How many findings are of a level.
    pub fn count(&self, level: Level) -> usize {
        let all = self.parts.iter().flat_map(|part| &part.findings);
        all.filter(|finding| finding.level == level).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            writeln!(f, "{}", part.name)?;
            for finding in &part.findings {
                let mark = match finding.level {
                    Level::Well => "ok",
                    Level::Note => "note",
                    Level::Wrong => "WRONG",
                };
                writeln!(f, "  {mark:<6} {}: {}", finding.about, finding.seen)?;
                if let Some(advice) = &finding.advice {
                    writeln!(f, "         {advice}")?;
                }
            }
        }
        match (self.count(Level::Wrong), self.count(Level::Note)) {
            (0, 0) => write!(f, "Everything is as it should be."),
            (0, notes) => write!(f, "Nothing is wrong; to look at: {notes}."),
            (wrong, notes) => write!(f, "Wrong: {wrong}; to look at: {notes}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_out_with_what_to_do() {
        let report = Report {
            version: "1.0",
            parts: vec![
                Part {
                    name: "The box",
                    findings: vec![Finding::well("memory", "4 GB")],
                },
                Part {
                    name: "Programs",
                    findings: vec![
                        Finding::wrong("FFmpeg", "not there", "Install it."),
                        Finding::note("smartctl", "not there", "Install it too."),
                    ],
                },
            ],
        };
        assert_eq!(
            report.to_string(),
            "The box\n  ok     memory: 4 GB\nPrograms\n  WRONG  FFmpeg: not there\n         Install it.\n  note   \
             smartctl: not there\n         Install it too.\nWrong: 1; to look at: 1."
        );
    }
}
