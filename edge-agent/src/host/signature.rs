//! Signing with the appliance's key, and telling its signatures from others.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use wire::ids::ApplianceId;

use crate::model::chunks;

/// Signs for an appliance.
pub struct Signer {
    pair: EcdsaKeyPair,
    key: PublicKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key.appliance())
    }
}

impl Signer {
    /// With a key: PKCS #8, and its `SubjectPublicKeyInfo`. None: it is no P-256 key.
    pub fn new(pkcs8: &[u8], spki: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random);
        Some(Self {
            pair: pair.ok()?,
            key: PublicKey::from_der(spki)?,
        })
    }

    /// The key that others know.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// A signature: ECDSA with SHA-256, base64 of the two numbers of 32 bytes each.
    pub fn sign(&self, message: &[u8]) -> String {
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message)
            .expect("the system gives random bytes");
        data_encoding::BASE64.encode(signature.as_ref())
    }
}

/// The public key of an appliance (P-256).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicKey(Vec<u8>);

/// `SubjectPublicKeyInfo` of a P-256 key (RFC 5480) up to its point, which follows uncompressed.
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
    0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT_BYTES: usize = 65;

impl PublicKey {
    /// Reads a `SubjectPublicKeyInfo`. None: it is no P-256 key.
    pub fn from_der(spki: &[u8]) -> Option<Self> {
        let point = spki.strip_prefix(&P256_HEAD)?;
        (point.len() == POINT_BYTES).then(|| Self(spki.to_vec()))
    }

    /// Of [`PublicKey::text`].
    pub fn from_text(base64: &str) -> Option<Self> {
        Self::from_der(&data_encoding::BASE64.decode(base64.as_bytes()).ok()?)
    }

    /// The `SubjectPublicKeyInfo` in base64.
    pub fn text(&self) -> String {
        data_encoding::BASE64.encode(&self.0)
    }

    /// SHA-256 (hex) of it: what people compare.
    pub fn fingerprint(&self) -> String {
        chunks::hex(&chunks::sha256(&self.0))
    }

    /// The appliance whose key it is.
    pub fn appliance(&self) -> ApplianceId {
        ApplianceId::from_spki(&self.0)
    }

    /// Whether a signature is this key's, of a message.
    pub fn holds(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = data_encoding::BASE64.decode(signature.as_bytes()) else {
            return false;
        };
        let point = &self.0[P256_HEAD.len()..];
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(message, &signature)
            .is_ok()
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// A signer with a key of its own.
    pub fn signer() -> Signer {
        use rcgen::PublicKeyData;
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        Signer::new(&key.serialize_der(), &key.subject_public_key_info()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_and_one_message() {
        let (ours, theirs) = (testing::signer(), testing::signer());
        let signature = ours.sign(b"message");
        let key = PublicKey::from_text(&ours.key().text()).unwrap();
        assert_eq!(&key, ours.key());
        assert!(key.holds(b"message", &signature));
        assert!(!key.holds(b"massage", &signature));
        assert!(!theirs.key().holds(b"message", &signature));
        assert!(!key.holds(b"message", "") && !key.holds(b"message", "AAAA"));
        assert!(PublicKey::from_text("AAAA").is_none() && PublicKey::from_text("?").is_none());
    }
}
