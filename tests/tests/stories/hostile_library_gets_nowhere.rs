//! Somebody has taken the vendor library over: it reads, writes and reaches nothing that is not its recorder's, and the
//! agent goes on with all its recorders. Without the sandbox the same attempts succeed, so they are worth refusing.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hcnetsdk::folder;
use hcnetsdk::hostile::Attempt;
use hcnetsdk::scenario::Hostile;
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use tests::appliance::Appliance;
use tests::process::{Process, descendants};
use tests::stand_in::{PASSWORD, StandIn, USER, standard_channels, standard_spec};

/// What no layer has to refuse: its own recorder, and what a library needs anyway.
const FREE: [&str; 3] = [
    "read /etc/localtime",
    "connect 127.0.0.1",
    "datagram 127.0.0.1",
];

#[tokio::test]
async fn hostile_library_gets_nowhere() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut scene = Scene::new(dir.path().join("sdk"))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), scene.nvr.folder())?;
    let state = box_.state();
    // Things that are there when the library starts, and the agent's own secrets.
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "as it was")?;
    let before = std::fs::metadata(&precious)?.modified()?;
    scene.is_hostile(Hostile {
        read: vec![
            "/etc/passwd".into(),
            state.join("secrets.key"),
            state.join("appliance.key"),
            state.join("catalog/catalog.db"),
            box_.config_path(),
        ],
        write: vec![
            precious.clone(),
            state.join("secrets.key"),
            box_.footage().join("planted"),
            scene.nvr.folder().join("planted"),
        ],
        list: vec![
            box_.footage().join("staging"),
            "/etc".into(),
            "/proc".into(),
        ],
        connect: scene.addresses(),
        process: None, // its parent: the agent
    })?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Hostile", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    box_.add_recorder("Calm", "127.0.0.1", 8001, USER, PASSWORD)
        .await?;
    box_.all_completed(8).await?;

    let layers: BTreeMap<String, Option<String>> = box_
        .system()
        .await?
        .sdk_sandbox
        .into_iter()
        .map(|layer| (layer.name, layer.missing))
        .collect();
    println!("layers: {layers:?}");
    ensure!(layers.len() == 5, "{layers:?}");
    for (layer, is_here) in [
        ("limits", true),
        ("privileges", true),
        ("calls", knows_action("errno")?),
        ("files", knows_landlock()),
        (
            "network",
            knows_action("user_notif")? && gates_are_possible(),
        ),
    ] {
        ensure!(
            layers[layer].is_none() == is_here,
            "this kernel has what {layer} needs: {is_here}; the agent says {layers:?}"
        );
    }

    let attempts = folder::attempts(scene.nvr.folder())?;
    ensure!(
        ["init", "login"]
            .iter()
            .all(|during| attempts.iter().any(|a| a.during == **during)),
        "the library did not try: {attempts:?}"
    );
    for attempt in &attempts {
        let free = FREE.iter().any(|free| attempt.attempt.starts_with(free));
        let stands = layer_of(&attempt.attempt)
            .iter()
            .any(|layer| layers[*layer].is_none());
        // A worker that only tries the library has no recorder; and without a gate nobody knows whom a datagram goes to,
        // so none goes.
        let unsure = free && (attempt.during == "init" || layers["network"].is_some());
        ensure!(
            attempt.done == free || (attempt.done && !stands) || unsure,
            "{attempt:?} with {layers:?}"
        );
    }
    let tried = attempts.iter().filter(|a| !a.done).count();
    println!("{tried} of {} attempts were refused", attempts.len());
    ensure!(tried >= 70, "only {tried} attempts were refused");

    // Nothing has changed, and nobody was started.
    ensure!(
        std::fs::read_to_string(&precious)? == "as it was"
            && std::fs::metadata(&precious)?.modified()? == before
    );
    let names: Vec<String> = descendants(box_.process()?.id())
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    ensure!(
        !names.iter().any(|name| name.contains("/bin/sh")),
        "{names:?}"
    );
    box_.stop()?;
    box_.check()?;
    box_.log_is_clean(&["not wholly shut in"])
}

