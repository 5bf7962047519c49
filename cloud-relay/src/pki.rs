//! The relay's own certificate authority.
//!
//! Made at the first start and kept in `<state>/pki/` (keys 0600). It signs three kinds of certificate and nothing else:
//! what the relay's listeners show, what the relay shows to the broker (CN [`RELAY_CN`]), and what appliances show (CN =
//! appliance id, whatever the request says). It also keeps the key that signs assertions of who asks.
//!
//! Only SQLite and keys are precious at a relay: with the CA's key lost every appliance has to be claimed again, so a
//! folder that holds half of it is refused instead of being filled up.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base::clock::Clock;
use base::durable;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use wire::ids::{ApplianceId, OrganisationId};
use wire::time::UtcTime;

/// Life of an appliance's certificate.
pub const APPLIANCE_DAYS: i64 = 90;

/// Life of what a listener or the relay itself shows: short, since renewal needs nobody.
pub const SERVER_DAYS: i64 = 30;

/// Life of the CA.
const CA_DAYS: i64 = 20 * 365;

/// Certificates begin this long ago: an appliance without a battery starts with a slow clock.
const BACKDATED_S: i64 = 24 * 3600;

/// CN of the relay itself at the broker. It is not an appliance id (those have 16 characters).
pub const RELAY_CN: &str = "relay";

/// Longest certificate request that is looked at. Ours has about 400 bytes.
pub const CSR_BYTES_MAX: usize = 4 * 1024;

/// How often due renewals are looked for.
const RENEWAL_CHECK: Duration = Duration::from_secs(3600);

/// What is wrong with the CA.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// `read`, `write` or `create`.
        action: &'static str,
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate is there, its key is not.
    #[error(
        "{0} is there, its key is not: put the key back from a backup (or remove the folder to begin a new CA; every \
         appliance has to be claimed again)"
    )]
    KeyLost(String),
    /// rcgen refused.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key is not P-256.
    #[error("the key in {0} is not a P-256 key")]
    Key(String),
    /// rustls refused what we made.
    #[error("{0}")]
    Tls(#[from] base::tls::BadPem),
}

/// A certificate request that is not signed by its own P-256 key, or is none.
#[derive(Debug, thiserror::Error)]
pub enum BadCsr {
    /// Longer than [`CSR_BYTES_MAX`].
    #[error("the certificate request has more than {CSR_BYTES_MAX} bytes")]
    TooLong,
    /// Not readable, or its signature does not fit.
    #[error("the certificate request is not valid: {0}")]
    Invalid(#[from] rcgen::Error),
    /// Another kind of key.
    #[error("the certificate request is not for a P-256 key")]
    NotP256,
}

/// A request whose signature proves possession of its key.
#[derive(Debug)]
pub struct Csr {
    /// The appliance that the key belongs to.
    pub appliance: ApplianceId,
    /// SHA-256 (hex) of the key's SPKI.
    pub spki_sha256: String,
    key: rcgen::PublicKey,
}

impl Csr {
    /// Reads and verifies a request. Subject and extensions are ignored: who an appliance is follows from its key.
    pub fn parse(pem: &str) -> Result<Self, BadCsr> {
        if pem.len() > CSR_BYTES_MAX {
            return Err(BadCsr::TooLong);
        }
        let request = CertificateSigningRequestParams::from_pem(pem)?;
        let key = request.public_key;
        // The algorithm is the signature's; the length is the key's (uncompressed point). Both must say P-256.
        if *key.algorithm() != rcgen::PKCS_ECDSA_P256_SHA256 || key.der_bytes().len() != 65 {
            return Err(BadCsr::NotP256);
        }
        let spki = key.subject_public_key_info();
        Ok(Self {
            appliance: ApplianceId::from_spki(&spki),
            spki_sha256: base::token::sha256_hex(&spki),
            key,
        })
    }
}

/// A certificate and when it ends.
#[derive(Debug, Clone)]
pub struct Issued {
    /// PEM. For servers with the CA behind it, so that a client which knows only the CA's SHA-256 finds it.
    pub certificate_pem: String,
    /// Not valid from here on.
    pub expires_at: UtcTime,
    /// Two thirds of its life: from here on a new one is asked for.
    pub renew_at: UtcTime,
}

/// A certificate with a key that we made.
#[derive(Clone)]
pub struct IssuedWithKey {
    /// The certificate.
    pub issued: Issued,
    /// Its key (PEM, PKCS #8).
    pub key_pem: String,
}

/// The CA and the assertion key.
pub struct Pki {
    ca_pem: String,
    ca_der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    assertion: EcdsaKeyPair,
    assertion_pem: String,
    clock: Clock,
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pki")
    }
}

