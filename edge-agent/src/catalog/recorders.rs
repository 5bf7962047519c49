//! Recorders: their settings, their state, and what a login tells about them.
//!
//! A recorder row stands for one device, known by its serial number from the first login on. Another device that
//! answers at its address is refused, and so is one device under two rows: footage never shows up under the wrong
//! camera (S9). Removing a recorder leaves its row, cameras and footage; adding the same device again takes them over.

use rusqlite::{Connection, OptionalExtension, Row, params};
use wire::ids::RecorderId;
use wire::resource::{DriverKind, Recorder, RecorderState};
use wire::time::UtcTime;

use super::text::{Word, cut, parsed, time, time_opt, word};
use super::{Catalog, CatalogError, ChangeKind, Work, cameras, recordings};
use crate::model::clock::told_problem;
use crate::model::fingerprint::Fingerprint;
use crate::model::inventory::RecorderIdentity;

/// Longest reason kept.
const REASON_CHARS_MAX: usize = 1_000;

/// A recorder to add.
#[derive(Debug, Clone)]
pub struct NewRecorder {
    /// Its id, made beforehand because the password is sealed for it.
    pub id: RecorderId,
    /// Name.
    pub name: String,
    /// How it is talked to.
    pub driver: DriverKind,
    /// Host name or IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Account on the device.
    pub username: String,
    /// Its password, sealed.
    pub password_sealed: Vec<u8>,
    /// Whether it is talked to over TLS.
    pub tls: bool,
    /// The certificate that it must show; none: the first that it shows.
    pub certificate: Option<Fingerprint>,
    /// Whether the agent works with it.
    pub enabled: bool,
}

/// What to change about a recorder; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct RecorderChange {
    /// Name.
    pub name: Option<String>,
    /// How it is talked to.
    pub driver: Option<DriverKind>,
    /// Host name or IP address.
    pub address: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Account on the device.
    pub username: Option<String>,
    /// Its password, sealed.
    pub password_sealed: Option<Vec<u8>>,
    /// Whether it is talked to over TLS.
    pub tls: Option<bool>,
    /// The certificate that it must show from now on.
    pub certificate: Option<Fingerprint>,
    /// Whether the agent works with it.
    pub enabled: Option<bool>,
}

/// What became of a session's news.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a device that is not accepted must not be worked with"]
pub enum SessionNoted {
    /// Stored.
    Accepted,
    /// It is not the device that the row stands for. The recorder is now in state `error` with this reason; close the
    /// session and do nothing with it.
    WrongDevice(String),
}

/// What became of the passwords when they were sealed anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// How many were.
    pub sealed: usize,
    /// Those that did not open before either.
    pub unreadable: Vec<RecorderId>,
}

fn password_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

const COLUMNS: &str = "id, name, driver, address, port, username, tls, tls_sha256, tls_other_sha256, enabled, \
                       state, state_reason, last_checked_utc, \
                       serial, model, clock_offset_ms, clock_zone, clock_drift_ms_per_day, created_utc";

fn recorder_of(row: &Row<'_>) -> rusqlite::Result<Recorder> {
    let clock_offset_ms: Option<i64> = row.get("clock_offset_ms")?;
    let clock_drift_ms_per_day = row.get("clock_drift_ms_per_day")?;
    Ok(Recorder {
        id: parsed(row, "id")?,
        name: row.get("name")?,
        driver: word(row, "driver")?,
        address: row.get("address")?,
        port: row.get("port")?,
        username: row.get("username")?,
        tls: row.get("tls")?,
        certificate_sha256: row.get("tls_sha256")?,
        other_certificate_sha256: row.get("tls_other_sha256")?,
        enabled: row.get("enabled")?,
        state: word(row, "state")?,
        state_reason: row.get("state_reason")?,
        last_checked_at: time_opt(row, "last_checked_utc")?,
        serial: row.get("serial")?,
        model: row.get("model")?,
        clock_offset_ms,
        clock_drift_ms_per_day,
        clock_zone: row.get("clock_zone")?,
        clock_problem: clock_offset_ms.and_then(|ms| told_problem(ms, clock_drift_ms_per_day)),
        created_at: time(row, "created_utc")?,
    })
}

/// A recorder that is not removed.
pub(super) fn get(c: &Connection, id: RecorderId) -> Result<Recorder, CatalogError> {
    c.prepare_cached(&format!(
        "select {COLUMNS} from recorder where id = ?1 and removed_utc is null"
    ))?
    .query_row([id.to_string()], recorder_of)
    .optional()?
    .ok_or(CatalogError::NoRecorder(id))
}

