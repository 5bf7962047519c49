//! Login, login sessions, lock-out and passwords (Q4).
//!
//! A login gives three secrets of 256 random bits: an access token (15 minutes), a refresh token (30 days, spent by its
//! use) and a CSRF token for browsers. The store holds their SHA-256 only. A refresh token names its session in front of
//! the secret, so that one which was spent already is recognised: then a copy is about, and the session is ended.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::clock::Clock;
use base::password::WeakPassword;
use base::rate_limit::{RateLimit, subscriber};
use base::token;
use tokio::sync::Semaphore;
use wire::resource::{LoginResponse, Me};
use wire::time::UtcTime;

use crate::store::people::{Credentials, LoggedIn, Person, Refreshed, TokenDigests};
use crate::store::{DbError, Store};
use crate::tenancy;

/// Life of an access token.
pub const ACCESS_LIFETIME_S: u32 = 15 * 60;

/// Life of a refresh token.
pub const REFRESH_LIFETIME_S: i64 = 30 * 24 * 3600;

/// Wrong passwords in a row before an account is locked.
const FAILURES_FREE: u32 = 5;

/// First and longest lock. It doubles with every further failure.
const LOCK_FIRST_S: i64 = 60;
const LOCK_MAX_S: i64 = 15 * 60;

/// Logins that one address may try at once, and how fast that recovers.
const ATTEMPTS_AT_ONCE: u32 = 20;
const ATTEMPT_EVERY: Duration = Duration::from_secs(3);

/// Passwords that are hashed at once: each takes 19 MiB and a core for some 50 ms.
const HASHES_AT_ONCE: usize = 2;

/// Why a login, a refresh or a change of password is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Wrong name or password, or a locked account: not told apart, except to the audit log (who was meant).
    #[error("wrong user name or password")]
    Credentials(Option<Box<Person>>),
    /// The refresh token is not in force.
    #[error("the refresh token is not in force")]
    RefreshToken,
    /// The refresh token had been spent before; its session was ended.
    #[error("the refresh token was used twice, its session was ended")]
    RefreshReused(Box<Person>),
    /// Too many attempts from this address.
    #[error("too many attempts, come again in {0} s")]
    TooMany(u32),
    /// The new password is too weak.
    #[error("{0}")]
    Weak(#[from] WeakPassword),
    /// The new password is the old one.
    #[error("the new password is the one in force")]
    Same,
    /// The database.
    #[error("{0}")]
    Db(#[from] DbError),
    /// Hashing was interrupted by the end of the process.
    #[error("the relay is stopping")]
    Stopping,
}

/// A login: what is handed out and who it is.
#[derive(Debug, Clone)]
pub struct Login {
    /// Body of the answer, and the cookies' values.
    pub response: LoginResponse,
    /// Who.
    pub person: Person,
}

/// Logs people in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    attempts: RateLimit<IpAddr>,
    hashing: Semaphore,
    /// What the password of nobody is checked against, so that an unknown name takes as long as a known one.
    decoy: String,
    first_password: PathBuf,
}

