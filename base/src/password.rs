//! Passwords of people: hashed with Argon2id, compared slowly on purpose.

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};

/// Shortest password that may be set (NIST SP 800-63B asks for 8; 10 costs nobody anything).
pub const LENGTH_MIN: usize = 10;

/// Longest: a bound for the hash, not a rule for people.
pub const LENGTH_MAX: usize = 256;

/// Why a password may not be set, for the person who typed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short.
    #[error("the password needs at least {LENGTH_MIN} characters")]
    Short,
    /// Too long.
    #[error("the password may have at most {LENGTH_MAX} characters")]
    Long,
    /// One of the few that everybody tries first.
    #[error("this password is among the first that an attacker tries: choose another")]
    Common,
}

/// What a box or an account of ours would be tried with first.
const COMMON: [&str; 8] = [
    "password",
    "holdfast",
    "administrator",
    "1234567890",
    "0123456789",
    "qwertyuiop",
    "changeme",
    "letmein",
];

/// Checks a password that a person wants to set.
pub fn check(password: &str) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    if length < LENGTH_MIN {
        return Err(WeakPassword::Short);
    }
    if length > LENGTH_MAX {
        return Err(WeakPassword::Long);
    }
    let plain: String = password.to_lowercase();
    let trimmed = plain.trim_end_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation());
    let all_same = plain.chars().all(|c| plain.starts_with(c));
    if all_same || COMMON.contains(&plain.as_str()) || COMMON.contains(&trimmed) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

/// A key of 256 bits of a passphrase (Argon2id, 64 MiB, three passes): what is sealed with it resists guessing by
/// whoever has it. Takes about a second: not for async threads.
pub fn key_of(passphrase: &str, salt: &[u8]) -> [u8; 32] {
    let params = Params::new(64 * 1024, 3, 1, Some(32)).expect("the parameters are valid");
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut key)
        .expect("a salt of 8 bytes and more, and a key of 32");
    key
}

/// Hashes a password to a PHC string. Takes about 50 ms and 19 MiB: not for async threads.
pub fn hash(password: &str) -> String {
    argon2()
        .hash_password(password.as_bytes())
        .expect("the parameters are valid")
        .to_string()
}

/// Whether a password fits a hash. As slow as [`hash`].
pub fn verify(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
}

/// OWASP's minimum for Argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(
        Algorithm::Argon2id,
        Version::V0x13,
        Params::new(19 * 1024, 2, 1, None).expect("constants are in range"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let a = hash("correct horse battery");
        assert!(verify("correct horse battery", &a));
        assert!(!verify("correct horse batterz", &a));
        assert!(!verify("correct horse battery", "not a hash"));
        assert_ne!(a, hash("correct horse battery"));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        assert_eq!(check("short"), Err(WeakPassword::Short));
        assert_eq!(check("Password123!"), Err(WeakPassword::Common));
        assert_eq!(check("aaaaaaaaaaaa"), Err(WeakPassword::Common));
        assert_eq!(check(&"ab".repeat(200)), Err(WeakPassword::Long));
        assert_eq!(check("correct horse"), Ok(()));
    }
}
