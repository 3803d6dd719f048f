//! Opening a store: the database and its tables are there, or why they cannot be used.

use std::sync::Arc;

use openim_storage::port::{Cause, StoreError};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection};
use tokio::time::timeout;

use super::archive::MysqlArchive;
use super::claim::{self, MysqlClaim};
use super::directory::MysqlDirectory;
use super::fault::{Fault, number};
use super::groups::MysqlGroups;
use super::options::Options;
use super::preferences::MysqlPreferences;
use super::relations::MysqlRelations;
use super::schema::{PACKET_BYTES_MIN, Unusable, missing, prepare, takes_statements};
use super::store::Store;
use super::tokens::MysqlTokens;
use crate::Runtime;

/// There is no database of this name.
const UNKNOWN_DATABASE: u16 = 1049;

/// The ports on one database.
pub struct Mysql {
    /// Users.
    pub directory: Arc<MysqlDirectory>,
    /// Friends, requests, blacklists.
    pub relations: Arc<MysqlRelations>,
    /// Groups, members, requests to join.
    pub groups: Arc<MysqlGroups>,
    /// Receive options.
    pub preferences: Arc<MysqlPreferences>,
    /// Newest tokens, and what was decided about tokens.
    pub tokens: Arc<MysqlTokens>,
    /// Messages for ever.
    pub archive: Arc<MysqlArchive>,
    /// Whose it is.
    pub claim: MysqlClaim,
}

/// What there is to say of a database that can be used.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is not there.
    pub missing: Vec<String>,
    /// The claim on it, if anybody has made one.
    pub claim: Option<String>,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error("the address of MySQL cannot be read: {0}")]
    Url(Cause),
    /// The server is away, or refuses.
    #[error(transparent)]
    Store(StoreError),
    /// Another process changes the tables, and does not end.
    #[error("another process keeps the tables of {0} locked; start again when it has ended")]
    Locked(String),
    /// The tables are those of a later version.
    #[error(
        "the tables of {database} have version {found}, this program knows up to {known}: run a later one"
    )]
    Newer {
        /// Which database.
        database: String,
        /// Their version.
        found: u32,
        /// The last one that is known.
        known: u32,
    },
    /// The server's `max_allowed_packet` is too small.
    #[error(
        "the server takes statements of {found} bytes only: set max_allowed_packet to {needed} or more"
    )]
    Packets {
        /// What it is.
        found: u64,
        /// What it has to be at least.
        needed: u64,
    },
    /// Tables are there that this program has not made, and that cannot hold what it stores.
    #[error("tables of {database} do not fit; change these columns, or take another database: {}", columns.join("; "))]
    Misfit {
        /// Which database.
        database: String,
        /// Each column, what it is and what it must be.
        columns: Vec<String>,
    },
}

/// Opens a store: makes the database and its tables where they are missing, and looks whether they can be used.
///
/// # Errors
/// [`OpenError`]; a start can be tried again.
pub async fn open(options: Options, runtime: &Runtime) -> Result<Mysql, OpenError> {
    let connect = server(&options)?;
    let prepared = runtime.begin(begin(connect.clone(), options.clone()));
    let prepared = prepared.answer().await.unwrap_or(Err(Unusable::Fault(Fault::Late)));
    prepared.map_err(|unusable| told(unusable, &connect, &options))?;
    let database = connect.database(&options.database);
    let store = Arc::new(Store::new(database, options, runtime.clone()));
    Ok(Mysql {
        directory: Arc::new(MysqlDirectory::new(Arc::clone(&store))),
        relations: Arc::new(MysqlRelations::new(Arc::clone(&store))),
        groups: Arc::new(MysqlGroups::new(Arc::clone(&store))),
        preferences: Arc::new(MysqlPreferences::new(Arc::clone(&store))),
        tokens: Arc::new(MysqlTokens::new(Arc::clone(&store))),
        archive: Arc::new(MysqlArchive::new(Arc::clone(&store))),
        claim: MysqlClaim::new(store),
    })
}