impl Identity {
    /// `first_password` is the file that goes once the first admin has chosen a password.
    pub fn new(store: Store, clock: Clock, first_password: PathBuf) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            attempts: RateLimit::new(ATTEMPTS_AT_ONCE, ATTEMPT_EVERY),
            hashing: Semaphore::new(HASHES_AT_ONCE),
            decoy: base::password::hash(&token::generate()),
            first_password,
        }))
    }

    fn now(&self) -> UtcTime {
        UtcTime::from(self.0.clock.now())
    }

    /// Logs in with a password.
    pub async fn log_in(
        &self,
        username: &str,
        password: String,
        address: IpAddr,
    ) -> Result<Login, Refused> {
        let now = self.now();
        self.attempt(address)?;
        let known = self.0.store.credentials(username.trim().to_owned()).await?;
        // A locked account and an unknown name are checked all the same, against the decoy: neither the answer nor its
        // time tells which names exist.
        let heard = known.as_ref().filter(|it| !is_locked(it, now));
        let hash = heard.map_or_else(|| self.0.decoy.clone(), |it| it.password_hash.clone());
        let fits = self.verify(password, hash).await?;
        let is_heard = heard.is_some();
        let person = match known {
            Some(known) if is_heard && fits => known.person,
            other => {
                let meant = other.map(|it| Box::new(it.person));
                if let Some(person) = meant.as_ref().filter(|_| is_heard) {
                    self.0
                        .store
                        .note_login_failure(person.id, now, lock_s)
                        .await?;
                }
                return Err(Refused::Credentials(meant));
            }
        };
        let session_id = uuid::Uuid::new_v4().to_string();
        let tokens = Tokens::new(&session_id);
        self.0
            .store
            .log_in(person.id, session_id, tokens.digests(now), now)
            .await?;
        Ok(tokens.login(person))
    }

    /// The login session that an access token belongs to, if it is in force.
    pub async fn authenticate(&self, access: &str) -> Result<Option<LoggedIn>, DbError> {
        let digest = token::sha256_hex(access.as_bytes());
        self.0.store.session_by_access(digest, self.now()).await
    }

    /// Trades a refresh token for a new set.
    pub async fn refresh(&self, refresh: &str, address: IpAddr) -> Result<Login, Refused> {
        let now = self.now();
        let Some((session_id, _)) = refresh.split_once('.') else {
            self.attempt(address)?;
            return Err(Refused::RefreshToken);
        };
        let tokens = Tokens::new(session_id);
        let digest = token::sha256_hex(refresh.as_bytes());
        match self
            .0
            .store
            .refresh_session(session_id.to_owned(), digest, tokens.digests(now), now)
            .await?
        {
            Refreshed::Traded(person) => Ok(tokens.login(person)),
            Refreshed::Unknown | Refreshed::JustSpent => {
                self.attempt(address)?;
                Err(Refused::RefreshToken)
            }
            Refreshed::Reused(person) => {
                tracing::warn!(
                    person.id = %person.id,
                    "A refresh token was used twice, so somebody has a copy: the login session was ended"
                );
                Err(Refused::RefreshReused(Box::new(person)))
            }
        }
    }

    /// Ends a login session.
    pub async fn log_out(&self, session_id: String) -> Result<(), DbError> {
        self.0.store.log_out(session_id).await
    }

    /// Sets a new password and ends the person's other sessions.
    pub async fn change_password(
        &self,
        session: &LoggedIn,
        current: String,
        new: String,
        address: IpAddr,
    ) -> Result<(), Refused> {
        let now = self.now();
        self.attempt(address)?;
        let person = &session.person;
        let known = self
            .0
            .store
            .credentials(person.username.clone())
            .await?
            .filter(|it| !is_locked(it, now))
            .ok_or(Refused::Credentials(None))?;
        if !self.verify(current.clone(), known.password_hash).await? {
            self.0
                .store
                .note_login_failure(person.id, now, lock_s)
                .await?;
            return Err(Refused::Credentials(None));
        }
        base::password::check(&new)?;
        if new == current {
            return Err(Refused::Same);
        }
        let hash = self.hashing(move || base::password::hash(&new)).await?;
        self.0
            .store
            .set_password(person.id, hash, session.session_id.clone())
            .await?;
        if person.must_change_password && person.username == tenancy::FIRST_ADMIN {
            let path = self.0.first_password.clone();
            if let Err(error) = base::durable::remove_if_there(&path) {
                tracing::warn!(path = %path.display(), %error, "The file of the first password cannot be removed; the password in it is no longer in force");
            }
        }
        Ok(())
    }

    fn attempt(&self, address: IpAddr) -> Result<(), Refused> {
        self.0
            .attempts
            .attempt(subscriber(address), self.0.clock.now())
            .map_err(Refused::TooMany)
    }

    async fn verify(&self, password: String, hash: String) -> Result<bool, Refused> {
        // A text that nobody could have set is not worth a core.
        if password.chars().count() > base::password::LENGTH_MAX {
            return Ok(false);
        }
        self.hashing(move || base::password::verify(&password, &hash))
            .await
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let _permit = self
            .0
            .hashing
            .acquire()
            .await
            .map_err(|_| Refused::Stopping)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Refused::Stopping)
    }
}

