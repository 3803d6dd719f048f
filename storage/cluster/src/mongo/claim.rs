//! The claim on a database: what the cluster is made of whose it is, as a text in the document that says whose it is. What
//! stands in it is its writers' business.

use mongodb::bson::{RawDocumentBuf, doc, rawdoc};
use openim_storage::port::StoreError;

use super::MongoHistory;
use super::server::{META, Server};
use super::writes::Writer;

impl MongoHistory {
    /// The claim as it is; `None`: nobody has claimed it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(&self) -> Result<Option<String>, StoreError> {
        self.call("reading the claim", |server, what| async move { server.claim(&what).await })
            .await
    }

    /// Claims the database, if nobody has; gives the claim as it is then.
    ///
    /// # Errors
    /// [`StoreError`]; it is perhaps claimed all the same.
    pub async fn put_claim(&self, claim: String) -> Result<String, StoreError> {
        let put = rawdoc! {
            "q": { "_id": "cluster", "claim": { "$exists": false } },
            "u": { "$set": { "claim": claim } },
        };
        self.change_claim(put).await
    }

    /// Puts another claim in place of this one, if it is this one; gives the claim as it is then.
    ///
    /// # Errors
    /// As [`Self::put_claim`].
    pub async fn replace_claim(&self, this: String, by: String) -> Result<String, StoreError> {
        let replace = rawdoc! {
            "q": { "_id": "cluster", "claim": this },
            "u": { "$set": { "claim": by } },
        };
        self.change_claim(replace).await
    }

    async fn change_claim(&self, change: RawDocumentBuf) -> Result<String, StoreError> {
        self.call("claiming", |server, what| async move {
            let generation = server.generation(&what).await?;
            let writer = Writer { server: &server, what: &what, generation, p: 0 };
            writer.update(META, vec![change]).await?;
            let gone = || server.malformed(META, "cluster", "a claim that was put there is gone");
            server.claim(&what).await?.ok_or_else(gone)
        })
        .await
    }
}

impl Server {
    async fn claim(&self, what: &str) -> Result<Option<String>, StoreError> {
        let found = self.one(what, META, doc! { "_id": "cluster" }).await?;
        Ok(found.and_then(|found| Some(found.get_str("claim").ok()?.to_owned())))
    }
}
