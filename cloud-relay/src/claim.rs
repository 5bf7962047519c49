//! Appliances join (Q14): certificate requests come in and wait, an admin types a code, and the next time the appliance
//! asks it gets its certificate.
//!
//! Design constraints:
//! - A request is looked at only if it is small, signed by its own key, and that key gives the id that it names.
//! - Requests are bounded in the store (in all and per address) and forgotten when they are not repeated.
//! - A typed code is compared with every waiting request by HMAC; codes have 40 bits and live for 15 minutes, and a
//!   person may be wrong [`TYPED_MAX`] times in that time, all people together [`TYPED_ALL_MAX`] times.
//! - Asking again is harmless: whoever holds a claimed key gets its membership, with a fresh certificate once two
//!   thirds of the old one's life are over. A certificate is of no use to anybody without the key.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base::clock::Clock;
use base::sqlite::DbError;
use wire::claim::{CODE_LIFETIME_S, ClaimCode, Enroll, Enrolled, Membership};
use wire::ids::{OrganisationId, UserId};
use wire::time::UtcTime;

use crate::pki::{APPLIANCE_DAYS, BadCsr, Csr, Pki, PkiError};
use crate::store::Store;
use crate::store::appliances::Claimed;
use crate::store::enrolments::{Enrolment, Kept, NewAppliance};

/// Largest body of `POST /enroll/v1`.
pub const ENROLL_BYTES_MAX: usize = 8 * 1024;

/// Seconds between two questions of an appliance that waits.
const RETRY_S: u32 = 2;

/// Questions from one address (IPv6: network of 64 bits) per minute. A roll-out of 20 boxes behind one NAT fits.
const ENROLLS_PER_MINUTE_MAX: u32 = 600;

/// Wrong codes of one person within [`CODE_LIFETIME_S`].
pub const TYPED_MAX: u32 = 10;

/// Wrong codes of all people within [`CODE_LIFETIME_S`]: at 4096 waiting requests still a chance of 1 in 250,000.
pub const TYPED_ALL_MAX: u32 = 1000;

/// Longest name of a site.
const SITE_NAME_CHARS_MAX: usize = 100;

/// Why an enrolment was not taken.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// Not what it should be. 400.
    #[error("{0}")]
    Malformed(String),
    /// Too many questions, or too many requests waiting. 429.
    #[error("too many enrolments; ask again in {retry_after_s} s")]
    TooMany {
        /// Seconds.
        retry_after_s: u32,
    },
    /// The store failed. 500.
    #[error(transparent)]
    Store(#[from] DbError),
    /// The CA failed. 500.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// Why a typed code made no appliance.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Not eight characters of the alphabet, or no name for the site. 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// Nobody shows this code. 404.
    #[error("no appliance shows this code; it changes every 15 minutes, so look again")]
    Unknown,
    /// Too many wrong codes. 429.
    #[error("too many wrong codes; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds.
        retry_after_s: u32,
    },
    /// Somebody else has just claimed it, or the organisation is gone. 409.
    #[error("the appliance was claimed by somebody else at the same moment")]
    Taken,
    /// The store failed. 500.
    #[error(transparent)]
    Store(#[from] DbError),
    /// The CA failed. 500.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// Takes enrolments and codes.
pub struct Claims {
    store: Store,
    pki: Arc<Pki>,
    clock: Clock,
    /// `host:port` that appliances are told.
    tunnel: String,
    mqtt: String,
    /// What the broker's certificate and the tunnel's are checked against.
    ca_pem: String,
    asked: Rate<IpAddr>,
    typed: Rate<UserId>,
    typed_all: Rate<()>,
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claims(tunnel {}, mqtt {})", self.tunnel, self.mqtt)
    }
}

