//! A database of a test's own on the MySQL that the tests are given.

use std::sync::atomic::{AtomicU32, Ordering};

use openim_cluster::Runtime;
use openim_cluster::mysql::{Mysql, Options, open};
use openim_storage::port::wait;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};

use super::component;

/// Dropped with the value.
pub(crate) struct Database {
    url: String,
    name: String,
    runtime: Runtime,
}

impl Database {
    /// One that nobody else has; `None` where no MySQL is given.
    pub(crate) fn create() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let url = component("OPENIM_TEST_MYSQL")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("openim_test_{}_{number}", std::process::id());
        let runtime = Runtime::start(1).expect("a runtime");
        let database = Self { url, name, runtime };
        database.tell(&[format!("DROP DATABASE IF EXISTS {}", database.name)]);
        Some(database)
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Opens the ports on it.
    pub(crate) fn open(&self) -> Mysql {
        wait(open(self.options(), &self.runtime)).expect("the database opens")
    }

    pub(crate) fn options(&self) -> Options {
        let (url, database) = (self.url.clone(), self.name.clone());
        Options { url, database, ..Options::default() }
    }

    /// Empties every table that is there.
    pub(crate) fn clear(&self) {
        let tables = format!(
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = '{}' \
             AND table_name <> 'openim_schema'",
            self.name
        );
        let mut statements = Vec::new();
        for table in self.ask(&tables) {
            let table = format!("{}.`{table}`", self.name);
            statements.push(format!("DELETE FROM {table}"));
            if table.ends_with("`group_request`") {
                statements.push(format!("ALTER TABLE {table} AUTO_INCREMENT = 1"));
            }
        }
        self.tell(&statements);
    }

    /// Carries statements out, one after the other.
    pub(crate) fn tell(&self, statements: &[String]) {
        let (url, statements) = (self.url.clone(), statements.to_vec());
        let told = self.runtime.begin(async move {
            let mut connection = MySqlConnection::connect(&url).await?;
            for statement in statements {
                connection.execute(AssertSqlSafe(statement)).await?;
            }
            connection.close().await
        });
        wait(told.answer()).expect("the runtime runs").expect("MySQL answers");
    }

    /// The first column of what a statement gives, texts all of them.
    pub(crate) fn ask(&self, statement: &str) -> Vec<String> {
        let (url, statement) = (self.url.clone(), statement.to_owned());
        let asked = self.runtime.begin(async move {
            let mut connection = MySqlConnection::connect(&url).await?;
            let rows = connection.fetch_all(AssertSqlSafe(statement)).await?;
            connection.close().await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>()
        });
        wait(asked.answer()).expect("the runtime runs").expect("MySQL answers")
    }
}

impl Database {
    /// Ends every connection to the database, as a server that is restarted does.
    pub(crate) fn break_connections(&self) {
        let ids = format!(
            "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE db = '{}'",
            self.name
        );
        let kills: Vec<_> = self.ask(&ids).iter().map(|id| format!("KILL {id}")).collect();
        self.tell(&kills);
    }

    /// Carries a statement out in a transaction that goes on until the value is dropped.
    pub(crate) fn keep(&self, statement: &str) -> Kept {
        let (url, statement) = (self.url.clone(), statement.to_owned());
        let kept = self.runtime.begin(async move {
            let mut connection = MySqlConnection::connect(&url).await?;
            connection.execute("START TRANSACTION").await?;
            connection.execute(AssertSqlSafe(statement)).await?;
            Ok::<_, sqlx::Error>(connection)
        });
        let kept = wait(kept.answer()).expect("the runtime runs").expect("MySQL answers");
        Kept { _connection: kept }
    }
}

/// See [`Database::keep`]; the server ends the transaction with its connection.
pub(crate) struct Kept {
    _connection: MySqlConnection,
}

impl Drop for Database {
    fn drop(&mut self) {
        self.tell(&[format!("DROP DATABASE IF EXISTS {}", self.name)]);
    }
}
