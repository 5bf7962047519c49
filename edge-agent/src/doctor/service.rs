//! The agent itself: whether it runs and is ready, asked as a load balancer would.

use std::io;
use std::time::Duration;

use serde::Deserialize;

use super::finding::Finding;
use crate::config::State;

/// How long it may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `run/address.json` says.
#[derive(Deserialize)]
struct Address {
    api: String,
}

/// Whether the agent answers.
pub async fn agent(state: &State) -> Finding {
    let about = "edge agent";
    let file = state.address_file();
    let address = std::fs::read(&file)
        .and_then(|text| serde_json::from_slice::<Address>(&text).map_err(io::Error::other));
    let api = match address {
        Ok(address) => address.api,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::wrong(
                about,
                "it does not run",
                "`systemctl start holdfast-agent`; `journalctl -u holdfast-agent -n 50` shows why it ended.",
            );
        }
        Err(error) => {
            let seen = format!("{} cannot be read: {error}", file.display());
            return Finding::wrong(about, seen, "Run this as root or as the agent's user.");
        }
    };
    match ready(&api).await {
        Ok(()) => Finding::well(about, format!("ready at {api}")),
        Err(why) => Finding::wrong(
            about,
            format!("not ready at {api}: {why}"),
            "After a power cut it looks through its catalog first. If this stays, see `journalctl -u holdfast-agent -n 50`.",
        ),
    }
}

async fn ready(api: &str) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(|e| e.to_string())?;
    let answer = client
        .get(format!("{api}/ready"))
        .send()
        .await
        .map_err(|e| match e.is_connect() {
            true => "nothing answers: it was killed, or has just ended".to_owned(),
            false => e.to_string(),
        })?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("it answers {status}")),
    }
}