impl Claims {
    /// `tunnel` and `mqtt` are what appliances dial (`host:port`). `broker_ca_pem`: further CAs that an external
    /// broker's certificate is checked against.
    pub fn new(
        store: Store,
        pki: Arc<Pki>,
        clock: Clock,
        tunnel: String,
        mqtt: String,
        broker_ca_pem: Option<&str>,
    ) -> Self {
        let ca_pem = format!("{}{}", pki.ca_pem(), broker_ca_pem.unwrap_or_default());
        Self {
            store,
            pki,
            clock,
            tunnel,
            mqtt,
            ca_pem,
            asked: Rate::new(ENROLLS_PER_MINUTE_MAX, 60),
            typed: Rate::new(TYPED_MAX, CODE_LIFETIME_S),
            typed_all: Rate::new(TYPED_ALL_MAX, CODE_LIFETIME_S),
        }
    }

    /// `POST /enroll/v1`: an appliance asks, again and again.
    pub async fn enroll(&self, from: IpAddr, body: &[u8]) -> Result<Enrolled, EnrollError> {
        let now = self.now();
        if let Err(retry_after_s) = self.asked.count(network(from), now) {
            return Err(EnrollError::TooMany { retry_after_s });
        }
        let (enroll, csr) = read(body)?;
        if let Some(known) = self.store.claimed(&enroll.appliance).await?
            && !known.revoked
        {
            if known.spki_sha256 != csr.spki_sha256 {
                return Err(EnrollError::Malformed(
                    "another key was claimed under this id".into(),
                ));
            }
            return Ok(Enrolled::Claimed(self.membership(known, &csr, now).await?));
        }
        let enrolment = Enrolment {
            appliance: enroll.appliance,
            csr_pem: enroll.csr_pem,
            proof: enroll.proof,
            version: enroll.version,
            address: network(from).to_string(),
        };
        match self
            .store
            .keep_enrolment(enrolment, now, now.plus_s(-CODE_LIFETIME_S))
            .await?
        {
            Kept::Waiting => Ok(Enrolled::Waiting {
                retry_after_s: RETRY_S,
            }),
            Kept::Full => Err(EnrollError::TooMany { retry_after_s: 60 }),
        }
    }

    /// A person types a code: makes a site of this organisation with the appliance that shows it.
    pub async fn claim(
        &self,
        by: UserId,
        organisation: OrganisationId,
        typed: &str,
        site_name: &str,
    ) -> Result<Claimed, ClaimError> {
        let now = self.now();
        let site_name = site_name.trim();
        if site_name.is_empty() || site_name.chars().count() > SITE_NAME_CHARS_MAX {
            return Err(ClaimError::Malformed(
                "give the site a name of at most 100 characters",
            ));
        }
        let code = ClaimCode::parse(typed).ok_or(ClaimError::Malformed(
            "a claim code has eight letters and digits, like ABCD-1234",
        ))?;
        let full = self.typed.is_full(by, now);
        if let Some(retry_after_s) = full.or_else(|| self.typed_all.is_full((), now)) {
            return Err(ClaimError::TooMany { retry_after_s });
        }
        let waiting = self.store.enrolments(now.plus_s(-CODE_LIFETIME_S)).await?;
        let Some(found) = waiting
            .into_iter()
            .find(|e| code.verify(&e.appliance, &e.csr_pem, &e.proof))
        else {
            // Both are below their bounds, or we would not be here.
            let _ = (self.typed.count(by, now), self.typed_all.count((), now));
            return Err(ClaimError::Unknown);
        };
        let csr = Csr::parse(&found.csr_pem).map_err(|_| ClaimError::Unknown)?;
        let issued = self.pki.issue_appliance(&csr)?;
        let new = NewAppliance {
            appliance: csr.appliance,
            spki_sha256: csr.spki_sha256,
            organisation,
            site_name: site_name.to_owned(),
            certificate_pem: issued.certificate_pem,
            certificate_expires_at: issued.expires_at,
            version: found.version,
        };
        let claimed = self
            .store
            .claim_appliance(new, now)
            .await?
            .ok_or(ClaimError::Taken)?;
        tracing::info!(appliance.id = %claimed.appliance, site.id = %claimed.site, organisation.id = %claimed.organisation, "An appliance was claimed");
        Ok(claimed)
    }

