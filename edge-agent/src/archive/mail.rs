//! The e-mail about an archive: its range, its size, and where to fetch it (S4).
//!
//! It carries no footage and no link that would open anything by itself: whoever follows it logs in. Sending is retried
//! with growing pauses; what the mail server refuses for good (a login above all) is not sent again by itself, because
//! servers lock accounts that keep trying.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::backoff::Backoff;
use jiff::tz::TimeZone;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, SmtpTransport, Transport};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use wire::archive::Archive;

use crate::catalog::archives::MailAbout;
use crate::catalog::{Catalog, CatalogError};

/// How long the mail server may take for one step.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pauses between attempts.
const RETRY_FIRST: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(3_600);

/// Attempts until it is given up: about three days.
const ATTEMPTS_MAX: u32 = 78;

/// Largest file with a password or certificates.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// `[email]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// The mail server.
    pub host: String,
    /// Its port. Default: 587 with `starttls`, 465 with `tls`, 25 with `none`.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is kept private. Default `starttls`.
    #[serde(default)]
    pub tls: MailTls,
    /// Account, where the server wants a login.
    #[serde(default)]
    pub username: Option<String>,
    /// File that holds its password and nothing else, readable by the agent alone.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Sender: `"Holdfast <box@example.org>"`.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
    /// Where this box's page is reached, for the link: `"http://192.168.1.20:8080"`. Default: by the name of this box.
    #[serde(default)]
    pub page_url: Option<String>,
}

/// How the connection to the mail server is kept private.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// It becomes private before anything is said; a server that cannot is refused.
    #[default]
    Starttls,
    /// It is private from its first byte.
    Tls,
    /// Not at all: only to a server on this box.
    None,
}

impl EmailConfig {
    /// What the types do not say.
    pub fn check(&self) -> Result<(), String> {
        self.addresses()?;
        if self.to.is_empty() {
            return Err("[email] to: name at least one recipient".to_owned());
        }
        if self.tls == MailTls::None && !is_here(&self.host) {
            return Err(format!(
                "[email] tls = \"none\": only a mail server on this box may be spoken to in the clear, and {:?} is not one; use \"starttls\" or \"tls\"",
                self.host
            ));
        }
        if self.username.is_some() != self.password_file.is_some() {
            return Err(
                "[email] username and password_file belong together: set both, or neither"
                    .to_owned(),
            );
        }
        match &self.page_url {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => Err(
                format!("[email] page_url = {url:?}: an address begins with http:// or https://"),
            ),
            _ => Ok(()),
        }
    }

