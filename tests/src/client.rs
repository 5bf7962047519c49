//! A person's HTTP client: logs in, carries a bearer token, understands the error shape.

use anyhow::{Context, Result, bail};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use wire::resource::LoginResponse;

/// A client of the agent or the relay.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    token: Option<String>,
}

impl Client {
    /// A client without login. `ca_pem` is trusted where given.
    pub fn new(base: impl Into<String>, ca_pem: Option<&str>) -> Result<Self> {
        base::tls::install_provider();
        let roots = match ca_pem {
            Some(pem) => base::tls::roots(pem)?,
            None => rustls::RootCertStore::empty(),
        };
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .build()?;
        Ok(Self {
            base: base.into(),
            http,
            token: None,
        })
    }

    /// Where it talks to.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The same client with another (or no) token.
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// The bearer token in use.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Logs in and keeps the token.
    pub async fn login(&mut self, username: &str, password: &str) -> Result<LoginResponse> {
        let body = serde_json::json!({ "username": username, "password": password });
        let answer: LoginResponse = self.post("/api/v1/auth/login", &body).await?;
        self.token = Some(answer.access_token.clone());
        Ok(answer)
    }

    /// Keeps the token of a login made otherwise (first-run set-up).
    pub fn adopt(&mut self, answer: &LoginResponse) {
        self.token = Some(answer.access_token.clone());
    }

    /// A request to build upon.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET, as JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(path, self.request(Method::GET, path).send().await?).await
    }

    /// POST, as JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        read(
            path,
            self.request(Method::POST, path).json(body).send().await?,
        )
        .await
    }

    /// PUT, as JSON.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        read(
            path,
            self.request(Method::PUT, path).json(body).send().await?,
        )
        .await
    }

    /// GET, as bytes; anything but success is an error.
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let response = self.request(Method::GET, path).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if !status.is_success() {
            bail!("GET {path}: {status} {}", String::from_utf8_lossy(&body));
        }
        Ok(body.to_vec())
    }

    /// Status and error body of a GET that should be refused.
    pub async fn refused(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(StatusCode, wire::error::ErrorResponse)> {
        let response = self.request(method, path).send().await?;
        let status = response.status();
        let text = response.text().await?;
        let body = serde_json::from_str(&text)
            .with_context(|| format!("{path}: {status}, not our error shape: {text}"))?;
        Ok((status, body))
    }
}

async fn read<T: DeserializeOwned>(path: &str, response: Response) -> Result<T> {
    let status = response.status();
    let text = response.text().await?;
    if !status.is_success() {
        bail!("{path}: {status} {text}");
    }
    // An empty body stands for null, so that `()` and `Value` can be asked for.
    let text = if text.is_empty() { "null" } else { &text };
    serde_json::from_str(text).with_context(|| {
        format!(
            "{path}: {}",
            serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |v| v.to_string())
        )
    })
}
