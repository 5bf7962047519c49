//! Joining an appliance to an organisation (Q14, docs/design/decisions.md).
//!
//! The appliance shows a short-lived code. It posts its certificate request and a proof made with the code, and polls;
//! the relay cannot make use of either until an admin types the code. Then the next poll returns the certificate.

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::ids::{ApplianceId, OrganisationId, SiteId};

/// Where enrolment is posted at the relay's web listener.
pub const PATH: &str = "/enroll/v1";

/// How long a code is shown, in seconds.
pub const CODE_LIFETIME_S: i64 = 15 * 60;

/// Crockford's base32 without I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Eight characters that prove possession of the box (40 bits).
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimCode([u8; 8]);

impl std::fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimCode(…)")
    }
}

impl ClaimCode {
    /// A code from 40 random bits.
    pub fn from_random(random: [u8; 5]) -> Self {
        let bits = random
            .iter()
            .fold(0u64, |all, b| (all << 8) | u64::from(*b));
        Self(std::array::from_fn(|i| {
            ALPHABET[((bits >> (35 - 5 * i)) & 31) as usize]
        }))
    }

    /// Reads what a person typed: case, spaces and hyphens do not matter, O is 0, I and L are 1.
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = [0u8; 8];
        let mut n = 0;
        for c in typed.bytes().filter(|c| !matches!(c, b' ' | b'-')) {
            let c = match c.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                c => c,
            };
            if n == 8 || !ALPHABET.contains(&c) {
                return None;
            }
            code[n] = c;
            n += 1;
        }
        (n == 8).then_some(Self(code))
    }

    /// As shown to people: `ABCD-1234`.
    pub fn display(&self) -> String {
        let text = std::str::from_utf8(&self.0).expect("the alphabet is ASCII");
        format!("{}-{}", &text[..4], &text[4..])
    }

    /// The proof that whoever made this certificate request knows the code: HMAC-SHA-256, in hex.
    pub fn proof(&self, appliance: &ApplianceId, csr_pem: &str) -> String {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &self.0),
            &Self::message(appliance, csr_pem),
        );
        data_encoding::HEXLOWER.encode(tag.as_ref())
    }

    /// Whether a proof was made with this code, in constant time.
    pub fn verify(&self, appliance: &ApplianceId, csr_pem: &str, proof: &str) -> bool {
        data_encoding::HEXLOWER
            .decode(proof.as_bytes())
            .is_ok_and(|tag| {
                hmac::verify(
                    &hmac::Key::new(hmac::HMAC_SHA256, &self.0),
                    &Self::message(appliance, csr_pem),
                    &tag,
                )
                .is_ok()
            })
    }

    fn message(appliance: &ApplianceId, csr_pem: &str) -> Vec<u8> {
        format!("holdfast claim 1\n{appliance}\n{csr_pem}").into_bytes()
    }
}

/// Body of `POST /enroll/v1`; the same is posted again as a poll.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enroll {
    /// [`crate::version::CLAIM`].
    pub v: u32,
    /// Who. Must be the id of the request's key.
    pub appliance: ApplianceId,
    /// Certificate request (PKCS #10, PEM).
    pub csr_pem: String,
    /// [`ClaimCode::proof`] of the code that is shown now.
    pub proof: String,
    /// Program version.
    pub version: String,
}

/// Answer to [`Enroll`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Enrolled {
    /// Nobody has typed the code yet.
    Waiting {
        /// Ask again after this many seconds.
        retry_after_s: u32,
    },
    /// The appliance belongs to an organisation.
    Claimed(Membership),
}

/// What a claimed appliance needs to know; it keeps this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// Its certificate (PEM), CN = appliance id.
    pub certificate_pem: String,
    /// The relay's CA (PEM): signs the relay's tunnel, web and broker certificates.
    pub ca_pem: String,
    /// Tenant.
    pub organisation: OrganisationId,
    /// Site.
    pub site: SiteId,
    /// Its name, for the LAN page.
    pub site_name: String,
    /// `host:port` of the tunnel listener.
    pub tunnel: String,
    /// `host:port` of the MQTT broker.
    pub mqtt: String,
    /// Public key (PEM SPKI, P-256) that signs assertions of who asks.
    pub assertion_key_pem: String,
}

/// DER of a P-256 SPKI up to the uncompressed point (RFC 5480): SEQUENCE, the two OIDs, BIT STRING of 66 bytes.
const P256_SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The uncompressed point of a P-256 public key in PEM, as [`crate::tunnel::Assertion::verify`] takes it.
pub fn p256_point(spki_pem: &str) -> Option<Vec<u8>> {
    let base64: String = spki_pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")?
        .strip_suffix("-----END PUBLIC KEY-----")?
        .split_ascii_whitespace()
        .collect();
    let der = data_encoding::BASE64.decode(base64.as_bytes()).ok()?;
    let point = der.strip_prefix(&P256_SPKI_HEAD)?;
    (point.len() == 65 && point[0] == 4).then(|| point.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_typed() {
        let code = ClaimCode::from_random([0x00, 0x44, 0x32, 0xff, 0x01]);
        let shown = code.display();
        assert_eq!(shown.len(), 9);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            shown.replace('0', "O").replace('1', "l"),
        ] {
            assert!(ClaimCode::parse(&typed) == Some(code.clone()), "{typed}");
        }
        for bad in ["", "ABCD-123", "ABCD-12345", "ABCD-123U", "ABCD-123é"] {
            assert!(ClaimCode::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_proof_fits_one_code_appliance_and_request() {
        let (code, other) = (
            ClaimCode::from_random([1; 5]),
            ClaimCode::from_random([2; 5]),
        );
        let appliance = ApplianceId::from_spki(b"k");
        let proof = code.proof(&appliance, "csr");
        assert!(code.verify(&appliance, "csr", &proof));
        assert!(!other.verify(&appliance, "csr", &proof));
        assert!(!code.verify(&appliance, "csr2", &proof));
        assert!(!code.verify(&ApplianceId::from_spki(b"l"), "csr", &proof));
        assert!(!code.verify(&appliance, "csr", "zz"));
    }

    #[test]
    fn a_code_is_not_printed_by_accident() {
        assert!(!format!("{:?}", ClaimCode::from_random([1; 5])).contains('0'));
    }
}