/// Those that are not removed, oldest first.
pub(super) fn all(c: &Connection) -> Result<Vec<Recorder>, CatalogError> {
    Ok(c.prepare_cached(&format!(
        "select {COLUMNS} from recorder where removed_utc is null order by created_utc, id"
    ))?
    .query_map([], recorder_of)?
    .collect::<Result<_, _>>()?)
}

impl Catalog {
    /// The recorders, oldest first.
    pub async fn recorders(&self) -> Result<Vec<Recorder>, CatalogError> {
        self.read(all).await
    }

    /// One recorder.
    pub async fn recorder(&self, id: RecorderId) -> Result<Recorder, CatalogError> {
        self.read(move |c| get(c, id)).await
    }

    /// The sealed password of a recorder.
    pub async fn recorder_password_sealed(&self, id: RecorderId) -> Result<Vec<u8>, CatalogError> {
        self.read(move |c| {
            c.query_row(
                "select password_sealed from recorder where id = ?1 and removed_utc is null",
                [id.to_string()],
                |row| row.get(0),
            )
            .optional()?
            .ok_or(CatalogError::NoRecorder(id))
        })
        .await
    }

    /// Tells the password that a person set from those before it.
    pub async fn recorder_password_id(&self, id: RecorderId) -> Result<String, CatalogError> {
        self.read(move |c| {
            c.query_row(
                "select password_id from recorder where id = ?1 and removed_utc is null",
                [id.to_string()],
                |row| row.get(0),
            )
            .optional()?
            .ok_or(CatalogError::NoRecorder(id))
        })
        .await
    }

