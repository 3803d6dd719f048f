//! The tables: how they are made, and whether those that are there can be used.
//!
//! In: a connection. Out: tables of this version, made or changed under a lock of the server, so that processes which
//! start together do it once. Never: changes a table that it has not made; what does not fit is told by table and column.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use super::fault::Fault;
use super::tables::{TABLES, Table};

/// How often the tables' form has changed, the first one included.
const VERSION: u32 = 4;
/// What a statement may have at least: rows of a batch, and the largest message.
pub(super) const PACKET_BYTES_MIN: u64 = 4 << 20;
/// How long a start waits for another's changes of the tables, in seconds.
const LOCK_WAIT_S: i64 = 60;

/// Why the tables cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// The server says so, or is away.
    Fault(Fault),
    /// Another process has kept the lock.
    Locked,
    /// A later version has changed them.
    Newer {
        /// Their version.
        found: u32,
        /// The last one that is known.
        known: u32,
    },
    /// Of each column that does not fit: what it is, and what it must be.
    Misfits(Vec<String>),
    /// The server takes no statements as long as ours.
    Packets(u64),
}

impl From<Fault> for Unusable {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<sqlx::Error> for Unusable {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// Makes the tables of `database` what this version needs.
pub(super) async fn prepare(on: &mut MySqlConnection, database: &str) -> Result<(), Unusable> {
    takes_statements(on).await?;
    // Names of locks are short.
    let taken: Option<i64> =
        sqlx::query_scalar("SELECT GET_LOCK(CONCAT('openim ', SHA2(?, 224)), ?)")
            .bind(database)
            .bind(LOCK_WAIT_S)
            .fetch_one(&mut *on)
            .await?;
    if taken != Some(1) {
        return Err(Unusable::Locked);
    }
    let prepared = change(on).await;
    sqlx::query("DO RELEASE_LOCK(CONCAT('openim ', SHA2(?, 224)))")
        .bind(database)
        .execute(on)
        .await?;
    prepared
}

/// Looks whether the server takes statements as long as ours.
pub(super) async fn takes_statements(on: &mut MySqlConnection) -> Result<(), Unusable> {
    let packet: u64 =
        sqlx::query_scalar("SELECT CAST(@@max_allowed_packet AS UNSIGNED)").fetch_one(on).await?;
    match packet < PACKET_BYTES_MIN {
        true => Err(Unusable::Packets(packet)),
        false => Ok(()),
    }
}

/// Tables that are not there, where those that are fit. Changes nothing.
pub(super) async fn missing(on: &mut MySqlConnection) -> Result<Vec<String>, Unusable> {
    takes_statements(on).await?;
    let Compared { misfits, missing, has_version } = compare(on).await?;
    if has_version {
        check_version(on).await?;
    }
    match misfits.is_empty() {
        true => Ok(missing.into_iter().map(|name| format!("table {name}")).collect()),
        false => Err(Unusable::Misfits(misfits)),
    }
}

/// The version of the tables, if they are of one that is known.
async fn check_version(on: &mut MySqlConnection) -> Result<Option<u32>, Unusable> {
    let found: Option<u32> =
        sqlx::query_scalar("SELECT MAX(version) FROM openim_schema").fetch_one(on).await?;
    match found {
        Some(found) if found > VERSION => Err(Unusable::Newer { found, known: VERSION }),
        found => Ok(found),
    }
}

async fn change(on: &mut MySqlConnection) -> Result<(), Unusable> {
    on.execute(
        "CREATE TABLE IF NOT EXISTS openim_schema (version INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE = InnoDB",
    )
    .await?;
    let found = check_version(on).await?;
    // What has changed so far is that there are more.
    if found != Some(VERSION) {
        for table in &TABLES {
            on.execute(AssertSqlSafe(table.creation())).await?;
        }
    }
    let Compared { mut misfits, missing, .. } = compare(on).await?;
    misfits.extend(missing.into_iter().map(|name| format!("{name} is missing")));
    if !misfits.is_empty() {
        return Err(Unusable::Misfits(misfits));
    }
    if found != Some(VERSION) {
        let noted = sqlx::query("INSERT INTO openim_schema (version) VALUES (?)").bind(VERSION);
        noted.execute(on).await?;
    }
    Ok(())
}

/// The tables that are there, against those that are needed.
struct Compared {
    /// What does not fit in those that are there.
    misfits: Vec<String>,
    missing: Vec<&'static str>,
    /// Whether their version is noted.
    has_version: bool,
}

async fn compare(on: &mut MySqlConnection) -> Result<Compared, Unusable> {
    let mut found: HashMap<(String, String), Column> = HashMap::new();
    let columns = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR), CAST(data_type AS CHAR), \
         CAST(column_type AS CHAR), CAST(COALESCE(character_octet_length, 0) AS SIGNED), \
         CAST(COALESCE(datetime_precision, 0) AS SIGNED), CAST(COALESCE(character_set_name, '') AS CHAR) \
         FROM information_schema.columns WHERE table_schema = DATABASE()";
    for row in sqlx::query(columns).fetch_all(&mut *on).await? {
        let key = (row.try_get(0)?, row.try_get(1)?);
        let column = Column {
            kind: row.try_get::<String, _>(2)?.to_lowercase(),
            shown: row.try_get(3)?,
            bytes: row.try_get(4)?,
            precision: row.try_get(5)?,
            charset: row.try_get(6)?,
        };
        found.insert(key, column);
    }
    let mut primary: HashMap<String, Vec<String>> = HashMap::new();
    let keys = "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.statistics \
         WHERE table_schema = DATABASE() AND index_name = 'PRIMARY' ORDER BY table_name, seq_in_index";
    for row in sqlx::query(keys).fetch_all(on).await? {
        primary.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    let is_there = |name: &str| found.keys().any(|(table, _)| table == name);
    let (mut misfits, mut missing) = (Vec::new(), Vec::new());
    for Table { name, columns, primary: wanted, .. } in &TABLES {
        if !is_there(name) {
            missing.push(*name);
            continue;
        }
        for (column, form) in *columns {
            match found.get(&((*name).to_owned(), (*column).to_owned())) {
                Some(there) if there.fits(form) => {}
                Some(there) => {
                    misfits.push(format!("{name}.{column} is {there}, not {form}"));
                }
                None => misfits.push(format!("{name}.{column} is missing, {form}")),
            }
        }
        let there = primary.get(*name).map_or(&[][..], Vec::as_slice);
        if there != *wanted {
            misfits.push(format!("{name}: the primary key is {there:?}, not {wanted:?}"));
        }
    }
    Ok(Compared { misfits, missing, has_version: is_there("openim_schema") })
}

/// A column that is there.
struct Column {
    /// `varchar`, without its length.
    kind: String,
    /// `varchar(64)`, as people write it.
    shown: String,
    /// How many bytes a text has at most.
    bytes: i64,
    /// How many digits a second has behind its point.
    precision: i64,
    charset: String,
}

impl Column {
    /// Whether what is stored in a column of this form can be stored here as well.
    fn fits(&self, form: &str) -> bool {
        let kind = form.split([' ', '(']).next().unwrap_or_default().to_lowercase();
        let length = form.split(['(', ')']).nth(1).and_then(|length| length.parse::<i64>().ok());
        let is_text = kind == "varchar" || kind == "mediumtext";
        let bytes = match &*kind {
            "varchar" => length.map_or(0, |chars| chars * 4),
            "mediumtext" => (1 << 24) - 1,
            "varbinary" | "binary" => length.unwrap_or_default(),
            "mediumblob" => (1 << 24) - 1,
            _ => 0,
        };
        let precision = if kind == "datetime" { length.unwrap_or_default() } else { 0 };
        let unsigned = form.contains("UNSIGNED") == self.shown.contains("unsigned");
        let same = kind == self.kind || (is_text && self.charset == "utf8mb4");
        let charset = !is_text || self.charset == "utf8mb4";
        same && unsigned && charset && self.bytes >= bytes && self.precision >= precision
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)?;
        if !self.charset.is_empty() && self.charset != "utf8mb4" {
            write!(f, " in {}", self.charset)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: &str, shown: &str, bytes: i64, precision: i64, charset: &str) -> Column {
        let [kind, shown, charset] = [kind, shown, charset].map(str::to_owned);
        Column { kind, shown, bytes, precision, charset }
    }

