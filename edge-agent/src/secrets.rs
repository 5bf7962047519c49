//! Credentials sealed at rest (R11); the only file that can open them.
//!
//! ChaCha20-Poly1305 under a key of 256 random bits that lies beside the catalog, readable by the agent alone. A sealed
//! password is bound to its recorder, so that rows cannot be swapped. A backup of the catalog without the key opens
//! nothing.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use wire::ids::RecorderId;
use zeroize::{Zeroize, Zeroizing};

/// First byte of everything sealed: what follows is a nonce, then ciphertext and tag.
const VERSION: u8 = 1;

const KEY_BYTES: usize = 32;

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the key of stored passwords {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a key.
    #[error(
        "{0} is not the key of stored passwords (it must hold 32 bytes): restore it from the backup, or remove it and enter the recorders' passwords again"
    )]
    NotAKey(PathBuf),
}

/// A sealed password that does not open: another key, another recorder, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored password cannot be opened with this appliance's key: enter it again")]
pub struct CannotOpen;

/// Seals and opens recorders' passwords.
pub struct Secrets {
    key: LessSafeKey,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Reads the key, or makes it at the first boot.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        let mut bytes = match std::fs::read(path) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let fresh = Zeroizing::new(base::token::random::<KEY_BYTES>());
                base::durable::replace(path, fresh.as_slice(), 0o600).map_err(io)?;
                Zeroizing::new(fresh.to_vec())
            }
            Err(error) => return Err(io(error)),
        };
        let mode = std::fs::metadata(path).map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "The key of stored passwords was readable by others; that is over now");
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(io)?;
        }
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes)
            .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
        bytes.zeroize();
        Ok(Self {
            key: LessSafeKey::new(key),
        })
    }

    /// Seals the password of a recorder.
    pub fn seal(&self, recorder: RecorderId, password: &str) -> Vec<u8> {
        let nonce = base::token::random::<NONCE_LEN>();
        let mut text = password.as_bytes().to_vec();
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(recorder)),
                &mut text,
            )
            .expect("a password is far below the cipher's limit");
        let mut sealed = vec![VERSION];
        sealed.extend(nonce);
        sealed.extend(text);
        sealed.extend(tag.as_ref());
        sealed
    }

    /// Opens the password of a recorder.
    pub fn open_password(
        &self,
        recorder: RecorderId,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, CannotOpen> {
        let (version, rest) = sealed.split_first().ok_or(CannotOpen)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(CannotOpen)?;
        if *version != VERSION {
            return Err(CannotOpen);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CannotOpen)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(bound_to(recorder)), &mut text)
            .map_err(|_| CannotOpen)?;
        let plain = std::str::from_utf8(plain).map_err(|_| CannotOpen)?;
        Ok(Zeroizing::new(plain.to_owned()))
    }
}

fn bound_to(recorder: RecorderId) -> String {
    format!("holdfast recorder {recorder}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_for_its_recorder_with_its_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        let secrets = Secrets::open(&path).unwrap();
        let (a, b) = (RecorderId::new(), RecorderId::new());
        let sealed = secrets.seal(a, "pässword");
        assert_ne!(sealed, secrets.seal(a, "pässword"));
        assert!(!sealed.windows(4).any(|w| w == b"word"));

        let again = Secrets::open(&path).unwrap();
        assert_eq!(*again.open_password(a, &sealed).unwrap(), "pässword");
        assert_eq!(again.open_password(b, &sealed), Err(CannotOpen));
        let stranger = Secrets::open(&dir.path().join("other.key")).unwrap();
        assert_eq!(stranger.open_password(a, &sealed), Err(CannotOpen));
        for at in 0..sealed.len() {
            let mut turned = sealed.clone();
            turned[at] ^= 1;
            assert_eq!(
                again.open_password(a, &turned),
                Err(CannotOpen),
                "byte {at}"
            );
            assert_eq!(again.open_password(a, &sealed[..at]), Err(CannotOpen));
        }
    }

    #[test]
    fn the_key_is_private_and_a_broken_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        Secrets::open(&path).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        Secrets::open(&path).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::write(&path, "short").unwrap();
        let message = Secrets::open(&path).unwrap_err().to_string();
        assert!(
            message.contains("enter the recorders' passwords again"),
            "{message}"
        );
    }
}
