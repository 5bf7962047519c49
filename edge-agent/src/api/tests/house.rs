//! What the tests live in: a catalog, the router, and somebody who asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::body::Body;
use base::clock::Clock;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use wire::claim::Membership;
use wire::error::{ErrorCode, ErrorResponse};
use wire::ids::ApplianceId;
use wire::resource::LoginResponse;

use crate::ability::Ability;
use crate::api::backup::MakeBackup;
use crate::api::reset::Resetting;
use crate::api::router::router;
use crate::api::session::new_session;
use crate::api::support::{Examine, MakeSupport};
use crate::api::{App, Parts, Via, cookies};
use crate::archive::Archiver;
use crate::config::State;
use crate::doctor::Report;
use crate::evict::Evictor;
use crate::governor::Governor;
use crate::live::LiveHub;
use crate::pipeline::{self, Pipeline};
use crate::recorder::config::SdkConfig;
use crate::secrets::Secrets;
use crate::sessions::Sessions;
use crate::uplink::{self, Uplink};

/// A password that may be set.
pub const PASSWORD: &str = "correct horse battery";

/// An API with all that is below it.
pub struct House {
    pub app: App,
    pub router: Router,
    pub clock: Clock,
    pub membership: watch::Sender<Option<Membership>>,
    pub ready: watch::Sender<bool>,
    pub footage: watch::Sender<Ability>,
    pub library: watch::Sender<Ability>,
    /// The catalog and what is in it.
    pub below: crate::catalog::testing::House,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The failure that the answer must be, in our shape.
    pub fn failure(&self) -> ErrorResponse {
        let it: ErrorResponse = serde_json::from_value(self.json()).unwrap();
        assert!(!it.success);
        assert_eq!(it.error.code.status(), self.status.as_u16());
        assert_eq!(
            it.error.request_id,
            self.headers["x-request-id"].to_str().unwrap()
        );
        assert!(it.error.message.ends_with('.'), "{}", it.error.message);
        it
    }

