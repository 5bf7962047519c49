//! The appliance's own key: made at the first start, kept in `<state>/identity/key.pem` (0600), never leaves the box.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base::durable;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData};
use wire::ids::ApplianceId;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What lies there is no P-256 key.
    #[error(
        "{0} is not a P-256 key; remove it to begin as a new appliance (a claim is lost with it)"
    )]
    Key(PathBuf),
    /// rcgen refused.
    #[error("{0}")]
    Certificate(#[from] rcgen::Error),
}

/// Key and id.
pub struct Identity {
    /// The id that follows from the key.
    pub appliance: ApplianceId,
    key: KeyPair,
    /// One request for as long as the program runs: a proof is made over its text.
    csr_pem: OnceLock<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.appliance)
    }
}

/// The folder within the state folder.
pub fn folder(state: &Path) -> PathBuf {
    state.join("identity")
}

impl Identity {
    /// Reads the key, or makes it.
    pub fn open(state: &Path) -> Result<Self, IdentityError> {
        let folder = folder(state);
        let path = folder.join("key.pem");
        let io = |source| IdentityError::Io {
            path: path.clone(),
            source,
        };
        let key = if path.exists() {
            let pem = std::fs::read_to_string(&path).map_err(io)?;
            KeyPair::from_pem(&pem).map_err(|_| IdentityError::Key(path.clone()))?
        } else {
            durable::create_dir_all(&folder).map_err(io)?;
            let key = KeyPair::generate()?;
            durable::replace(&path, key.serialize_pem().as_bytes(), 0o600).map_err(io)?;
            key
        };
        if *key.algorithm() != rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(IdentityError::Key(path));
        }
        Ok(Self {
            appliance: ApplianceId::from_spki(&key.subject_public_key_info()),
            key,
            csr_pem: OnceLock::new(),
        })
    }

    /// The key (PEM), for TLS.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate request.
    pub fn csr_pem(&self) -> Result<&str, rcgen::Error> {
        if let Some(made) = self.csr_pem.get() {
            return Ok(made);
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.appliance.as_str());
        let pem = params.serialize_request(&self.key)?.pem()?;
        Ok(self.csr_pem.get_or_init(|| pem))
    }
}
