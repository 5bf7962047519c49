//! Who the appliance is: a P-256 key made at the first boot, from which its id follows.

use std::io;
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PublicKeyData};
use wire::ids::ApplianceId;
use zeroize::Zeroizing;

use super::signature::Signer;

/// Why the appliance has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("the appliance's key {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a key.
    #[error(
        "{path} is not the appliance's key ({source}): restore it from the backup, or remove it (the appliance then is a new one and must be claimed again)"
    )]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rcgen::Error,
    },
}

/// The appliance's key and the id that belongs to it. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    /// Its id.
    pub appliance: ApplianceId,
    key_pem: std::sync::Arc<Zeroizing<String>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.appliance)
    }
}

impl Identity {
    /// Reads the key, or makes it at the first boot.
    pub fn open(path: &Path) -> Result<Self, IdentityError> {
        let io = |source| IdentityError::Io {
            path: path.to_owned(),
            source,
        };
        let bad = |source| IdentityError::NotAKey {
            path: path.to_owned(),
            source,
        };
        let pem = match std::fs::read_to_string(path) {
            Ok(pem) => Zeroizing::new(pem),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fresh = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(bad)?;
                let pem = Zeroizing::new(fresh.serialize_pem());
                base::durable::replace(path, pem.as_bytes(), 0o600).map_err(io)?;
                pem
            }
            Err(error) => return Err(io(error)),
        };
        let key = KeyPair::from_pem(&pem).map_err(bad)?;
        Ok(Self {
            appliance: ApplianceId::from_spki(&key.subject_public_key_info()),
            key_pem: std::sync::Arc::new(pem),
        })
    }

    /// Signs the custody logs.
    pub fn signer(&self) -> Option<Signer> {
        let key = KeyPair::from_pem(&self.key_pem).ok()?;
        Signer::new(&key.serialize_der(), &key.subject_public_key_info())
    }

    /// The private key (PKCS #8, PEM): for the certificate request, mutual TLS and the custody logs, nothing else.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_appliance_stays_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("appliance.key");
        let first = Identity::open(&path).unwrap();
        assert_eq!(Identity::open(&path).unwrap().appliance, first.appliance);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{first:?}").contains("PRIVATE"));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(matches!(
            Identity::open(&path),
            Err(IdentityError::NotAKey { .. })
        ));
    }
}
