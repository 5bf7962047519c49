//! Nobody gets anywhere without a login, and a login is what it seems.

use super::*;
use serde_json::json as value;

async fn with_password(world: &World, role: Role, must_change: bool) -> String {
    let organisation = world.store.plant_organisation("A").await;
    let hash = base::password::hash(PASSWORD);
    let person = crate::store::people::Person {
        id: UserId::new(),
        organisation: Some(organisation),
        username: "ann@example.org".into(),
        role,
        must_change_password: must_change,
        sites: None,
    };
    let now = UtcTime::from(world.clock.now());
    world.store.add_person(person, hash, now).await.unwrap();
    "ann@example.org".into()
}

fn login(username: &str, password: &str) -> Request<Body> {
    let body = value!({ "username": username, "password": password });
    Request::post("/api/v1/auth/login")
        .header(header::CONTENT_TYPE, "application/json")
        .body(json(&body))
        .unwrap()
}

fn cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let lines = answer.headers.get_all(header::SET_COOKIE).iter();
    lines
        .map(|line| {
            let (name, rest) = line.to_str().unwrap().split_once('=').unwrap();
            let (value, attributes) = rest.split_once("; ").unwrap();
            (name.into(), value.into(), attributes.into())
        })
        .collect()
}

#[tokio::test]
async fn every_route_refuses_without_a_login() {
    let world = World::new().await;
    let foreign = Caller {
        access: base::token::generate(),
        csrf: String::new(),
    };
    for (method, path, open) in routes(nothing) {
        let bare = Request::builder()
            .method(method.clone())
            .uri(&path)
            .body(Body::empty())
            .unwrap();
        let answer = world.ask(bare).await;
        if open {
            let health = matches!(path.as_str(), "/health" | "/ready");
            assert_eq!(answer.status.is_success(), health, "{method} {path}");
            continue;
        }
        assert_eq!(
            answer.code(),
            ErrorCode::AuthTokenMissing,
            "{method} {path}"
        );
        let request = foreign.request(method.clone(), &path, Body::empty());
        let answer = world.ask(request).await;
        assert_eq!(
            answer.code(),
            ErrorCode::AuthTokenInvalid,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_browser_lives_on_cookies_and_must_show_the_csrf_token_on_changes() {
    let world = World::new().await;
    let name = with_password(&world, Role::OrgAdmin, false).await;
    let answer = world.ask(login(&name, PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookies = cookies(&answer);
    let names: Vec<_> = cookies.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["hf_access", "hf_refresh", "hf_csrf"]);
    for (name, _, attributes) in &cookies {
        assert!(
            attributes.contains("SameSite=Strict; Secure"),
            "{attributes}"
        );
        assert_eq!(attributes.contains("HttpOnly"), name != "hf_csrf");
    }
    let jar: Vec<_> = cookies.iter().map(|(n, v, _)| format!("{n}={v}")).collect();
    let jar = jar.join("; ");
    let request = |method: Method, path: &str, csrf: Option<&str>| {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::COOKIE, &jar);
        if let Some(csrf) = csrf {
            request = request.header("x-csrf-token", csrf);
        }
        request.body(Body::empty()).unwrap()
    };
    let me = world
        .ask(request(Method::GET, "/api/v1/auth/me", None))
        .await;
    assert_eq!(me.json()["username"], name);
    for csrf in [None, Some("wrong"), Some("")] {
        let out = request(Method::POST, "/api/v1/auth/logout", csrf);
        let refused = world.ask(out).await;
        assert_eq!(refused.code(), ErrorCode::AuthInsufficientPermissions);
    }
    let out = request(Method::POST, "/api/v1/auth/logout", Some(&cookies[2].1));
    let out = world.ask(out).await;
    assert_eq!(out.status, 204);
    let cleared = out.headers.get_all(header::SET_COOKIE).iter();
    assert!(
        cleared
            .into_iter()
            .all(|c| c.to_str().unwrap().contains("Max-Age=0"))
    );
    let gone = world
        .ask(request(Method::GET, "/api/v1/auth/me", None))
        .await;
    assert_eq!(gone.code(), ErrorCode::AuthTokenInvalid);
}

#[tokio::test]
async fn a_program_needs_no_csrf_token_and_its_login_ends() {
    let world = World::new().await;
    let organisation = world.store.plant_organisation("A").await;
    let caller = world.person(Role::Viewer, Some(organisation), None).await;
    assert_eq!(world.get(&caller, "/api/v1/auth/me").await.status, 200);
    world.clock.advance_ms(900 * 1000);
    let late = world.get(&caller, "/api/v1/auth/me").await;
    assert_eq!(late.code(), ErrorCode::AuthTokenInvalid);
    let caller = world.person(Role::Viewer, Some(organisation), None).await;
    let out = world
        .post(&caller, "/api/v1/auth/logout", value!(null))
        .await;
    assert_eq!(out.status, 204);
    let gone = world.get(&caller, "/api/v1/auth/me").await;
    assert_eq!(gone.code(), ErrorCode::AuthTokenInvalid);
    let malformed = Request::get("/api/v1/auth/me")
        .header(header::AUTHORIZATION, "Basic YTpi")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        world.ask(malformed).await.code(),
        ErrorCode::AuthTokenInvalid
    );
}

#[tokio::test]
async fn a_first_password_opens_nothing_but_its_own_change() {
    let world = World::new().await;
    let name = with_password(&world, Role::OrgAdmin, true).await;
    let answer = world.ask(login(&name, PASSWORD)).await.json();
    assert_eq!(answer["user"]["must_change_password"], true);
    let caller = Caller {
        access: answer["access_token"].as_str().unwrap().into(),
        csrf: String::new(),
    };
    for (method, path, open) in routes(nothing) {
        if open || path.starts_with("/api/v1/auth/") {
            continue;
        }
        let request = caller.request(method.clone(), &path, Body::empty());
        let refused = world.ask(request).await;
        assert_eq!(
            refused.code(),
            ErrorCode::AuthPasswordChangeRequired,
            "{path}"
        );
    }
    let change = value!({ "current": PASSWORD, "new": "short" });
    let weak = world.post(&caller, "/api/v1/auth/password", change).await;
    assert_eq!(weak.code(), ErrorCode::ValidationFailed);
    let change = value!({ "current": PASSWORD, "new": "another long one" });
    let changed = world.post(&caller, "/api/v1/auth/password", change).await;
    assert_eq!(changed.status, 204);
    assert_eq!(world.get(&caller, "/api/v1/sites").await.status, 200);
}

#[tokio::test]
async fn wrong_passwords_unknown_names_and_locked_accounts_look_alike() {
    let world = World::new().await;
    let name = with_password(&world, Role::Viewer, false).await;
    let unknown = world.ask(login("nobody", PASSWORD)).await;
    assert_eq!(unknown.code(), ErrorCode::AuthCredentialsInvalid);
    let message = |answer: &Answer| answer.json()["error"]["message"].clone();
    for _ in 0..5 {
        let wrong = world.ask(login(&name, "wrong")).await;
        assert_eq!(message(&wrong), message(&unknown));
    }
    let locked = world.ask(login(&name, PASSWORD)).await;
    assert_eq!(locked.code(), ErrorCode::AuthCredentialsInvalid);
    assert_eq!(message(&locked), message(&unknown));
    let mut last = locked;
    for _ in 0..20 {
        last = world.ask(login("nobody", "x")).await;
    }
    assert_eq!(last.code(), ErrorCode::RateLimitExceeded);
    let seconds = last.headers[header::RETRY_AFTER].to_str().unwrap();
    assert!(seconds.parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn a_refresh_gives_a_new_login_from_cookie_or_body() {
    let world = World::new().await;
    let name = with_password(&world, Role::Viewer, false).await;
    let first = world.ask(login(&name, PASSWORD)).await;
    let refresh = |cookie: &str, body: Value| {
        Request::post("/api/v1/auth/refresh")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, cookie)
            .body(json(&body))
            .unwrap()
    };
    let token = cookies(&first)[1].1.clone();
    let second = world
        .ask(refresh(&format!("hf_refresh={token}"), value!({})))
        .await;
    assert_eq!(second.status, 200, "{}", second.text());
    let token = second.json()["refresh_token"].clone();
    let third = world
        .ask(refresh("", value!({ "refresh_token": token })))
        .await;
    assert_eq!(third.json()["user"]["username"], name);
    let none = world.ask(refresh("", value!({}))).await;
    assert_eq!(none.code(), ErrorCode::AuthTokenMissing);
    world.clock.advance_ms(60_000);
    let again = world
        .ask(refresh("", value!({ "refresh_token": token })))
        .await;
    assert_eq!(again.code(), ErrorCode::AuthTokenInvalid);
    let caller = Caller {
        access: third.json()["access_token"].as_str().unwrap().into(),
        csrf: String::new(),
    };
    let ended = world.get(&caller, "/api/v1/auth/me").await;
    assert_eq!(ended.code(), ErrorCode::AuthTokenInvalid);
}
