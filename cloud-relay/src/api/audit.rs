//! The audit log, for admins (Q6).

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::error::ErrorCode;
use wire::ids::{SiteId, UserId};
use wire::resource::Page;
use wire::time::UtcTime;

use super::{ApiError, ApiResult, App, Query, Visitor, page};
use crate::access::Action;
use crate::store::Scope;
use crate::store::audit::Entry;

/// Query of `GET /audit`.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Items per page, 1 to 500.
    limit: Option<u32>,
}

/// What somebody did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Number; grows with time.
    id: i64,
    /// When; for footage, when it began.
    at: UtcTime,
    /// Who; null where nobody was logged in.
    user_id: Option<UserId>,
    /// Login name, as known or as typed.
    username: String,
    /// From where.
    address: String,
    /// What: `session.login`, `footage.download`, `recording.lock`, `appliance.claim`…
    action: String,
    /// To what: the id of a person, recording, camera or site, or the route of a site's appliance.
    subject: String,
    /// Site, where there is one.
    site_id: Option<SiteId>,
    /// HTTP status that it was answered with.
    status: u16,
    /// Bytes sent, for footage.
    bytes: Option<u64>,
    /// Finds the request in the journals of relay and appliance.
    request_id: String,
}

impl From<Entry> for AuditEntry {
    fn from(it: Entry) -> Self {
        Self {
            id: it.id,
            at: it.at,
            user_id: it.person,
            username: it.username,
            address: it.address,
            action: it.action,
            subject: it.subject,
            site_id: it.site,
            status: it.status,
            bytes: it.bytes,
            request_id: it.request_id,
        }
    }
}

/// Accesses to footage, changes and logins, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Page<AuditEntry>)))]
pub async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Json<Page<AuditEntry>>> {
    match visitor.scope() {
        Scope::Everything => {}
        Scope::Organisation(organisation) | Scope::Sites(organisation, _) => {
            visitor.require_in(Action::ReadAudit, organisation, "read the audit log")?;
        }
        Scope::Nothing => {
            return Err(ApiError::new(
                ErrorCode::AuthInsufficientPermissions,
                "You belong to no organisation.",
            ));
        }
    }
    let limit = page::limit(query.limit)?;
    let before = page::cursor::<i64>(query.cursor.as_deref())?;
    let found = app.store.audit(visitor.scope(), before, limit + 1).await?;
    Ok(Json(page::page(
        found,
        limit,
        |it| it.id,
        AuditEntry::from,
    )?))
}
