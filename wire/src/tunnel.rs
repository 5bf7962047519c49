//! The tunnel's hello frame, and the assertion of who asks (docs/design/decisions.md §6).
//!
//! An appliance dials the relay with TLS 1.3 (mutual, ALPN [`ALPN`]) and sends one hello frame: four bytes of length
//! (big endian), then JSON. Then the roles turn: the relay speaks HTTP/1.1 as the client on the same connection.

use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::ids::{ApplianceId, OrganisationId, UserId};

/// ALPN protocol name.
pub const ALPN: &[u8] = b"holdfast-tunnel/1";

/// Largest hello, in bytes, without its length.
pub const HELLO_BYTES_MAX: usize = 1024;

/// The request header that carries an [`Assertion`] in its signed form.
pub const ASSERTION_HEADER: &str = "holdfast-assertion";

/// How long an assertion is valid, in seconds: the flight of a request, with some skew between clocks.
pub const ASSERTION_LIFETIME_S: i64 = 60;

/// First and only frame of a tunnel connection, from the appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`crate::version::TUNNEL`].
    pub v: u32,
    /// Who dials. Must equal the certificate's CN.
    pub appliance: ApplianceId,
    /// What the connection is for.
    pub lane: Lane,
    /// Counts the starts of the agent's pool; connections of an older generation are dropped.
    pub generation: u64,
}

/// What a tunnel connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Waits for one HTTP/1.1 request at a time.
    Http,
}

/// A hello that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadHello {
    /// Longer than [`HELLO_BYTES_MAX`].
    #[error("hello of {0} bytes is longer than {HELLO_BYTES_MAX}")]
    TooLong(usize),
    /// Not the JSON that it should be.
    #[error("hello is not readable: {0}")]
    Json(#[from] serde_json::Error),
    /// Another protocol version.
    #[error("hello of version {0}, this relay speaks {known}", known = crate::version::TUNNEL)]
    Version(u32),
}

impl Hello {
    /// The frame: length and JSON.
    pub fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a hello is plain data");
        let mut frame = (json.len() as u32).to_be_bytes().to_vec();
        frame.extend(json);
        frame
    }

    /// Checks the announced length of the JSON before any of it is read.
    pub fn check_length(length: [u8; 4]) -> Result<usize, BadHello> {
        let length = u32::from_be_bytes(length) as usize;
        if length > HELLO_BYTES_MAX {
            Err(BadHello::TooLong(length))
        } else {
            Ok(length)
        }
    }

    /// Reads the JSON.
    pub fn decode(json: &[u8]) -> Result<Self, BadHello> {
        let hello: Self = serde_json::from_slice(json)?;
        if hello.v == crate::version::TUNNEL {
            Ok(hello)
        } else {
            Err(BadHello::Version(hello.v))
        }
    }
}

/// What a person may do at a site, as the relay decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// List, live view, playback.
    View,
    /// Download files.
    Download,
    /// Sync, lock.
    Operate,
    /// Recorders, cameras, settings.
    Manage,
}

/// Who asks, said by the relay and signed by it: travels with each request through the tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// For which appliance; another one refuses it.
    pub appliance: ApplianceId,
    /// Who.
    pub user_id: UserId,
    /// Login name, for the access log.
    pub username: String,
    /// Tenant.
    pub organisation: OrganisationId,
    /// What this person may do at this site.
    pub permissions: Vec<Permission>,
    /// The relay's id of the request.
    pub request_id: String,
    /// Expires, in seconds since 1970.
    pub expires_s: i64,
}

/// Why an assertion is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAssertion {
    /// Not two base64url texts joined by a dot, or not our JSON.
    #[error("the relay's assertion is malformed")]
    Malformed,
    /// Signed by another key.
    #[error("the relay's assertion has a wrong signature")]
    Signature,
    /// For another appliance.
    #[error("the relay's assertion is for another appliance")]
    Audience,
    /// Too late, or too far ahead for [`ASSERTION_LIFETIME_S`].
    #[error(
        "the relay's assertion has expired (or the clocks of relay and appliance differ by over a minute)"
    )]
    Expired,
}