    pub fn code(&self) -> ErrorCode {
        self.failure().error.code
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().unwrap().split(';').next())
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with_live(None).await
    }

    /// One of the appliance image of this version.
    pub async fn with_version(version: &str) -> Self {
        let below = crate::catalog::testing::House::new().await;
        std::fs::write(below.path().join("version"), version).unwrap();
        Self::over(below, None)
    }

    /// One whose live streams come from here, or else from the recorders.
    pub async fn with_live(open: Option<crate::live::Open>) -> Self {
        Self::over(crate::catalog::testing::House::new().await, open)
    }

    fn over(below: crate::catalog::testing::House, open: Option<crate::live::Open>) -> Self {
        let (membership, membership_rx) = watch::channel(None);
        let (ready, ready_rx) = watch::channel(true);
        let (footage, footage_rx) = watch::channel(Ability::There);
        let (library, library_rx) = watch::channel(Ability::There);
        let secrets = Arc::new(Secrets::open(&below.path().join("secrets.key"), None).unwrap());
        let sdk = SdkConfig {
            sdk_folder: below.path().join("no-sdk-here"),
            work_dir: below.path().join("workers"),
            ..SdkConfig::default()
        };
        let sessions = Sessions::new(below.catalog.clone(), secrets.clone(), Arc::new(sdk));
        let evictor = Evictor::new(
            below.catalog.clone(),
            below.volumes.clone(),
            Default::default(),
        );
        let archiver = Archiver::new(crate::archive::Parts {
            catalog: below.catalog.clone(),
            volumes: below.volumes.clone(),
            evictor: evictor.clone(),
            config: Default::default(),
            mailer: None,
            appliance: None,
        });
        let config = crate::pipeline::DownloadConfig::default();
        let governor = Governor::new(config.governed(), below.clock.clone());
        let pipeline = Pipeline::new(pipeline::Parts {
            catalog: below.catalog.clone(),
            volumes: below.volumes.clone(),
            recorders: Arc::new(sessions.clone()),
            room: crate::agent::room_of(evictor.clone()),
            media: Default::default(),
            discovery: Default::default(),
            download: config,
            governor: governor.clone(),
        });
        let live = LiveHub::new(
            Default::default(),
            Default::default(),
            below.clock.clone(),
            open.unwrap_or_else(|| crate::agent::open_live(sessions.clone(), governor.clone())),
        );
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let (_, uplink) = Uplink::new(uplink::Parts {
            key_pem: key.serialize_pem(),
            state: below.path().to_owned(),
            relay: None,
            catalog: below.catalog.clone(),
            volumes: below.volumes.clone(),
            viewers: Arc::new(Default::default),
            outlooks: evictor.outlooks(),
            updates: crate::report::state::no_updates(),
        })
        .unwrap();
        let updates = crate::update::Updates::open(crate::update::Parts {
            config: crate::update::UpdateConfig {
                version_file: below.path().join("version"),
                ..Default::default()
            },
            state: below.path().to_owned(),
            catalog: below.catalog.clone(),
            evictor: evictor.clone(),
            volumes: below.volumes.clone(),
        })
        .unwrap();
        let app = App::new(Parts {
            appliance: ApplianceId::from_spki(b"this box"),
            key_sha256: "5a".repeat(32),
            backup: MakeBackup(Arc::new(|| {
                let mut file = tempfile::tempfile()?;
                std::io::Write::write_all(&mut file, b"a backup")?;
                std::io::Seek::rewind(&mut file)?;
                Ok(file)
            })),
            examine: Examine(Arc::new(|| {
                Ok(Report {
                    version: "1.0",
                    parts: Vec::new(),
                })
            })),
            support: MakeSupport(Arc::new(|| Ok(b"a bundle".to_vec()))),
            resetting: Resetting {
                state: State {
                    folder: below.path().to_owned(),
                    ..State::default()
                },
                ordered: CancellationToken::new(),
            },
            clock: crate::host::clock::OwnClock::new(
                below.path(),
                below.path().join("set-clock"),
                // Whatever the machine of the tests follows.
                || crate::host::clock::ClockSync::Free,
            ),
            disks: crate::adoption::Disks::new(
                &crate::adoption::AdoptionConfig {
                    list_file: below.path().join("disks.json"),
                },
                below.path(),
            ),
            updates,
            catalog: below.catalog.clone(),
            volumes: below.volumes.clone(),
            evictor,
            secrets,
            sessions,
            pipeline,
            live,
            archiver,
            governor,
            membership: membership_rx,
            uplink,
            library: library_rx,
            footage: footage_rx,
            backfill_days: 30,
            ready: ready_rx,
            stopping: CancellationToken::new(),
            own: Default::default(),
        });
        Self {
            router: router(app.clone()),
            app,
            clock: below.clock.clone(),
            membership,
            ready,
            footage,
            library,
            below,
        }
    }

    /// A house whose admin has a password, and who is logged in.
    pub async fn set_up() -> (Self, LoginResponse) {
        Self::new().await.with_admin().await
    }

    /// Sets the admin's password.
    pub async fn with_admin(self) -> (Self, LoginResponse) {
        let house = self;
        let answer = house
            .ask(Method::POST, "/api/v1/setup")
            .json(json!({ "password": PASSWORD }))
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        let login = serde_json::from_value(answer.json()).unwrap();
        (house, login)
    }

    /// A request from the site's network, each from an address of its own unless told otherwise.
    pub fn ask(&self, method: Method, path: &str) -> Ask {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let n = LAST.fetch_add(1, Ordering::Relaxed);
        let via = Via::Lan(SocketAddr::from(([192, 168, 1, n], 50_000)));
        Ask {
            router: self.router.clone(),
            request: Request::builder().method(method).uri(path).extension(via),
            body: Body::empty(),
        }
    }

    pub async fn get(&self, path: &str, login: &LoginResponse) -> Answer {
        self.ask(Method::GET, path).bearer(login).send().await
    }

    /// Another login of the admin, without the slow work on the password.
    pub async fn new_login(&self) -> LoginResponse {
        let people = self.app.people();
        let admin = people.credentials("admin".into()).await;
        let admin = admin.unwrap().unwrap().person;
        let (session, login) = new_session(&admin, self.app.now());
        people
            .log_in(admin.id, session, self.app.now())
            .await
            .unwrap();
        login
    }

    pub async fn log_in(&self, password: &str) -> Answer {
        self.ask(Method::POST, "/api/v1/auth/login")
            .json(json!({ "username": "admin", "password": password }))
            .send()
            .await
    }
}

/// A request under construction.
pub struct Ask {
    router: Router,
    request: http::request::Builder,
    body: Body,
}

impl Ask {
    pub fn via(mut self, via: Via) -> Self {
        self.request = self.request.extension(via);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn bearer(self, login: &LoginResponse) -> Self {
        let value = format!("Bearer {}", login.access_token);
        self.header("authorization", &value)
    }

    pub fn cookie(self, login: &LoginResponse) -> Self {
        let value = format!("{}={}", cookies::ACCESS, login.access_token);
        self.header("cookie", &value)
    }

    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json")
            .raw(body.to_string())
    }

    pub fn raw(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    pub async fn send(self) -> Answer {
        let request = self.request.body(self.body).unwrap();
        let response = self.router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }
}
