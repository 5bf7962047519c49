//! Whose rows a query may see. There is no query for people without one.

use rusqlite::types::Value;
use wire::ids::{OrganisationId, SiteId};

/// Whose rows a query may see. Made by `access.rs` only, out of a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every organisation: super admins.
    Everything,
    /// One organisation.
    Organisation(OrganisationId),
    /// Some sites of one organisation.
    Sites(OrganisationId, Vec<SiteId>),
    /// No row at all.
    Nothing,
}

impl Scope {
    /// The condition that a row with these columns is within the scope, and the values to bind to it in order.
    pub(in crate::store) fn condition(
        &self,
        organisation: &str,
        site: &str,
    ) -> (String, Vec<Value>) {
        match self {
            Self::Everything => ("true".into(), Vec::new()),
            Self::Nothing => ("false".into(), Vec::new()),
            Self::Organisation(id) => (format!("{organisation} = ?"), vec![text(id)]),
            Self::Sites(id, sites) => {
                let marks = vec!["?"; sites.len()].join(", ");
                let values = std::iter::once(text(id))
                    .chain(sites.iter().map(text))
                    .collect();
                (
                    format!("{organisation} = ? and {site} in ({marks})"),
                    values,
                )
            }
        }
    }
}

/// An id as it is stored.
pub(in crate::store) fn text(id: impl ToString) -> Value {
    Value::Text(id.to_string())
}
