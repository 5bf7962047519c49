//! What the relay gave at the claim, kept in a file of its own (0600): it has to outlive a
//! catalog that is lost or restored.

use std::io;
use std::path::Path;

use base::durable;
use base::net::HostPort;
use wire::claim::Membership;
use wire::time::UtcTime;

use super::applicant::Applicant;

/// Reads it. One that does not fit our key or cannot be read counts as none, with a word in the journal: the relay
/// gives it again to whoever holds the key.
pub fn load(path: &Path, me: &Applicant) -> io::Result<Option<Membership>> {
    let text = match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let usable = serde_json::from_slice::<Membership>(&text)
        .map_err(|e| e.to_string())
        .and_then(|membership| check(&membership, me).map(|()| membership));
    match usable {
        Ok(membership) => Ok(Some(membership)),
        Err(reason) => {
            tracing::warn!(file.path = %path.display(), reason, "The membership cannot be used; the relay is asked again");
            Ok(None)
        }
    }
}

/// Keeps it, atomically.
pub fn save(path: &Path, membership: &Membership) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(membership).map_err(io::Error::other)?;
    durable::replace(path, &text, 0o600)
}

/// Forgets it.
pub fn remove(path: &Path) -> io::Result<()> {
    durable::remove_if_there(path)?;
    path.parent().map_or(Ok(()), durable::sync_dir)
}

/// Whether everything in it can be used: the certificate is for our key, the rest can be read.
pub fn check(membership: &Membership, me: &Applicant) -> Result<(), String> {
    base::tls::certified(&membership.certificate_pem, &me.key_pem)
        .map_err(|e| format!("the certificate is not for this appliance's key ({e})"))?;
    base::tls::roots(&membership.ca_pem).map_err(|e| format!("CA: {e}"))?;
    wire::claim::p256_point(&membership.assertion_key_pem)
        .ok_or("the assertion key is no P-256 key")?;
    for address in [&membership.tunnel, &membership.mqtt] {
        address.parse::<HostPort>().map_err(|e| e.to_string())?;
    }
    validity(membership).ok_or("the certificate cannot be read")?;
    Ok(())
}

/// When the certificate begins and ends.
pub fn validity(membership: &Membership) -> Option<(UtcTime, UtcTime)> {
    let chain = base::tls::certificates(&membership.certificate_pem).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
    let at = |t: x509_parser::time::ASN1Time| UtcTime::from_micros(t.timestamp() * 1_000_000);
    let validity = parsed.validity();
    Some((at(validity.not_before), at(validity.not_after)))
}

/// From when on a new certificate is asked for: two thirds of its life.
pub fn renew_at(membership: &Membership) -> Option<UtcTime> {
    let (from, to) = validity(membership)?;
    Some(from.plus_ms(to.ms_since(from) / 3 * 2))
}
