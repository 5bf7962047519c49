//! The device's side of digest authentication: challenges, and whether an answer is right. Written from RFC 7616, not
//! with the library that the driver uses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use ring::digest::{SHA256, digest};

use super::message::Request;
use super::quirks::{Challenge, Quirks};

const REALM: &str = "IP Camera(C1234)";

/// Nonces that were given out, and how often each was used.
#[derive(Debug, Default)]
pub struct Nonces(Mutex<HashMap<String, u64>>);

/// What credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There were none.
    None,
    /// The nonce is unknown or used up: says nothing about the password.
    Stale,
    /// Wrong user name or password.
    Wrong,
    /// Right.
    Right,
}

impl Nonces {
    /// The `WWW-Authenticate` headers of a refusal.
    pub fn challenges(&self, quirks: &Quirks, stale: bool) -> Vec<String> {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        self.lock().insert(nonce.clone(), 0);
        let digest = |algorithm: &str| {
            format!(
                "Digest qop=\"auth\", realm=\"{REALM}\", nonce=\"{nonce}\", stale=\"{}\", opaque=\"\", domain=\"::\"{algorithm}",
                if stale { "TRUE" } else { "FALSE" }
            )
        };
        match quirks.challenge {
            Challenge::Md5 => vec![digest("")],
            Challenge::Sha256AndMd5 => vec![digest(""), digest(", algorithm=SHA-256")],
            Challenge::Basic => vec![format!("Basic realm=\"{REALM}\"")],
        }
    }

    /// Judges the credentials of a request.
    pub fn judge(&self, request: &Request, user: &str, password: &str, quirks: &Quirks) -> Verdict {
        let Some(text) = request.header("authorization") else {
            return Verdict::None;
        };
        let Some(fields) = text.strip_prefix("Digest ").map(fields) else {
            return Verdict::Wrong;
        };
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        let count = u64::from_str_radix(field("nc"), 16).unwrap_or(1);
        {
            let mut nonces = self.lock();
            let Some(used) = nonces.get_mut(field("nonce")) else {
                return Verdict::Stale;
            };
            if (quirks.single_use_nonce && *used > 0) || count <= *used {
                return Verdict::Stale;
            }
            *used = count;
        }
        if field("username") != user || field("uri") != request.target {
            return Verdict::Wrong;
        }
        let hash = |text: String| match field("algorithm") {
            "SHA-256" => HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref()),
            _ => HEXLOWER.encode(&Md5::digest(text.as_bytes())),
        };
        let a1 = hash(format!("{user}:{REALM}:{password}"));
        let a2 = hash(format!("{}:{}", request.method, field("uri")));
        let expected = match field("qop") {
            "" => hash(format!("{a1}:{}:{a2}", field("nonce"))),
            qop => hash(format!(
                "{a1}:{}:{}:{}:{qop}:{a2}",
                field("nonce"),
                field("nc"),
                field("cnonce")
            )),
        };
        match expected == field("response") {
            true => Verdict::Right,
            false => Verdict::Wrong,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `name=value` and `name="value"`, separated by commas.
fn fields(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        found.insert(name.trim().to_ascii_lowercase(), value.to_owned());
        rest = left.trim_start_matches([',', ' ']);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_right() {
        // RFC 2617 §3.5 has another realm, so the parts are checked: fields, and the hash of a known text.
        let found =
            fields("username=\"Mufasa\", nc=00000001, uri=\"/dir/index.html?a=b\", qop=auth");
        assert_eq!(found["uri"], "/dir/index.html?a=b");
        assert_eq!(
            (found["nc"].as_str(), found["qop"].as_str()),
            ("00000001", "auth")
        );
        assert_eq!(
            HEXLOWER.encode(&Md5::digest(b"Mufasa:testrealm@host.com:Circle Of Life")),
            "939e7578ed9e3c518a452acee763bce9"
        );
    }
}
