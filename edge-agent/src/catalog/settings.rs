//! Single values, as JSON.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::ids::ApplianceId;

use super::{Catalog, CatalogError};

/// Key of this appliance's id, which sidecars carry.
const APPLIANCE: &str = "appliance";

impl Catalog {
    /// A value; none when it was never set.
    pub async fn setting<T: DeserializeOwned + Send + 'static>(
        &self,
        key: &'static str,
    ) -> Result<Option<T>, CatalogError> {
        self.read(move |c| get(c, key)).await
    }

    /// Sets a value.
    pub async fn set_setting<T: Serialize>(
        &self,
        key: &'static str,
        value: &T,
    ) -> Result<(), CatalogError> {
        let text = serde_json::to_string(value)?;
        self.write(move |w| {
            w.tx.prepare_cached(
                "insert into setting (key, value) values (?1, ?2)
                 on conflict (key) do update set value = excluded.value",
            )?
            .execute(params![key, text])?;
            Ok(())
        })
        .await
    }

    /// Says which appliance this is, once at start: sidecars carry it.
    pub async fn set_appliance(&self, appliance: &ApplianceId) -> Result<(), CatalogError> {
        if self.setting::<ApplianceId>(APPLIANCE).await?.as_ref() == Some(appliance) {
            return Ok(());
        }
        self.set_setting(APPLIANCE, appliance).await
    }
}

/// The appliance, where it was said.
pub(super) fn appliance(c: &Connection) -> Result<Option<ApplianceId>, CatalogError> {
    get(c, APPLIANCE)
}

fn get<T: DeserializeOwned>(c: &Connection, key: &str) -> Result<Option<T>, CatalogError> {
    let text: Option<String> = c
        .prepare_cached("select value from setting where key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    text.map(|text| {
        serde_json::from_str(&text).map_err(|e| CatalogError::Corrupt {
            what: format!("a setting {key:?} that cannot be read ({e})"),
        })
    })
    .transpose()
}