/// Looks whose a store is, and at nothing else of it.
///
/// # Errors
/// As [`open`].
pub async fn claim(options: Options, runtime: &Runtime) -> Result<Option<String>, OpenError> {
    let connect = server(&options)?;
    let (at, of) = (connect.clone(), options.clone());
    let asked = runtime.begin(async move {
        let (mut connection, is_there) = reach(at, &of).await?;
        let claim = if is_there { claim::read(&mut connection).await? } else { None };
        connection.close().await?;
        Ok(claim)
    });
    let asked = asked.answer().await.unwrap_or(Err(Unusable::Fault(Fault::Late)));
    asked.map_err(|unusable| told(unusable, &connect, &options))
}

/// Looks whether a store can be used: what is there. Makes nothing.
///
/// # Errors
/// As [`open`].
pub async fn look(options: Options, runtime: &Runtime) -> Result<Looked, OpenError> {
    let connect = server(&options)?;
    let looked = runtime.begin(look_at(connect.clone(), options.clone()));
    let looked = looked.answer().await.unwrap_or(Err(Unusable::Fault(Fault::Late)));
    looked.map_err(|unusable| told(unusable, &connect, &options))
}

fn server(options: &Options) -> Result<MySqlConnectOptions, OpenError> {
    let url: MySqlConnectOptions =
        options.url.parse().map_err(|error: sqlx::Error| OpenError::Url(error.into()))?;
    Ok(url.charset("utf8mb4").collation("utf8mb4_bin").disable_statement_logging())
}

fn told(unusable: Unusable, at: &MySqlConnectOptions, options: &Options) -> OpenError {
    let database = options.database.clone();
    match unusable {
        Unusable::Fault(fault) => {
            let server = format!("{}:{}", at.get_host(), at.get_port());
            OpenError::Store(fault.told("opening the database", &server))
        }
        Unusable::Locked => OpenError::Locked(database),
        Unusable::Newer { found, known } => OpenError::Newer { database, found, known },
        Unusable::Packets(found) => OpenError::Packets { found, needed: PACKET_BYTES_MIN },
        Unusable::Misfits(columns) => OpenError::Misfit { database, columns },
    }
}

async fn begin(connect: MySqlConnectOptions, options: Options) -> Result<(), Unusable> {
    // Tables that are changed take their time; what may wait for nobody is the first connection.
    let connected = timeout(options.connect_timeout, connect_to(&connect, &options.database));
    let connected = connected.await.map_err(|_| Unusable::Fault(Fault::NoConnection))?;
    let mut connection = connected?;
    prepare(&mut connection, &options.database).await?;
    Ok(connection.close().await?)
}

async fn look_at(at: MySqlConnectOptions, options: Options) -> Result<Looked, Unusable> {
    let (mut connection, is_there) = reach(at, &options).await?;
    let looked = if is_there {
        let missing = missing(&mut connection).await?;
        Looked { missing, claim: claim::read(&mut connection).await? }
    } else {
        takes_statements(&mut connection).await?;
        Looked { missing: vec![format!("database {}", options.database)], claim: None }
    };
    connection.close().await?;
    Ok(looked)
}

/// A connection to the database, or to its server where there is none yet, and whether it is there.
async fn reach(
    at: MySqlConnectOptions,
    options: &Options,
) -> Result<(MySqlConnection, bool), Unusable> {
    let connected = timeout(options.connect_timeout, async {
        match at.clone().database(&options.database).connect().await {
            Err(error) if number(&error) == Some(UNKNOWN_DATABASE) => {
                at.connect().await.map(|on| (on, false))
            }
            within => within.map(|on| (on, true)),
        }
    });
    let connected = connected.await.map_err(|_| Unusable::Fault(Fault::NoConnection))?;
    Ok(connected?)
}

/// A connection to the database, which is made where it is missing: whoever may not make one can still use it.
async fn connect_to(at: &MySqlConnectOptions, database: &str) -> Result<MySqlConnection, Unusable> {
    let within = at.clone().database(database);
    match within.connect().await {
        Err(error) if number(&error) == Some(UNKNOWN_DATABASE) => {}
        connected => return Ok(connected?),
    }
    let mut connection = at.connect().await?;
    let creation = format!(
        "CREATE DATABASE IF NOT EXISTS `{}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        database.replace('`', "``")
    );
    connection.execute(AssertSqlSafe(creation)).await?;
    connection.close().await?;
    Ok(within.connect().await?)
}
