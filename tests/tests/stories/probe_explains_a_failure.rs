//! `edge-agent probe` tells the installer in words what is wrong, and in its exit code for scripts.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use tests::process::program;
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};

#[test]
fn probe_explains_a_failure() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // A listener of ours, so that the port answers as a recorder's does.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?;
    let number = port.local_addr()?.port();
    let mut nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(1, 10))?;
    nvr.scenario.devices[0].port = number;
    nvr.write()?;
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    std::fs::write(&good, format!("{PASSWORD}\n"))?;
    std::fs::write(&bad, "Mistyped123\n")?;

    let fine = probe(nvr.folder(), number, Some(&good))?;
    let said = String::from_utf8_lossy(&fine.stdout);
    ensure!(fine.status.success(), "{fine:?}");
    ensure!(
        said.contains("6.1") && said.contains("33") && said.contains("Yard"),
        "{said}"
    );

    let refused = probe(nvr.folder(), number, Some(&bad))?;
    let said = all(&refused);
    ensure!(
        !refused.status.success() && said.contains("password") && !said.contains("Mistyped123"),
        "{said}"
    );

    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty)?;
    let missing = probe(&empty, number, Some(&good))?;
    let said = all(&missing);
    ensure!(
        !missing.status.success() && said.contains("libhcnetsdk.so") && said.contains("empty"),
        "{said}"
    );

    drop(port);
    let silent = probe(nvr.folder(), number, Some(&good))?;
    let said = all(&silent);
    ensure!(
        !silent.status.success()
            && said.contains(&format!("nothing answers at 127.0.0.1:{number}")),
        "{said}"
    );

    let codes = [&fine, &refused, &missing, &silent].map(|o| o.status.code());
    ensure!(
        codes
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            == 4,
        "exit codes do not differ: {codes:?}"
    );
    Ok(())
}

fn probe(sdk: &Path, port: u16, password: Option<&Path>) -> Result<Output> {
    let mut command = Command::new(program("edge-agent")?);
    command.arg("probe").arg("--sdk").arg(sdk).args([
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
    ]);
    if let Some(file) = password {
        command.args(["--user", USER, "--password-file"]).arg(file);
    }
    Ok(command.output()?)
}

fn all(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
