//! A box asks for help, and is given away: the support bundle tells enough and opens nothing; after a factory reset the box
//! is another one, with the footage that was kept, or without.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tests::appliance::{self, Appliance};
use tests::process::program;
use tests::relay::Relay;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::resource::RecordingStatus;

#[tokio::test]
async fn box_is_given_away() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    let before = box_.all_completed(4).await?;
    let first = box_.system().await?.appliance;

    // Both ways to a bundle, and what is in it.
    let by_command = dir.path().join("by-command.zip");
    let path = by_command.display().to_string();
    box_.command("support", &[&path])?;
    let by_page = dir.path().join("by-page.zip");
    std::fs::write(&by_page, box_.client.bytes("/api/v1/system/support").await?)?;
    for bundle in [&by_command, &by_page] {
        let text = unzipped(bundle)?;
        for told in [
            "README.txt",
            "edge agent: ready",
            "\"Shop\"",
            "$ uname -a",
            "journalctl",
        ] {
            ensure!(text.contains(told), "{told} is not in {text}");
        }
        let token = box_.client.token().context("logged in")?;
        for secret in [PASSWORD, appliance::PASSWORD, token] {
            ensure!(
                !text.contains(secret),
                "{secret} is in {}",
                bundle.display()
            );
        }
        let key = std::fs::read(box_.state().join("secrets.key"))?;
        let bytes = std::fs::read(bundle)?;
        ensure!(
            !bytes.windows(key.len()).any(|it| it == key),
            "the key is in it"
        );
    }

    // Keys and people go; the footage is there for whoever is next.
    let reset = json!({ "appliance": first });
    let ask = box_
        .client
        .request(Method::POST, "/api/v1/system/factory-reset");
    let answer = ask.json(&reset).send().await?;
    ensure!(answer.status() == 202, "{answer:?}");
    ensure!(
        box_.process()?.wait()?.success(),
        "{}",
        box_.process()?.tail()
    );
    ensure!(
        box_.state().join("reset.json").is_file(),
        "it is not ordered"
    );
    box_.start().await?;
    box_.first_run().await?;
    let second = box_.system().await?.appliance;
    ensure!(second != first, "it is the same box");
    let after = box_.recordings().await?;
    ensure!(after.len() == before.len(), "{after:?}");
    for (old, new) in before.iter().zip(&after) {
        ensure!(
            old.id == new.id && old.digest == new.digest,
            "{old:?} {new:?}"
        );
        ensure!(new.status == RecordingStatus::Completed, "{new:?}");
    }
    ensure!(
        !holds(&box_.state(), PASSWORD.as_bytes())?,
        "a password is left"
    );

    // And without, by the command, which first only says what it would do, and never below a running agent.
    let run = |box_: &Appliance, args: &[&str]| {
        let mut command = Command::new(program("edge-agent")?);
        command
            .args(["factory-reset", "--config"])
            .arg(box_.config_path());
        command.args(args).output().context("factory-reset")
    };
    ensure!(!run(&box_, &["--footage", "--yes"])?.status.success());
    ensure!(box_.recordings().await?.len() == before.len());
    box_.stop()?;
    ensure!(!run(&box_, &["--footage"])?.status.success());
    box_.check()?;
    let done = run(&box_, &["--footage", "--yes"])?;
    ensure!(done.status.success(), "{done:?}");
    box_.start().await?;
    box_.first_run().await?;
    ensure!(box_.recordings().await?.is_empty());
    ensure!(!box_.footage().join("cameras").exists());

    // And typed by whoever stands in front of it: not with the name of another box.
    let third = box_.system().await?.appliance;
    let mut console = Command::new(program("edge-agent")?);
    console
        .args(["console", "--runtime"])
        .arg(dir.path())
        .arg("--keyboard")
        .arg(box_.state())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut screen = base::child::spawn(console)?;
    let mut keyboard = screen.stdin.take().context("its keyboard")?;
    let mut shown = BufReader::new(screen.stdout.take().context("its screen")?).lines();
    let mut until = |words: &str| -> Result<()> {
        let line = shown.find(|line| line.as_ref().is_ok_and(|line| line.contains(words)));
        line.map(|_| ())
            .with_context(|| format!("{words:?} was not shown"))
    };
    writeln!(keyboard, "reset holdfast-another")?;
    until("names another box")?;
    ensure!(!box_.state().join("reset.json").exists());
    // Noise ends nothing.
    keyboard.write_all(b"\xff\n\n")?;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    writeln!(keyboard, "reset {}", name.trim())?;
    until("is ordered")?;
    ensure!(box_.process()?.wait()?.success());
    screen.kill()?;
    screen.wait()?;
    box_.start().await?;
    box_.first_run().await?;
    ensure!(
        box_.system().await?.appliance != third,
        "it is the same box"
    );
    box_.stop()?;
    box_.log_is_clean(&["factory reset"])
}

/// The same by an admin far away, who cannot wipe footage.
#[tokio::test]
async fn box_is_given_away_from_far() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut box_ = Appliance::new(&dir.path().join("box"), &dir.path().join("no-sdk"))?;
    box_.start().await?;
    box_.first_run().await?;
    let mut relay = Relay::new(&dir.path().join("relay"))?;
    relay.start().await?;
    relay.first_login().await?;
    let site = relay.claim(&box_, "Shop").await?;
    let far = format!("/api/v1/sites/{}/system", site.id);
    let bundle = dir.path().join("far.zip");
    let bytes = relay.client.bytes(&format!("{far}/support")).await?;
    std::fs::write(&bundle, bytes)?;
    let text = unzipped(&bundle)?;
    ensure!(text.contains("edge agent: ready"), "{text}");

    let examined: Value = relay.client.get(&format!("{far}/doctor")).await?;
    let parts = examined["parts"].as_array().context("parts")?;
    let agent = parts.iter().find(|part| part["name"] == "The agent");
    let agent = &agent.context("nothing of the agent")?["findings"][0];
    ensure!(agent["level"] == "well", "{examined}");

    let first = box_.system().await?.appliance;
    for (footage, wanted) in [(true, 403), (false, 202)] {
        let ask = relay
            .client
            .request(Method::POST, &format!("{far}/factory-reset"));
        let reset = json!({ "appliance": first, "footage": footage });
        let status = ask.json(&reset).send().await?.status();
        ensure!(status == wanted, "footage {footage}: {status}");
    }
    ensure!(box_.process()?.wait()?.success());
    box_.start().await?;
    box_.first_run().await?;
    ensure!(box_.system().await?.appliance != first);
    box_.stop()?;
    relay.stop()?;
    box_.log_is_clean(&["factory reset", "The vendor's library cannot be used"])
}

/// All texts of an archive, with their names.
fn unzipped(archive: &Path) -> Result<String> {
    let listed = Command::new("unzip").arg("-l").arg(archive).output()?;
    let texts = Command::new("unzip").arg("-p").arg(archive).output()?;
    ensure!(
        listed.status.success() && texts.status.success(),
        "{listed:?}"
    );
    let text = [listed.stdout, texts.stdout].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &Path, wanted: &[u8]) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = match path.is_dir() {
            true => holds(&path, wanted)?,
            false => {
                let bytes = std::fs::read(&path)?;
                bytes.windows(wanted.len()).any(|it| it == wanted)
            }
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
