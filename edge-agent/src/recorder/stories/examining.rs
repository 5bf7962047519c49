//! Connection tests: every step in its turn, and what is told of one that fails.

use super::both_drivers::Bench;
use super::*;
use crate::recorder::examination::Room;
use tests::isapi_recorder::Quirks;
use tokio::io::AsyncWriteExt;
use wire::resource::DriverKind;

/// What a test found, and what was told while it ran.
async fn examined(account: &RecorderAccount, config: &SdkConfig) -> (Examination, Vec<News>) {
    let mut news = Vec::new();
    let target = Target::of(account);
    let login = Login::Own(account);
    let examination = examine(&target, login, None, config, &mut |one| news.push(one)).await;
    (examination, news)
}

async fn tested(account: &RecorderAccount, config: &SdkConfig) -> Examination {
    examined(account, config).await.0
}

/// `passed`, `failed` and `skipped` by their first letters, in the order of the steps.
fn outcomes(examination: &Examination) -> String {
    let steps: Vec<Step> = examination.steps.iter().map(|made| made.step).collect();
    assert_eq!(steps, Step::ALL);
    let letter = |outcome| match outcome {
        Outcome::Passed => 'p',
        Outcome::Failed => 'f',
        Outcome::Skipped => 's',
    };
    examination
        .steps
        .iter()
        .map(|made| letter(made.outcome))
        .collect()
}

fn message(examination: &Examination, step: Step) -> &str {
    let made = examination.steps.iter().find(|made| made.step == step);
    &made.unwrap().message
}

/// Recordings of the last hours, so that the trial search finds some.
fn recent() -> Device {
    let mut device = device();
    let begin = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(30);
    let second = jiff::Timestamp::from_second(begin.as_second()).unwrap();
    device.channels[0].recordings = vec![recording("ch33_1", &second.to_string())];
    device
}

/// What is left in staging.
fn left(place: &Place) -> usize {
    std::fs::read_dir(&place.config.staging[0]).unwrap().count()
}

