//! Credentials sealed at rest (R11); the only file that can open them.
//!
//! ChaCha20-Poly1305 under a key of 256 random bits that lies beside the catalog, readable by the agent alone. A sealed
//! password is bound to its recorder, so that rows cannot be swapped. A backup of the catalog without the key opens
//! nothing.
//!
//! The key can be changed (`rotate_key.rs`): the new one lies beside the old one until everything is sealed with it, and
//! as long as both are there both open.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use wire::ids::RecorderId;
use zeroize::Zeroizing;

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
    path: PathBuf,
    keys: RwLock<Keys>,
    /// Held while a password is sealed and stored, and alone while the key changes: nothing that was sealed with the old
    /// key is stored once the old key has gone.
    storing: Arc<tokio::sync::RwLock<()>>,
}

/// The key in use, and while it changes the one that comes.
struct Keys {
    current: LessSafeKey,
    next: Option<LessSafeKey>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Reads the key, or makes it at the first boot; and the next one, where a change of the key was interrupted.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let current = match read_key(path)? {
            Some(key) => key,
            None => make_key(path)?,
        };
        let next = read_key(&next_path(path))?;
        Ok(Self {
            path: path.to_owned(),
            keys: RwLock::new(Keys { current, next }),
            storing: Arc::default(),
        })
    }

    /// Held by whoever seals a password until it is stored.
    pub async fn storing(&self) -> OwnedRwLockReadGuard<()> {
        self.storing.clone().read_owned().await
    }

    /// Held by whoever changes the key.
    pub async fn changing(&self) -> OwnedRwLockWriteGuard<()> {
        self.storing.clone().write_owned().await
    }

    /// Whether a change of the key has begun and not ended.
    pub fn is_changing(&self) -> bool {
        self.keys().next.is_some()
    }

    /// Begins to change the key: a new one lies beside the old one from here on, and both open. Goes on with the one that
    /// an interrupted change has left.
    pub fn begin_change(&self) -> Result<(), KeyError> {
        if !self.is_changing() {
            let next = make_key(&next_path(&self.path))?;
            self.keys_mut().next = Some(next);
        }
        Ok(())
    }

    /// Seals anew with the new key what either of the two opens.
    pub fn reseal(&self, recorder: RecorderId, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let password = self.open_password(recorder, sealed)?;
        let keys = self.keys();
        let key = keys.next.as_ref().unwrap_or(&keys.current);
        Ok(seal_with(key, recorder, &password))
    }

    /// Ends the change: the new key takes the place of the old one. Only once everything is sealed with it.
    pub fn end_change(&self) -> Result<(), KeyError> {
        let mut keys = self.keys_mut();
        if keys.next.is_none() {
            return Ok(());
        }
        let io = |source| KeyError::Io {
            path: self.path.clone(),
            source,
        };
        std::fs::rename(next_path(&self.path), &self.path).map_err(io)?;
        if let Some(next) = keys.next.take() {
            keys.current = next;
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        base::durable::sync_dir(folder).map_err(io)
    }

    /// Seals the password of a recorder.
    pub fn seal(&self, recorder: RecorderId, password: &str) -> Vec<u8> {
        seal_with(&self.keys().current, recorder, password)
    }

    /// Opens the password of a recorder.
    pub fn open_password(
        &self,
        recorder: RecorderId,
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, CannotOpen> {
        let keys = self.keys();
        let opened = open_with(&keys.current, recorder, sealed);
        match (&keys.next, opened) {
            (Some(next), Err(CannotOpen)) => open_with(next, recorder, sealed),
            (_, opened) => opened,
        }
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys_mut(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the next key lies while the key changes.
fn next_path(path: &Path) -> PathBuf {
    path.with_extension("key.next")
}

/// None: there is none.
fn read_key(path: &Path) -> Result<Option<LessSafeKey>, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let mode = std::fs::metadata(path).map_err(io)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "The key of stored passwords was readable by others; that is over now");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(io)?;
    }
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes)
        .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
    Ok(Some(LessSafeKey::new(key)))
}

fn make_key(path: &Path) -> Result<LessSafeKey, KeyError> {
    let fresh = Zeroizing::new(base::token::random::<KEY_BYTES>());
    base::durable::replace(path, fresh.as_slice(), 0o600).map_err(|source| KeyError::Io {
        path: path.to_owned(),
        source,
    })?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, fresh.as_slice())
        .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
    Ok(LessSafeKey::new(key))
}

fn seal_with(key: &LessSafeKey, recorder: RecorderId, password: &str) -> Vec<u8> {
    let nonce = base::token::random::<NONCE_LEN>();
    let mut text = password.as_bytes().to_vec();
    let tag = key
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

fn open_with(
    key: &LessSafeKey,
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
    let plain = key
        .open_in_place(nonce, Aad::from(bound_to(recorder)), &mut text)
        .map_err(|_| CannotOpen)?;
    let plain = std::str::from_utf8(plain).map_err(|_| CannotOpen)?;
    Ok(Zeroizing::new(plain.to_owned()))
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
