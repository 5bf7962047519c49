//! Requests to the device: digest authentication (RFC 7616), bounded answers, refusals in words.
//!
//! - Credentials go into a header and nowhere else: not into an address, not into a message.
//! - A request is first sent without credentials and without its body, unless a challenge of before can be used. A 401
//!   on a used challenge is answered once with a fresh one; a 401 on a fresh one is a refusal, and after a refusal this
//!   client sends nothing more: devices lock accounts after a few wrong passwords.
//! - Basic authentication would show the password to everybody on the line, so it is not used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, RANGE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use http_auth::{DigestClient, PasswordParams};
use zeroize::Zeroizing;

use super::answers::{Refusal, refusal};
use super::certificate::{self, Trust};
use super::xml::{self, Element};
use crate::model::fingerprint::Fingerprint;
use crate::recorder::driver::{FailureKind, RecorderAccount, RecorderError, Tls};

/// Most of a refusal that is read.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A connection.
    pub connect: Duration,
    /// An answer, whole.
    pub answer: Duration,
    /// A download, between two pieces: a disk that has to start takes its time.
    pub piece: Duration,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// In words, behind "cannot".
    pub what: &'a str,
    /// Method; a GET may have a body.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// XML.
    pub body: Option<String>,
    /// Ask for the bytes from here on.
    pub from_byte: Option<u64>,
}

impl<'a> Call<'a> {
    /// A GET without a body.
    pub fn get(what: &'a str, path: &'a str) -> Self {
        Self {
            what,
            method: Method::GET,
            path,
            body: None,
            from_byte: None,
        }
    }
}

/// The device as a server of requests.
pub struct Client {
    at: String,
    username: String,
    password: Zeroizing<String>,
    http: reqwest::Client,
    /// None: without TLS.
    trust: Option<Arc<Trust>>,
    patience: Patience,
    challenge: Mutex<Option<DigestClient>>,
    refused: Mutex<Option<RecorderError>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.username, self.at)
    }
}