    /// Seals every password anew, all of them in one transaction. What `reseal` does not open stays as it is.
    pub async fn reseal_passwords(
        &self,
        reseal: impl Fn(RecorderId, &[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> Result<Resealed, CatalogError> {
        self.write(move |w| {
            let all: Vec<(RecorderId, Vec<u8>)> =
                w.tx.prepare("select id, password_sealed from recorder where removed_utc is null")?
                    .query_map([], |row| Ok((parsed(row, "id")?, row.get(1)?)))?
                    .collect::<Result<_, _>>()?;
            let mut resealed = Resealed::default();
            for (id, sealed) in all {
                let Some(anew) = reseal(id, &sealed) else {
                    resealed.unreadable.push(id);
                    continue;
                };
                w.tx.execute(
                    "update recorder set password_sealed = ?2 where id = ?1",
                    params![id.to_string(), anew],
                )?;
                resealed.sealed += 1;
            }
            Ok(resealed)
        })
        .await
    }

    /// Adds a recorder.
    pub async fn add_recorder(&self, new: NewRecorder) -> Result<Recorder, CatalogError> {
        self.write(move |w| add(w, new)).await
    }

    /// Adds recorders: all of them or none.
    pub async fn add_recorders(
        &self,
        new: Vec<NewRecorder>,
    ) -> Result<Vec<Recorder>, CatalogError> {
        self.write(move |w| new.into_iter().map(|new| add(w, new)).collect())
            .await
    }

    /// Changes a recorder's settings. What concerns reaching it sets its state back to `unknown`, so that an `error`
    /// is tried anew.
    pub async fn change_recorder(
        &self,
        id: RecorderId,
        change: RecorderChange,
    ) -> Result<Recorder, CatalogError> {
        self.write(move |w| {
            let afresh = change.driver.is_some()
                || change.address.is_some()
                || change.port.is_some()
                || change.username.is_some()
                || change.password_sealed.is_some()
                || change.tls.is_some()
                || change.certificate.is_some()
                || change.enabled.is_some();
            get(w.tx, id)?;
            w.tx.execute(
                "update recorder set
                    name = coalesce(?2, name), address = coalesce(?3, address), port = coalesce(?4, port),
                    username = coalesce(?5, username), password_sealed = coalesce(?6, password_sealed),
                    enabled = coalesce(?7, enabled), driver = coalesce(?10, driver),
                    tls = coalesce(?11, tls), tls_sha256 = coalesce(?12, tls_sha256),
                    password_id = coalesce(?13, password_id),
                    tls_other_sha256 = iif(?11 is null and ?12 is null, tls_other_sha256, null),
                    state = iif(?8, 'unknown', state), state_reason = iif(?8, null, state_reason), updated_utc = ?9
                 where id = ?1",
                params![
                    id.to_string(),
                    change.name,
                    change.address,
                    change.port,
                    change.username,
                    &change.password_sealed,
                    change.enabled,
                    afresh,
                    w.now.micros(),
                    change.driver.map(Word::word),
                    change.tls,
                    change.certificate.map(|it| it.to_string()),
                    change.password_sealed.is_some().then(password_id),
                ],
            )?;
            w.changed(ChangeKind::Recorder, id);
            get(w.tx, id)
        })
        .await
    }

    /// Removes a recorder. Its password is forgotten, its cameras are switched off, what was still to be fetched from
    /// it is given up; footage that is held stays listed and served under its cameras.
    pub async fn remove_recorder(&self, id: RecorderId) -> Result<(), CatalogError> {
        self.write(move |w| remove(w, id)).await
    }

    /// The same with several: all of them or none.
    pub async fn remove_recorders(&self, ids: Vec<RecorderId>) -> Result<(), CatalogError> {
        self.write(move |w| ids.into_iter().try_for_each(|id| remove(w, id)))
            .await
    }

    /// Switches several on or off: all of them or none. Those that are so already are not tried anew.
    pub async fn switch_recorders(
        &self,
        ids: Vec<RecorderId>,
        enabled: bool,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            for id in ids {
                if get(w.tx, id)?.enabled == enabled {
                    continue;
                }
                w.tx.execute(
                    "update recorder set enabled = ?2, state = 'unknown', state_reason = null, updated_utc = ?3
                     where id = ?1",
                    params![id.to_string(), enabled, w.now.micros()],
                )?;
                w.changed(ChangeKind::Recorder, id);
            }
            Ok(())
        })
        .await
    }

    /// Stores what a session found out: state, reason, and what a login told. Cameras follow the channels told: new
    /// ones are added, names are taken over unless a person gave one, a channel that is gone is offline.
    pub async fn note_session(
        &self,
        id: RecorderId,
        state: RecorderState,
        reason: Option<String>,
        last_checked: UtcTime,
        identity: Option<&RecorderIdentity>,
    ) -> Result<SessionNoted, CatalogError> {
        let identity = identity.cloned();
        self.write(move |w| {
            let known = get(w.tx, id)?;
            let wrong = match &identity {
                Some(told) => wrong_device(w.tx, &known, &told.serial)?,
                None => None,
            };
            let (state, reason) = match &wrong {
                Some(reason) => (RecorderState::Error, Some(reason.clone())),
                None => (state, reason.map(|text| cut(&text, REASON_CHARS_MAX))),
            };
            w.tx.execute(
                "update recorder set state = ?2, state_reason = ?3, last_checked_utc = ?4, updated_utc = ?5
                 where id = ?1",
                params![
                    id.to_string(),
                    state.word(),
                    reason,
                    last_checked.micros(),
                    w.now.micros()
                ],
            )?;
            if let Some(reason) = wrong {
                cameras::all_offline(w, id)?;
                w.changed(ChangeKind::Recorder, id);
                return Ok(SessionNoted::WrongDevice(reason));
            }
            if let Some(told) = &identity {
                accept(w, &known, told)?;
            }
            if matches!(state, RecorderState::Offline | RecorderState::Error) {
                cameras::all_offline(w, id)?;
            }
            if identity.is_some() || (known.state, &known.state_reason) != (state, &reason) {
                w.changed(ChangeKind::Recorder, id);
            }
            Ok(SessionNoted::Accepted)
        })
        .await
    }

    /// Why the device with this serial is not the one that the recorder stands for, in words; none when it is.
    pub async fn wrong_device(
        &self,
        id: RecorderId,
        serial: String,
    ) -> Result<Option<String>, CatalogError> {
        self.read(move |c| wrong_device(c, &get(c, id)?, &serial))
            .await
    }

    /// It shows another certificate than the one it is known by: a person has to say whether that is right.
    pub async fn note_other_certificate(
        &self,
        id: RecorderId,
        shown: Fingerprint,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            let news = w.tx.execute(
                "update recorder set tls_other_sha256 = ?2
                 where id = ?1 and tls_other_sha256 is not ?2 and removed_utc is null",
                params![id.to_string(), shown.to_string()],
            )?;
            if news > 0 {
                w.changed(ChangeKind::Recorder, id);
            }
            Ok(())
        })
        .await
    }

    /// What the sizes that this device states and the sizes that arrive differ by, learnt from a download.
    pub async fn learn_size_delta(
        &self,
        id: RecorderId,
        delta_bytes: i64,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            w.tx.execute(
                "update recorder set size_delta_bytes = ?2 where id = ?1",
                params![id.to_string(), delta_bytes],
            )?;
            Ok(())
        })
        .await
    }
}

