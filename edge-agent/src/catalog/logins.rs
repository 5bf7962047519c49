//! What recorders last said of the credentials they were sent. It outlives a restart: each further attempt with refused
//! ones could lock the account.
//!
//! An answer belongs to the settings that it was given to, known by a fingerprint: with other settings it says nothing.

use rusqlite::{Connection, OptionalExtension, params};
use wire::ids::RecorderId;
use wire::time::UtcTime;

use super::text::{cut, time};
use super::{Catalog, CatalogError};
use crate::recorder::driver::{FailureKind, RecorderError};

/// Longest reason kept.
const REASON_CHARS_MAX: usize = 1_000;

/// What a recorder said of its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// It has accepted them before.
    pub proven: bool,
    /// It refused them last, or said that the account is locked ([`FailureKind::Refused`], [`FailureKind::Locked`]).
    pub refusal: Option<RecorderError>,
    /// When it last answered.
    pub answered_at: UtcTime,
}

impl Catalog {
    /// What a recorder said of these settings; none when it was not asked yet.
    pub async fn login(
        &self,
        recorder: RecorderId,
        settings: String,
    ) -> Result<Option<Login>, CatalogError> {
        self.read(move |c| get(c, recorder, &settings)).await
    }

    /// A recorder answered a login with these settings: it accepted them, or refused them for this reason.
    pub async fn note_login(
        &self,
        recorder: RecorderId,
        settings: String,
        refusal: Option<RecorderError>,
    ) -> Result<(), CatalogError> {
        self.write(move |w| {
            super::recorders::get(w.tx, recorder)?;
            let before = get(w.tx, recorder, &settings)?;
            let proven = refusal.is_none() || before.is_some_and(|login| login.proven);
            let word = match refusal.as_ref().map(|refusal| refusal.kind) {
                None => None,
                Some(FailureKind::Locked) => Some("locked"),
                Some(_) => Some("refused"),
            };
            w.tx.prepare_cached(
                "insert or replace into login
                    (recorder_id, settings, proven, refusal, reason, vendor_code, answered_utc)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                recorder.to_string(),
                settings,
                proven,
                word,
                refusal.as_ref().map(|r| cut(&r.message, REASON_CHARS_MAX)),
                refusal.as_ref().and_then(|r| r.vendor_code),
                w.now.micros(),
            ])?;
            Ok(())
        })
        .await
    }
}

fn get(
    c: &Connection,
    recorder: RecorderId,
    settings: &str,
) -> Result<Option<Login>, CatalogError> {
    Ok(c.prepare_cached(
        "select proven, refusal, reason, vendor_code, answered_utc from login
         where recorder_id = ?1 and settings = ?2",
    )?
    .query_row(params![recorder.to_string(), settings], |row| {
        let kind: Option<String> = row.get("refusal")?;
        let reason: Option<String> = row.get("reason")?;
        let vendor_code = row.get("vendor_code")?;
        Ok(Login {
            proven: row.get("proven")?,
            refusal: kind.map(|kind| RecorderError {
                kind: match kind.as_str() {
                    "locked" => FailureKind::Locked,
                    _ => FailureKind::Refused,
                },
                message: reason.unwrap_or_default(),
                vendor_code,
            }),
            answered_at: time(row, "answered_utc")?,
        })
    })
    .optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::House;

    #[tokio::test]
    async fn an_answer_belongs_to_the_settings_it_was_given_to() {
        let house = House::new().await;
        let id = house.recorder("A1", 1).await.id;
        let ask = |settings: &str| house.catalog.login(id, settings.to_owned());
        let note = |settings: &str, refusal: Option<RecorderError>| {
            house.catalog.note_login(id, settings.to_owned(), refusal)
        };
        assert_eq!(ask("a").await.unwrap(), None);
        let wrong = RecorderError {
            vendor_code: Some(1),
            ..RecorderError::new(FailureKind::Refused, "wrong user name or password")
        };
        note("a", Some(wrong.clone())).await.unwrap();
        let known = ask("a").await.unwrap().unwrap();
        assert_eq!((known.proven, known.refusal), (false, Some(wrong)));
        assert_eq!(ask("b").await.unwrap(), None);

        note("b", None).await.unwrap();
        let locked = RecorderError::new(FailureKind::Locked, "locked");
        note("b", Some(locked.clone())).await.unwrap();
        let known = ask("b").await.unwrap().unwrap();
        assert_eq!((known.proven, known.refusal), (true, Some(locked)));
        assert_eq!(ask("a").await.unwrap(), None, "the last answer counts");

        house.catalog.remove_recorder(id).await.unwrap();
        assert_eq!(ask("b").await.unwrap(), None);
        assert!(note("b", None).await.is_err());
    }
}
