//! Set-up, login, refresh, logout, lock-out.

use http::{Method, StatusCode};
use serde_json::json;
use wire::error::ErrorCode;
use wire::resource::LoginResponse;

use super::house::{Answer, House, PASSWORD};
use crate::api::cookies;

async fn refresh(house: &House, token: &str) -> Answer {
    house
        .ask(Method::POST, "/api/v1/auth/refresh")
        .json(json!({ "refresh_token": token }))
        .send()
        .await
}

fn tokens(answer: &Answer) -> LoginResponse {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    serde_json::from_value(answer.json()).unwrap()
}

async fn is_logged_in(house: &House, login: &LoginResponse) -> bool {
    let answer = house.get("/api/v1/auth/me", login).await;
    if answer.status == StatusCode::OK {
        return true;
    }
    assert_eq!(answer.code(), ErrorCode::AuthTokenInvalid);
    false
}

#[tokio::test]
async fn set_up_works_once_and_nothing_works_before() {
    let house = House::new().await;
    let state = house.ask(Method::GET, "/api/v1/setup").send().await;
    assert_eq!(state.json()["needed"], json!(true));
    let early = house.ask(Method::GET, "/api/v1/auth/me").send().await;
    assert_eq!(early.code(), ErrorCode::AuthTokenMissing);
    assert!(early.failure().error.message.contains("choose a password"));
    assert_eq!(
        house.log_in(PASSWORD).await.code(),
        ErrorCode::AuthCredentialsInvalid
    );

    let set_up = |password: &str| {
        house
            .ask(Method::POST, "/api/v1/setup")
            .json(json!({ "password": password }))
    };
    let weak = set_up("short").send().await.failure();
    assert_eq!(weak.error.code, ErrorCode::ValidationFailed);
    assert_eq!(weak.error.details, json!({ "field": "password" }));
    let login = tokens(&set_up(PASSWORD).send().await);
    assert!(is_logged_in(&house, &login).await);
    assert_eq!(
        set_up("another password").send().await.code(),
        ErrorCode::Conflict
    );
    assert_eq!(house.log_in(PASSWORD).await.status, StatusCode::OK);
    let state = house.ask(Method::GET, "/api/v1/setup").send().await;
    assert_eq!(state.json()["needed"], json!(false));
}

#[tokio::test]
async fn a_browser_gets_cookies_that_scripts_and_other_sites_cannot_use() {
    let (house, _) = House::set_up().await;
    let answer = house.log_in(PASSWORD).await;
    let login = tokens(&answer);
    for line in answer.headers.get_all("set-cookie") {
        let line = line.to_str().unwrap();
        assert!(
            line.contains("SameSite=Strict") && line.contains("Path=/"),
            "{line}"
        );
        let is_readable = line.starts_with("hf_csrf=");
        assert_eq!(line.contains("HttpOnly"), !is_readable, "{line}");
    }
    assert_eq!(answer.cookie(cookies::ACCESS).unwrap(), login.access_token);

    let me = house.ask(Method::GET, "/api/v1/auth/me").cookie(&login);
    assert_eq!(me.send().await.json()["username"], json!("admin"));
    // A change by cookie needs the header; a change by bearer does not.
    let log_out = || house.ask(Method::POST, "/api/v1/auth/logout");
    for ask in [
        log_out().cookie(&login),
        log_out().cookie(&login).header("x-csrf-token", "wrong"),
    ] {
        assert_eq!(
            ask.send().await.code(),
            ErrorCode::AuthInsufficientPermissions
        );
    }
    let ended = log_out()
        .cookie(&login)
        .header("x-csrf-token", &login.csrf_token)
        .send()
        .await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(ended.cookie(cookies::ACCESS).unwrap(), "");
    assert!(!is_logged_in(&house, &login).await);
    assert_eq!(
        refresh(&house, &login.refresh_token).await.code(),
        ErrorCode::AuthTokenInvalid
    );
}

