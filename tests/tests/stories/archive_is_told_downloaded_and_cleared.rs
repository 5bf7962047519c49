//! The weekly archive is packed, told by e-mail (once the mail server takes the login), downloaded in pieces, and
//! cleared; what is locked stays. A mail server that is away is asked again.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tests::appliance::Appliance;
use tests::client::Client;
use tests::eventually::eventually;
use tests::mail_server::{self, MailServer};
use tests::stand_in::{PASSWORD, StandIn, USER, standard_spec};
use wire::archive::{Archive, ArchiveOrigin, ArchiveState, MailState};
use wire::error::ErrorCode;
use wire::resource::{EvictionCause, Page, RecordingStatus};

#[tokio::test]
async fn archive_is_told_downloaded_and_cleared() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nvr = StandIn::standard(&dir.path().join("sdk"), &standard_spec(3, 10))?;
    let mut mail = MailServer::start(&dir.path().join("mail")).await?;
    let mut box_ = Appliance::new(&dir.path().join("box"), nvr.folder())?;
    let password_file = dir.path().join("password");
    base::durable::replace(&password_file, b"not this one", 0o600)?;
    for (key, value) in [
        ("host", "localhost".to_owned()),
        ("username", mail_server::USER.to_owned()),
        ("password_file", password_file.display().to_string()),
        ("ca_file", mail.ca_file().display().to_string()),
        ("from", "Holdfast <box@example.org>".to_owned()),
        ("page_url", "http://box.example.org:8080/".to_owned()),
    ] {
        box_.set("email", key, value);
    }
    box_.set("email", "port", i64::from(mail.port()));
    box_.set(
        "email",
        "to",
        vec!["ann@example.org", "Bob <bob@example.org>"],
    );
    box_.start().await?;
    box_.first_run().await?;
    box_.add_recorder("Shop", "127.0.0.1", 8000, USER, PASSWORD)
        .await?;
    let all = box_.all_completed(6).await?;
    let locked = &all[0];
    let path = format!("/api/v1/recordings/{}/lock", locked.id);
    let _: Value = box_.client.post(&path, &json!({ "locked": true })).await?;

    // Switched on, and a week goes by.
    box_.stop()?;
    box_.set("archive", "weekly", true);
    let catalog = box_.state().join("catalog/catalog.sqlite");
    rusqlite::Connection::open(catalog)?.execute(
        "insert into setting (key, value) values ('archive_weekly', '\"2026-01-01T00:00:00Z\"')",
        [],
    )?;
    box_.start().await?;
    let archive = eventually("the weekly archive is ready", || async {
        let page: Page<Archive> = box_
            .client
            .get("/api/v1/archives")
            .await
            .map_err(|e| e.to_string())?;
        match page.items.as_slice() {
            [one] if one.state == ArchiveState::Ready => Ok(one.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    ensure!(archive.origin == ArchiveOrigin::Weekly && archive.recordings == 6);
    let (client, id) = (box_.client.clone(), archive.id);

    // The mail server refuses the login: that is shown, and not tried again by itself.
    let refused = mail_is(&client, &archive, MailState::Failed).await?;
    let why = refused.mail.failure.context("no reason")?;
    ensure!(why.contains("535") && refused.mail.attempts == 1, "{why}");
    base::durable::replace(&password_file, mail_server::PASSWORD.as_bytes(), 0o600)?;
    let path = format!("/api/v1/archives/{id}/mail");
    let _: Archive = client.post(&path, &json!({})).await?;
    mail_is(&client, &archive, MailState::Sent).await?;
    // Long lines come in pieces (quoted-printable, RFC 2045 section 6.7).
    let whole = |mail: &String| mail.replace("=\r\n", "").replace("=\n", "");
    let mails: Vec<String> = mail.mails()?.iter().map(whole).collect();
    ensure!(mails.len() == 1, "{mails:?}");
    for text in [
        "X-Login: holdfast",
        "X-TLS: True",
        "X-Envelope-To: ann@example.org, bob@example.org",
        "Subject: Archive ready: 2026-11-03 to 2026-11-03",
        "Recordings:  6",
        &format!("({} bytes)", archive.bytes),
        &format!("http://box.example.org:8080/archives#{id}"),
    ] {
        ensure!(mails[0].contains(text), "{text:?} is not in:\n{}", mails[0]);
    }
    // The mail server is away: the mail waits, and goes out when it is back.
    mail.stop();
    let _: Archive = client.post(&path, &json!({})).await?;
    let waiting = eventually("the mail server is missed", || async {
        let now = one(&client, &archive).await?;
        match now.mail.failure.is_some() {
            true => Ok(now),
            false => Err(format!("{now:?}")),
        }
    })
    .await?;
    ensure!(waiting.mail.state == MailState::Waiting && waiting.mail.next_attempt_at.is_some());
    mail.again().await?;
    let _: Archive = client.post(&path, &json!({})).await?;
    mail_is(&client, &archive, MailState::Sent).await?;
    ensure!(mail.mails()?.len() == 2);

    let zip = download(&client, &archive).await?;
    ensure!(digest(&zip) == archive.digest.clone().context("no digest")?);
    let file = dir.path().join("archive.zip");
    std::fs::write(&file, zip)?;
    let unzip = std::process::Command::new("unzip")
        .arg("-t")
        .arg(&file)
        .output()?;
    ensure!(unzip.status.success(), "{unzip:?}");

    let cleared = clear(&client, &archive).await?;
    ensure!(
        (cleared.cleared_recordings, cleared.locked_recordings) == (5, 1),
        "{cleared:?}"
    );
    for recording in box_.recordings().await? {
        let stays = recording.id == locked.id;
        ensure!(
            stays == (recording.status == RecordingStatus::Completed),
            "{recording:?}"
        );
        ensure!(stays || recording.eviction_cause == Some(EvictionCause::ArchiveCleared));
    }
    let (status, error) = client
        .refused(Method::GET, &format!("/api/v1/archives/{id}/download"))
        .await?;
    ensure!(
        status == 410 && error.error.code == ErrorCode::FootageGone,
        "{error:?}"
    );
    let log: Value = client.get("/api/v1/access-log").await?;
    let entries = log["items"].as_array().context("no entries")?;
    ensure!(
        entries
            .iter()
            .any(|e| e["archive_id"] == id.to_string() && e["camera_id"].is_null()),
        "{log}"
    );
    box_.stop()?;
    box_.check()?;
    let text = std::fs::read_to_string(box_.log())?;
    ensure!(
        !text.contains(mail_server::PASSWORD),
        "the log has the password"
    );
    box_.log_is_clean(&["e-mail about an archive"])
}

async fn one(client: &Client, archive: &Archive) -> Result<Archive, String> {
    client
        .get(&format!("/api/v1/archives/{}", archive.id))
        .await
        .map_err(|e| e.to_string())
}

async fn mail_is(client: &Client, archive: &Archive, state: MailState) -> Result<Archive> {
    eventually(&format!("the mail is {state:?}"), || async {
        let now = one(client, archive).await?;
        match now.mail.state == state {
            true => Ok(now),
            false => Err(format!("{now:?}")),
        }
    })
    .await
}

/// In pieces: one is broken off, one is a range of its own, the last goes on where that ended.
async fn download(client: &Client, archive: &Archive) -> Result<Vec<u8>> {
    let path = format!("/api/v1/archives/{}/download", archive.id);
    let get = || client.request(Method::GET, &path);
    let half = archive.bytes / 2;
    let mut broken = get().send().await?.error_for_status()?;
    let tag = broken.headers()[header::ETAG].clone();
    let name = broken.headers()[header::CONTENT_DISPOSITION]
        .to_str()?
        .to_owned();
    ensure!(
        name.contains(archive.file_name.as_deref().context("no name")?),
        "{name}"
    );
    broken.chunk().await?;
    drop(broken);
    let range = |from: u64, to: Option<u64>| {
        let to = to.map_or_else(String::new, |to| to.to_string());
        get()
            .header(header::RANGE, format!("bytes={from}-{to}"))
            .header(header::IF_RANGE, tag.clone())
            .send()
    };
    let first = range(0, Some(half - 1)).await?;
    ensure!(first.status() == 206, "{}", first.status());
    let mut all = first.bytes().await?.to_vec();
    all.extend(range(half, None).await?.bytes().await?);
    eventually("the archive counts as downloaded", || async {
        let now = one(client, archive).await?;
        match now.state {
            ArchiveState::Downloaded => Ok(()),
            _ => Err(format!("{now:?}")),
        }
    })
    .await?;
    Ok(all)
}

async fn clear(client: &Client, archive: &Archive) -> Result<Archive> {
    let path = format!("/api/v1/archives/{}/clear", archive.id);
    let _: Archive = client.post(&path, &json!({})).await?;
    eventually("the archive is cleared", || async {
        let now = one(client, archive).await?;
        match now.state {
            ArchiveState::Cleared => Ok(now),
            _ => Err(format!("{now:?}")),
        }
    })
    .await
}

fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    data_encoding::HEXLOWER.encode(digest.as_ref())
}