/// For how long so many failures in a row lock an account.
fn lock_s(failures: u32) -> i64 {
    match failures.checked_sub(FAILURES_FREE) {
        None => 0,
        Some(beyond) => LOCK_FIRST_S
            .saturating_mul(1i64 << beyond.min(10))
            .min(LOCK_MAX_S),
    }
}

/// Whether an account is locked. A lock that ends later than any we give is of a clock that was set back since.
fn is_locked(credentials: &Credentials, now: UtcTime) -> bool {
    credentials
        .locked_until
        .is_some_and(|until| until > now && until <= now.plus_s(LOCK_MAX_S))
}

/// Who somebody is, as the API shows it.
pub fn me(person: &Person) -> Me {
    Me {
        id: person.id,
        username: person.username.clone(),
        role: person.role,
        organisation_id: person.organisation,
        must_change_password: person.must_change_password,
    }
}

/// The secrets of a login session.
struct Tokens {
    access: String,
    refresh: String,
    csrf: String,
}

impl Tokens {
    fn new(session_id: &str) -> Self {
        Self {
            access: token::generate(),
            refresh: format!("{session_id}.{}", token::generate()),
            csrf: token::generate(),
        }
    }

    /// What is kept of them.
    fn digests(&self, now: UtcTime) -> TokenDigests {
        let digest = |token: &str| token::sha256_hex(token.as_bytes());
        TokenDigests {
            access: digest(&self.access),
            access_expires: now.plus_s(i64::from(ACCESS_LIFETIME_S)),
            refresh: digest(&self.refresh),
            refresh_expires: now.plus_s(REFRESH_LIFETIME_S),
            csrf: digest(&self.csrf),
        }
    }

    /// What is handed out.
    fn login(self, person: Person) -> Login {
        let response = LoginResponse {
            access_token: self.access,
            refresh_token: self.refresh,
            csrf_token: self.csrf,
            expires_in_s: ACCESS_LIFETIME_S,
            user: me(&person),
        };
        Login { response, person }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::people::SAME_MOMENT_S;
    use wire::ids::UserId;
    use wire::resource::Role;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const PASSWORD: &str = "correct horse battery";

    struct World {
        identity: Identity,
        clock: Clock,
        _dir: tempfile::TempDir,
    }

    async fn world() -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let clock = Clock::simulated("2026-11-03T14:00:00Z".parse().unwrap());
        let person = Person {
            id: UserId::new(),
            organisation: None,
            username: "Ann".into(),
            role: Role::SuperAdmin,
            must_change_password: true,
            sites: None,
        };
        store
            .add_person(
                person,
                base::password::hash(PASSWORD),
                UtcTime::from(clock.now()),
            )
            .await
            .unwrap();
        World {
            identity: Identity::new(store, clock.clone(), dir.path().join("first")),
            clock,
            _dir: dir,
        }
    }

    impl World {
        async fn log_in(&self, username: &str, password: &str) -> Result<Login, Refused> {
            self.identity.log_in(username, password.into(), HERE).await
        }

        async fn is_in(&self, access: &str) -> bool {
            self.identity.authenticate(access).await.unwrap().is_some()
        }
    }

    #[tokio::test]
    async fn an_access_token_works_for_a_quarter_of_an_hour() {
        let w = world().await;
        let login = w.log_in(" ann ", PASSWORD).await.unwrap().response;
        assert!(w.is_in(&login.access_token).await);
        assert!(!w.is_in(&login.refresh_token).await);
        w.clock.advance_ms(15 * 60 * 1000);
        assert!(!w.is_in(&login.access_token).await);
    }