#[tokio::test]
async fn a_login_goes_on_by_refreshing_and_ends_when_a_token_comes_twice() {
    let (house, first) = House::set_up().await;
    house.clock.advance_ms(16 * 60 * 1000);
    assert!(!is_logged_in(&house, &first).await);
    let second = tokens(&refresh(&house, &first.refresh_token).await);
    assert!(is_logged_in(&house, &second).await);
    // Another tab had the same idea: refused, and nothing is lost.
    let tab = refresh(&house, &first.refresh_token).await;
    assert_eq!(tab.code(), ErrorCode::AuthTokenInvalid);
    assert!(is_logged_in(&house, &second).await);
    // Much later it is a copy: the login ends for both.
    house.clock.advance_ms(60 * 1000);
    let thief = refresh(&house, &first.refresh_token).await;
    assert_eq!(thief.code(), ErrorCode::AuthTokenInvalid);
    assert!(!is_logged_in(&house, &second).await);
    assert_eq!(
        refresh(&house, &second.refresh_token).await.code(),
        ErrorCode::AuthTokenInvalid
    );
}

#[tokio::test]
async fn a_refresh_token_lives_thirty_days_and_may_come_as_a_cookie() {
    let (house, login) = House::set_up().await;
    let by_cookie = |login: &LoginResponse| {
        house
            .ask(Method::POST, "/api/v1/auth/refresh")
            .header("cookie", &format!("hf_refresh={}", login.refresh_token))
            .json(json!({}))
    };
    house.clock.advance_ms(29 * 24 * 3600 * 1000);
    let login = tokens(&by_cookie(&login).send().await);
    house.clock.advance_ms(31 * 24 * 3600 * 1000);
    assert_eq!(
        by_cookie(&login).send().await.code(),
        ErrorCode::AuthTokenInvalid
    );
    let nobody = house
        .ask(Method::POST, "/api/v1/auth/refresh")
        .json(json!({}));
    assert_eq!(nobody.send().await.code(), ErrorCode::AuthTokenMissing);
}

#[tokio::test]
async fn five_wrong_passwords_lock_the_account_for_a_growing_while() {
    let (house, _) = House::set_up().await;
    for _ in 0..5 {
        assert_eq!(
            house.log_in("wrong password").await.code(),
            ErrorCode::AuthCredentialsInvalid
        );
    }
    let locked = house.log_in(PASSWORD).await;
    assert_eq!(locked.code(), ErrorCode::RateLimitExceeded);
    assert_eq!(locked.headers["retry-after"], "31");
    house.clock.advance_ms(31 * 1000);
    assert_eq!(
        house.log_in("wrong password").await.code(),
        ErrorCode::AuthCredentialsInvalid
    );
    assert_eq!(house.log_in(PASSWORD).await.headers["retry-after"], "61");
    house.clock.advance_ms(61 * 1000);
    assert_eq!(house.log_in(PASSWORD).await.status, StatusCode::OK);
    assert_eq!(
        house.log_in("wrong password").await.code(),
        ErrorCode::AuthCredentialsInvalid
    );
    assert_eq!(house.log_in(PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn names_cannot_be_told_apart() {
    let (house, _) = House::set_up().await;
    let unknown = house
        .ask(Method::POST, "/api/v1/auth/login")
        .json(json!({ "username": "nobody", "password": "wrong password" }))
        .send()
        .await
        .failure();
    let known = house.log_in("wrong password").await.failure();
    assert_eq!(unknown.error.code, known.error.code);
    assert_eq!(unknown.error.message, known.error.message);
}

#[tokio::test]
async fn a_new_password_ends_the_other_logins() {
    let (house, here) = House::set_up().await;
    let there = tokens(&house.log_in(PASSWORD).await);
    let change = |current: &str, new: &str| {
        house
            .ask(Method::POST, "/api/v1/auth/password")
            .bearer(&here)
            .json(json!({ "current": current, "new": new }))
    };
    assert_eq!(
        change("wrong", "another long one").send().await.code(),
        ErrorCode::AuthCredentialsInvalid
    );
    assert_eq!(
        change(PASSWORD, "short").send().await.code(),
        ErrorCode::ValidationFailed
    );
    let changed = change(PASSWORD, "another long one").send().await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    assert!(is_logged_in(&house, &here).await);
    assert!(!is_logged_in(&house, &there).await);
    assert_eq!(
        house.log_in(PASSWORD).await.code(),
        ErrorCode::AuthCredentialsInvalid
    );
    assert_eq!(
        house.log_in("another long one").await.status,
        StatusCode::OK
    );
}
