//! `edge-agent doctor` looks at a box that works, and at the same box after somebody has been at it: it names what is
//! wrong, and what to do.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::appliance::Appliance;
use tests::process::program;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};

#[tokio::test]
async fn doctor_says_what_is_wrong() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    let new = examine(&box_)?;
    ensure!(new.level("edge agent")? == "wrong", "{}", new.all);

    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    box_.all_completed(4).await?;
    let well = examine(&box_)?;
    for about in [
        "FFmpeg",
        "vendor's library",
        "key of stored passwords",
        "volume \"main\"",
        "edge agent",
        "recorder \"Shop\"",
        "downloads",
        "custody log",
    ] {
        ensure!(well.level(about)? == "well", "{about}: {}", well.all);
    }
    ensure!(well.level("membership")? == "note", "{}", well.all);
    ensure!(
        !well.all.to_string().contains(PASSWORD),
        "a password is told"
    );

    // The disk is away, the library is gone, a key may be read by all, and the agent was killed.
    box_.kill()?;
    std::fs::rename(box_.footage(), dir.path().join("elsewhere"))?;
    std::fs::rename(
        nvr.folder().join("libhcnetsdk.so"),
        nvr.folder().join("libhcnetsdk.so.bak"),
    )?;
    let key = box_.state().join("secrets.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644))?;
    let ill = examine(&box_)?;
    for about in [
        "vendor's library",
        "key of stored passwords",
        "volume \"main\"",
        "edge agent",
    ] {
        ensure!(ill.level(about)? == "wrong", "{about}: {}", ill.all);
        let advice = ill.finding(about)?["advice"].as_str();
        ensure!(advice.is_some_and(|it| !it.is_empty()), "{about}");
    }
    ensure!(ill.code == 3, "it ended with {}", ill.code);
    ensure!(ill.text.contains("WRONG  edge agent"), "{}", ill.text);
    Ok(())
}

/// What the doctor said, for programs and for people, and how it ended.
struct Told {
    all: Value,
    text: String,
    code: i32,
}

impl Told {
    /// The first finding about something that begins so.
    fn finding(&self, about: &str) -> Result<&Value> {
        let parts = self.all["parts"].as_array().context("parts")?;
        let findings = parts.iter().filter_map(|part| part["findings"].as_array());
        findings
            .flatten()
            .find(|it| it["about"].as_str().is_some_and(|it| it.starts_with(about)))
            .with_context(|| format!("nothing is said about {about}: {}", self.all))
    }

    fn level(&self, about: &str) -> Result<&str> {
        self.finding(about)?["level"].as_str().context("a level")
    }
}

fn examine(box_: &Appliance) -> Result<Told> {
    box_.write_config()?;
    let run = |json: &[&str]| {
        let mut command = Command::new(program("edge-agent")?);
        command.args(["doctor", "--config"]).arg(box_.config_path());
        command.args(json).output().context("run the doctor")
    };
    let (text, json) = (run(&[])?, run(&["--json"])?);
    ensure!(
        text.status.code() == json.status.code(),
        "{text:?} {json:?}"
    );
    Ok(Told {
        all: serde_json::from_slice(&json.stdout)?,
        text: String::from_utf8(text.stdout)?,
        code: text.status.code().context("it was killed")?,
    })
}
