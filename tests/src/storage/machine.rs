//! Hard resets of a virtual machine (S6, rig c): the guest loses what its kernel had not written, and its disk loses
//! what it had taken and not flushed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Figures;
use super::guest::Guest;
use super::loop_disk::{Image, Kind};
use super::resets::{FILE, leave};
use crate::client::Client;
use crate::eventually::eventually_within;
use crate::power_cut::{Rig, fast_folder};
use crate::seed::Seed;
use crate::site::Site;
use crate::stand_in::{PASSWORD, USER};

/// Size of the data disk.
const DISK_MIB: u64 = 320;
/// Longest life between two resets, after something more is held: an emulated processor needs ten seconds for a recording.
const LIFE_MS_MAX: u64 = 15_000;
/// People look seldom: they would delete faster than an emulated processor fetches.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a boot may take, or a recording: where the processor is emulated FFmpeg alone takes half a minute.
const BOOT: Duration = Duration::from_secs(240);

/// One guest on one disk that is reset so many times.
pub async fn run(dir: &Path, seed: u64, resets: u64) -> Result<Figures> {
    let begun = Instant::now();
    let mut chance = Seed::of(seed);
    let fast = fast_folder()?;
    let (behind, below) = (fast.path().join("behind"), fast.path().join("rig"));
    std::fs::create_dir_all(&behind)?;
    Image::make(&behind.join(FILE), Kind::Ext4, DISK_MIB, &[])?;
    let mut site = Site::new(dir, Path::new("/data"), seed, 60)?;
    site.patience = BOOT;
    site.look_every = LOOK_EVERY;
    let config = &mut site.appliance;
    config.set("api", "listen", "0.0.0.0:8080");
    config.set("sdk", "folder", "/tmp/sdk");
    config.set("sdk", "writable", vec!["/tmp/sdk/state".to_owned()]);
    config.write_config()?;
    let text = std::fs::read_to_string(config.config_path())?;
    let guest = Guest::make(dir, site.nvr.folder(), &text)?;
    let journal = dir.join("guest.log");
    let mut figures = Figures {
        seed,
        on: "virtual machine".to_owned(),
        ..Figures::default()
    };
    for reset in 0..=resets {
        let rig = Rig::mount(&behind, &below, true)?;
        let (mut machine, url) = guest.boot(&below.join(FILE), &journal)?;
        let token = site.appliance.client.token().map(str::to_owned);
        site.appliance.client = Client::new(url, None)?.with_token(token.as_deref());
        let client = &site.appliance.client;
        eventually_within("the guest answers", BOOT, || async {
            client.bytes("/ready").await
        })
        .await
        .with_context(|| format!("reset {reset}:\n{}", machine.tail()))?;
        let found = checked(&journal, reset as usize).await?;
        figures
            .wrong
            .extend(found.map(|found| format!("reset {reset}: {found}")));
        if reset == 0 {
            site.appliance.first_run().await?;
            site.appliance
                .add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
                .await?;
        } else {
            figures.stops += 1;
            figures.held += site.told.held();
            let wrong = site.wrong_rows().await?;
            figures.wrong.extend(
                wrong
                    .into_iter()
                    .map(|wrong| format!("reset {reset}: {wrong}")),
            );
        }
        site.until_more_is_held(1).await?;
        if reset == resets {
            let (compared, wrong) = site.wrong_pictures(dir).await?;
            figures.compared += compared;
            figures.wrong.extend(wrong);
        }
        site.live(Duration::from_millis(chance.below(LIFE_MS_MAX)))
            .await?;
        rig.cut();
        machine.kill_hard()?;
        let log = rig.take_log();
        rig.unmount().context("unmount the rig")?;
        figures.lost_bytes += leave(&log.ops, &behind, chance.next_u64())?;
    }
    figures.seconds = begun.elapsed().as_secs();
    Ok(figures)
}

/// What the check in the guest found after its n-th boot; none where nothing is wrong.
async fn checked(journal: &Path, nth: usize) -> Result<Option<String>> {
    const ENDED: &str = "GUEST: check ended with ";
    let text = eventually_within("the guest has checked", BOOT, || async {
        let text = std::fs::read_to_string(journal).map_err(|e| e.to_string())?;
        match text.matches(ENDED).count() > nth {
            true => Ok(text),
            false => Err(crate::process::tail(journal, 5)),
        }
    })
    .await?;
    let until = text
        .match_indices(ENDED)
        .nth(nth)
        .context("just counted")?
        .0;
    let code = text[until + ENDED.len()..].chars().next();
    ensure!(code.is_some(), "the journal ends in the middle of a line");
    let begin = text[..until].rfind("GUEST: check").unwrap_or(0);
    Ok((code != Some('0')).then(|| text[begin..until].to_owned()))
}
