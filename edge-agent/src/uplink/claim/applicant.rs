//! What the appliance shows of itself when it asks to be taken: its id and a certificate request by its own key.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData};
use wire::ids::ApplianceId;

/// The appliance as the relay gets to know it. One request serves as long as the program runs, since a proof is made
/// over its text.
pub struct Applicant {
    /// The id that follows from the key.
    pub appliance: ApplianceId,
    /// Private key (PEM): for mutual TLS.
    pub key_pem: String,
    /// The certificate request (PEM).
    pub csr_pem: String,
}

impl std::fmt::Debug for Applicant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Applicant({})", self.appliance)
    }
}

impl Applicant {
    /// From the appliance's private key (P-256, PKCS #8, PEM).
    pub fn new(key_pem: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::from_pem(key_pem)?;
        let appliance = ApplianceId::from_spki(&key.subject_public_key_info());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, appliance.as_str());
        Ok(Self {
            csr_pem: params.serialize_request(&key)?.pem()?,
            key_pem: key_pem.to_owned(),
            appliance,
        })
    }
}