fn add(w: &mut Work<'_>, new: NewRecorder) -> Result<Recorder, CatalogError> {
    let id = new.id;
    w.tx.execute(
        "insert into recorder
            (id, name, driver, address, port, username, password_sealed, enabled, tls, tls_sha256, password_id,
             created_utc, updated_utc)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12, ?11, ?11)",
        params![
            id.to_string(),
            new.name,
            new.driver.word(),
            new.address,
            new.port,
            new.username,
            new.password_sealed,
            new.enabled,
            new.tls,
            new.certificate.map(|it| it.to_string()),
            w.now.micros(),
            password_id(),
        ],
    )?;
    w.changed(ChangeKind::Recorder, id);
    get(w.tx, id)
}

fn remove(w: &mut Work<'_>, id: RecorderId) -> Result<(), CatalogError> {
    let name = get(w.tx, id)?.name;
    w.tx.execute(
        "update recorder set removed_utc = ?2, password_sealed = x'', enabled = 0, state = 'unknown',
            state_reason = null, updated_utc = ?2 where id = ?1",
        params![id.to_string(), w.now.micros()],
    )?;
    for table in [
        "login",
        "observation",
        "clock_run",
        "doubt",
        "reach",
        "reach_reading",
        "overwrite_risk",
    ] {
        w.tx.execute(
            &format!("delete from {table} where recorder_id = ?1"),
            [id.to_string()],
        )?;
    }
    for camera in cameras::of_recorder(w.tx, id)? {
        w.tx.execute(
            "update camera set enabled = 0, state = 'offline', updated_utc = ?2 where id = ?1",
            params![camera.id.to_string(), w.now.micros()],
        )?;
        recordings::give_up(w, camera.id, &format!("recorder {name:?} was removed"))?;
        w.changed(ChangeKind::Camera, camera.id);
    }
    w.changed(ChangeKind::Recorder, id);
    Ok(())
}

/// Why the device with this serial is not what the row stands for, in words; none when it is.
fn wrong_device(
    c: &Connection,
    known: &Recorder,
    serial: &str,
) -> Result<Option<String>, CatalogError> {
    if let Some(expected) = known
        .serial
        .as_deref()
        .filter(|expected| *expected != serial)
    {
        return Ok(Some(format!(
            "another device answers at {}: serial {serial}, but recorder {:?} is {expected}. Correct the address, or \
             remove this recorder and add the new device",
            known.address, known.name
        )));
    }
    let other: Option<String> = c
        .query_row(
            "select name from recorder where serial = ?1 and id <> ?2 and removed_utc is null",
            params![serial, known.id.to_string()],
            |row| row.get(0),
        )
        .optional()?;
    Ok(other.map(|other| {
        format!("this device (serial {serial}) is already there as recorder {other:?}: remove one of the two")
    }))
}

fn accept(w: &mut Work<'_>, known: &Recorder, told: &RecorderIdentity) -> Result<(), CatalogError> {
    let id = known.id;
    w.tx.execute(
        "update recorder set serial = ?2, model = ?3, clock_offset_ms = ?4, zone_minutes = ?5,
            tls_sha256 = coalesce(tls_sha256, ?6), tls_other_sha256 = iif(?6 is null, tls_other_sha256, null)
         where id = ?1",
        params![
            id.to_string(),
            told.serial,
            told.model,
            told.clock.offset_ms,
            told.clock.zone_minutes,
            told.certificate.map(|it| it.to_string()),
        ],
    )?;
    if known.serial.is_none() {
        take_over(w, id, &told.serial)?;
    }
    cameras::follow_channels(w, id, &told.channels)
}

/// The first login of a device that was here before, removed since: its cameras and their footage pass to the new row,
/// and what had been given up is fetched again.
fn take_over(w: &mut Work<'_>, id: RecorderId, serial: &str) -> Result<(), CatalogError> {
    let earlier: Vec<RecorderId> =
        w.tx.prepare(
            "select id from recorder where serial = ?1 and id <> ?2 and removed_utc is not null",
        )?
        .query_map(params![serial, id.to_string()], |row| parsed(row, "id"))?
        .collect::<Result<_, _>>()?;
    for earlier in earlier {
        for camera in cameras::of_recorder(w.tx, earlier)? {
            let taken = w.tx.execute(
                "update or ignore camera set recorder_id = ?2, enabled = 1, updated_utc = ?3 where id = ?1",
                params![camera.id.to_string(), id.to_string(), w.now.micros()],
            )?;
            if taken == 1 {
                recordings::take_up(w, camera.id)?;
                w.changed(ChangeKind::Camera, camera.id);
            }
        }
    }
    Ok(())
}