    /// Sender and recipients.
    fn addresses(&self) -> Result<(Mailbox, Vec<Mailbox>), String> {
        let read = |key: &str, text: &String| {
            text.parse::<Mailbox>()
                .map_err(|e| format!("[email] {key} = {text:?}: {e}"))
        };
        let to = self.to.iter().map(|text| read("to", text));
        Ok((read("from", &self.from)?, to.collect::<Result<_, _>>()?))
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Writes e-mails.
#[derive(Debug)]
pub struct Mailer {
    config: EmailConfig,
    from: Mailbox,
    to: Vec<Mailbox>,
    page_url: String,
    zone: TimeZone,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    /// Trying again by itself would be wrong.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Failed(String),
}

impl Mailer {
    /// By these settings; `listen` is where the page is, `zone` that of the box.
    pub fn new(config: EmailConfig, listen: SocketAddr, zone: TimeZone) -> Result<Self, String> {
        config.check()?;
        let (from, to) = config.addresses()?;
        let page_url = config
            .page_url
            .clone()
            .unwrap_or_else(|| address_of(listen));
        Ok(Self {
            page_url: page_url.trim_end_matches('/').to_owned(),
            config,
            from,
            to,
            zone,
        })
    }

    /// Sends every mail that is due.
    pub async fn send_due(
        &self,
        catalog: &Catalog,
        stop: &CancellationToken,
    ) -> Result<(), CatalogError> {
        while let Some(archive) = catalog.mail_due().await? {
            let sent = tokio::select! {
                sent = self.send(&archive) => sent,
                // It is sent with the next start; the server may have taken it already and then gets it twice.
                () = stop.cancelled() => return Ok(()),
            };
            let attempts = archive.mail.attempts;
            let about = match sent {
                Ok(()) => {
                    tracing::info!(archive.id = %archive.id, recipients = self.to.len(), "The e-mail about an archive was sent");
                    MailAbout::Sent
                }
                Err(NotSent::Failed(why)) if attempts < ATTEMPTS_MAX => {
                    let pause = Backoff::step(RETRY_FIRST, RETRY_MAX, attempts);
                    tracing::warn!(archive.id = %archive.id, host = self.config.host, reason = why, retry_s = pause.as_secs(), "The e-mail about an archive was not sent; tried again");
                    let at = catalog
                        .now()
                        .plus_s(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX));
                    MailAbout::Later(why, at)
                }
                Err(e) => {
                    tracing::error!(archive.id = %archive.id, host = self.config.host, reason = %e, "The e-mail about an archive is given up; correct [email] and start the agent again, or send it from the page");
                    MailAbout::GivenUp(e.to_string())
                }
            };
            catalog.note_mail(archive.id, about).await?;
        }
        Ok(())
    }

    /// Returns when the next mail may be due, and after `pause` at the latest.
    pub async fn next_due(&self, catalog: &Catalog, pause: Duration) {
        let wait = match catalog.next_mail().await {
            Ok(Some(at)) => {
                Duration::from_millis(at.ms_since(catalog.now()).max(0).cast_unsigned())
            }
            _ => pause,
        };
        tokio::time::sleep(wait.min(pause)).await;
    }

    /// On a thread of its own: each step has its own patience, so it ends whatever the server does.
    async fn send(&self, archive: &Archive) -> Result<(), NotSent> {
        let (transport, message) = (self.transport()?, self.message(archive)?);
        match tokio::task::spawn_blocking(move || transport.send(&message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) if e.is_permanent() => Err(NotSent::Refused(told(&e))),
            Ok(Err(e)) => Err(NotSent::Failed(told(&e))),
            Err(e) => Err(NotSent::Failed(format!(
                "sending did not come to an end: {e}"
            ))),
        }
    }

    fn transport(&self) -> Result<SmtpTransport, NotSent> {
        let config = &self.config;
        let port = config.port.unwrap_or(match config.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        });
        let tls = match config.tls {
            MailTls::None => Tls::None,
            MailTls::Starttls => Tls::Required(self.tls()?),
            MailTls::Tls => Tls::Wrapper(self.tls()?),
        };
        let mut builder = SmtpTransport::builder_dangerous(&config.host)
            .port(port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some(host) = sysinfo::System::host_name() {
            builder = builder.hello_name(ClientId::Domain(host));
        }
        if let (Some(user), Some(file)) = (&config.username, &config.password_file) {
            let password = password(file).map_err(NotSent::Refused)?;
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(builder.build())
    }

    fn tls(&self) -> Result<TlsParameters, NotSent> {
        let mut builder = TlsParameters::builder(self.config.host.clone());
        if let Some(file) = &self.config.ca_file {
            let bad = |e: &dyn std::fmt::Display| {
                NotSent::Refused(format!("[email] ca_file {}: {e}", file.display()))
            };
            let pem = bounded(file).map_err(|e| bad(&e))?;
            let trusted = Certificate::from_pem(&pem).map_err(|e| bad(&e))?;
            builder = builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(trusted);
        }
        builder
            .build_rustls()
            .map_err(|e| NotSent::Refused(told(&e)))
    }

    fn message(&self, archive: &Archive) -> Result<Message, NotSent> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(self.subject(archive))
            .message_id(Some(format!(
                "<{}.{}@holdfast.invalid>",
                archive.id, archive.mail.attempts
            )))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            message = message.to(to.clone());
        }
        message
            .body(self.text(archive))
            .map_err(|e| NotSent::Refused(e.to_string()))
    }

    fn subject(&self, archive: &Archive) -> String {
        let day = |at: wire::time::UtcTime| {
            at.timestamp()
                .to_zoned(self.zone.clone())
                .strftime("%Y-%m-%d")
                .to_string()
        };
        format!(
            "Archive ready: {} to {} ({})",
            day(archive.from_utc),
            day(archive.to_utc),
            size_text(archive.bytes)
        )
    }

