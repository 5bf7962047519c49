//! Credentials sealed at rest (R11); the only file that can open them.
//!
//! ChaCha20-Poly1305 under a key of 256 random bits that lies beside the catalog, readable by the agent alone. A sealed
//! password is bound to its recorder, so that rows cannot be swapped. A backup of the catalog without the key opens
//! nothing. Where the box has a TPM, the key itself is sealed with it (`tpm.rs`): then the whole disk opens nothing on
//! another box.
//!
//! The key can be changed (`rotate_key.rs`): the new one lies beside the old one until everything is sealed with it, and
//! as long as both are there both open.

pub mod tpm;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use wire::ids::RecorderId;
use zeroize::Zeroizing;

use tpm::Tpm;

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
    /// It is sealed with a TPM and does not open.
    #[error(
        "the key of stored passwords {path} is sealed with a TPM and does not open: {source}. Put the disk back into its box, or remove the file and enter the recorders' passwords again"
    )]
    Sealed {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is to be sealed with a TPM, and that does not do it.
    #[error(
        "the key of stored passwords cannot be sealed: {0}. Correct `tpm` of [state], or set it to \"auto\""
    )]
    CannotSeal(io::Error),
}

/// A sealed password that does not open: another key, another recorder, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored password cannot be opened with this appliance's key: enter it again")]
pub struct CannotOpen;

/// Seals and opens recorders' passwords.
pub struct Secrets {
    path: PathBuf,
    tpm: Option<Tpm>,
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
    /// Reads the key, or makes it at the first boot; and the next one, where a change of the key was interrupted. A key
    /// that is not sealed with the TPM yet is.
    pub fn open(path: &Path, tpm: Option<Tpm>) -> Result<Self, KeyError> {
        let current = match read_key(path, tpm.as_ref())? {
            Some(key) => key,
            None => make_key(path, tpm.as_ref())?,
        };
        let next = read_key(&next_path(path), tpm.as_ref())?;
        Ok(Self {
            path: path.to_owned(),
            tpm,
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
            let next = make_key(&next_path(&self.path), self.tpm.as_ref())?;
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

/// The bytes of a key, for a backup; None: there is none.
pub fn key_bytes(path: &Path, tpm: Option<&Tpm>) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(KeyError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    if bytes.len() <= KEY_BYTES {
        return Ok(Some(bytes));
    }
    let none = || io::Error::other("no TPM is to be used, or there is none");
    tpm.map_or_else(|| Err(none()), |tpm| tpm.open(&bytes))
        .map(Some)
        .map_err(|source| KeyError::Sealed {
            path: path.to_owned(),
            source,
        })
}

/// None: there is none.
fn read_key(path: &Path, tpm: Option<&Tpm>) -> Result<Option<LessSafeKey>, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let Some(bytes) = key_bytes(path, tpm)? else {
        return Ok(None);
    };
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes)
        .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
    let about = std::fs::metadata(path).map_err(io)?;
    if about.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "The key of stored passwords was readable by others; that is over now");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(io)?;
    }
    if about.len() == KEY_BYTES as u64 && tpm.is_some() {
        write_key(path, &bytes, tpm)?;
    }
    Ok(Some(LessSafeKey::new(key)))
}

fn make_key(path: &Path, tpm: Option<&Tpm>) -> Result<LessSafeKey, KeyError> {
    let fresh = Zeroizing::new(base::token::random::<KEY_BYTES>());
    write_key(path, fresh.as_slice(), tpm)?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, fresh.as_slice())
        .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
    Ok(LessSafeKey::new(key))
}

/// Writes a key, sealed where there is a TPM that does it.
fn write_key(path: &Path, key: &[u8], tpm: Option<&Tpm>) -> Result<(), KeyError> {
    let content = match tpm.map(|tpm| (tpm, sealed_and_tried(tpm, key))) {
        None => Zeroizing::new(key.to_vec()),
        Some((_, Ok(sealed))) => {
            tracing::info!(path = %path.display(), "The key of stored passwords is sealed with the TPM");
            sealed
        }
        Some((Tpm { required: true, .. }, Err(error))) => return Err(KeyError::CannotSeal(error)),
        Some((_, Err(error))) => {
            tracing::warn!(path = %path.display(), %error,
                "The key of stored passwords is not sealed with the TPM; it lies in its file");
            Zeroizing::new(key.to_vec())
        }
    };
    base::durable::replace(path, &content, 0o600).map_err(|source| KeyError::Io {
        path: path.to_owned(),
        source,
    })
}

