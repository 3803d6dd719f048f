//! Redis: where links are, the gateways' marks, what supersedes tokens elsewhere, and what holds of users' tokens (R7 and
//! R9 of the design).
//!
//! All of it may be emptied or away at any time: whoever reads it acts as if anybody could be anywhere then. A script
//! touches one key, so that it works on a Redis Cluster too. Keys, below the prefix: `pres:UID` a hash of platform to
//! entry, `gw:PROCESS` a mark, `events` a stream, `tok:UID` a hash of what is known of tokens, `run` who runs.

mod events;
mod presence;
mod roll;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use openim_storage::port::StoreError;
use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, TlsCertificates, Value,
};

use crate::Runtime;

pub use events::{Event, Events, Told};
pub use presence::{MARK_KEPT, Presence};
pub use roll::Roll;
pub use tokens::{Change, Looks, TokenStates};

/// Settings of what is kept in Redis.
#[derive(Clone, Debug)]
pub struct Options {
    /// `redis://:password@host:port`, `rediss://` with TLS; several: a Redis Cluster.
    pub urls: Vec<String>,
    /// Authorities that the certificates behind `rediss://` are checked against, as PEM; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
    /// What all keys begin with.
    pub prefix: String,
    /// How long a call takes at most.
    pub call_timeout: Duration,
    /// Entries of a user are forgotten when none of them was written for so long: longer than a gateway takes between
    /// two passes over all its links.
    pub entries_kept: Duration,
    /// Events that are kept, about.
    pub events_max: usize,
    /// How long what holds of a user's tokens is remembered behind the moment when it was read.
    pub tokens_kept: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: vec!["redis://127.0.0.1:6379".to_owned()],
            authorities: None,
            prefix: "openim:".to_owned(),
            call_timeout: Duration::from_secs(2),
            entries_kept: Duration::from_secs(30 * 60),
            events_max: 100_000,
            tokens_kept: Duration::from_secs(10 * 60),
        }
    }
}

/// What of a server's settings is seldom meant. It works all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// It may throw keys away when its memory is full.
    #[error("maxmemory-policy is not noeviction: entries that are thrown away cost deliveries")]
    Evicts,
    /// It begins empty after a restart.
    #[error("neither appendonly nor save is on: all links are written again after a restart")]
    Forgets,
    /// The account may not ask which server it is.
    #[error(
        "the account may not use INFO: what holds of users' tokens is not remembered, and is read in MySQL each time"
    )]
    Nameless,
}

/// One purpose's way to Redis: calls of others do not wait behind its own.
#[derive(Clone)]
pub struct Redis {
    runtime: Runtime,
    options: Arc<Options>,
    connection: Connection,
}

#[derive(Clone)]
enum Connection {
    /// Connects again by itself.
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Redis {
    /// Opens a way to Redis.
    ///
    /// # Errors
    /// [`StoreError::Rejected`]: an address is none. [`StoreError::Unavailable`]: it does not answer, or not to us.
    pub async fn open(runtime: &Runtime, options: Options) -> Result<Self, StoreError> {
        let options = Arc::new(options);
        let (at, limit) = (Arc::clone(&options), options.call_timeout);
        let opened = runtime.begin(async move {
            let connecting = tokio::time::timeout(limit, connect(&at));
            connecting.await.unwrap_or_else(|_| Err(late()))
        });
        let connection = opened
            .answer()
            .await
            .unwrap_or_else(|| Err(late()))
            .map_err(|error| failed(&options, "connecting to", error))?;
        Ok(Self { runtime: runtime.clone(), options, connection })
    }

    /// Settings of the server and of the account that are seldom meant; none where they are not told.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn warnings(&self) -> Result<Vec<Warning>, StoreError> {
        // `None`: not for this account, or the server has no such command.
        let ask = async |asked: Cmd| {
            let ask = async move |mut connection: Connection| {
                let asked = asked.query_async(&mut connection).await;
                match asked.map_err(|error| (error.code().map(str::to_owned), error)) {
                    Ok(found) => Ok(Some(found)),
                    Err((Some(code), _)) if code == "NOPERM" || code == "ERR" => Ok(None),
                    Err((_, error)) => Err(error),
                }
            };
            self.with::<Option<Value>>("reading the settings of", ask).await
        };
        let mut warnings = Vec::new();
        let mut server = redis::cmd("INFO");
        server.arg("server");
        if ask(server).await?.is_none() {
            warnings.push(Warning::Nameless);
        }
        if matches!(self.connection, Connection::Cluster(_)) {
            return Ok(warnings);
        }
        let setting = async |name: &str| {
            let mut asked = redis::cmd("CONFIG");
            asked.arg("GET").arg(name);
            let found = ask(asked).await?.map(redis::from_redis_value::<Vec<String>>);
            Ok::<_, StoreError>(
                found.and_then(Result::ok).and_then(|found| found.into_iter().nth(1)),
            )
        };
        let evicts = setting("maxmemory-policy").await?;
        if evicts.is_some_and(|policy| policy != "noeviction") {
            warnings.push(Warning::Evicts);
        }
        let (log, dumps) = (setting("appendonly").await?, setting("save").await?);
        if log.as_deref() == Some("no") && dumps.as_deref() == Some("") {
            warnings.push(Warning::Forgets);
        }
        Ok(warnings)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// One command.
    async fn call<T: redis::FromRedisValue + Send + 'static>(
        &self,
        doing: &str,
        command: Cmd,
    ) -> Result<T, StoreError> {
        let call =
            async move |mut connection: Connection| command.query_async(&mut connection).await;
        self.with(doing, call).await
    }