/// The counter-test: what stands between the library and the box is the sandbox, and nothing that happens to be so.
#[tokio::test]
async fn without_the_sandbox_it_gets_everywhere() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut scene = Scene::new(dir.path().join("sdk"))?;
    let mut box_ = Appliance::new(&dir.path().join("box"), scene.nvr.folder())?;
    box_.set("sdk", "sandbox", false);
    let mut sleep = Command::new("sleep");
    let log = dir.path().join("victim.log");
    let mut victim = Process::start("the victim", sleep.arg("1000"), &log)?;
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "as it was")?;
    scene.is_hostile(Hostile {
        read: vec!["/etc/passwd".into()],
        write: vec![precious.clone()],
        list: vec!["/etc".into()],
        connect: scene.addresses(),
        process: Some(i32::try_from(victim.id())?),
    })?;
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Hostile", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    box_.all_completed(4).await?;
    let system = box_.system().await?;
    let missing = system.sdk_sandbox.iter().filter(|l| l.missing.is_some());
    ensure!(missing.count() == 4, "{:?}", system.sdk_sandbox);

    let attempts = folder::attempts(scene.nvr.folder())?;
    let done = |name: &str| {
        let it = |a: &&Attempt| a.during == "init" && a.attempt.starts_with(name);
        attempts.iter().find(it).map(|a| a.done)
    };
    for name in [
        "read /etc/passwd",
        "write ",
        "mode ",
        "truncate ",
        "remove ",
        "list /etc",
        "connect 127.0.0.2",
        "datagram 127.0.0.2",
        "link",
        "program",
        "shell",
        "processes",
        "local socket",
        "server",
        "other processes: trace",
        "other processes: environment",
        "other processes: limits",
        "other processes: signal",
        "outlive the agent",
    ] {
        ensure!(done(name) == Some(true), "{name}: {attempts:?}");
    }
    ensure!(!precious.exists());
    victim.wait()?; // the library has ended it
    box_.stop()?;
    box_.log_is_clean(&["not wholly shut in"])
}

/// Two recorders behind one library, and two addresses that answer: the first recorder's, and a stranger's.
struct Scene {
    nvr: StandIn,
    listeners: [TcpListener; 2],
}

impl Scene {
    fn new(sdk: PathBuf) -> Result<Self> {
        let spec = standard_spec(2, 10);
        let mut nvr = StandIn::new(&sdk)?;
        for port in [8000, 8001] {
            nvr.add_recorder("127.0.0.1", port, standard_channels(&spec)?);
        }
        Ok(Self {
            nvr,
            listeners: [
                TcpListener::bind("127.0.0.1:0")?,
                TcpListener::bind("127.0.0.2:0")?,
            ],
        })
    }

    fn addresses(&self) -> Vec<std::net::SocketAddr> {
        let addresses = self.listeners.iter().map(TcpListener::local_addr);
        addresses.filter_map(Result::ok).collect()
    }

    fn is_hostile(&mut self, mut plan: Hostile) -> Result<()> {
        plan.read.push("/etc/localtime".into());
        let device = self.nvr.scenario.devices.first_mut().context("two")?;
        device.hostile = Some(plan);
        self.nvr.write()
    }
}

/// Which layers refuse an attempt; one of them is enough.
fn layer_of(attempt: &str) -> &'static [&'static str] {
    match attempt.split_once(' ').map_or(attempt, |(verb, _)| verb) {
        "read" | "write" | "remove" | "list" => &["files"],
        "mode" | "truncate" => &["calls"],
        "link" => &["files", "calls"],
        "program" | "shell" => &["files", "calls"],
        "connect" | "datagram" => &["network"],
        "raw" | "packet" => &["calls", "privileges"],
        "memory" => &["limits"],
        "other" if attempt.ends_with("environment") => &["files"],
        _ => &["calls"],
    }
}

fn knows_action(action: &str) -> Result<bool> {
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail")?;
    Ok(actions.split_whitespace().any(|known| known == action))
}

fn knows_landlock() -> bool {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .is_ok()
}

/// Yama may forbid any process to look into another.
fn gates_are_possible() -> bool {
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    scope.map_or(true, |scope| ["0", "1"].contains(&scope.trim()))
}