    #[test]
    fn a_column_fits_when_it_takes_as_much() {
        let id = "VARBINARY(256) NOT NULL";
        assert!(column("varbinary", "varbinary(256)", 256, 0, "").fits(id));
        assert!(column("varbinary", "varbinary(300)", 300, 0, "").fits(id));
        assert!(!column("varbinary", "varbinary(64)", 64, 0, "").fits(id));
        assert!(!column("varchar", "varchar(64)", 256, 0, "utf8mb4").fits(id));
        let text = "VARCHAR(255)";
        assert!(column("varchar", "varchar(255)", 1020, 0, "utf8mb4").fits(text));
        assert!(column("longtext", "longtext", 1 << 30, 0, "utf8mb4").fits("MEDIUMTEXT"));
        assert!(!column("varchar", "varchar(1000)", 4_000, 0, "utf8mb4").fits("MEDIUMTEXT"));
        assert!(!column("varchar", "varchar(255)", 765, 0, "utf8mb3").fits(text));
        assert!(column("datetime", "datetime(3)", 0, 3, "").fits("DATETIME(3) NOT NULL"));
        assert!(!column("datetime", "datetime", 0, 0, "").fits("DATETIME(3) NOT NULL"));
        let number = "INT UNSIGNED";
        assert!(column("int", "int(11) unsigned zerofill", 0, 0, "").fits(number));
        assert!(!column("int", "int(11)", 0, 0, "").fits(number));
    }
}