    /// Runs something on the connection, within the time of a call.
    async fn with<T: Send + 'static>(
        &self,
        doing: &str,
        call: impl Call<T>,
    ) -> Result<T, StoreError> {
        self.within(self.options.call_timeout, doing, call).await
    }

    /// Runs something on the connection, within so long; again, where the connection was one that the server had left. That
    /// is found by using it, so behind a restart of the server the first of all calls would fail. What is done twice is the
    /// same as done once.
    async fn within<T: Send + 'static>(
        &self,
        limit: Duration,
        doing: &str,
        call: impl Call<T>,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        let begun = self.runtime.begin(async move {
            let twice = async {
                match call.clone().run(connection.clone()).await {
                    Err(error) if error.is_connection_dropped() => call.run(connection).await,
                    answer => answer,
                }
            };
            tokio::time::timeout(limit, twice).await.unwrap_or_else(|_| Err(late()))
        });
        let answer = begun.answer().await.unwrap_or_else(|| Err(late()));
        answer.map_err(|error| failed(&self.options, doing, error))
    }
}

/// What is run on a connection, perhaps once more on the same.
trait Call<T>: Clone + Send + 'static {
    fn run(self, on: Connection) -> impl Future<Output = Result<T, RedisError>> + Send;
}

impl<T, C, F> Call<T> for C
where
    C: FnOnce(Connection) -> F + Clone + Send + 'static,
    F: Future<Output = Result<T, RedisError>> + Send,
{
    fn run(self, on: Connection) -> impl Future<Output = Result<T, RedisError>> + Send {
        self(on)
    }
}

async fn connect(options: &Options) -> Result<Connection, RedisError> {
    let limit = options.call_timeout;
    if let [url] = &options.urls[..] {
        // Calls have a limit of their own; the manager's tries go on behind it.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit))
            .set_max_delay(Duration::from_secs(1));
        let client = match authorities(options) {
            Some(authorities) => Client::build_with_tls(&url[..], authorities)?,
            None => Client::open(&url[..])?,
        };
        // The manager would only try again; this one says why it cannot be. Its own limits are half a second.
        let first = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        drop(client.get_multiplexed_async_connection_with_config(&first).await?);
        return Ok(Connection::One(client.get_connection_manager_with_config(config).await?));
    }
    let mut builder = ClusterClientBuilder::new(options.urls.clone())
        .connection_timeout(limit)
        .response_timeout(limit);
    if let Some(authorities) = authorities(options) {
        builder = builder.certs(authorities);
    }
    Ok(Connection::Cluster(builder.build()?.get_async_connection().await?))
}

/// Of certificates, where there are any to check.
fn authorities(options: &Options) -> Option<TlsCertificates> {
    let secure = options.urls.iter().all(|url| url.starts_with("rediss://"));
    let root_cert = Some(options.authorities.clone()?);
    secure.then_some(TlsCertificates { client_tls: None, root_cert })
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(command),
            Self::Cluster(cluster) => cluster.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(commands, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

fn late() -> RedisError {
    RedisError::from((redis::ErrorKind::Io, "no answer in time"))
}

/// The addresses without their passwords.
fn failed(options: &Options, doing: &str, error: RedisError) -> StoreError {
    let shown = |url: &String| match url.rsplit_once('@') {
        Some((_, host)) => host.to_owned(),
        None => url.clone(),
    };
    let addresses: Vec<String> = options.urls.iter().map(shown).collect();
    let what = format!("{doing} Redis at {}", addresses.join(", "));
    let wrong = matches!(error.kind(), redis::ErrorKind::InvalidClientConfig);
    match wrong {
        true => StoreError::Rejected { what, cause: error.into() },
        false => StoreError::Unavailable { what, cause: error.into() },
    }
}
