//! Connections to the server: how many there are at most, and those that wait for a call.
//!
//! In: calls that need one, and give it back. Out: a connection on which nothing is under way. One that waited for long
//! is asked whether it still is one; one that is not given back is closed, and with it whatever was under way.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::fault::Fault;

/// A connection that was used so shortly before is taken as it is.
const FRESH: Duration = Duration::from_secs(1);
/// How long one may take to say that it is one.
const PING_MAX: Duration = Duration::from_secs(1);
/// One that nobody has needed for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Statements that stay prepared on a connection.
const STATEMENTS: usize = 256;

/// The connections to one database.
pub(super) struct Pool {
    connect: MySqlConnectOptions,
    lock_wait: Duration,
    places: Semaphore,
    /// With when each was used; the last one is at the end.
    waiting: Mutex<Vec<(MySqlConnection, Instant)>>,
}

/// A connection in use.
pub(super) struct Lent<'p> {
    pub(super) connection: MySqlConnection,
    pool: &'p Pool,
    _place: SemaphorePermit<'p>,
}

impl Pool {
    /// With so many connections at most, whose statements wait so long for a lock.
    pub(super) fn new(
        connect: MySqlConnectOptions,
        connections_max: u32,
        lock_wait: Duration,
    ) -> Self {
        let places = Semaphore::new(connections_max.max(1) as usize);
        let connect = connect.statement_cache_capacity(STATEMENTS);
        Self { connect, lock_wait, places, waiting: Mutex::default() }
    }

    /// Lends a connection, at `end` at the latest.
    pub(super) async fn lend(&self, end: Instant) -> Result<Lent<'_>, Fault> {
        timeout_at(end, self.lend_some_time()).await.unwrap_or(Err(Fault::NoConnection))
    }

    async fn lend_some_time(&self) -> Result<Lent<'_>, Fault> {
        let place = self.places.acquire().await.map_err(|_| Fault::NoConnection)?;
        let connection = loop {
            let Some((mut connection, used)) = self.waiting().pop() else {
                break self.open().await?;
            };
            if used.elapsed() < FRESH
                || matches!(timeout(PING_MAX, connection.ping()).await, Ok(Ok(())))
            {
                break connection;
            }
            // Those that have waited for longer are no better.
            self.waiting().clear();
        };
        Ok(Lent { connection, pool: self, _place: place })
    }

    /// What holds on a connection whatever the server's defaults are: strict types, times in UTC, and that each
    /// statement sees what others have committed, which whoever waited for a lock must.
    async fn open(&self) -> Result<MySqlConnection, Fault> {
        let mut connection = self.connect.connect().await?;
        let settings = format!(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
             time_zone = '+00:00', innodb_lock_wait_timeout = {}",
            self.lock_wait.as_secs().max(1)
        );
        connection.execute(AssertSqlSafe(settings)).await?;
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        Ok(connection)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(MySqlConnection, Instant)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// Gives it back, with nothing under way.
    pub(super) fn give_back(self) {
        let mut waiting = self.pool.waiting();
        let idle = waiting.partition_point(|(_, used)| used.elapsed() > IDLE_MAX);
        waiting.drain(..idle);
        waiting.push((self.connection, Instant::now()));
    }
}
