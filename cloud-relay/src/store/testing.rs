//! Rows for tests: what claims and reports would have stored.

use rusqlite::params;
use wire::ids::{ApplianceId, CameraId, OrganisationId, RecorderId, RecordingId, SiteId, UserId};
use wire::resource::{Camera, CameraState, Recording, RecordingStatus, Role};
use wire::time::UtcTime;

use super::Store;
use super::organisations::Organisation;
use super::people::Person;
use super::recordings::status_text;

/// When test recordings begin.
pub fn dawn() -> UtcTime {
    "2026-11-03T00:00:00Z".parse().unwrap()
}

/// A site with its appliance.
#[derive(Debug, Clone)]
pub struct TestSite {
    /// Tenant.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
    /// Its appliance.
    pub appliance: ApplianceId,
}

/// A recording of an hour or less.
pub fn a_recording(camera: CameraId, start: UtcTime, seconds: i64) -> Recording {
    Recording {
        id: RecordingId::new(),
        camera_id: camera,
        status: RecordingStatus::Completed,
        start_utc: start,
        end_utc: start.plus_s(seconds),
        recorder_start: "2026-11-03T01:00:00".into(),
        clock_offset_ms: 0,
        source_name: "ch01".into(),
        stated_bytes: 1000,
        received_bytes: 1000,
        progress_percent: 100,
        kept_bytes: Some(1000),
        digest: Some("00".into()),
        source_digest: None,
        fetched_bytes: None,
        video_codec: Some("h264".into()),
        audio_codec: None,
        width: None,
        height: None,
        defects: Vec::new(),
        locked: false,
        bookmarked: false,
        attempts: 1,
        failure: None,
        next_attempt_at: None,
        eviction_cause: None,
        updated_at: start,
    }
}

impl Store {
    /// A tenant.
    pub async fn plant_organisation(&self, name: &str) -> OrganisationId {
        let id = OrganisationId::new();
        let organisation = Organisation {
            id,
            name: name.into(),
        };
        self.add_organisation(organisation, dawn()).await.unwrap();
        id
    }

    /// A person whose password is [`crate::api::tests::PASSWORD`]'s hash, given once because hashing is slow.
    pub async fn plant_person(
        &self,
        username: &str,
        role: Role,
        organisation: Option<OrganisationId>,
        sites: Option<Vec<SiteId>>,
        password_hash: &str,
    ) -> UserId {
        let id = UserId::new();
        let person = Person {
            id,
            organisation,
            username: username.into(),
            role,
            must_change_password: false,
            sites,
        };
        let hash = password_hash.to_owned();
        self.add_person(person, hash, dawn()).await.unwrap();
        id
    }

    /// What an appliance told of its update.
    pub async fn plant_update(&self, site: &TestSite, told: wire::update::Update) {
        let id = site.appliance.to_string();
        let text = serde_json::to_string(&told).unwrap();
        self.db
            .write(move |tx| {
                tx.execute(
                    "update appliance set update_state = ?2 where id = ?1",
                    params![id, text],
                )?;
                Ok::<_, super::DbError>(())
            })
            .await
            .unwrap();
    }

    /// A site with an appliance.
    pub async fn plant_site(&self, organisation: OrganisationId, name: &str) -> TestSite {
        let site = SiteId::new();
        let appliance = ApplianceId::from_spki(site.0.as_bytes());
        let it = TestSite {
            organisation,
            site,
            appliance: appliance.clone(),
        };
        let name = name.to_owned();
        self.db
            .write(move |tx| {
                tx.execute(
                    "insert into site (id, organisation_id, name, created_utc) values (?1, ?2, ?3, 0)",
                    params![site.to_string(), organisation.to_string(), name],
                )?;
                tx.execute(
                    "insert into appliance (id, organisation_id, site_id, spki_sha256, certificate_pem,
                         certificate_expires_utc, claimed_utc) values (?1, ?2, ?3, ?1, '', 0, 0)",
                    params![appliance.to_string(), organisation.to_string(), site.to_string()],
                )?;
                Ok::<_, super::DbError>(())
            })
            .await
            .unwrap();
        it
    }

    /// A camera.
    pub async fn plant_camera(&self, at: &TestSite, name: &str) -> CameraId {
        let camera = Camera {
            id: CameraId::new(),
            recorder_id: RecorderId::new(),
            channel: 1,
            name: name.into(),
            enabled: true,
            state: CameraState::Online,
            video_codec: None,
            held_recordings: 0,
            held_bytes: 0,
            oldest_utc: None,
            newest_utc: None,
        };
        let id = camera.id;
        let at = at.clone();
        self.db
            .write(move |tx| {
                tx.execute(
                    "insert into camera (id, appliance, organisation_id, site_id, name, body, updated_utc)
                     values (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                    params![
                        id.to_string(),
                        at.appliance.to_string(),
                        at.organisation.to_string(),
                        at.site.to_string(),
                        camera.name,
                        serde_json::to_string(&camera).unwrap()
                    ],
                )?;
                Ok::<_, super::DbError>(())
            })
            .await
            .unwrap();
        id
    }

    /// Recordings; told again they are changed.
    pub async fn plant_recordings(&self, at: &TestSite, recordings: Vec<Recording>) {
        let at = at.clone();
        self.db
            .write(move |tx| {
                for it in recordings {
                    tx.execute(
                        "insert into recording (id, appliance, organisation_id, site_id, camera_id, status, start_utc,
                             end_utc, kept_bytes, seq, updated_utc, body)
                         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11)
                         on conflict (appliance, id) do update set status = excluded.status,
                             kept_bytes = excluded.kept_bytes, end_utc = excluded.end_utc, body = excluded.body",
                        params![
                            it.id.to_string(),
                            at.appliance.to_string(),
                            at.organisation.to_string(),
                            at.site.to_string(),
                            it.camera_id.to_string(),
                            status_text(it.status),
                            it.start_utc.micros(),
                            it.end_utc.micros(),
                            it.kept_bytes.unwrap_or(0) as i64,
                            it.updated_at.micros(),
                            serde_json::to_string(&it).unwrap()
                        ],
                    )?;
                }
                Ok::<_, super::DbError>(())
            })
            .await
            .unwrap();
    }
}
