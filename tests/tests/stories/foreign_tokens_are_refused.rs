//! No token, a foreign one, a revoked one: 401 in the error shape, on every kind of route, at both programs.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tests::appliance::Appliance;
use tests::client::Client;
use tests::main_job;
use tests::relay::Relay;
use tests::stand_in::{StandIn, standard_spec};
use wire::error::ErrorCode;

#[tokio::test]
async fn foreign_tokens_are_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let recorder = StandIn::standard(&dir.path().join("sdk"), &standard_spec(1, 10))?;
    let appliance = Appliance::new(&dir.path().join("box"), recorder.folder())?;
    let relay = Relay::new(&dir.path().join("relay"))?;
    let world = main_job::start(recorder, appliance, relay).await?;
    let all = world.appliance.all_completed(2).await?;

    let (lan, far) = (&world.appliance.client, &world.relay.client);
    let footage = format!("/api/v1/recordings/{}/download", all[0].id);
    let live = format!("/api/v1/live/{}/index.m3u8", all[0].camera_id);
    let paths = [
        "/api/v1/auth/me",
        "/api/v1/cameras",
        "/api/v1/recordings",
        &footage,
        &live,
    ];
    for (client, other) in [(lan, far), (far, lan)] {
        for path in paths {
            refused(&client.with_token(None), path, ErrorCode::AuthTokenMissing).await?;
            refused(
                &client.with_token(other.token()),
                path,
                ErrorCode::AuthTokenInvalid,
            )
            .await?;
            refused(
                &client.with_token(Some("nonsense")),
                path,
                ErrorCode::AuthTokenInvalid,
            )
            .await?;
        }
        // Logged out, the same token is worth nothing.
        let gone = client.with_token(client.token());
        let _: Value = gone.post("/api/v1/auth/logout", &json!({})).await?;
        refused(&gone, "/api/v1/cameras", ErrorCode::AuthTokenInvalid).await?;
    }
    // An assertion is believed only inside the tunnel.
    let forged = lan
        .with_token(None)
        .request(Method::GET, "/api/v1/cameras")
        .header("holdfast-assertion", "e30.AA");
    ensure!(forged.send().await?.status() == 401);
    Ok(())
}

async fn refused(client: &Client, path: &str, code: ErrorCode) -> Result<()> {
    let (status, body) = client.refused(Method::GET, path).await?;
    ensure!(status == 401 && !body.success, "{path}: {status} {body:?}");
    ensure!(
        body.error.code == code,
        "{path}: {body:?} instead of {code:?}"
    );
    ensure!(
        !body.error.message.is_empty() && !body.error.request_id.is_empty(),
        "{path}: {body:?}"
    );
    Ok(())
}
