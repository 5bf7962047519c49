//! The ring buffer at a size that takes years to grow: how fast footage leaves, how fast lists and timelines answer, and
//! how long a start takes. Rows are made by SQL; the files of those that leave are real, and tiny.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, params};
use serde_json::Value;
use tests::appliance::Appliance;
use uuid::Uuid;
use wire::resource::Storage;

use super::Figure;

/// Cameras of the box that is looked at.
const CAMERAS: u32 = 16;
/// Length of a recording.
const SECONDS: i64 = 300;
/// As kept, by the rows.
const BYTES: u64 = 40_000_000;
/// Recordings that leave while it is measured: enough that what is done once for all of them hardly counts.
const LEAVE: u64 = 5_000;
/// What sixteen cameras write a second in files of a minute, the shortest that recorders make.
const WRITTEN_A_SECOND: f64 = 16.0 / 60.0;
/// Times a question is asked.
const QUESTIONS: usize = 300;

const TIMELINE_GOAL: Duration = Duration::from_millis(5);
const LISTING_GOAL: Duration = Duration::from_millis(20);
const START_GOAL: Duration = Duration::from_secs(2);

/// At each of these sizes, the largest first, and the rates of eviction at the first and the last against each other.
pub async fn measure(dir: &Path, sizes: &[u64], figures: &mut Vec<Figure>) -> Result<()> {
    let mut rates = Vec::new();
    for &recordings in sizes {
        let folder = dir.join(format!("ring-{recordings}"));
        let rate = one(&folder, recordings, figures).await?;
        rates.push((recordings, rate));
        std::fs::remove_dir_all(&folder)?;
    }
    if let (Some((many, at_many)), Some((few, at_few))) = (rates.first(), rates.last())
        && few != many
    {
        let ratio = at_few / at_many;
        figures.push(Figure {
            what: format!("eviction at {few} / at {many} recordings"),
            seen: format!("{at_few:.0} and {at_many:.0} recordings/s"),
            ratio,
            limit: "0.5 to 2".into(),
            right: (0.5..=2.0).contains(&ratio),
        });
    }
    Ok(())
}

