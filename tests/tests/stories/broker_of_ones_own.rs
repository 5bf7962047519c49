//! The broker is a setting: the same job with a Mosquitto that was there before. And on a broker with our rules an
//! appliance that publishes on another's topic, or subscribes to everything, gets nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::appliance::Appliance;
use tests::broker::Mosquitto;
use tests::main_job;
use tests::relay::Relay;
use tests::stand_in::{StandIn, standard_spec};

#[tokio::test]
async fn broker_of_ones_own() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let recorder = StandIn::standard(&dir.path().join("sdk"), &standard_spec(2, 20))?;
    let appliance = Appliance::new(&dir.path().join("box"), recorder.folder())?;
    let mut relay = Relay::new(&dir.path().join("relay"))?;
    // Its first start makes the CA that the broker's operator is asked to trust.
    relay.start().await?;
    relay.stop()?;
    let broker = Mosquitto::start(&dir.path().join("broker"), &relay.ca_pem()?).await?;
    relay.set_section("broker", broker.relay_settings());

    let mut world = main_job::start(recorder, appliance, relay).await?;
    let table = main_job::run(&world, dir.path()).await?;
    ensure!(table.all_right(), "\n{table}");
    let children = world.relay.process()?.descendants();
    ensure!(
        children.is_empty(),
        "the relay runs a broker of its own beside the external one: {children:?}"
    );
    world.appliance.stop()?;
    world.relay.stop()?;
    world.appliance.check()
}

#[tokio::test]
async fn a_broker_keeps_appliances_apart() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let recorder = StandIn::standard(&dir.path().join("sdk"), &standard_spec(1, 10))?;
    let appliance = Appliance::new(&dir.path().join("box"), recorder.folder())?;
    let relay = Relay::new(&dir.path().join("relay"))?;
    let mut world = main_job::start(recorder, appliance, relay).await?;
    let me = world.appliance.system().await?.appliance;
    let thief = Thief::of(&world.appliance, dir.path())?;
    // Its own agent would take the session back: one client id at a time.
    world.appliance.stop()?;

    let own = format!("holdfast/1/device/{me}/telemetry/host");
    let others = "holdfast/1/device/abcdefghijklmnop/telemetry/host";
    ensure!(
        refused(&thief.publish(&own)?) == Some(false),
        "its own topic is refused: {:?}",
        thief.publish(&own)?
    );
    ensure!(
        refused(&thief.publish(others)?) == Some(true),
        "another's topic is accepted"
    );
    // Of everything there is, `#` brings what it may read anyway: its own retained acknowledgement.
    let heard = thief.listen("#")?;
    let heard = String::from_utf8_lossy(&heard.stdout);
    let own_ack = format!("holdfast/1/device/{me}/ack ");
    ensure!(
        heard.lines().all(|line| line.starts_with(&own_ack)),
        "`#` delivers {heard}"
    );
    let heard = thief.listen("holdfast/1/device/+/state/#")?;
    ensure!(
        heard.stdout.is_empty(),
        "others' states are delivered: {}",
        String::from_utf8_lossy(&heard.stdout)
    );
    // What it may read it does read, so silence above is the rules and not a broken listener.
    let heard = thief.listen(&format!("holdfast/1/device/{me}/ack"))?;
    ensure!(
        !heard.stdout.is_empty(),
        "its own ack is not delivered: {}",
        String::from_utf8_lossy(&heard.stderr)
    );
    world.relay.stop()
}

/// An appliance's certificate in the hands of another MQTT client.
struct Thief {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    host: String,
    port: String,
}

impl Thief {
    fn of(appliance: &Appliance, dir: &Path) -> Result<Self> {
        let membership: Value =
            serde_json::from_slice(&std::fs::read(appliance.state().join("membership.json"))?)?;
        let membership = membership.get("membership").cloned().unwrap_or(membership);
        let text = |key: &str| {
            membership[key]
                .as_str()
                .with_context(|| format!("no {key} in the membership"))
        };
        let (host, port) = text("mqtt")?.rsplit_once(':').context("host:port")?;
        let this = Self {
            ca: dir.join("thief-ca.pem"),
            certificate: dir.join("thief.pem"),
            key: appliance.state().join("appliance.key"),
            host: host.to_owned(),
            port: port.to_owned(),
        };
        std::fs::write(&this.ca, text("ca_pem")?)?;
        std::fs::write(&this.certificate, text("certificate_pem")?)?;
        Ok(this)
    }

    fn command(&self, program: &str, topic: &str) -> Command {
        let mut command = Command::new(program);
        command.args([
            "-V", "5", "-h", &self.host, "-p", &self.port, "-q", "1", "-t", topic,
        ]);
        command
            .arg("--cafile")
            .arg(&self.ca)
            .arg("--cert")
            .arg(&self.certificate)
            .arg("--key")
            .arg(&self.key);
        command
    }

    fn publish(&self, topic: &str) -> Result<Output> {
        Ok(self
            .command("mosquitto_pub", topic)
            .args(["-m", "{}", "-d"])
            .output()?)
    }

    /// What a subscription delivers within two seconds: retained messages come at once.
    fn listen(&self, topic: &str) -> Result<Output> {
        Ok(self
            .command("mosquitto_sub", topic)
            .args(["-v", "-W", "2"])
            .output()?)
    }
}

/// Whether the broker answered a publication with "not authorized" (MQTT 5 reason code 135); None when it did not answer.
fn refused(output: &Output) -> Option<bool> {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let answered = said.contains("PUBACK");
    answered.then(|| said.to_lowercase().contains("not authorized") || said.contains("RC:135"))
}
