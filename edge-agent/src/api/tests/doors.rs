//! Nobody gets in without a login, and neither door takes the other's key.

use http::{Method, StatusCode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use wire::claim::Membership;
use wire::error::ErrorCode;
use wire::ids::{ApplianceId, OrganisationId, SiteId, UserId};
use wire::tunnel::{ASSERTION_HEADER, Assertion, Permission};

use super::house::House;
use crate::api::Via;
use crate::api::router::document;

/// Every route with every method that it has, and whether it needs no login.
fn routes() -> Vec<(Method, String, bool)> {
    let document = serde_json::to_value(document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let is_public = operation["security"] == serde_json::json!([{}]);
            found.push((method, path.clone(), is_public));
        }
    }
    found
}

/// Any value will do: the door comes before the room.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('/').skip(1) {
        filled.push('/');
        filled.push_str(match part.starts_with('{') {
            true => "019a0000-0000-7000-8000-000000000000",
            false => part,
        });
    }
    filled
}

#[tokio::test]
async fn every_route_but_the_few_public_ones_refuses_without_login() {
    let (house, _) = House::set_up().await;
    let mut public = Vec::new();
    for (method, path, is_public) in routes() {
        if is_public {
            public.push(path);
            continue;
        }
        let ask = || house.ask(method.clone(), &filled(&path));
        assert_eq!(
            ask().send().await.code(),
            ErrorCode::AuthTokenMissing,
            "{method} {path}"
        );
        let foreign = ask().header("authorization", "Bearer x").send().await;
        assert_eq!(
            foreign.code(),
            ErrorCode::AuthTokenInvalid,
            "{method} {path}"
        );
        let tunnelled = ask().via(Via::Tunnel).send().await;
        assert_eq!(
            tunnelled.code(),
            ErrorCode::AuthTokenMissing,
            "{method} {path}"
        );
    }
    public.sort();
    public.dedup();
    assert_eq!(
        public,
        [
            "/api/v1/auth/login",
            "/api/v1/auth/refresh",
            "/api/v1/setup",
            "/health",
            "/ready",
            "/ready/recording"
        ]
    );
}

/// A relay that this appliance belongs to.
pub struct Relay {
    pub key: EcdsaKeyPair,
    organisation: OrganisationId,
}

impl Relay {
    pub fn new(house: &House) -> Self {
        let pem = rcgen::KeyPair::generate().unwrap();
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            pem.serialized_der(),
            &SystemRandom::new(),
        )
        .unwrap();
        let organisation = OrganisationId::new();
        house.membership.send_replace(Some(Membership {
            certificate_pem: String::new(),
            ca_pem: String::new(),
            organisation,
            site: SiteId::new(),
            site_name: "Harbour".into(),
            tunnel: String::new(),
            mqtt: String::new(),
            assertion_key_pem: pem.public_key_pem(),
        }));
        Self { key, organisation }
    }

    pub fn assertion(&self, house: &House, permissions: &[Permission]) -> Assertion {
        Assertion {
            appliance: house.app.appliance.clone(),
            user_id: UserId::new(),
            username: "ann@example.org".into(),
            organisation: self.organisation,
            permissions: permissions.to_vec(),
            request_id: "from-the-relay".into(),
            expires_s: house.app.now().seconds() + 30,
        }
    }
}

#[tokio::test]
async fn the_relays_word_counts_through_the_tunnel_only() {
    let (house, login) = House::set_up().await;
    let relay = Relay::new(&house);
    let word = relay
        .assertion(&house, &[Permission::View])
        .sign(&relay.key);
    let me = || {
        house
            .ask(Method::GET, "/api/v1/auth/me")
            .header(ASSERTION_HEADER, &word)
    };
    let told = me().via(Via::Tunnel).send().await;
    assert_eq!(told.json()["username"], "ann@example.org");
    assert_eq!(told.json()["role"], "viewer");
    assert_eq!(me().send().await.code(), ErrorCode::AuthTokenInvalid);
    // Not even beside a good login.
    let both = me().bearer(&login).send().await;
    assert_eq!(both.code(), ErrorCode::AuthTokenInvalid);
    // A login of the site's network is worth nothing in the tunnel.
    let local = house
        .ask(Method::GET, "/api/v1/auth/me")
        .via(Via::Tunnel)
        .bearer(&login);
    assert_eq!(local.send().await.code(), ErrorCode::AuthTokenMissing);
}

#[tokio::test]
async fn a_word_that_is_stale_foreign_or_forged_is_not_believed() {
    let (house, _) = House::set_up().await;
    let relay = Relay::new(&house);
    let good = relay.assertion(&house, &[Permission::Manage]);
    let ask = async |word: String| {
        house
            .ask(Method::GET, "/api/v1/auth/me")
            .via(Via::Tunnel)
            .header(ASSERTION_HEADER, &word)
            .send()
            .await
    };
    assert_eq!(ask(good.sign(&relay.key)).await.status, StatusCode::OK);
    let mut stale = good.clone();
    stale.expires_s -= 31;
    let mut foreign = good.clone();
    foreign.appliance = ApplianceId::from_spki(b"another box");
    let mut other_tenant = good.clone();
    other_tenant.organisation = OrganisationId::new();
    for bad in [stale, foreign, other_tenant] {
        let answer = ask(bad.sign(&relay.key)).await;
        assert_eq!(answer.code(), ErrorCode::AuthTokenInvalid, "{bad:?}");
    }
    let stranger = Relay::new(&House::new().await);
    assert_eq!(
        ask(good.sign(&stranger.key)).await.code(),
        ErrorCode::AuthTokenInvalid
    );
    house.membership.send_replace(None);
    assert_eq!(
        ask(good.sign(&relay.key)).await.code(),
        ErrorCode::AuthTokenInvalid
    );
}

#[tokio::test]
async fn passwords_are_not_the_relays_business() {
    let (house, _) = House::set_up().await;
    let relay = Relay::new(&house);
    let word = relay
        .assertion(&house, &[Permission::Manage])
        .sign(&relay.key);
    for (path, body) in [
        (
            "/api/v1/auth/login",
            serde_json::json!({ "username": "admin", "password": "x" }),
        ),
        (
            "/api/v1/auth/refresh",
            serde_json::json!({ "refresh_token": "x.y" }),
        ),
        (
            "/api/v1/auth/password",
            serde_json::json!({ "current": "x", "new": "y" }),
        ),
        ("/api/v1/auth/logout", serde_json::json!({})),
        (
            "/api/v1/setup",
            serde_json::json!({ "password": "another password" }),
        ),
    ] {
        let answer = house
            .ask(Method::POST, path)
            .via(Via::Tunnel)
            .header(ASSERTION_HEADER, &word)
            .json(body)
            .send()
            .await;
        assert_eq!(
            answer.code(),
            ErrorCode::AuthInsufficientPermissions,
            "{path}"
        );
    }
}