impl Assertion {
    /// `base64url(JSON).base64url(ECDSA P-256 signature of the first part)`.
    pub fn sign(&self, key: &EcdsaKeyPair) -> String {
        let body =
            data_encoding::BASE64URL_NOPAD.encode(&serde_json::to_vec(self).expect("plain data"));
        let signature = key
            .sign(&SystemRandom::new(), body.as_bytes())
            .expect("the system has random numbers");
        format!(
            "{body}.{}",
            data_encoding::BASE64URL_NOPAD.encode(signature.as_ref())
        )
    }

    /// Checks signature, audience and time. `public_key` is the uncompressed P-256 point of the relay's key.
    pub fn verify(
        token: &str,
        public_key: &[u8],
        me: &ApplianceId,
        now_s: i64,
    ) -> Result<Self, BadAssertion> {
        let (body, signature) = token.split_once('.').ok_or(BadAssertion::Malformed)?;
        let decode = |t: &str| {
            data_encoding::BASE64URL_NOPAD
                .decode(t.as_bytes())
                .map_err(|_| BadAssertion::Malformed)
        };
        UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, public_key)
            .verify(body.as_bytes(), &decode(signature)?)
            .map_err(|_| BadAssertion::Signature)?;
        let it: Self =
            serde_json::from_slice(&decode(body)?).map_err(|_| BadAssertion::Malformed)?;
        if it.appliance != *me {
            return Err(BadAssertion::Audience);
        }
        // Twice the lifetime ahead: one for the flight, one for an appliance whose clock is slow.
        if it.expires_s < now_s || it.expires_s > now_s + 2 * ASSERTION_LIFETIME_S {
            return Err(BadAssertion::Expired);
        }
        Ok(it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::KeyPair;

    fn key() -> EcdsaKeyPair {
        let rng = SystemRandom::new();
        let alg = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(alg, &rng).unwrap();
        EcdsaKeyPair::from_pkcs8(alg, pkcs8.as_ref(), &rng).unwrap()
    }

    fn assertion(appliance: &ApplianceId) -> Assertion {
        Assertion {
            appliance: appliance.clone(),
            user_id: UserId::new(),
            username: "ann".into(),
            organisation: OrganisationId::new(),
            permissions: vec![Permission::View],
            request_id: "r".into(),
            expires_s: 1000,
        }
    }

    #[test]
    fn an_assertion_is_believed_only_from_the_relay_for_me_and_in_time() {
        let (relay, stranger) = (key(), key());
        let (me, other) = (
            ApplianceId::from_spki(b"me"),
            ApplianceId::from_spki(b"other"),
        );
        let it = assertion(&me);
        let token = it.sign(&relay);
        let public = relay.public_key().as_ref();
        assert_eq!(Assertion::verify(&token, public, &me, 990), Ok(it.clone()));
        assert_eq!(
            Assertion::verify(&token, public, &me, 1001),
            Err(BadAssertion::Expired)
        );
        assert_eq!(
            Assertion::verify(&token, public, &me, 0),
            Err(BadAssertion::Expired)
        );
        assert_eq!(
            Assertion::verify(&token, public, &other, 990),
            Err(BadAssertion::Audience)
        );
        assert_eq!(
            Assertion::verify(&it.sign(&stranger), public, &me, 990),
            Err(BadAssertion::Signature)
        );
        assert_eq!(
            Assertion::verify("x", public, &me, 990),
            Err(BadAssertion::Malformed)
        );
    }

    #[test]
    fn golden_hello() {
        let hello = Hello {
            v: 1,
            appliance: "abcdefghijklmnop".parse().unwrap(),
            lane: Lane::Http,
            generation: 7,
        };
        let frame = hello.encode();
        let json = br#"{"v":1,"appliance":"abcdefghijklmnop","lane":"http","generation":7}"#;
        assert_eq!(frame[..4], (json.len() as u32).to_be_bytes());
        assert_eq!(frame[4..], json[..]);
        assert_eq!(
            Hello::check_length(frame[..4].try_into().unwrap()).unwrap(),
            json.len()
        );
        assert_eq!(Hello::decode(&frame[4..]).unwrap(), hello);
        assert!(matches!(
            Hello::check_length([0, 0, 4, 1]),
            Err(BadHello::TooLong(1025))
        ));
        assert!(matches!(
            Hello::decode(&json.map(|b| if b == b'1' { b'2' } else { b })),
            Err(BadHello::Version(2))
        ));
    }
}