    #[tokio::test]
    async fn a_refresh_token_works_once_and_its_copy_ends_the_session() {
        let w = world().await;
        let first = w.log_in("ann", PASSWORD).await.unwrap().response;
        let refresh = async |token: &str| w.identity.refresh(token, HERE).await;
        let second = refresh(&first.refresh_token).await.unwrap().response;
        assert_eq!(second.user.username, "Ann");
        assert!(!w.is_in(&first.access_token).await);
        assert!(w.is_in(&second.access_token).await);
        // Another tab, a moment later: refused, and nothing else.
        let again = refresh(&first.refresh_token).await;
        assert!(matches!(again, Err(Refused::RefreshToken)));
        assert!(w.is_in(&second.access_token).await);
        // A thief, later.
        w.clock.advance_ms(SAME_MOMENT_S * 1000);
        let again = refresh(&first.refresh_token).await;
        assert!(matches!(again, Err(Refused::RefreshReused(_))));
        assert!(!w.is_in(&second.access_token).await);
        let late = refresh(&second.refresh_token).await;
        assert!(matches!(late, Err(Refused::RefreshToken)));
        for bad in ["", "x", "a.b", ".."] {
            assert!(matches!(refresh(bad).await, Err(Refused::RefreshToken)));
        }
    }

    #[tokio::test]
    async fn a_refresh_token_expires() {
        let w = world().await;
        let login = w.log_in("ann", PASSWORD).await.unwrap().response;
        w.clock.advance_ms(REFRESH_LIFETIME_S * 1000);
        let late = w.identity.refresh(&login.refresh_token, HERE).await;
        assert!(matches!(late, Err(Refused::RefreshToken)));
    }

    #[tokio::test]
    async fn failures_lock_the_account_and_the_right_password_does_not_tell() {
        let w = world().await;
        for _ in 0..FAILURES_FREE {
            let wrong = w.log_in("ann", "wrong").await;
            assert!(matches!(wrong, Err(Refused::Credentials(_))));
        }
        let locked = w.log_in("ann", PASSWORD).await;
        assert!(matches!(locked, Err(Refused::Credentials(_))));
        w.clock.advance_ms(LOCK_FIRST_S * 1000);
        w.log_in("ann", PASSWORD).await.unwrap();
        assert_eq!(
            (lock_s(4), lock_s(5), lock_s(6), lock_s(u32::MAX)),
            (0, 60, 120, LOCK_MAX_S)
        );
    }

    #[tokio::test]
    async fn one_address_cannot_try_for_ever() {
        let w = world().await;
        for _ in 0..ATTEMPTS_AT_ONCE {
            assert!(w.identity.refresh("x", HERE).await.is_err());
        }
        assert!(matches!(
            w.log_in("nobody", "x").await,
            Err(Refused::TooMany(3))
        ));
        let elsewhere = "10.0.0.2".parse().unwrap();
        w.identity
            .log_in("ann", PASSWORD.into(), elsewhere)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_new_password_ends_the_other_sessions() {
        let w = world().await;
        let other = w.log_in("ann", PASSWORD).await.unwrap().response;
        let mine = w.log_in("ann", PASSWORD).await.unwrap().response;
        let session = w
            .identity
            .authenticate(&mine.access_token)
            .await
            .unwrap()
            .unwrap();
        let change = async |current: &str, new: &str| {
            w.identity
                .change_password(&session, current.into(), new.into(), HERE)
                .await
        };
        let new = "better horse battery";
        assert!(matches!(
            change("wrong", new).await,
            Err(Refused::Credentials(_))
        ));
        assert!(matches!(
            change(PASSWORD, "short").await,
            Err(Refused::Weak(_))
        ));
        assert!(matches!(
            change(PASSWORD, PASSWORD).await,
            Err(Refused::Same)
        ));
        change(PASSWORD, new).await.unwrap();
        assert!(!w.is_in(&other.access_token).await);
        assert!(w.is_in(&mine.access_token).await);
        assert!(w.log_in("ann", PASSWORD).await.is_err());
        let person = w.log_in("ann", new).await.unwrap().person;
        assert!(!person.must_change_password);
    }
}