/// One size; returns how many recordings leave in a second.
async fn one(folder: &Path, recordings: u64, figures: &mut Vec<Figure>) -> Result<f64> {
    let mut appliance = Appliance::new(folder, &folder.join("no-sdk"))?;
    std::fs::create_dir_all(folder.join("no-sdk"))?;
    // The agent makes its catalog and its volume; what lies in them comes then.
    appliance.start().await?;
    appliance.first_run().await?;
    appliance.stop()?;
    let begun = Instant::now();
    let cameras = fill(&appliance, recordings)?;
    // Gigabytes that were made in minutes would still be on their way to the disk while it is measured.
    nix::unistd::sync();
    eprintln!(
        "{recordings} rows made in {:.0} s",
        begun.elapsed().as_secs_f64()
    );

    let begun = Instant::now();
    appliance.start().await?;
    let started = begun.elapsed();
    // Making millions of rows takes longer than a login lasts.
    appliance.login().await?;
    figures.push(Figure {
        what: format!("start with {recordings} recordings / 2 s"),
        seen: format!("{:.2} s until the API answers", started.as_secs_f64()),
        ratio: started.as_secs_f64() / START_GOAL.as_secs_f64(),
        limit: "at most 1".into(),
        right: started <= START_GOAL,
    });

    let lists = lists(&cameras);
    let slowest = p99(&appliance, &lists).await?;
    figures.push(goal("listing", recordings, slowest, LISTING_GOAL));
    let timelines = timelines(&cameras, recordings);
    let slowest = p99(&appliance, &timelines).await?;
    figures.push(goal("timeline", recordings, slowest, TIMELINE_GOAL));

    let held = held_bytes(&appliance).await?;
    appliance.stop()?;
    // As much too much as is to leave; the slack is a tenth of the budget, so it is set too.
    let budget = held - LEAVE * BYTES;
    appliance.set_volume("budget_bytes", i64::try_from(budget)?);
    appliance.set_volume("slack_bytes", 0);
    appliance.start().await?;
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(300);
    while held_bytes(&appliance).await? > budget || garbage(&appliance)? > 0 {
        ensure!(Instant::now() < deadline, "footage does not leave");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = LEAVE as f64 / begun.elapsed().as_secs_f64();
    figures.push(Figure {
        what: format!("eviction at {recordings} / 16 cameras' files"),
        seen: format!("{rate:.0} recordings/s"),
        ratio: rate / WRITTEN_A_SECOND,
        limit: "at least 10".into(),
        right: rate >= 10.0 * WRITTEN_A_SECOND,
    });
    appliance.stop()?;
    Ok(rate)
}

fn goal(what: &str, recordings: u64, seen: Duration, goal: Duration) -> Figure {
    let ratio = seen.as_secs_f64() / goal.as_secs_f64();
    Figure {
        what: format!("{what} at {recordings}, p99 / {} ms", goal.as_millis()),
        seen: format!("{:.1} ms over HTTP", seen.as_secs_f64() * 1e3),
        ratio,
        limit: "at most 1".into(),
        right: ratio <= 1.0,
    }
}

async fn held_bytes(appliance: &Appliance) -> Result<u64> {
    let storage: Storage = appliance.client.get("/api/v1/storage").await?;
    Ok(storage.volumes.first().context("a volume")?.held_bytes)
}

fn catalog(appliance: &Appliance) -> Result<Connection> {
    Ok(Connection::open(
        appliance.state().join("catalog/catalog.sqlite"),
    )?)
}

fn garbage(appliance: &Appliance) -> Result<u64> {
    let rows: i64 =
        catalog(appliance)?.query_row("select count(*) from garbage", [], |row| row.get(0))?;
    Ok(rows.unsigned_abs())
}

/// Cameras, and held recordings of all of them, one after the other up to now. The oldest of them have files.
fn fill(appliance: &Appliance, recordings: u64) -> Result<Vec<Uuid>> {
    let mut c = catalog(appliance)?;
    // Only the making is quick and careless; the agent opens it as it opens every catalog.
    c.execute_batch(
        "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -400000; pragma foreign_keys = off;",
    )?;
    let tx = c.transaction()?;
    // Made once at the end rather than row by row: that is ten times as fast with millions of them.
    let indexes: Vec<(String, String)> = tx
        .prepare("select name, sql from sqlite_master where type = 'index' and tbl_name = 'recording' and sql is not null")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, _) in &indexes {
        tx.execute_batch(&format!("drop index {name}"))?;
    }
    let recorder = Uuid::now_v7();
    tx.execute(
        "insert into recorder (id, name, driver, address, port, username, password_sealed, enabled, serial, created_utc,
            updated_utc) values (?1, 'Bench', 'sdk', '192.0.2.1', 8000, 'admin', x'', 0, 'BENCH', 1, 1)",
        [recorder.to_string()],
    )?;
    let cameras: Vec<Uuid> = (0..CAMERAS).map(|_| Uuid::now_v7()).collect();
    for (n, camera) in cameras.iter().enumerate() {
        tx.execute(
            "insert into camera (id, recorder_id, channel, name, created_utc, updated_utc)
             values (?1, ?2, ?3, ?4, 1, 1)",
            params![
                camera.to_string(),
                recorder.to_string(),
                n as i64 + 1,
                format!("Camera {n}")
            ],
        )?;
    }
    let now = jiff::Timestamp::now().as_second();
    let rounds = recordings / u64::from(CAMERAS);
    let begin = now - i64::try_from(rounds)? * SECONDS;
    let footage = appliance.footage();
    {
        let mut insert = tx.prepare(
            "insert into recording (id, camera_id, status, start_utc, end_utc, recorder_serial, channel, source_name,
                source_start, source_end, clock_offset_ms, zone_minutes, stated_bytes, received_bytes, volume_id, stem,
                kept_bytes, digest, source_bytes, source_digest, video_codec, width, height, duration_ms, completed_utc,
                created_utc, updated_utc)
             values (?1, ?2, 'completed', ?3, ?4, 'BENCH', ?5, ?6, ?7, ?7, 0, 0, ?8, ?8, 1, ?9, ?8,
                'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', ?8, 'bbbb', 'h264', 1920, 1080,
                300000, ?4, ?4, ?4)",
        )?;
        for n in 0..rounds * u64::from(CAMERAS) {
            let which = usize::try_from(n % u64::from(CAMERAS))?;
            let camera = cameras[which];
            let start = begin + i64::try_from(n / u64::from(CAMERAS))? * SECONDS;
            let at = jiff::Timestamp::from_second(start)?.to_zoned(jiff::tz::TimeZone::UTC);
            let stem = format!(
                "cameras/{camera}/{}_{SECONDS}s",
                at.strftime("%Y/%m/%d/%H%M%S.000Z")
            );
            insert.execute(params![
                Uuid::now_v7().to_string(),
                camera.to_string(),
                start * 1_000_000,
                (start + SECONDS) * 1_000_000,
                which as i64 + 1,
                format!("f{n}"),
                at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                i64::try_from(BYTES)?,
                stem,
            ])?;
            if n < LEAVE {
                for extension in ["mp4", "json"] {
                    let path = footage.join(format!("{stem}.{extension}"));
                    std::fs::create_dir_all(path.parent().context("a folder")?)?;
                    std::fs::write(path, b"{}")?;
                }
            }
        }
    }
    for (_, sql) in &indexes {
        tx.execute_batch(sql)?;
    }
    tx.commit()?;
    c.execute_batch("pragma journal_mode = wal; pragma optimize;")?;
    Ok(cameras)
}

fn lists(cameras: &[Uuid]) -> Vec<String> {
    let camera = cameras[0];
    [
        String::new(),
        "order=oldest".into(),
        "status=completed".into(),
        format!("camera={camera}"),
        format!("camera={camera}&status=completed&order=oldest"),
        "from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z".into(),
    ]
    .iter()
    .map(|query| format!("/api/v1/recordings?limit=100&{query}"))
    .collect()
}

/// Days of cameras, all over what is held.
fn timelines(cameras: &[Uuid], recordings: u64) -> Vec<String> {
    let days = (recordings / u64::from(CAMERAS) * SECONDS.unsigned_abs() / 86_400).max(1);
    (0..64_u64)
        .map(|n| {
            let camera = cameras[usize::try_from(n).unwrap_or(0) % cameras.len()];
            let back = i64::try_from((n * 7_919) % days).unwrap_or(0);
            let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * back);
            let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            format!("/api/v1/recordings/timeline/{camera}?day={day}&zone=UTC")
        })
        .collect()
}

/// The slowest of a hundred, as somebody at the other end of a connection sees it.
async fn p99(appliance: &Appliance, paths: &[String]) -> Result<Duration> {
    let mut seen = Vec::new();
    for n in 0..QUESTIONS {
        let path = &paths[n % paths.len()];
        let begun = Instant::now();
        let bytes = appliance.client.bytes(path).await?;
        seen.push(begun.elapsed());
        if n == 0 {
            let _: Value = serde_json::from_slice(&bytes)?;
        }
    }
    seen.sort();
    Ok(seen[QUESTIONS * 99 / 100])
}
