//! The box's own page, as its client.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::error::ErrorResponse;
use wire::resource::{Claim, LoginResponse, Page as Listed, Recorder, Setup, System};
use zeroize::Zeroizing;

use super::{ProvisionError, RecorderEntry, Relay};

/// How long one answer may take: a password is hashed slowly on purpose, and a small box has a small processor.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often an agent that is not ready yet is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What `run/address.json` says.
#[derive(Deserialize)]
struct Address {
    api: String,
}

/// An answer, or why the page refused.
#[derive(Debug)]
pub enum Asked<T> {
    /// It was done.
    Answer(T),
    /// It was not.
    Refused {
        /// The status of the answer.
        status: u16,
        /// What happened and what to do.
        message: String,
    },
}

/// A conversation with the page.
pub struct Page {
    api: String,
    client: reqwest::Client,
    token: Zeroizing<String>,
}

fn failed(error: impl std::fmt::Display) -> ProvisionError {
    ProvisionError::Page(error.to_string())
}

impl Page {
    /// Waits until the agent whose address stands in `file` is ready.
    pub async fn when_ready(file: &Path, patience: Duration) -> Result<Self, ProvisionError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(failed)?;
        let begun = Instant::now();
        loop {
            let why = match ready(&client, file).await {
                Ok(api) => {
                    return Ok(Self {
                        api,
                        client,
                        token: Zeroizing::default(),
                    });
                }
                Err(why) => why,
            };
            if begun.elapsed() >= patience {
                return Err(ProvisionError::NotReady(why));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Chooses the password of a new box.
    pub async fn set_up(&mut self, password: &str) -> Result<Asked<()>, ProvisionError> {
        // Asked first: a box that is set up is no failed attempt.
        let setup: Setup = self.get("setup").await?;
        if !setup.needed {
            return Ok(Asked::Refused {
                status: 409,
                message: "This box is set up already.".into(),
            });
        }
        let body = json!({ "password": password });
        self.take_token("setup", body).await
    }

    /// Logs in as `admin`.
    pub async fn log_in(&mut self, password: &str) -> Result<Asked<()>, ProvisionError> {
        let body = json!({ "username": "admin", "password": password });
        self.take_token("auth/login", body).await
    }

    /// Ends the session.
    pub async fn log_out(&self) -> Result<(), ProvisionError> {
        let request = self.request(reqwest::Method::POST, "auth/logout");
        request.send().await.map_err(failed)?;
        Ok(())
    }

    /// How far the box has joined an organisation.
    pub async fn claim(&self) -> Result<Claim, ProvisionError> {
        Ok(self.get::<System>("system").await?.claim)
    }

    /// Sets the relay to join.
    pub async fn join(&self, relay: &Relay) -> Result<Asked<()>, ProvisionError> {
        let body = json!({ "url": relay.url, "ca_sha256": relay.ca_sha256 });
        let request = self.request(reqwest::Method::PUT, "system/relay");
        done(request.json(&body)).await
    }

    /// The recorders that the box has.
    pub async fn recorders(&self) -> Result<Vec<Recorder>, ProvisionError> {
        Ok(self.get::<Listed<Recorder>>("recorders").await?.items)
    }

    /// Adds a recorder.
    pub async fn add(&self, entry: &RecorderEntry) -> Result<Asked<()>, ProvisionError> {
        let body = json!({
            "name": entry.name, "driver": entry.driver, "address": entry.address, "port": entry.port,
            "tls": entry.tls, "certificate_sha256": entry.certificate_sha256, "username": entry.username,
            "password": entry.password.as_str(), "enabled": true,
        });
        let request = self.request(reqwest::Method::POST, "recorders");
        done(request.json(&body)).await
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}/api/v1/{path}", self.api));
        match self.token.is_empty() {
            true => request,
            false => request.bearer_auth(self.token.as_str()),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ProvisionError> {
        match answer(self.request(reqwest::Method::GET, path)).await? {
            Asked::Answer(answer) => Ok(answer),
            Asked::Refused { message, .. } => Err(ProvisionError::Page(message)),
        }
    }

    async fn take_token(&mut self, path: &str, body: Value) -> Result<Asked<()>, ProvisionError> {
        let request = self.request(reqwest::Method::POST, path);
        Ok(match answer::<LoginResponse>(request.json(&body)).await? {
            Asked::Answer(session) => {
                self.token = Zeroizing::new(session.access_token);
                Asked::Answer(())
            }
            Asked::Refused { status, message } => Asked::Refused { status, message },
        })
    }
}

/// The agent's address, once it is ready.
async fn ready(client: &reqwest::Client, file: &Path) -> Result<String, String> {
    let address: Address = std::fs::read(file)
        .and_then(|text| serde_json::from_slice(&text).map_err(io::Error::other))
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "it does not run".to_owned(),
            _ => format!("{}: {error}", file.display()),
        })?;
    let asked = client.get(format!("{}/ready", address.api)).send().await;
    match asked {
        Ok(answer) if answer.status().is_success() => Ok(address.api),
        Ok(answer) => Err(format!("it answers {}", answer.status())),
        Err(error) => Err(error.to_string()),
    }
}

async fn answer<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<Asked<T>, ProvisionError> {
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let body = response.bytes().await.map_err(failed)?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map(Asked::Answer)
            .map_err(failed);
    }
    let message = serde_json::from_slice::<ErrorResponse>(&body)
        .map_or_else(|_| status.to_string(), |refused| refused.error.message);
    Ok(Asked::Refused {
        status: status.as_u16(),
        message,
    })
}

/// An answer whose content nobody needs.
async fn done(request: reqwest::RequestBuilder) -> Result<Asked<()>, ProvisionError> {
    Ok(match answer::<Value>(request).await? {
        Asked::Answer(_) => Asked::Answer(()),
        Asked::Refused { status, message } => Asked::Refused { status, message },
    })
}