impl Pki {
    /// Opens `<state>/pki/`, making what a first start finds missing.
    pub fn open(state: &Path, clock: Clock) -> Result<Self, PkiError> {
        let folder = state.join("pki");
        durable::create_dir_all(&folder).map_err(io("create", &folder))?;
        let (ca_path, ca_key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
        let ca_known = ca_path.exists();
        if ca_known && !ca_key_path.exists() {
            return Err(PkiError::KeyLost(ca_path.display().to_string()));
        }
        let ca_key = keep_key(&ca_key_path)?;
        let ca_pem = if ca_known {
            std::fs::read_to_string(&ca_path).map_err(io("read", &ca_path))?
        } else {
            // A key without a certificate is a first start that was interrupted: nobody has seen that CA yet.
            let pem = ca_params(&clock).self_signed(&ca_key)?.pem();
            durable::replace(&ca_path, pem.as_bytes(), 0o644).map_err(io("write", &ca_path))?;
            tracing::info!(pki.folder = %folder.display(), "A new certificate authority was made");
            pem
        };
        let ca_der = base::tls::certificates(&ca_pem)?.remove(0);
        let assertion_path = folder.join("assertion.key");
        let assertion_key = keep_key(&assertion_path)?;
        let assertion = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            assertion_key.serialized_der(),
            &SystemRandom::new(),
        )
        .map_err(|_| PkiError::Key(assertion_path.display().to_string()))?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&ca_der, ca_key)?,
            assertion_pem: assertion_key.public_key_pem(),
            ca_pem,
            ca_der,
            assertion,
            clock,
        })
    }

    /// The CA (PEM): what appliances trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// SHA-256 of the CA's DER: what an installer gives to an appliance (`ca_sha256`).
    pub fn ca_sha256(&self) -> [u8; 32] {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.ca_der);
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// The same in hex, for people.
    pub fn ca_sha256_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.ca_sha256())
    }

    /// Signs assertions of who asks ([`wire::tunnel::Assertion::sign`]).
    pub fn assertion_key(&self) -> &EcdsaKeyPair {
        &self.assertion
    }

    /// Its public half (PEM), for [`wire::claim::Membership`].
    pub fn assertion_key_pem(&self) -> &str {
        &self.assertion_pem
    }

    /// A certificate for a listener under these names and IP addresses.
    pub fn issue_server(&self, names: &[String]) -> Result<IssuedWithKey, PkiError> {
        let mut params = CertificateParams::new(names)?;
        let cn = names.first().map_or("holdfast relay", String::as_str);
        params.distinguished_name = common_name(cn);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue_with_key(params, SERVER_DAYS)
    }

    /// What the relay shows to the broker.
    pub fn issue_relay_client(&self) -> Result<IssuedWithKey, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(RELAY_CN);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue_with_key(params, SERVER_DAYS)
    }

    /// What an organisation's own consumer shows to the broker: it may read that organisation's tree. One connection at
    /// a time (a bridge to the organisation's own broker, usually), since the name is also the client id.
    pub fn issue_consumer(&self, organisation: OrganisationId) -> Result<IssuedWithKey, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&organisation.to_string());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue_with_key(params, APPLIANCE_DAYS)
    }

    /// What an appliance shows to tunnel and broker.
    pub fn issue_appliance(&self, csr: &Csr) -> Result<Issued, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(csr.appliance.as_str());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, &csr.key, APPLIANCE_DAYS)
    }

    fn issue_with_key(
        &self,
        params: CertificateParams,
        days: i64,
    ) -> Result<IssuedWithKey, PkiError> {
        let key = KeyPair::generate()?;
        let mut issued = self.issue(params, &key, days)?;
        issued.certificate_pem.push_str(&self.ca_pem);
        Ok(IssuedWithKey {
            issued,
            key_pem: key.serialize_pem(),
        })
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        days: i64,
    ) -> Result<Issued, PkiError> {
        let now = UtcTime::from(self.clock.now());
        set_validity(&mut params, now, days);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(Issued {
            certificate_pem: params.signed_by(key, &self.issuer)?.pem(),
            expires_at: now.plus_s(days * 24 * 3600),
            renew_at: now.plus_s(days * 24 * 3600 * 2 / 3),
        })
    }
}