    async fn membership(
        &self,
        mut known: Claimed,
        csr: &Csr,
        now: UtcTime,
    ) -> Result<Membership, EnrollError> {
        let renew_at = known
            .certificate_expires_at
            .plus_s(-APPLIANCE_DAYS * 24 * 3600 / 3);
        if now >= renew_at {
            let issued = self.pki.issue_appliance(csr)?;
            self.store
                .renew_certificate(
                    &known.appliance,
                    issued.certificate_pem.clone(),
                    issued.expires_at,
                )
                .await?;
            known.certificate_pem = issued.certificate_pem;
            tracing::info!(appliance.id = %known.appliance, "An appliance's certificate was renewed");
        }
        Ok(Membership {
            certificate_pem: known.certificate_pem,
            ca_pem: self.ca_pem.clone(),
            organisation: known.organisation,
            site: known.site,
            site_name: known.site_name,
            tunnel: self.tunnel.clone(),
            mqtt: self.mqtt.clone(),
            assertion_key_pem: self.pki.assertion_key_pem().to_owned(),
        })
    }

    fn now(&self) -> UtcTime {
        self.clock.now().into()
    }
}

/// Everything that can be checked without the store.
fn read(body: &[u8]) -> Result<(Enroll, Csr), EnrollError> {
    let malformed = |why: String| EnrollError::Malformed(why);
    if body.len() > ENROLL_BYTES_MAX {
        return Err(malformed(format!(
            "an enrolment has at most {ENROLL_BYTES_MAX} bytes"
        )));
    }
    let enroll: Enroll = serde_json::from_slice(body).map_err(|e| malformed(e.to_string()))?;
    if enroll.v != wire::version::CLAIM {
        return Err(malformed(format!(
            "enrolment of version {}, this relay speaks {}",
            enroll.v,
            wire::version::CLAIM
        )));
    }
    let csr = Csr::parse(&enroll.csr_pem).map_err(|e: BadCsr| malformed(e.to_string()))?;
    if csr.appliance != enroll.appliance {
        return Err(malformed(
            "the appliance id is not that of the certificate request's key".into(),
        ));
    }
    let hex = |c: &u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    if enroll.proof.len() != 64 || !enroll.proof.as_bytes().iter().all(hex) {
        return Err(malformed("the proof is not an HMAC in hex".into()));
    }
    if enroll.version.len() > 64 {
        return Err(malformed("the version has more than 64 bytes".into()));
    }
    Ok((enroll, csr))
}

/// Whom an address counts for: itself, or its IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & (u128::MAX << 64);
            IpAddr::V6(bits.into())
        }
        v4 => v4,
    }
}

/// At most so many per window and key. Keys whose window is over are forgotten.
struct Rate<K> {
    max: u32,
    window_s: i64,
    counts: Mutex<HashMap<K, (UtcTime, u32)>>,
}

/// Keys remembered at once; beyond, old windows are swept, and if none is old the newcomer waits.
const RATE_KEYS_MAX: usize = 10_000;

impl<K: Hash + Eq> Rate<K> {
    fn new(max: u32, window_s: i64) -> Self {
        Self {
            max,
            window_s,
            counts: Mutex::default(),
        }
    }

    /// Seconds to wait, when the key has used up its window.
    fn is_full(&self, key: K, now: UtcTime) -> Option<u32> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, n) = counts.get(&key)?;
        let left = since.plus_s(self.window_s).ms_since(now);
        (*n >= self.max && left > 0).then(|| ((left + 999) / 1000) as u32)
    }

    /// Counts one; the error is the number of seconds to wait.
    fn count(&self, key: K, now: UtcTime) -> Result<(), u32> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |since: &UtcTime| {
            let age = now.ms_since(*since);
            (0..self.window_s * 1000).contains(&age)
        };
        if counts.len() >= RATE_KEYS_MAX && !counts.contains_key(&key) {
            counts.retain(|_, (since, _)| fresh(since));
            if counts.len() >= RATE_KEYS_MAX {
                return Err(self.window_s as u32);
            }
        }
        let (since, n) = counts.entry(key).or_insert((now, 0));
        if !fresh(since) {
            (*since, *n) = (now, 0);
        }
        if *n >= self.max {
            let left = since.plus_s(self.window_s).ms_since(now);
            return Err(((left + 999) / 1000) as u32);
        }
        *n += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
