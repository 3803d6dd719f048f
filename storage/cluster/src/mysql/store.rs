//! What every call has around it: a connection, an end, another try, an error that callers know.
//!
//! In: a call's arguments, which it owns, and what it asks. Out: the answer, awaited anywhere. A change is one transaction.
//! A call that was begun is finished though nobody waits for it; one that is late is given up with its connection, so
//! that the server rolls back what it had begun.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openim_storage::port::StoreError;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{Connection as _, MySqlConnection};
use tokio::time::{Instant, sleep, timeout_at};

use super::fault::Fault;
use super::options::Options;
use super::pool::Pool;
use crate::Runtime;

/// What a call asks over its connection.
pub(super) type Answer<'c, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'c>>;

/// How long a change rests before it is tried again; so much more after each try.
const REST: Duration = Duration::from_millis(3);

/// The connections to one server.
pub(super) struct Store {
    pool: Pool,
    runtime: Runtime,
    server: Arc<str>,
    options: Options,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Change,
}

impl Store {
    pub(super) fn new(connect: MySqlConnectOptions, options: Options, runtime: Runtime) -> Self {
        let server = format!("{}:{}", connect.get_host(), connect.get_port()).into();
        // Whoever waits for a lock gives up in time to try once more.
        let pool = Pool::new(connect, options.connections_max, options.call_timeout / 3);
        Self { pool, runtime, server, options }
    }

    /// Asks something.
    pub(super) async fn read<A, T, F>(
        self: &Arc<Self>,
        what: &'static str,
        of: A,
        ask: F,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, T> + Send + Sync + 'static,
    {
        self.call(Kind::Read, what, of, ask).await
    }

    /// Changes something, as one; tried again when the server gave it up in favour of another.
    pub(super) async fn change<A, T, F>(
        self: &Arc<Self>,
        what: &'static str,
        of: A,
        make: F,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, T> + Send + Sync + 'static,
    {
        self.call(Kind::Change, what, of, make).await
    }

    /// Changes something that nobody waits for, and that may fail.
    pub(super) fn begin<A, F>(self: &Arc<Self>, of: A, make: F)
    where
        A: Send + Sync + 'static,
        F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, ()> + Send + Sync + 'static,
    {
        let store = Arc::clone(self);
        let _unheard = self.runtime.begin(async move {
            let _made_up_for = store.tries(Kind::Change, &of, &make).await;
        });
    }

    async fn call<A, T, F>(
        self: &Arc<Self>,
        kind: Kind,
        what: &'static str,
        of: A,
        ask: F,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, T> + Send + Sync + 'static,
    {
        let store = Arc::clone(self);
        let begun = self.runtime.begin(async move { store.tries(kind, &of, &ask).await });
        match begun.answer().await {
            Some(answer) => answer.map_err(|fault| fault.told(what, &self.server)),
            None => {
                let what = format!("{what} at {}", self.server);
                Err(StoreError::Unavailable { what, cause: "the engine ends".into() })
            }
        }
    }

    async fn tries<A, T, F>(&self, kind: Kind, of: &A, ask: &F) -> Result<T, Fault>
    where
        F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, T>,
    {
        let end = Instant::now() + self.options.call_timeout;
        let mut tries = 1;
        loop {
            let answer = self.once(kind, end, of, ask).await;
            match &answer {
                Err(fault) if fault.yielded() && tries < self.options.tries_max => {}
                _ => return answer,
            }
            let rest = REST * tries;
            if Instant::now() + rest >= end {
                return answer;
            }
            sleep(rest).await;
            tries += 1;
        }
    }

    async fn once<A, T, F>(&self, kind: Kind, end: Instant, of: &A, ask: &F) -> Result<T, Fault>
    where
        F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, T>,
    {
        let wait = Instant::now() + self.options.connect_timeout;
        let mut lent = self.pool.lend(wait.min(end)).await?;
        let connection = &mut lent.connection;
        let answer = timeout_at(end, async {
            match kind {
                Kind::Read => ask(connection, of).await,
                Kind::Change => change(connection, of, ask).await,
            }
        });
        let answer = answer.await.unwrap_or(Err(Fault::Late));
        // Else it could be anywhere in an answer.
        if !answer.as_ref().is_err_and(Fault::breaks_connection) {
            lent.give_back();
        }
        answer
    }
}

async fn change<A, T, F>(connection: &mut MySqlConnection, of: &A, make: &F) -> Result<T, Fault>
where
    F: for<'c> Fn(&'c mut MySqlConnection, &'c A) -> Answer<'c, T>,
{
    let mut transaction = connection.begin().await?;
    match make(&mut transaction, of).await {
        Ok(answer) => {
            transaction.commit().await?;
            Ok(answer)
        }
        Err(fault) => {
            if !fault.breaks_connection() {
                transaction.rollback().await?;
            }
            Err(fault)
        }
    }
}