    fn text(&self, archive: &Archive) -> String {
        let local = |at: wire::time::UtcTime| {
            at.timestamp()
                .to_zoned(self.zone.clone())
                .strftime("%Y-%m-%d %H:%M:%S %Z")
                .to_string()
        };
        let packed = archive.recordings - archive.left_out.min(archive.recordings);
        let mut text = format!(
            "An archive of footage is ready to be downloaded.\n\n\
             From:        {}\nTo:          {}\nRecordings:  {packed}\nSize:        {} ({} bytes)\nFile:        {}\nSHA-256:     {}\n\n\
             Download:    {}/archives#{}\n",
            local(archive.from_utc),
            local(archive.to_utc),
            size_text(archive.bytes),
            archive.bytes,
            archive.file_name.as_deref().unwrap_or("?"),
            archive.digest.as_deref().unwrap_or("?"),
            self.page_url,
            archive.id,
        );
        if archive.left_out + archive.damaged > 0 {
            text.push_str(&format!(
                "\nNot all is well: {} recordings could not be read and are not in it, {} are not what they were when they\n\
                 were kept. manifest.json in the archive says which.\n",
                archive.left_out, archive.damaged
            ));
        }
        text.push_str(
            "\nWhen you have it and have looked into it, press \"Clear archive\" on that page: the archive and its recordings\n\
             then make room on the appliance. Until then both stay, as long as there is room for the recordings.\n",
        );
        text
    }
}

/// An error with what is behind it: the mail server's own words are there.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(behind) = source {
        let more = behind.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = behind.source();
    }
    text
}

/// Where people reach the page when nobody said so: by the name of the box.
fn address_of(listen: SocketAddr) -> String {
    let host = match listen.ip() {
        ip if ip.is_unspecified() => {
            sysinfo::System::host_name().unwrap_or_else(|| "localhost".to_owned())
        }
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{}", listen.port())
}

fn bounded(file: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(file).map_err(|e| e.to_string())?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("{} bytes are too many", metadata.len()));
    }
    std::fs::read(file).map_err(|e| e.to_string())
}

/// Reads the password anew for each mail, so that a new one holds at once.
fn password(file: &Path) -> Result<String, String> {
    let at = |why: String| format!("[email] password_file {}: {why}", file.display());
    let metadata = std::fs::metadata(file).map_err(|e| at(e.to_string()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(at(format!(
            "others can read it; `chmod 600 {}` and send again",
            file.display()
        )));
    }
    let text = String::from_utf8(bounded(file).map_err(at)?)
        .map_err(|_| at("it does not hold UTF-8".to_owned()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// `12.3 GB`
fn size_text(bytes: u64) -> String {
    let (unit, name) = match bytes {
        1_000_000_000.. => (1e9, "GB"),
        1_000_000.. => (1e6, "MB"),
        _ => (1e3, "kB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> EmailConfig {
        toml::from_str(
            "host = \"mail.example.org\"\nfrom = \"Holdfast <box@example.org>\"\nto = [\"ann@example.org\"]",
        )
        .unwrap()
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_their_key() {
        let refused = |change: fn(&mut EmailConfig)| {
            let mut config = config();
            change(&mut config);
            config.check().unwrap_err()
        };
        config().check().unwrap();
        assert!(refused(|c| c.tls = MailTls::None).contains("in the clear"));
        assert!(refused(|c| c.username = Some("box".into())).contains("password_file"));
        assert!(refused(|c| c.to.clear()).contains("[email] to"));
        assert!(refused(|c| c.from = "nobody".into()).contains("[email] from"));
        assert!(refused(|c| c.page_url = Some("box.local".into())).contains("page_url"));
        for here in ["localhost", "127.0.0.1", "::1"] {
            let config = EmailConfig {
                host: here.into(),
                tls: MailTls::None,
                ..config()
            };
            config.check().unwrap();
        }
    }

    #[test]
    fn a_password_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "secret\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let why = password(&file).unwrap_err();
        assert!(
            why.contains("chmod 600") && !why.contains("secret"),
            "{why}"
        );
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(password(&file).unwrap(), "secret");
    }
}
