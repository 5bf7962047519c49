//! An installer with many boxes: a file says what somebody would type on the page. Mistakes are said without a password;
//! done again it adds what is missing; a box with another password is left alone.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use tests::appliance::{self, Appliance};
use tests::process::program;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};

/// What the command printed, both streams, and how it ended.
fn provision(box_: &Appliance, text: &str) -> Result<(Option<i32>, String)> {
    let file = box_.state().join("../provision.toml");
    std::fs::write(&file, text)?;
    let output = Command::new(program("edge-agent")?)
        .args(["provision", "--config"])
        .arg(box_.config_path())
        .arg(&file)
        .output()?;
    let told = [output.stdout, output.stderr].concat();
    Ok((
        output.status.code(),
        String::from_utf8(told).context("words")?,
    ))
}

fn file(password: &str, recorders: &[&str]) -> String {
    let recorders: String = recorders
        .iter()
        .map(|address| {
            format!(
                "[[recorder]]\naddress = \"{address}\"\nport = 8000\nusername = \"{USER}\"\npassword = \"{PASSWORD}\"\n"
            )
        })
        .collect();
    format!("password = \"{password}\"\n{recorders}")
}

#[tokio::test]
async fn box_is_set_up_by_a_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(1, 10))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    box_.start().await?;

    let (code, told) = provision(
        &box_,
        &format!("{}pasword = 1\n", file(appliance::PASSWORD, &[])),
    )?;
    ensure!(code == Some(2) && told.contains("line 2"), "{told}");
    let (code, told) = provision(&box_, &file("short", &["127.0.0.1"]))?;
    ensure!(code == Some(1) && told.contains("10 characters"), "{told}");
    // A recorder that the page refuses does not keep the others out.
    let (code, told) = provision(
        &box_,
        &file(appliance::PASSWORD, &["not an address", "127.0.0.1"]),
    )?;
    ensure!(code == Some(1), "{told}");
    ensure!(told.contains("not an address is added: refused."), "{told}");
    ensure!(told.contains("Recorder 127.0.0.1 is added\n"), "{told}");

    box_.login().await?;
    box_.all_completed(2).await?;

    let (code, told) = provision(
        &box_,
        &file(appliance::PASSWORD, &["127.0.0.1", "recorder.invalid"]),
    )?;
    ensure!(code == Some(0), "{told}");
    ensure!(told.contains("was set before"), "{told}");
    ensure!(told.contains("127.0.0.1 was added before"), "{told}");
    ensure!(told.contains("recorder.invalid is added"), "{told}");
    let (code, told) = provision(&box_, &file("another password 7", &["10.1.2.3"]))?;
    ensure!(
        code == Some(0) && told.contains("nothing was changed"),
        "{told}"
    );
    ensure!(
        !told.contains(PASSWORD) && !told.contains(appliance::PASSWORD),
        "{told}"
    );
    let recorders = box_.recorders().await?;
    ensure!(recorders.len() == 2, "{recorders:?}");
    box_.stop()?;
    let log = std::fs::read_to_string(box_.log())?;
    let shown = [PASSWORD, appliance::PASSWORD]
        .iter()
        .any(|word| log.contains(word));
    ensure!(!shown, "the log shows a password");
    let (code, told) = provision_at_once(&box_)?;
    ensure!(
        code == Some(1) && told.contains("it does not run"),
        "{told}"
    );
    Ok(())
}

/// With nobody to wait for.
fn provision_at_once(box_: &Appliance) -> Result<(Option<i32>, String)> {
    let output = Command::new(program("edge-agent")?)
        .args(["provision", "--wait", "0", "--config"])
        .arg(box_.config_path())
        .arg(box_.state().join("../provision.toml"))
        .output()?;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}