/// What a listener shows: replaced while the listener runs, when two thirds of its life are over.
pub struct ServerCertificate {
    pki: Arc<Pki>,
    names: Vec<String>,
    current: RwLock<(Arc<CertifiedKey>, UtcTime)>,
}

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("names", &self.names)
            .finish()
    }
}

impl ServerCertificate {
    /// Issues one for these names and IP addresses.
    pub fn new(pki: Arc<Pki>, names: Vec<String>) -> Result<Arc<Self>, PkiError> {
        let current = RwLock::new(Self::issue(&pki, &names)?);
        Ok(Arc::new(Self {
            pki,
            names,
            current,
        }))
    }

    fn issue(pki: &Pki, names: &[String]) -> Result<(Arc<CertifiedKey>, UtcTime), PkiError> {
        let made = pki.issue_server(names)?;
        let certified = base::tls::certified(&made.issued.certificate_pem, &made.key_pem)?;
        Ok((Arc::new(certified), made.issued.renew_at))
    }

    /// Issues a new one if it is time. True: it was.
    pub fn renew_if_due(&self) -> Result<bool, PkiError> {
        let due = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .1;
        if UtcTime::from(self.pki.clock.now()) < due {
            return Ok(false);
        }
        let fresh = Self::issue(&self.pki, &self.names)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }

    /// Looks for a due renewal every hour until `stop`.
    pub async fn keep_renewed(self: Arc<Self>, stop: CancellationToken) {
        let mut every = tokio::time::interval(RENEWAL_CHECK);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            match self.renew_if_due() {
                Ok(true) => {
                    tracing::info!(certificate.names = ?self.names, "A listener's certificate was renewed")
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(certificate.names = ?self.names, %error, "A listener's certificate cannot be renewed")
                }
            }
        }
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.0.clone())
    }
}

/// CN and SHA-256 (hex) of the SPKI of a certificate that a client showed (its chain was verified by rustls).
pub fn peer(certificate: &CertificateDer<'_>) -> Option<(String, String)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let cn = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some((
        cn.to_owned(),
        base::token::sha256_hex(parsed.public_key().raw),
    ))
}

fn ca_params(clock: &Clock) -> CertificateParams {
    let now = UtcTime::from(clock.now());
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Holdfast relay CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, CA_DAYS);
    params
}

fn common_name(cn: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, cn);
    name
}

/// rcgen's dates belong to a crate that we do not name; they are reached by adding to a date that it makes.
fn set_validity(params: &mut CertificateParams, now: UtcTime, days: i64) {
    let since_1970 = |t: UtcTime| Duration::from_secs(t.seconds().max(0).unsigned_abs());
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + since_1970(now.plus_s(-BACKDATED_S));
    params.not_after = epoch + since_1970(now.plus_s(days * 24 * 3600));
}

