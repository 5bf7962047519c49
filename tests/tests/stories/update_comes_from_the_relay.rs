//! A newer system comes from the relay: the operator puts it there, an admin sends it, the agent is killed in the middle of
//! it, and it goes on from there. The box's update service is a process of its own that knows nothing but the files. What
//! became of it stands on both pages; a second one, which the site takes by itself, is refused there.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tests::appliance::Appliance;
use tests::eventually::eventually;
use tests::process::{Process, program};
use tests::relay::Relay;

const RUNNING: &str = "0.1.0+20261101000000";
const NEW: &str = "0.1.0+20261103090000";
const NEWER: &str = "0.1.0+20261103090000.1";
/// Some dozens of pieces.
const LENGTH: usize = 96 << 20;
const HERE: &str = "/api/v1/system/update";

/// What a box does with an order: takes it, looks at the bundle, says what became of it.
const SERVICE: &str = r#"
cd "$1"
while sleep 0.1; do
    [ -f order.json ] || continue
    version=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' order.json)
    wanted=$(sed -n 's/.*"sha256":"\([^"]*\)".*/\1/p' order.json)
    [ "$(sha256sum < bundle.raucb)" = "$wanted  -" ] || result=failed
    printf '{"version":"%s","result":"%s","reason":"as the story wants it","at":"%s"}' \
        "$version" "${result:-$2}" "$(date -u +%FT%TZ)" > outcome.new
    mv outcome.new outcome.json
    rm order.json bundle.raucb
done
"#;

fn service(box_: &Appliance, dir: &Path, result: &str) -> Result<Process> {
    let mut command = Command::new("sh");
    let folder = box_.state().join("update");
    command.args(["-c", SERVICE, "update-service"]);
    command.arg(folder).arg(result);
    Process::start("update-service", &command, &dir.join("service.log"))
}

/// A file of bytes that nothing makes smaller, signed by nobody: that is for the real service to find out.
fn bundle(path: &Path, seed: u64) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut state = seed;
    for _ in 0..LENGTH / 8 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        file.write_all(&state.to_le_bytes())?;
    }
    Ok(file.flush()?)
}

/// The state, here or there, once it is one of these.
async fn becomes(
    what: &str,
    path: &str,
    client: &tests::client::Client,
    is: fn(&Value) -> bool,
) -> Result<Value> {
    eventually(what, || async {
        let told: Value = client.get(path).await.map_err(|e| e.to_string())?;
        if is(&told) {
            Ok(told)
        } else {
            Err(told.to_string())
        }
    })
    .await
}

#[tokio::test]
async fn update_comes_from_the_relay() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let version_file = dir.path().join("version");
    std::fs::write(&version_file, format!("{RUNNING}\n"))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), &dir.path().join("no-sdk"))?;
    box_.set("update", "version_file", version_file.display().to_string());
    // Equal ends: it is always the quiet window.
    box_.set("update", "window", "00:00-00:00");
    box_.start().await?;
    box_.first_run().await?;
    let mut relay = Relay::new(&dir.path().join("relay"))?;
    relay.start().await?;
    relay.first_login().await?;
    let site = relay.claim(&box_, "Shop").await?;
    let there = format!("/api/v1/sites/{}/update", site.id);

    // The operator puts it there, an admin sees and sends it.
    let file = dir.path().join(format!("holdfast-{NEW}.raucb"));
    bundle(&file, 1)?;
    relay.add_update(&file)?;
    let offered = becomes("it is offered", &there, &relay.client, |told| {
        told["offered"]["version"] == NEW
    });
    ensure!(offered.await?["told"]["running"] == RUNNING);
    let wanted = json!({ "version": NEW, "when": "window" });
    let ask = relay.client.request(Method::POST, &there).json(&wanted);
    let answer = ask.send().await?;
    ensure!(answer.status() == 202, "{answer:?}");

    // Killed in the middle of it.
    let part = box_.state().join("update/bundle.part");
    let before = loop {
        let length = std::fs::metadata(&part).map_or(0, |it| it.len());
        if length >= 8 << 20 {
            break length;
        }
        ensure!(box_.process()?.is_running(), "{}", box_.process()?.tail());
        tokio::task::yield_now().await;
    };
    box_.kill()?;
    let left = std::fs::metadata(&part)
        .context("it was all sent already")?
        .len();
    ensure!(left >= before && left < LENGTH as u64, "{left} bytes came");

    // It goes on from there, and is ordered, since nobody watches.
    let mut service = service(&box_, dir.path(), "installed")?;
    box_.start().await?;
    box_.login().await?;
    let told = becomes("it is installed", HERE, &box_.client, |told| {
        told["progress"]["state"] == "installed"
    });
    ensure!(told.await?["progress"]["version"] == NEW);
    let log = std::fs::read_to_string(box_.log())?;
    let begun = log.matches("An update begins to come").count();
    ensure!(begun == 1, "it was begun {begun} times");
    let far = becomes("the relay knows", &there, &relay.client, |told| {
        told["told"]["progress"]["state"] == "installed" && told["delivery"]["state"] == "delivered"
    });
    far.await?;

    // The box starts the new system, which is well.
    box_.stop()?;
    service.kill_hard()?;
    std::fs::write(&version_file, format!("{NEW}\n"))?;
    let good =
        format!(r#"{{"version":"{NEW}","result":"good","reason":"","at":"2026-11-22T07:15:00Z"}}"#);
    std::fs::write(box_.state().join("update/outcome.json"), good)?;
    box_.start().await?;
    becomes("it is well", HERE, &box_.client, |told| {
        told["progress"]["state"] == "good" && told["running"] == NEW
    })
    .await?;
    becomes(
        "the relay knows that it is well",
        &there,
        &relay.client,
        |told| told["told"]["progress"]["state"] == "good" && told["offered"] == Value::Null,
    )
    .await?;

    // The next one comes by itself, and the box does not want it.
    let file = dir.path().join(format!("holdfast-{NEWER}.raucb"));
    bundle(&file, 2)?;
    let mut service = self::service(&box_, dir.path(), "refused")?;
    let _: Value = relay
        .client
        .put(&there, &json!({ "automatic": true }))
        .await?;
    relay.add_update(&file)?;
    becomes("it is refused", &there, &relay.client, |told| {
        told["told"]["progress"]["state"] == "refused" && told["delivery"]["state"] == "delivered"
    })
    .await?;
    let doctor = Command::new(program("edge-agent")?)
        .args(["doctor", "--config"])
        .arg(box_.config_path())
        .output()?;
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(said.contains("as the story wants it"), "{said}");
    service.kill_hard()?;
    box_.stop()?;
    relay.stop()?;
    box_.log_is_clean(&[
        "An update is ordered",
        "update_failed",
        "The vendor's library cannot be used",
    ])
}