impl Client {
    /// For a device; nothing is sent yet.
    pub fn new(account: &RecorderAccount, patience: Patience) -> Result<Self, RecorderError> {
        base::tls::install_provider();
        let at = account.at();
        let trust = match account.tls {
            Tls::Off => None,
            Tls::FirstUse => Some(Trust::new(None)),
            Tls::Known(certificate) => Some(Trust::new(Some(certificate))),
        };
        let mut http = reqwest::Client::builder()
            // The recorder is in this network, and a redirection would carry credentials elsewhere.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(patience.connect)
            .read_timeout(patience.piece)
            .http1_only()
            .pool_max_idle_per_host(2);
        if let Some(trust) = &trust {
            http = http.tls_backend_preconfigured(trust.config());
        }
        let http = http.build().map_err(|error| {
            let message = format!("{at}: cannot speak HTTP: {error}");
            RecorderError::new(FailureKind::Local, message)
        })?;
        Ok(Self {
            at,
            username: account.username.clone(),
            password: account.password.clone(),
            http,
            trust,
            patience,
            challenge: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// Address and port, as messages name the recorder.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// The certificate that the device has shown; none without TLS.
    pub fn certificate(&self) -> Option<Fingerprint> {
        self.trust.as_ref()?.known()
    }

    /// A document.
    pub async fn document(&self, call: Call<'_>) -> Result<Element, RecorderError> {
        let what = call.what.to_owned();
        let whole = async {
            let response = self.open(call).await?;
            let bytes = self.whole(response, xml::BYTES_MAX, &what).await?;
            let root = Element::parse(&bytes).map_err(|error| {
                let message = format!(
                    "{}: cannot {what}: the answer is not understood: {error}",
                    self.at
                );
                RecorderError::new(FailureKind::Device, message)
            })?;
            // Some firmware refuses with status 200.
            if root.is("ResponseStatus") {
                let refusal = refusal(&root);
                if !matches!(refusal.status_code, Some(0 | 1)) {
                    return Err(self.refusal(&what, StatusCode::OK, &refusal));
                }
            }
            Ok(root)
        };
        tokio::time::timeout(self.patience.answer, whole)
            .await
            .unwrap_or_else(|_| Err(self.silent(&what)))
    }

    /// As [`Self::document`]; None where the device does not know the resource.
    pub async fn optional(&self, call: Call<'_>) -> Result<Option<Element>, RecorderError> {
        match self.document(call).await {
            Ok(root) => Ok(Some(root)),
            Err(error) if error.kind == FailureKind::Unsupported => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An answer with status 200, 206, or 416 to a request for the rest; its body is still to come.
    pub async fn open(&self, call: Call<'_>) -> Result<reqwest::Response, RecorderError> {
        let response = self.send(&call).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            // "Nothing from there on" is an answer to who asked for the rest.
            StatusCode::RANGE_NOT_SATISFIABLE if call.from_byte.is_some() => Ok(response),
            status => {
                let refusal = self.read_refusal(response).await;
                Err(self.refusal(call.what, status, &refusal))
            }
        }
    }

    /// Sends until the device has accepted or refused the credentials.
    async fn send(&self, call: &Call<'_>) -> Result<reqwest::Response, RecorderError> {
        // The challenge of before, one that this call has asked for, or none.
        let mut fresh: Option<DigestClient> = None;
        let mut bare = false;
        loop {
            if let Some(refused) = locked(&self.refused).clone() {
                return Err(refused);
            }
            let authorization = self.authorize(call, fresh.as_mut())?;
            let (is_fresh, is_authorized) = (fresh.is_some(), authorization.is_some());
            let sent_body = is_authorized || bare;
            let response = self
                .request(call, authorization, sent_body)
                .await
                .map_err(|error| self.broken(call.what, &error))?;
            if response.status() != StatusCode::UNAUTHORIZED {
                if !sent_body && call.body.is_some() {
                    // It wants no credentials, so it gets what was held back.
                    bare = true;
                    continue;
                }
                if let Some(used) = fresh {
                    *locked(&self.challenge) = Some(used);
                }
                return Ok(response);
            }
            if is_fresh || bare {
                let refusal = self.read_refusal(response).await;
                let error = self.refusal(call.what, StatusCode::UNAUTHORIZED, &refusal);
                *locked(&self.refused) = Some(error.clone());
                *locked(&self.challenge) = None;
                return Err(error);
            }
            fresh = Some(self.challenge(response.headers())?);
        }
    }

    fn authorize(
        &self,
        call: &Call<'_>,
        fresh: Option<&mut DigestClient>,
    ) -> Result<Option<String>, RecorderError> {
        let respond = |client: &mut DigestClient| {
            client
                .respond(&PasswordParams {
                    username: &self.username,
                    password: &self.password,
                    uri: call.path,
                    method: call.method.as_str(),
                    body: Some(call.body.as_deref().unwrap_or_default().as_bytes()),
                })
                .map_err(|error| {
                    let message = format!("{}: cannot log in: {error}", self.at);
                    RecorderError::new(FailureKind::Unsupported, message)
                })
        };
        match fresh {
            Some(client) => respond(client).map(Some),
            None => locked(&self.challenge).as_mut().map(respond).transpose(),
        }
    }

    async fn request(
        &self,
        call: &Call<'_>,
        authorization: Option<String>,
        with_body: bool,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let scheme = match self.trust {
            Some(_) => "https",
            None => "http",
        };
        let url = format!("{scheme}://{}{}", self.at, call.path);
        let mut request = self.http.request(call.method.clone(), url);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(from) = call.from_byte {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        if let (true, Some(body)) = (with_body, &call.body) {
            request = request
                .header(CONTENT_TYPE, "application/xml")
                .body(body.clone());
        } else if call.method != Method::GET {
            // Small servers want a length with everything but a GET.
            request = request.body(Vec::new());
        }
        request.send().await
    }

    /// The strongest digest that is offered.
    fn challenge(&self, headers: &HeaderMap) -> Result<DigestClient, RecorderError> {
        let texts = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut found: Option<DigestClient> = None;
        let mut basic = false;
        for challenge in texts
            .filter_map(|text| http_auth::parse_challenges(text).ok())
            .flatten()
        {
            basic |= challenge.scheme.eq_ignore_ascii_case("basic");
            let Ok(digest) = DigestClient::try_from(&challenge) else {
                continue;
            };
            let better = found
                .as_ref()
                .is_none_or(|known| strength(known.algorithm()) < strength(digest.algorithm()));
            if better {
                found = Some(digest);
            }
        }
        found.ok_or_else(|| {
            let message = match basic {
                true => format!(
                    "{}: the recorder asks for the password in readable form only (Basic authentication), which is not \
                     sent: set its web authentication to \"digest\" (System, Security, Authentication)",
                    self.at
                ),
                false => format!(
                    "{}: the recorder wants a login of a kind that is not known here: is this the web port of a recorder?",
                    self.at
                ),
            };
            RecorderError::new(FailureKind::Unsupported, message)
        })
    }

    async fn read_refusal(&self, response: reqwest::Response) -> Refusal {
        let bytes = self.whole(response, REFUSAL_BYTES_MAX, "read a refusal");
        let bytes = match tokio::time::timeout(self.patience.answer, bytes).await {
            Ok(Ok(bytes)) => bytes,
            // The status says enough.
            Ok(Err(_)) | Err(_) => return Refusal::default(),
        };
        Element::parse(&bytes).map_or_else(|_| Refusal::default(), |root| refusal(&root))
    }

    async fn whole(
        &self,
        mut response: reqwest::Response,
        bytes_max: usize,
        what: &str,
    ) -> Result<Vec<u8>, RecorderError> {
        let mut bytes = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| self.broken(what, &error))?
        {
            if bytes.len() + piece.len() > bytes_max {
                let message = format!(
                    "{}: cannot {what}: the answer is larger than {} KiB",
                    self.at,
                    bytes_max >> 10
                );
                return Err(RecorderError::new(FailureKind::Device, message));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// What a refusal means, in words (ISAPI reference §7).
    pub fn refusal(&self, what: &str, status: StatusCode, told: &Refusal) -> RecorderError {
        let (kind, words) = classify(status, told);
        RecorderError {
            kind,
            message: format!("{}: cannot {what}: {words}", self.at),
            vendor_code: told.status_code.or(Some(u32::from(status.as_u16()))),
        }
    }

    /// The connection did not come about, or broke.
    pub fn broken(&self, what: &str, error: &reqwest::Error) -> RecorderError {
        if error.is_timeout() && !error.is_connect() {
            return self.silent(what);
        }
        let other = self.trust.as_ref().and_then(|trust| trust.other());
        if let (Some(trust), Some(shown)) = (&self.trust, other) {
            return certificate::refused(&self.at, trust.known(), shown);
        }
        if error.is_connect()
            && self.trust.is_some()
            && let Some(words) = certificate::trouble(error)
        {
            // Not "unsupported": that would be taken for a resource that the device does not know.
            let message = format!("{}: cannot {what}: {words}", self.at);
            return RecorderError::new(FailureKind::Device, message);
        }
        let words = if error.is_connect() {
            match self.trust {
                Some(_) => {
                    "nothing answers: check address, HTTPS port (443 unless it was changed), and that the recorder is on"
                }
                None => {
                    "nothing answers: check address, web port (80 unless it was changed), and that the recorder is on"
                }
            }
        } else {
            "the connection broke"
        };
        let cause = innermost(error);
        let message = format!("{}: cannot {what}: {words} ({cause})", self.at);
        RecorderError::new(FailureKind::Network, message)
    }

    fn silent(&self, what: &str) -> RecorderError {
        let message = format!("{}: cannot {what}: no answer in time", self.at);
        RecorderError::new(FailureKind::Network, message)
    }
}

fn strength(algorithm: http_auth::digest::Algorithm) -> u8 {
    match algorithm {
        http_auth::digest::Algorithm::Md5 => 0,
        _ => 1,
    }
}

/// The cause at the bottom, which does not repeat the address.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

fn classify(status: StatusCode, told: &Refusal) -> (FailureKind, String) {
    use FailureKind::{Capacity, Device, Locked, Refused, Unsupported};
    if told.locked {
        let until = match told.unlock_s {
            Some(seconds) => format!("for another {} min", seconds.div_ceil(60)),
            None => "for about half an hour".into(),
        };
        return (
            Locked,
            format!(
                "the account is locked {until} after wrong passwords: wait, then enter the right password here"
            ),
        );
    }
    let sub = told.sub_status.as_str();
    let plain = |kind, words: &str| (kind, words.to_owned());
    match (status.as_u16(), sub) {
        (401, _) => {
            let tries = match told.tries_left {
                Some(left) => format!(" ({left} tries left before the account is locked)"),
                None => String::new(),
            };
            (
                Refused,
                format!(
                    "the recorder refuses user name or password{tries}: correct them; nothing is tried until then"
                ),
            )
        }
        (_, "lowprivilege") => plain(
            Refused,
            "the account lacks the right for this: give it remote playback, live view and parameters at the recorder",
        ),
        (_, "notactivated" | "riskpassword" | "the account is not activated") => plain(
            Refused,
            "the recorder is not activated, or its password is the default one: set one at the recorder",
        ),
        (503, _)
        | (_, "devicebusy" | "device busy" | "serviceunavailable" | "upgrading" | "nomemory") => {
            plain(Capacity, "the recorder is busy")
        }
        (_, "notsupport" | "methodnotallowed" | "invalidoperation" | "invalid operation")
        | (404 | 405 | 501, _) => plain(Unsupported, "the recorder does not know this request"),
        (_, "hddnotexist" | "nohdd" | "hdderror") => plain(
            Device,
            "the recorder has no disk, or a broken one: check it there",
        ),
        (400, _) => plain(Unsupported, "the recorder does not understand this request"),
        (403, "") => plain(Unsupported, "the recorder forbids this request"),
        (_, "") => (
            Device,
            format!("the recorder answers with HTTP status {status}"),
        ),
        (_, sub) => (
            Device,
            format!("the recorder says {sub:?} (HTTP status {status})"),
        ),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sorted_by_what_to_do() {
        let told = |sub: &str| Refusal {
            sub_status: sub.into(),
            ..Refusal::default()
        };
        let kind =
            |status: u16, sub: &str| classify(StatusCode::from_u16(status).unwrap(), &told(sub)).0;
        assert_eq!(kind(401, ""), FailureKind::Refused);
        assert_eq!(kind(403, "lowprivilege"), FailureKind::Refused);
        assert_eq!(kind(403, "notsupport"), FailureKind::Unsupported);
        assert_eq!(kind(404, ""), FailureKind::Unsupported);
        assert_eq!(kind(503, ""), FailureKind::Capacity);
        assert_eq!(kind(200, "devicebusy"), FailureKind::Capacity);
        assert_eq!(kind(500, ""), FailureKind::Device);
        let locked = Refusal {
            locked: true,
            unlock_s: Some(1_790),
            ..Refusal::default()
        };
        let (kind, words) = classify(StatusCode::UNAUTHORIZED, &locked);
        assert_eq!(kind, FailureKind::Locked);
        assert!(words.contains("30 min"), "{words}");
    }

    #[test]
    fn the_strongest_digest_is_chosen_and_basic_is_not() {
        let account = RecorderAccount {
            driver: wire::resource::DriverKind::Isapi,
            address: "192.0.2.1".into(),
            port: 80,
            tls: Tls::Off,
            username: "admin".into(),
            password: String::from("word").into(),
        };
        let second = Duration::from_secs(1);
        let patience = Patience {
            connect: second,
            answer: second,
            piece: second,
        };
        let client = Client::new(&account, patience).unwrap();
        let headers = |texts: &[&'static str]| {
            texts
                .iter()
                .map(|text| (WWW_AUTHENTICATE, http::HeaderValue::from_static(text)))
                .collect::<HeaderMap>()
        };
        let md5 = "Digest qop=\"auth\", realm=\"IP Camera\", nonce=\"4e6a\", stale=\"FALSE\"";
        let sha = "Digest qop=\"auth\", realm=\"IP Camera\", nonce=\"4e6b\", algorithm=SHA-256";
        let basic = "Basic realm=\"IP Camera\"";
        let chosen = client.challenge(&headers(&[md5, sha, basic])).unwrap();
        assert_eq!(chosen.nonce(), "4e6b");
        let only_basic = client.challenge(&headers(&[basic])).unwrap_err();
        assert!(only_basic.message.contains("digest"), "{only_basic}");
        assert!(!format!("{client:?}").contains("word"));
    }
}