/// Reads a key, or makes it (0600).
fn keep_key(path: &Path) -> Result<KeyPair, PkiError> {
    if path.exists() {
        let pem = std::fs::read_to_string(path).map_err(io("read", path))?;
        return Ok(KeyPair::from_pem(&pem)?);
    }
    let key = KeyPair::generate()?;
    durable::replace(path, key.serialize_pem().as_bytes(), 0o600).map_err(io("write", path))?;
    Ok(key)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PkiError {
    let path = path.display().to_string();
    move |source| PkiError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn clock() -> Clock {
        Clock::simulated("2026-11-03T14:00:00Z".parse().unwrap())
    }

    fn csr(key: &KeyPair) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("relay");
        params.serialize_request(key).unwrap().pem().unwrap()
    }

    #[test]
    fn a_ca_is_made_once_and_its_keys_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = Pki::open(dir.path(), clock()).unwrap();
        let again = Pki::open(dir.path(), clock()).unwrap();
        assert_eq!(first.ca_pem(), again.ca_pem());
        assert_eq!(first.assertion_key_pem(), again.assertion_key_pem());
        for key in ["ca.key", "assertion.key"] {
            let mode = std::fs::metadata(dir.path().join("pki").join(key))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
        std::fs::remove_file(dir.path().join("pki/ca.key")).unwrap();
        assert!(matches!(
            Pki::open(dir.path(), clock()),
            Err(PkiError::KeyLost(_))
        ));
    }

    #[test]
    fn an_appliance_cannot_choose_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::open(dir.path(), clock()).unwrap();
        let key = KeyPair::generate().unwrap();
        let csr = Csr::parse(&csr(&key)).unwrap();
        assert_eq!(
            csr.appliance,
            ApplianceId::from_spki(&key.subject_public_key_info())
        );
        let issued = pki.issue_appliance(&csr).unwrap();
        let der = base::tls::certificates(&issued.certificate_pem)
            .unwrap()
            .remove(0);
        assert_eq!(
            peer(&der),
            Some((csr.appliance.to_string(), csr.spki_sha256.clone()))
        );
        assert_eq!(issued.expires_at.to_string(), "2027-02-01T14:00:00Z");
        assert_eq!(issued.renew_at.to_string(), "2027-01-02T14:00:00Z");
    }

    #[test]
    fn a_request_that_proves_nothing_is_refused() {
        let key = KeyPair::generate().unwrap();
        let good = csr(&key);
        let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert!(matches!(Csr::parse(&csr(&other)), Err(BadCsr::NotP256)));
        assert!(matches!(
            Csr::parse(&"x".repeat(CSR_BYTES_MAX + 1)),
            Err(BadCsr::TooLong)
        ));
        assert!(Csr::parse("").is_err());
        // A bit of the key or of the signature turned.
        let der = CertificateSigningRequestParams::from_pem(&good).map(|_| ());
        assert!(der.is_ok());
        let lines: Vec<&str> = good.lines().collect();
        for line in 1..lines.len() - 1 {
            let mut turned: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
            let swapped = if turned[line].starts_with('A') {
                "B"
            } else {
                "A"
            };
            turned[line].replace_range(..1, swapped);
            assert!(Csr::parse(&turned.join("\n")).is_err(), "line {line}");
        }
    }

    #[test]
    fn a_listeners_certificate_is_renewed_at_two_thirds() {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let clock = clock();
        let pki = Arc::new(Pki::open(dir.path(), clock.clone()).unwrap());
        let names = vec!["relay.example".to_owned(), "127.0.0.1".to_owned()];
        let shown = ServerCertificate::new(pki, names).unwrap();
        assert!(!shown.renew_if_due().unwrap());
        clock.advance_ms(19 * 24 * 3600 * 1000);
        assert!(!shown.renew_if_due().unwrap());
        clock.advance_ms(24 * 3600 * 1000);
        assert!(shown.renew_if_due().unwrap());
        assert!(!shown.renew_if_due().unwrap());
    }

    #[test]
    fn an_assertion_signed_here_is_believed_there() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::open(dir.path(), clock()).unwrap();
        let me = ApplianceId::from_spki(b"me");
        let assertion = wire::tunnel::Assertion {
            appliance: me.clone(),
            user_id: wire::ids::UserId::new(),
            username: "ann".into(),
            organisation: wire::ids::OrganisationId::new(),
            permissions: vec![wire::tunnel::Permission::View],
            request_id: "r".into(),
            expires_s: 100,
        };
        let token = assertion.sign(pki.assertion_key());
        let point = wire::claim::p256_point(pki.assertion_key_pem()).unwrap();
        assert_eq!(
            wire::tunnel::Assertion::verify(&token, &point, &me, 90),
            Ok(assertion)
        );
    }
}
