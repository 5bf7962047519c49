//! Joining an organisation: shows a code, asks the relay until somebody has typed it there, keeps the membership.
//!
//! Design constraints:
//! - The code lives for 15 minutes and is shown on the LAN page and the console; it is never logged.
//! - The relay is believed only under the CA whose SHA-256 (or certificate) the installer gave: there is no list of
//!   public CAs in this program.
//! - What the relay answers is used only after it was checked to fit our key.
//! - Asking again is harmless, so the same question also renews the certificate at two thirds of its life.

pub mod applicant;
pub mod membership;

use std::path::PathBuf;
use std::time::Duration;

use base::backoff::Backoff;
use base::clock::Clock;
use data_encoding::HEXLOWER_PERMISSIVE;
use tokio::sync::watch;
use wire::claim::{CODE_LIFETIME_S, ClaimCode, Enroll, Enrolled, Membership};
use wire::time::UtcTime;

use applicant::Applicant;

/// Longest wait for an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Largest answer that is read: a membership has about 3 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Shortest and longest pause that the relay may ask for.
const RETRY_S: std::ops::RangeInclusive<u32> = 1..=300;

/// `[relay]`: which relay to join, and how to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelaySettings {
    /// `https://host[:port]` of the relay's web listener.
    pub url: String,
    /// SHA-256 (hex) of the relay's CA certificate, as the relay shows it to its admin.
    pub ca_sha256: Option<String>,
    /// The CA certificate itself (PEM), where the relay has one from elsewhere.
    pub ca_file: Option<PathBuf>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadRelay {
    /// Not an address.
    #[error("the relay's address must look like https://relay.example:8443")]
    Url,
    /// Not a digest.
    #[error("ca_sha256 must be the 64 hexadecimal digits that the relay shows")]
    Digest,
    /// Nothing to know the relay by.
    #[error(
        "say how the relay is known: ca_sha256 (shown by the relay) or ca_file (its CA certificate); there are no \
         built-in CAs"
    )]
    NoCa,
    /// The file cannot be used.
    #[error("ca_file {path}: {why}")]
    CaFile {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// The HTTP client cannot be made.
    #[error("{0}")]
    Client(#[from] reqwest::Error),
}

/// A relay that can be asked.
#[derive(Debug, Clone)]
pub struct Relay {
    enroll: reqwest::Url,
    client: reqwest::Client,
}

impl RelaySettings {
    /// Checks the settings and makes a client of them.
    pub fn relay(&self) -> Result<Relay, BadRelay> {
        let url = reqwest::Url::parse(&self.url).map_err(|_| BadRelay::Url)?;
        if url.scheme() != "https" || url.host_str().is_none() || url.cannot_be_a_base() {
            return Err(BadRelay::Url);
        }
        let enroll = url.join(wire::claim::PATH).map_err(|_| BadRelay::Url)?;
        let tls = match (&self.ca_sha256, &self.ca_file) {
            (Some(hex), _) => {
                let bytes = HEXLOWER_PERMISSIVE
                    .decode(hex.replace([':', ' '], "").as_bytes())
                    .map_err(|_| BadRelay::Digest)?;
                base::tls::pinned_client(bytes.try_into().map_err(|_| BadRelay::Digest)?)
            }
            (None, Some(path)) => {
                let bad = |why: String| BadRelay::CaFile {
                    path: path.display().to_string(),
                    why,
                };
                let pem = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
                base::tls::client(&pem).map_err(|e| bad(e.to_string()))?
            }
            (None, None) => return Err(BadRelay::NoCa),
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER_WAIT)
            .build()?;
        Ok(Relay { enroll, client })
    }
}

/// Why a question to the relay got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// Not reached, or not the relay that was meant.
    #[error("the relay cannot be reached: {0}")]
    Unreached(String),
    /// It refused.
    #[error("the relay refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In its words.
        message: String,
        /// It asks us to wait.
        retry_after_s: Option<u32>,
    },
    /// Its answer cannot be used.
    #[error("the relay's answer cannot be used: {0}")]
    Unusable(String),
}

/// What a person is shown while the appliance waits.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The code and when it changes.
    pub code: Option<(ClaimCode, UtcTime)>,
    /// Last failure in words.
    pub failure: Option<String>,
}

/// Asks the relay once.
pub async fn enroll(
    relay: &Relay,
    me: &Applicant,
    code: &ClaimCode,
) -> Result<Enrolled, EnrollError> {
    let question = Enroll {
        v: wire::version::CLAIM,
        appliance: me.appliance.clone(),
        proof: code.proof(&me.appliance, &me.csr_pem),
        csr_pem: me.csr_pem.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let answer = relay
        .client
        .post(relay.enroll.clone())
        .json(&question)
        .send()
        .await
        .map_err(|e| EnrollError::Unreached(causes(&e)))?;
    let status = answer.status();
    let retry_after_s = answer
        .headers()
        .get(http::header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let body = read_bounded(answer).await?;
    if !status.is_success() {
        let message = serde_json::from_slice::<wire::error::ErrorResponse>(&body)
            .map_or_else(|_| "without a reason".into(), |e| e.error.message);
        return Err(EnrollError::Refused {
            status: status.as_u16(),
            message,
            retry_after_s,
        });
    }
    let enrolled: Enrolled =
        serde_json::from_slice(&body).map_err(|e| EnrollError::Unusable(e.to_string()))?;
    if let Enrolled::Claimed(membership) = &enrolled {
        membership::check(membership, me).map_err(EnrollError::Unusable)?;
    }
    Ok(enrolled)
}

/// Asks until the appliance is claimed. Cancel by dropping.
pub async fn join(
    relay: &Relay,
    me: &Applicant,
    clock: &Clock,
    shown: &watch::Sender<Shown>,
) -> Membership {
    let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
    let mut current: Option<(ClaimCode, UtcTime)> = None;
    loop {
        let now = UtcTime::from(clock.now());
        let (code, _) = match current.take() {
            Some((code, until)) if now < until && until <= now.plus_s(CODE_LIFETIME_S) => {
                current.insert((code, until))
            }
            // None yet, over, or the clock was stepped.
            _ => {
                let code = ClaimCode::from_random(base::token::random());
                let until = now.plus_s(CODE_LIFETIME_S);
                shown.send_modify(|s| s.code = Some((code.clone(), until)));
                current.insert((code, until))
            }
        };
        let pause = match enroll(relay, me, code).await {
            Ok(Enrolled::Claimed(membership)) => {
                shown.send_replace(Shown::default());
                return membership;
            }
            Ok(Enrolled::Waiting { retry_after_s }) => {
                backoff.reset();
                shown.send_modify(|s| s.failure = None);
                seconds(retry_after_s)
            }
            Err(error) => {
                let why = error.to_string();
                if shown.borrow().failure.as_ref() != Some(&why) {
                    tracing::warn!(
                        reason = why,
                        "The relay cannot be asked to take this appliance"
                    );
                }
                shown.send_modify(|s| s.failure = Some(why));
                match error {
                    EnrollError::Refused {
                        retry_after_s: Some(s),
                        ..
                    } => seconds(s).max(backoff.next_delay()),
                    _ => backoff.next_delay(),
                }
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn seconds(s: u32) -> Duration {
    Duration::from_secs(u64::from(s.clamp(*RETRY_S.start(), *RETRY_S.end())))
}

async fn read_bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, EnrollError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|e| EnrollError::Unreached(causes(&e)))?
    {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(EnrollError::Unusable("it is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error and what is behind it: reqwest's own words are "error sending request".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
