//! The e-mail about an archive: whether it is still to be sent.

use rusqlite::{OptionalExtension, params};
use wire::archive::Archive;
use wire::ids::ArchiveId;
use wire::time::UtcTime;

use super::super::text::cut;
use super::super::{Catalog, CatalogError};
use super::{COLUMNS, archive_of, get, told};

/// What became of an attempt to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailAbout {
    /// The mail server has it.
    Sent,
    /// It is tried again then.
    Later(String, UtcTime),
    /// It is given up, with the reason.
    GivenUp(String),
}

impl Catalog {
    /// An archive whose mail is due.
    pub async fn mail_due(&self) -> Result<Option<Archive>, CatalogError> {
        let now = self.now();
        self.read(move |c| {
            Ok(c.prepare_cached(&format!(
                "select {COLUMNS} from archive where mail_state = 'waiting' and coalesce(mail_next_utc, 0) <= ?1
                    and state in ('ready', 'downloaded') order by mail_next_utc limit 1"
            ))?
            .query_row([now.micros()], archive_of)
            .optional()?)
        })
        .await
    }

    /// When the next mail is due; none: there is none to send.
    pub async fn next_mail(&self) -> Result<Option<UtcTime>, CatalogError> {
        self.read(|c| {
            Ok(c.prepare_cached(
                "select min(coalesce(mail_next_utc, 0)) from archive where mail_state = 'waiting'
                    and state in ('ready', 'downloaded')",
            )?
            .query_row([], |row| row.get::<_, Option<i64>>(0))?
            .map(UtcTime::from_micros))
        })
        .await
    }

    /// Notes what became of an attempt. One that was asked for anew meanwhile stays asked for.
    pub async fn note_mail(
        &self,
        id: ArchiveId,
        about: MailAbout,
    ) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            let (state, next, failure) = match about {
                MailAbout::Sent => ("sent", None, None),
                MailAbout::Later(why, at) => ("waiting", Some(at.micros()), Some(why)),
                MailAbout::GivenUp(why) => ("failed", None, Some(why)),
            };
            w.tx.execute(
                "update archive set mail_state = ?2, mail_next_utc = ?3, mail_failure = ?4,
                    mail_attempts = mail_attempts + 1
                 where id = ?1 and mail_state = 'waiting'",
                params![
                    id.to_string(),
                    state,
                    next,
                    failure.map(|why| cut(&why, 500))
                ],
            )?;
            told(w, id)
        })
        .await
    }

    /// The mail is to be sent now, also once more. Refused when there is nothing to download.
    pub async fn send_mail(&self, id: ArchiveId) -> Result<Archive, CatalogError> {
        self.write(move |w| {
            let archive = get(w.tx, id)?;
            if !super::can_be_cleared(archive.state) {
                return Err(CatalogError::ArchiveState(format!(
                    "there is nothing to write of: this archive is {:?}",
                    archive.state
                )));
            }
            w.tx.execute(
                "update archive set mail_state = 'waiting', mail_next_utc = ?2, mail_attempts = 0, mail_failure = null
                 where id = ?1",
                params![id.to_string(), w.now.micros()],
            )?;
            told(w, id)
        })
        .await
    }

    /// Mails that were given up are tried once more, since the settings may have changed; called at start.
    pub async fn retry_mails(&self) -> Result<(), CatalogError> {
        self.write(|w| {
            w.tx.execute(
                "update archive set mail_state = 'waiting', mail_next_utc = ?1, mail_attempts = 0
                 where mail_state = 'failed' and state in ('ready', 'downloaded')",
                [w.now.micros()],
            )?;
            Ok(())
        })
        .await
    }
}
