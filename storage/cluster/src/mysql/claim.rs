//! The claim on a database: what the cluster is made of whose it is, as a text. What stands in it is its writers' business.

use std::sync::Arc;

use openim_storage::port::StoreError;
use sqlx::MySqlConnection;

use super::fault::{Fault, number};
use super::store::Store;

/// There is no table of this name.
const UNKNOWN_TABLE: u16 = 1146;
/// The number of the only row.
const ROW: u8 = 1;

/// The claim on a database.
#[derive(Clone)]
pub struct MysqlClaim(Arc<Store>);

impl MysqlClaim {
    pub(super) const fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// As it is; `None`: nobody has claimed it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(&self) -> Result<Option<String>, StoreError> {
        self.0.read("reading the claim", (), |on, ()| Box::pin(read(on))).await
    }

    /// Claims it, if nobody has; gives the claim as it is then.
    ///
    /// # Errors
    /// [`StoreError`]; it is perhaps claimed all the same.
    pub async fn put(&self, claim: String) -> Result<String, StoreError> {
        let put =
            "INSERT INTO openim_cluster (id, claim) VALUES (?, ?) ON DUPLICATE KEY UPDATE id = id";
        self.0
            .change("claiming", claim, move |on, claim| {
                Box::pin(async move {
                    sqlx::query(put).bind(ROW).bind(claim).execute(&mut *on).await?;
                    there(on).await
                })
            })
            .await
    }

    /// Puts another claim in place of this one, if it is this one; gives the claim as it is then.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn replace(&self, this: String, by: String) -> Result<String, StoreError> {
        let replace = "UPDATE openim_cluster SET claim = ? WHERE id = ? AND claim = ?";
        self.0
            .change("claiming", (this, by), move |on, (this, by)| {
                Box::pin(async move {
                    sqlx::query(replace).bind(by).bind(ROW).bind(this).execute(&mut *on).await?;
                    there(on).await
                })
            })
            .await
    }
}

async fn there(on: &mut MySqlConnection) -> Result<String, Fault> {
    let gone = || Fault::malformed("openim_cluster", "a row that was put there is gone");
    read(on).await?.ok_or_else(gone)
}

/// Of a database that may have no such table yet.
pub(super) async fn read(on: &mut MySqlConnection) -> Result<Option<String>, Fault> {
    let asked = sqlx::query_scalar("SELECT claim FROM openim_cluster WHERE id = ?").bind(ROW);
    match asked.fetch_optional(on).await {
        Err(error) if number(&error) == Some(UNKNOWN_TABLE) => Ok(None),
        found => Ok(found?),
    }
}
