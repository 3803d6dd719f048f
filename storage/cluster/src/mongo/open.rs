//! Opening the store: whether it can be relied upon, and whose it is.

use std::sync::Arc;

use mongodb::Client;
use mongodb::bson::{Document, doc, rawdoc};
use mongodb::event::EventHandler;
use mongodb::options::ClientOptions;
use openim_record::Placement;
use openim_storage::port::StoreError;

use super::fault::told;
use super::gather::gather;
use super::generation::Generations;
use super::server::{META, Server, USERS};
use super::writes::Writer;
use super::{MongoHistory, Options};
use crate::Runtime;

/// The oldest server that says which process of it answers.
const OLDEST: (i32, i32) = (4, 4);

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none; nothing was asked.
    #[error("{0}")]
    Address(String),
    /// It cannot be asked now; it may be later.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server that lacks what is needed.
    #[error("{address} is MongoDB {version}; 4.4 or later is needed")]
    TooOld {
        /// Which.
        address: String,
        /// Its version.
        version: String,
    },
    /// The database belongs to another cluster.
    #[error("{address} belongs to the cluster {found:?}, not to {own:?}")]
    OtherCluster {
        /// Which.
        address: String,
        /// As it is stored.
        found: String,
        /// Of the settings.
        own: String,
    },
    /// It was begun with other partitions, and inboxes lie where these were.
    #[error("{address} was begun with {found}, which is fixed for ever; the settings say {own}")]
    OtherPartitions {
        /// Which.
        address: String,
        /// As it is stored: how many, and by which hash.
        found: String,
        /// Of the settings.
        own: String,
    },
}

/// What an operator should hear of a store that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// One server alone.
    #[error(
        "it is no replica set: one that is killed may lose what it has acknowledged; a replica set of one does not"
    )]
    Standalone,
}

impl MongoHistory {
    /// Opens the store, with what should be said of it. A database that is empty is begun.
    ///
    /// # Errors
    /// [`OpenError`]; of these only [`StoreError::Unavailable`] may pass.
    pub async fn open(
        runtime: &Runtime,
        options: Options,
    ) -> Result<(Self, Vec<Warning>), OpenError> {
        Self::begin(runtime, options, true)
            .await
            .map(|(history, looked)| (history, looked.warnings))
    }

    /// Looks whether the store will do. Nothing is written.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn look(runtime: &Runtime, options: Options) -> Result<Looked, OpenError> {
        Self::begin(runtime, options, false).await.map(|(_, looked)| looked)
    }

    async fn begin(
        runtime: &Runtime,
        options: Options,
        make: bool,
    ) -> Result<(Self, Looked), OpenError> {
        let opening = open(runtime.clone(), options, make);
        let ended = || super::fault::unavailable("opening the store", super::ENDED);
        runtime.begin(opening).answer().await.ok_or_else(ended)?
    }
}

/// What there is to say of a store that can be used.
#[derive(Debug)]
pub struct Looked {
    /// What an operator should hear.
    pub warnings: Vec<Warning>,
    /// Whether the database has been begun.
    pub is_begun: bool,
    /// The claim on it, if anybody has made one.
    pub claim: Option<String>,
}

async fn open(
    runtime: Runtime,
    options: Options,
    make: bool,
) -> Result<(MongoHistory, Looked), OpenError> {
    let generations = Arc::<Generations>::default();
    let mut client = ClientOptions::parse(&options.url)
        .await
        .map_err(|error| OpenError::Address(error.to_string()))?;
    let hosts: Vec<String> = client.hosts.iter().map(ToString::to_string).collect();
    let address = format!("{}/{}", hosts.join(","), options.database);
    let hears = generations.clone();
    client.cmap_event_handler = Some(EventHandler::callback(move |event| hears.hear(&event)));
    client.app_name = Some("openim".to_owned());
    // What failed is begun again from the checkpoint, not sent once more to whoever answers.
    client.retry_writes = Some(false);
    client.retry_reads = Some(false);
    client.connect_timeout = Some(options.connect_timeout);
    client.server_selection_timeout = Some(options.select_timeout);
    client.max_pool_size = Some(options.connections_max.max(1));
    let client =
        Client::with_options(client).map_err(|error| OpenError::Address(error.to_string()))?;
    let (gather, gathering) = gather();
    let server = Arc::new(Server::new(&client, address, generations, options, gather));
    gathering.run(&server);
    let what = server.at("opening the store");
    let timeout = server.options.call_timeout;
    let checked = tokio::time::timeout(timeout, server.begin(&what, make)).await;
    let looked = checked.unwrap_or_else(|_| Err(super::late(&what).into()))?;
    Ok((MongoHistory { runtime, server }, looked))
}

