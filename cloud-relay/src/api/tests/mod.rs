//! The router with a real store, a real CA and a real hub; only sockets are missing.

mod footage;
mod logins;
mod shape;
mod tenants;
mod updates;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use base::clock::Clock;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use wire::error::ErrorCode;
use wire::ids::{ApplianceId, OrganisationId, SiteId, UserId};
use wire::resource::Role;
use wire::time::UtcTime;

use super::visitor::Peer;
use super::{App, Parts, router};
use crate::audit::Audit;
use crate::changes::Changes;
use crate::claim::Claims;
use crate::identity::Identity;
use crate::pki::Pki;
use crate::store::Store;
use crate::store::people::TokenDigests;
use crate::tunnel::hub::{Hub, Limits};

/// Password of people made by [`World::person_with_password`].
const PASSWORD: &str = "correct horse battery";

/// A relay without sockets.
struct World {
    app: App,
    router: Router,
    clock: Clock,
    store: Store,
    _dir: tempfile::TempDir,
}

/// Somebody with a login session.
#[derive(Clone)]
struct Caller {
    access: String,
    csrf: String,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl World {
    async fn new() -> Self {
        base::tls::install_provider();
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::simulated("2026-11-03T14:00:00Z".parse().unwrap());
        let store = Store::open(dir.path()).unwrap();
        let pki = Arc::new(Pki::open(dir.path(), clock.clone()).unwrap());
        let (_, ready) = watch::channel(true);
        let claims = Claims::new(
            store.clone(),
            pki.clone(),
            clock.clone(),
            "relay:8444".into(),
            "relay:8883".into(),
            None,
        );
        let app = App::new(Parts {
            clock: clock.clone(),
            store: store.clone(),
            identity: Identity::new(store.clone(), clock.clone(), dir.path().join("first")),
            audit: Audit::new(store.clone(), clock.clone()),
            changes: Changes::new(),
            hub: Hub::new(Limits::default(), CancellationToken::new()),
            pki,
            claims,
            standing: Arc::default(),
            reports: watch::channel(true).1,
            pokes: crate::mqtt::Pokes::new().0,
            deliveries: Arc::default(),
            ready,
        });
        Self {
            router: router::router(app.clone()),
            app,
            clock,
            store,
            _dir: dir,
        }
    }

    /// Somebody who is logged in.
    async fn person(
        &self,
        role: Role,
        organisation: Option<OrganisationId>,
        sites: Option<Vec<SiteId>>,
    ) -> Caller {
        let name = UserId::new().to_string();
        let id = self
            .store
            .plant_person(&name, role, organisation, sites, "no hash")
            .await;
        self.session(id).await
    }

    /// A login session without a login, because hashing is slow.
    async fn session(&self, id: UserId) -> Caller {
        let caller = Caller {
            access: base::token::generate(),
            csrf: base::token::generate(),
        };
        let now = UtcTime::from(self.clock.now());
        let digest = |token: &str| base::token::sha256_hex(token.as_bytes());
        let session_id = uuid::Uuid::new_v4().to_string();
        let digests = TokenDigests {
            access: digest(&caller.access),
            access_expires: now.plus_s(900),
            refresh: digest(&session_id),
            refresh_expires: now.plus_s(9000),
            csrf: digest(&caller.csrf),
        };
        self.store
            .log_in(id, session_id, digests, now)
            .await
            .unwrap();
        caller
    }

    /// Sends a request, as a connection would.
    async fn send(&self, mut request: Request<Body>) -> http::Response<Body> {
        let peer = Peer(SocketAddr::from(([10, 0, 0, 1], 40_000)));
        request.extensions_mut().insert(peer);
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    async fn get(&self, caller: &Caller, path: &str) -> Answer {
        self.ask(caller.request(Method::GET, path, Body::empty()))
            .await
    }

    async fn post(&self, caller: &Caller, path: &str, body: Value) -> Answer {
        self.ask(caller.request(Method::POST, path, json(&body)))
            .await
    }

    /// Every item of a list, page by page.
    async fn items(&self, caller: &Caller, path: &str, limit: u32) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self
                .get(caller, &format!("{path}?limit={limit}&cursor={cursor}"))
                .await;
            assert_eq!(page.status, 200, "{path}: {page:?}");
            let page = page.json();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return items,
            }
        }
    }
}

impl Caller {
    fn request(&self, method: Method, path: &str, body: Body) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.access))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of a failure, which must have the one shape.
    fn code(&self) -> ErrorCode {
        let failure: wire::error::ErrorResponse = serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {:?} {}", self.status, self.text()));
        assert!(!failure.success);
        assert_eq!(self.status.as_u16(), failure.error.code.status());
        let id = self.headers["x-request-id"].to_str().unwrap();
        assert_eq!(failure.error.request_id, id);
        assert!(!failure.error.message.is_empty());
        failure.error.code
    }
}

fn json(body: &Value) -> Body {
    Body::from(body.to_string())
}

/// The routes of the document: method, path with its parameters filled by `fill`, and whether it is open to everybody.
fn routes(fill: impl Fn(&str, &str) -> String) -> Vec<(Method, String, bool)> {
    let document = serde_json::to_value(router::document()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut filled = String::new();
        for segment in path.split('/').skip(1) {
            filled.push('/');
            let name = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
            match name {
                Some(name) => filled.push_str(&fill(path, name)),
                None => filled.push_str(segment),
            }
        }
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let open = operation["security"][0] == serde_json::json!({});
            routes.push((method, filled.clone(), open));
        }
    }
    assert!(routes.len() > 20);
    routes
}

/// Ids of nothing.
fn nothing(path: &str, name: &str) -> String {
    match name {
        "id" if path.contains("/appliances/") => ApplianceId::from_spki(b"nobody").to_string(),
        "file" => "index.m3u8".into(),
        "noun" => "recorders".into(),
        "verb" => "test".into(),
        _ => SiteId::new().to_string(),
    }
}