#[tokio::test]
async fn the_sdk_gives_its_first_bytes_and_nothing_is_left_behind() {
    // The stand-in needs no network; the plain connection before the login does.
    let listener = tokio::net::TcpListener::bind((ADDRESS, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let place = Place::new(Device { port, ..recent() });
    let (well, news) = examined(&place.account(PASSWORD), &place.config).await;
    assert_eq!(outcomes(&well), "pppspppp", "{:?}", well.steps);
    assert!(
        message(&well, Step::FirstByte).contains("first bytes of channel 33's recording"),
        "{:?}",
        well.steps
    );
    assert_eq!(left(&place), 0);
    // Every step that was made was told when it began and when it ended.
    let begun = news.iter().filter(|one| matches!(one, News::Begins(_)));
    assert_eq!((begun.count(), news.len()), (7, 15));
    assert_eq!(news[0], News::Begins(Step::Library));

    let wrong = tested(&place.account("wrong-horse"), &place.config).await;
    assert_eq!(outcomes(&wrong), "pppsfsss", "{:?}", wrong.steps);
    assert!(message(&wrong, Step::Login).contains("password"));
    assert!(message(&wrong, Step::Search).contains("because login failed"));

    let target = Target::of(&place.account(PASSWORD));
    let bare = examine(&target, Login::None, None, &place.config, &mut |_| {}).await;
    assert_eq!(outcomes(&bare), "pppsssss", "{:?}", bare.steps);
    drop(listener);
    let silent = tested(&place.account(PASSWORD), &place.config).await;
    assert_eq!(outcomes(&silent), "ppfsssss", "{:?}", silent.steps);
    assert!(
        message(&silent, Step::Port).starts_with(&format!("nothing answers at {ADDRESS}:{port}"))
    );
}

#[tokio::test]
async fn a_missing_library_is_the_first_to_fail() {
    let place = Place::new(device());
    let config = SdkConfig {
        sdk_folder: place.folder.path().join("none"),
        ..SdkConfig::clone(&place.config)
    };
    let missing = tested(&place.account(PASSWORD), &config).await;
    assert_eq!(outcomes(&missing), "fsssssss", "{:?}", missing.steps);
    assert!(message(&missing, Step::Library).contains("libhcnetsdk.so"));
}

#[tokio::test]
async fn isapi_is_tested_to_its_first_bytes_and_live_where_it_holds_nothing() {
    let bench = Bench::isapi(recent(), Quirks::default()).await;
    let account = bench.account(PASSWORD);
    let well = tested(&account, &bench.place.config).await;
    assert_eq!(outcomes(&well), "sppspppp", "{:?}", well.steps);
    assert!(message(&well, Step::Port).contains("a web server answers"));
    assert_eq!(left(&bench.place), 0);

    let recorder = bench.isapi.as_ref().unwrap();
    recorder.device(|device| {
        device.channels[0].recordings.clear();
        device.channels[0].live = Some(crate::media::sample::live());
    });
    let live = tested(&account, &bench.place.config).await;
    assert_eq!(outcomes(&live), "sppspppp", "{:?}", live.steps);
    assert!(message(&live, Step::FirstByte).contains("live stream"));
    eventually("the live stream ends", || recorder.rtsp_sessions() == 0).await;

    let wrong = tested(&bench.account("wrong-one"), &bench.place.config).await;
    assert_eq!(outcomes(&wrong), "sppsfsss", "{:?}", wrong.steps);
    let refused = recorder.seen();
    let refused = refused
        .iter()
        .filter(|seen| seen.with_credentials && seen.status == 401);
    assert_eq!(refused.count(), 1, "a wrong password is tried once");
}

#[tokio::test]
async fn a_recorder_whose_streams_are_all_in_use_is_not_troubled() {
    let bench = Bench::isapi(recent(), Quirks::default()).await;
    let account = bench.account(PASSWORD);
    let full: Room<'_> = Box::pin(async { None });
    let target = Target::of(&account);
    let login = Login::Own(&account);
    let config = &bench.place.config;
    let examination = examine(&target, login, Some(full), config, &mut |_| {}).await;
    assert_eq!(
        outcomes(&examination),
        "sppsppps",
        "{:?}",
        examination.steps
    );
    let recorder = bench.isapi.as_ref().unwrap();
    assert_eq!(recorder.count("GET /ISAPI/ContentMgmt/download"), 0);
}

#[tokio::test]
async fn the_certificate_is_a_step_of_its_own() {
    let bench = Bench::isapi_tls(recent(), SdkConfig::default()).await;
    let account = bench.account(PASSWORD);
    let first = tested(&account, &bench.place.config).await;
    assert_eq!(outcomes(&first), "sppppppp", "{:?}", first.steps);
    let recorder = bench.isapi.as_ref().unwrap();
    let shown = first.identity.unwrap().certificate.unwrap();
    assert_eq!(shown.to_string(), recorder.certificate_sha256());

    recorder.replace_certificate().unwrap();
    let before = recorder.seen().len();
    let known = RecorderAccount {
        tls: Tls::Known(shown),
        ..account
    };
    let other = tested(&known, &bench.place.config).await;
    assert_eq!(outcomes(&other), "sppfssss", "{:?}", other.steps);
    assert!(message(&other, Step::Tls).contains("another certificate"));
    assert_eq!(recorder.seen().len(), before, "nothing was sent to it");
}

/// Says the same to everybody who connects.
async fn parrot(words: &'static [u8]) -> u16 {
    let listener = tokio::net::TcpListener::bind((ADDRESS, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // Who has gone already does not hear it.
            let _ = connection.write_all(words).await;
            let mut rest = [0; 256];
            let _ = connection.read(&mut rest).await;
        }
    });
    port
}

#[tokio::test]
async fn what_answers_in_place_of_the_recorder_is_told() {
    let place = Place::new(device());
    let at = |driver, tls, port| RecorderAccount {
        driver,
        tls,
        port,
        ..place.account(PASSWORD)
    };
    let web = parrot(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let streams = parrot(b"RTSP/1.0 400 Bad Request\r\n\r\n").await;
    let (sdk, isapi) = (DriverKind::Sdk, DriverKind::Isapi);
    for (account, failed, words) in [
        (at(sdk, Tls::Off, web), Step::Port, "a web server answers"),
        (at(sdk, Tls::Off, streams), Step::Port, "RTSP"),
        (at(isapi, Tls::Off, streams), Step::Port, "RTSP"),
        (
            at(isapi, Tls::FirstUse, web),
            Step::Tls,
            "does not speak TLS",
        ),
    ] {
        let told = tested(&account, &place.config).await;
        let last = told
            .steps
            .iter()
            .find(|made| made.outcome == Outcome::Failed);
        let last = last.unwrap_or_else(|| panic!("{:?}", told.steps));
        assert_eq!(last.step, failed, "{:?}", told.steps);
        assert!(last.message.contains(words), "{}", last.message);
    }
    let bench = Bench::isapi_tls(device(), SdkConfig::default()).await;
    let plain = RecorderAccount {
        tls: Tls::Off,
        ..bench.account(PASSWORD)
    };
    let told = tested(&plain, &bench.place.config).await;
    assert_eq!(outcomes(&told), "spfsssss", "{:?}", told.steps);
    assert!(
        message(&told, Step::Port).contains("switch HTTPS on"),
        "{:?}",
        told.steps
    );
}