/// Sealed, and opened once: what does not open again must not take the key's place.
fn sealed_and_tried(tpm: &Tpm, key: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let sealed = tpm.seal(key)?;
    if sealed.len() <= KEY_BYTES || tpm.open(&sealed)?.as_slice() != key {
        return Err(io::Error::other("what the TPM sealed does not open again"));
    }
    Ok(sealed)
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
        let secrets = Secrets::open(&path, None).unwrap();
        let (a, b) = (RecorderId::new(), RecorderId::new());
        let sealed = secrets.seal(a, "pässword");
        assert_ne!(sealed, secrets.seal(a, "pässword"));
        assert!(!sealed.windows(4).any(|w| w == b"word"));

        let again = Secrets::open(&path, None).unwrap();
        assert_eq!(*again.open_password(a, &sealed).unwrap(), "pässword");
        assert_eq!(again.open_password(b, &sealed), Err(CannotOpen));
        let stranger = Secrets::open(&dir.path().join("other.key"), None).unwrap();
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
        Secrets::open(&path, None).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        Secrets::open(&path, None).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::write(&path, "short").unwrap();
        let message = Secrets::open(&path, None).unwrap_err().to_string();
        assert!(
            message.contains("enter the recorders' passwords again"),
            "{message}"
        );
    }

    /// A TPM in software, on a port of its own; started anew it is the same one, as after a reboot.
    struct SoftTpm {
        state: tempfile::TempDir,
        port: u16,
        process: Option<base::child::NoLeakChild>,
    }

    impl SoftTpm {
        fn new() -> Self {
            // The port after it is that of its switches: what speaks to it expects them there.
            let port = std::iter::repeat_with(|| {
                let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let port = first.local_addr().unwrap().port();
                let next = std::net::TcpListener::bind(("127.0.0.1", port.checked_add(1)?));
                next.ok().map(|_| port)
            })
            .find_map(|port| port)
            .unwrap();
            let mut tpm = Self {
                state: tempfile::tempdir().unwrap(),
                port,
                process: None,
            };
            tpm.boot();
            tpm
        }

        /// No resource manager stands before it, so what opens or seals is followed by a boot that frees its sessions.
        fn boot(&mut self) {
            drop(self.process.take());
            let mut command = std::process::Command::new("swtpm");
            command
                .args(["socket", "--tpm2", "--flags", "startup-clear"])
                .arg("--tpmstate")
                .arg(format!("dir={}", self.state.path().display()))
                .arg("--server")
                .arg(format!("type=tcp,port={},disconnect", self.port))
                .arg("--ctrl")
                .arg(format!("type=tcp,port={}", self.port + 1))
                .stdin(std::process::Stdio::null());
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let child =
                base::child::spawn(command).expect("swtpm is installed (`make setup-test`)");
            self.process = Some(base::child::NoLeakChild::new(child, "swtpm"));
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while std::net::TcpStream::connect(("127.0.0.1", self.port + 1)).is_err() {
                assert!(std::time::Instant::now() < deadline, "swtpm does not start");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }

        fn tpm(&self) -> Option<Tpm> {
            let device = format!("swtpm:host=127.0.0.1,port={}", self.port);
            Tpm::find(&tpm::TpmSetting::Device(device))
        }
    }

    #[test]
    fn a_tpm_keeps_the_key_and_another_box_cannot_open_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        let recorder = RecorderId::new();
        // It lay in its file, as on a box without a TPM.
        let sealed = Secrets::open(&path, None).unwrap().seal(recorder, "secret");
        let plain = std::fs::read(&path).unwrap();
        let mut box_ = SoftTpm::new();
        for _ in 0..2 {
            let secrets = Secrets::open(&path, box_.tpm()).unwrap();
            assert_eq!(*secrets.open_password(recorder, &sealed).unwrap(), "secret");
            let lies = std::fs::read(&path).unwrap();
            assert!(
                !lies.windows(KEY_BYTES).any(|w| w == plain),
                "it is not sealed"
            );
            box_.boot();
        }
        let stranger = SoftTpm::new();
        for tpm in [stranger.tpm(), None] {
            let error = Secrets::open(&path, tpm).unwrap_err();
            assert!(matches!(error, KeyError::Sealed { .. }), "{error}");
        }
        assert_eq!(
            **key_bytes(&path, box_.tpm().as_ref()).unwrap().unwrap(),
            plain
        );
    }

    #[test]
    fn a_tpm_that_is_asked_for_and_missing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.key");
        let nowhere = tpm::TpmSetting::from("/dev/no-such-tpm".to_owned());
        let error = Secrets::open(&path, Tpm::find(&nowhere)).unwrap_err();
        assert!(matches!(error, KeyError::CannotSeal(_)), "{error}");
        assert!(!path.exists());
        for (text, setting) in [
            ("auto", tpm::TpmSetting::Auto),
            ("off", tpm::TpmSetting::Off),
        ] {
            assert_eq!(tpm::TpmSetting::from(text.to_owned()), setting);
        }
    }
}