impl Server {
    async fn begin(&self, what: &str, make: bool) -> Result<Looked, OpenError> {
        let build = self.command(what, rawdoc! { "buildInfo": 1 }).await?;
        if is_too_old(&build) {
            let version = build.get_str("version").unwrap_or("of an unknown version").to_owned();
            return Err(OpenError::TooOld { address: self.address.clone(), version });
        }
        let hello = self.command(what, rawdoc! { "hello": 1 }).await?;
        let alone = is_alone(&hello);
        if make {
            self.make(what).await?;
        }
        let stored = self.own(what).await?;
        if make {
            let index = doc! {
                "createIndexes": USERS,
                "indexes": [{ "key": { "d": 1 }, "name": "d" }],
                "writeConcern": { "w": "majority" },
            };
            let failed = |error| told(what, error);
            self.database.run_command(index).await.map_err(failed)?;
        }
        let warnings = if alone { vec![Warning::Standalone] } else { Vec::new() };
        let is_begun = stored.is_some();
        let claim = stored.and_then(|stored| Some(stored.get_str("claim").ok()?.to_owned()));
        Ok(Looked { warnings, is_begun, claim })
    }

    /// Begins a database that is empty.
    async fn make(&self, what: &str) -> Result<(), OpenError> {
        let generation = self.generation(what).await?;
        let (cluster, partitions) = (self.options.cluster.as_str(), self.options.partitions);
        let begin = rawdoc! {
            "q": { "_id": "cluster" },
            "u": { "$setOnInsert": {
                "cluster": cluster,
                "partitions": i32::from(partitions),
                "hash": Placement::HASH,
            } },
            "upsert": true,
        };
        let writer = Writer { server: self, what, generation, p: 0 };
        writer.update(META, vec![begin]).await?;
        Ok(())
    }

    /// What says whose a database is that was begun, and is this cluster's; `None`: it is empty.
    async fn own(&self, what: &str) -> Result<Option<Document>, OpenError> {
        let (cluster, partitions) = (self.options.cluster.as_str(), self.options.partitions);
        let Some(stored) = self.one(what, META, doc! { "_id": "cluster" }).await? else {
            return Ok(None);
        };
        let stored =
            Document::try_from(&*stored).map_err(|cause| self.malformed(META, "cluster", cause))?;
        let found = stored.get_str("cluster").unwrap_or_default();
        let address = || self.address.clone();
        if found != cluster {
            let (found, own) = (found.to_owned(), cluster.to_owned());
            return Err(OpenError::OtherCluster { address: address(), found, own });
        }
        let said = |partitions: i32, hash: &str| format!("{partitions} partitions by {hash}");
        let own = said(partitions.into(), Placement::HASH);
        let found = said(
            stored.get_i32("partitions").unwrap_or_default(),
            stored.get_str("hash").unwrap_or_default(),
        );
        match found == own {
            true => Ok(Some(stored)),
            false => Err(OpenError::OtherPartitions { address: address(), found, own }),
        }
    }
}

fn is_too_old(build: &Document) -> bool {
    let number = |place: usize| build.get_array("versionArray").ok()?.get(place)?.as_i32();
    (number(0).unwrap_or_default(), number(1).unwrap_or_default()) < OLDEST
}

/// A router of a sharded cluster names no set either.
fn is_alone(hello: &Document) -> bool {
    !hello.contains_key("setName") && hello.get_str("msg").ok() != Some("isdbgrid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_cannot_be_relied_upon_are_known() {
        let build = |major: i32, minor: i32| doc! { "versionArray": [major, minor, 0, 0] };
        for (build, too_old) in [
            (build(4, 2), true),
            (build(3, 6), true),
            (doc! {}, true),
            (build(4, 4), false),
            (build(6, 0), false),
        ] {
            assert_eq!(is_too_old(&build), too_old, "{build}");
        }
        assert!(is_alone(&doc! { "isWritablePrimary": true }));
        assert!(!is_alone(&doc! { "setName": "r0" }));
        assert!(!is_alone(&doc! { "msg": "isdbgrid" }));
    }
}
