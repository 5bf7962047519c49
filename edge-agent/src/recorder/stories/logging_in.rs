//! Logging in, staying in, and what a person is told.

use super::*;

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let config = SdkConfig {
        check_interval_s: 1,
        ..SdkConfig::default()
    };
    let place = Place::with_config(device(), config);
    let running = place.start("wrong-horse");
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::Refused);
    assert_eq!(
        error.message,
        "wrong user name or password for 127.0.0.1:8000; 4 tries left before the recorder locks the account; not tried \
         again until you change the password"
    );
    let status = running.status(RecorderState::Error).await;
    assert_eq!(status.reason, Some(error.message));
    // A reason to try again would have come within three checks.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(place.calls("login").len(), 1);
    running
        .handle
        .change_account(place.account(PASSWORD), "new".into())
        .await;
    running.status(RecorderState::Online).await;
    running.session().await.ping().await.unwrap();
    assert_eq!(place.calls("login").len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_locked_account_is_left_alone() {
    let place = Place::new(Device {
        login_tries: 1,
        ..device()
    });
    let running = place.start("wrong-horse");
    let error = running.refusal().await;
    assert_eq!(error.kind, FailureKind::Locked);
    assert!(error.message.contains("wait 30 minutes"), "{error}");
    running.handle.check_now();
    eventually("a person's check is made", || {
        place.calls("login").len() == 2
    })
    .await;
    running.status(RecorderState::Error).await;
    running.stop().await;
}

#[tokio::test]
async fn what_was_refused_before_a_restart_is_not_tried_again() {
    let place = Place::new(device());
    let since = "2026-11-20T10:00:00Z".parse().unwrap();
    let wrong = RecorderError::new(FailureKind::Refused, "wrong user name or password");
    let known = Known {
        refusal: Some((wrong.clone(), since)),
        ..Known::default()
    };
    let running = place.start_knowing(PASSWORD, known);
    let status = running.status(RecorderState::Error).await;
    assert_eq!(status.refusal, Some(wrong.clone()));
    assert_eq!(status.last_checked_at, Some(since));
    assert_eq!(running.refusal().await, wrong);
    assert_eq!(place.calls("login").len(), 0);
    // Also when a person asks: only what was entered anew is sent.
    running.handle.check_now();
    assert_eq!(running.handle.attempt().await.unwrap_err(), wrong);
    assert_eq!(place.calls("login").len(), 0);
    let entered = place.account(PASSWORD);
    running.handle.change_account(entered, "anew".into()).await;
    let status = running.status(RecorderState::Online).await;
    assert_eq!(status.refusal, None);
    running.stop().await;
}

#[tokio::test]
async fn a_lock_that_others_caused_is_waited_for() {
    let place = Place::new(device());
    let locked = RecorderError::new(FailureKind::Locked, "locked");
    let known = |minutes_ago: i64| Known {
        proven: true,
        refusal: Some((
            locked.clone(),
            UtcTime::from(jiff::Timestamp::now()).plus_s(-60 * minutes_ago),
        )),
        ..Known::default()
    };
    let running = place.start_knowing(PASSWORD, known(20));
    let status = running.status(RecorderState::Error).await;
    let reason = status.reason.unwrap();
    assert!(
        reason.contains("has worked before") && reason.contains("by itself 35 minutes after"),
        "{reason}"
    );
    running.stop().await;
    assert_eq!(place.calls("login").len(), 0);
    let running = place.start_knowing(PASSWORD, known(36));
    running.status(RecorderState::Online).await;
    running.stop().await;
}

#[tokio::test]
async fn a_recorder_that_was_off_is_found_again() {
    let config = SdkConfig {
        check_interval_s: 1,
        ..SdkConfig::default()
    };
    let place = Place::with_config(
        Device {
            reachable: false,
            ..device()
        },
        config,
    );
    let running = place.start(PASSWORD);
    let status = running.status(RecorderState::Offline).await;
    let reason = status.reason.unwrap();
    assert!(
        reason.starts_with("nothing answers at 127.0.0.1:8000"),
        "{reason}"
    );
    place.change(|device| device.reachable = true);
    let status = running.status(RecorderState::Online).await;
    assert!(status.identity.is_some() && status.reason.is_none());
    // And is missed when it goes.
    place.change(|device| device.reachable = false);
    let status = running.status(RecorderState::Offline).await;
    assert!(status.identity.is_some(), "what is known of it stays known");
    running.stop().await;
}
