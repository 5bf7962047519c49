//! The appliance's keys in a backup: sealed with a passphrase, or not there at all.
//!
//! Without them a restored appliance still knows its recorders, but their passwords are entered again where the key on the
//! box is another one; and on another box it is another appliance, which is claimed anew. ChaCha20-Poly1305 under a key
//! that Argon2id makes of the passphrase: a backup that is lost gives nothing away for a guess of 64 MiB and a second each.

use std::collections::BTreeMap;
use std::path::Path;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{BackupError, at};
use crate::config::State;

/// What is sealed is bound to this.
const PURPOSE: &[u8] = b"holdfast backup keys 1";
const SALT_BYTES: usize = 16;
/// Largest file that is taken along.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// Files of the state folder that are the appliance: its key, the key of stored passwords, its membership, its relay.
fn names() -> [&'static str; 4] {
    [
        "appliance.key",
        "secrets.key",
        "membership.json",
        "relay.json",
    ]
}

/// The files, by name; base64.
#[derive(Serialize, Deserialize)]
struct Files(BTreeMap<String, String>);

/// Reads the keys of a state folder and seals them.
pub fn seal(state: &State, passphrase: &str) -> Result<Vec<u8>, BackupError> {
    let mut files = BTreeMap::new();
    for name in names() {
        let path = state.folder.join(name);
        let read = match path == state.secrets_key() {
            // Without its TPM's seal, which would open on this box only.
            true => crate::secrets::key_bytes(&path, state.tpm().as_ref())
                .map_err(|error| at(&path)(std::io::Error::other(error.to_string())))
                .map(|bytes| bytes.ok_or(std::io::ErrorKind::NotFound.into()))?,
            false => std::fs::read(&path).map(Zeroizing::new),
        };
        match read {
            Ok(bytes) => {
                files.insert(name.to_owned(), data_encoding::BASE64.encode(&bytes));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(at(&path)(e)),
        }
    }
    let text = serde_json::to_vec(&Files(files)).map_err(|e| at(&state.folder)(e.into()))?;
    let mut text = Zeroizing::new(text);
    let salt = base::token::random::<SALT_BYTES>();
    let nonce = base::token::random::<NONCE_LEN>();
    let tag = key(passphrase, &salt)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(PURPOSE),
            &mut text,
        )
        .map_err(|_| at(&state.folder)(std::io::Error::other("the keys cannot be sealed")))?;
    Ok([&salt[..], &nonce, &text, tag.as_ref()].concat())
}

/// Opened keys.
pub struct Keys(BTreeMap<String, Zeroizing<Vec<u8>>>);

/// Opens sealed keys.
pub fn open(sealed: &[u8], passphrase: &str) -> Result<Keys, BackupError> {
    let (salt, rest) = sealed
        .split_at_checked(SALT_BYTES)
        .ok_or(BackupError::Passphrase)?;
    let (nonce, text) = rest
        .split_at_checked(NONCE_LEN)
        .ok_or(BackupError::Passphrase)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| BackupError::Passphrase)?;
    let mut text = Zeroizing::new(text.to_vec());
    let plain = key(passphrase, salt)
        .open_in_place(nonce, Aad::from(PURPOSE), &mut text)
        .map_err(|_| BackupError::Passphrase)?;
    let files: Files = serde_json::from_slice(plain).map_err(|_| BackupError::Passphrase)?;
    let mut keys = BTreeMap::new();
    for (name, text) in files.0 {
        let bytes = data_encoding::BASE64
            .decode(text.as_bytes())
            .map_err(|_| BackupError::Passphrase)?;
        if !names().contains(&name.as_str()) || bytes.len() > FILE_BYTES_MAX {
            return Err(BackupError::Passphrase);
        }
        keys.insert(name, Zeroizing::new(bytes));
    }
    Ok(Keys(keys))
}

impl Keys {
    /// Puts them into a state folder; what lies there and is another one gets a name with `stamp`. Returns those names.
    pub fn put(&self, folder: &Path, stamp: &str) -> Result<Vec<String>, BackupError> {
        let mut aside = Vec::new();
        base::durable::create_dir_all(folder).map_err(at(folder))?;
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(there) if there == **bytes => continue,
                Ok(_) => {
                    let old = format!("{name}.before-{stamp}");
                    std::fs::rename(&path, folder.join(&old)).map_err(at(&path))?;
                    aside.push(old);
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(at(&path)(e)),
            }
            base::durable::replace(&path, bytes, 0o600).map_err(at(&path))?;
        }
        Ok(aside)
    }
}

fn key(passphrase: &str, salt: &[u8]) -> LessSafeKey {
    let bytes = Zeroizing::new(base::password::key_of(passphrase, salt));
    let key = UnboundKey::new(&CHACHA20_POLY1305, bytes.as_slice());
    LessSafeKey::new(key.expect("a key of 32 bytes"))
}
