//! Missing reports, fetched over the tunnel page by page. What the appliance no longer keeps is told anew in a new log,
//! which it is asked to begin.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use base::clock::Clock;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use wire::ids::{ApplianceId, MessageId, UserId};
use wire::poke::Ack;
use wire::telemetry::{Report, ReportPage, Resync, ResyncRequest};
use wire::time::UtcTime;
use wire::tunnel::{ASSERTION_HEADER, ASSERTION_LIFETIME_S, Assertion, Permission};

use crate::pki::{Pki, RELAY_CN};
use crate::store::Store;
use crate::tunnel::hub::Hub;

/// Largest answer: 500 reports of at most 128 KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest wait for one.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Reports that came over the tunnel, or the end of them.
pub enum Filled {
    /// Some.
    Page(ApplianceId, Vec<Report>),
    /// No more, for now.
    Done(ApplianceId),
}

/// What fetching needs.
pub struct Fill {
    /// The way to appliances.
    pub hub: Hub,
    /// Signs for the relay itself.
    pub pki: Arc<Pki>,
    /// Who is claimed.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Where pages go. Its receiver lives as long as ingest; with it gone there is nothing left to do.
    pub out: mpsc::Sender<Filled>,
}

/// An appliance's answer to the question for a page.
enum Page {
    Reports(Vec<Report>),
    Gone,
}

impl Fill {
    /// Fetches what an appliance told after `stored`, until there is nothing newer.
    pub async fn run(&self, appliance: &ApplianceId, stored: Ack) -> anyhow::Result<()> {
        let mut from = stored.seq + 1;
        loop {
            let reports = match self.page(appliance, stored, from).await? {
                Page::Reports(reports) => reports,
                Page::Gone => return self.ask_for_everything(appliance, stored, from).await,
            };
            let Some(last) = reports.last() else {
                return Ok(());
            };
            from = last.seq + 1;
            let page = Filled::Page(appliance.clone(), reports);
            if self.out.send(page).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn page(&self, appliance: &ApplianceId, stored: Ack, from: u64) -> anyhow::Result<Page> {
        let path = format!("/api/v1/reports?log={}&from={from}", stored.log);
        let (status, body) = self.ask(appliance, Method::GET, &path, Vec::new()).await?;
        match status {
            StatusCode::GONE => Ok(Page::Gone),
            _ => Ok(Page::Reports(read::<ReportPage>(status, &body)?.reports)),
        }
    }

    async fn ask_for_everything(
        &self,
        appliance: &ApplianceId,
        stored: Ack,
        from: u64,
    ) -> anyhow::Result<()> {
        let lost = ResyncRequest {
            log: stored.log,
            from,
        };
        let path = "/api/v1/reports/resync";
        let body = serde_json::to_vec(&lost)?;
        let (status, body) = self.ask(appliance, Method::POST, path, body).await?;
        let told = read::<Resync>(status, &body)?;
        tracing::info!(appliance.id = %appliance, report.log = %told.log, report.lost = from, "Missing reports are no longer kept; the appliance tells everything anew");
        Ok(())
    }

    async fn ask(
        &self,
        appliance: &ApplianceId,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> anyhow::Result<(StatusCode, Vec<u8>)> {
        let claimed = self.store.claimed(appliance).await?;
        let claimed = claimed.context("the appliance is not claimed any more")?;
        let assertion = Assertion {
            appliance: appliance.clone(),
            user_id: UserId::RELAY,
            username: RELAY_CN.into(),
            organisation: claimed.organisation,
            permissions: vec![Permission::View],
            request_id: MessageId::new().to_string(),
            expires_s: UtcTime::from(self.clock.now()).seconds() + ASSERTION_LIFETIME_S,
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ASSERTION_HEADER, assertion.sign(self.pki.assertion_key()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))?;
        let exchange = async {
            let response = self.hub.request(appliance, request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|e| anyhow::anyhow!("{e}"))?;
            anyhow::Ok((status, body.to_bytes().into()))
        };
        tokio::time::timeout(ANSWER_WAIT, exchange)
            .await
            .context("no answer in time")?
    }
}

fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> anyhow::Result<T> {
    anyhow::ensure!(status == StatusCode::OK, "answered {status}");
    Ok(serde_json::from_slice(body)?)
}
