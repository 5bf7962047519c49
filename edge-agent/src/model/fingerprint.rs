//! A certificate, known by its fingerprint.

use std::fmt;
use std::str::FromStr;

use ring::digest;

const BYTES: usize = 32;

/// SHA-256 of a certificate in its wire form (DER), as browsers show it too. Written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; BYTES]);

/// A text that is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 fingerprint has 64 hex digits, with or without colons between them")]
pub struct NotAFingerprint;

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(bytes)
    }

    /// Its beginning, for sentences: enough to compare by eye.
    pub fn short(&self) -> String {
        let pairs: Vec<String> = self.0[..8].iter().map(|b| format!("{b:02x}")).collect();
        format!("{}…", pairs.join(":"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.trim().chars().filter(|c| *c != ':').collect();
        let bytes = data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .map_err(|_| NotAFingerprint)?;
        Ok(Self(bytes.try_into().map_err(|_| NotAFingerprint)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_as_people_copy_it() {
        let it = Fingerprint::of(b"certificate");
        let plain = it.to_string();
        assert_eq!(plain.parse(), Ok(it));
        let pairs: Vec<&str> = (0..32).map(|n| &plain[2 * n..2 * n + 2]).collect();
        assert_eq!(pairs.join(":").to_uppercase().parse(), Ok(it));
        assert!(plain.starts_with(&it.short()[..2]));
        for wrong in ["", "ab", "zz", &plain[1..], &format!("{plain}00")] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(NotAFingerprint));
        }
    }
}
