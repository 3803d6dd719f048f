//! How far the archive has come in each partition of the log, kept beside what it has: a database that is put back from a
//! copy goes on where the copy ends.

use openim_record::{LogPartition, PartitionId, Position, Topic};
use openim_storage::port::StoreError;
use sqlx::mysql::MySqlRow;
use sqlx::{MySqlConnection, Row as _};

use super::MysqlArchive;
use super::fault::Fault;
use super::statement::{Statement, parts, push_between};

/// How far the archive has come in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivePlace {
    /// Of which.
    pub at: LogPartition,
    /// All before it is archived.
    pub next: Position,
    /// The newest append time of that, unix milliseconds: by it the log is known.
    pub time_ms: i64,
}

impl MysqlArchive {
    /// Those that were ever noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn places(&self) -> Result<Vec<ArchivePlace>, StoreError> {
        self.store.read("reading how far the archive is", (), |on, ()| Box::pin(places(on))).await
    }

    /// Notes how far it has come. A place before one that is noted changes nothing: somebody else was quicker.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note(&self, places: Vec<ArchivePlace>) -> Result<(), StoreError> {
        self.store
            .read("noting how far the archive is", places, |on, places| Box::pin(note(on, places)))
            .await
    }
}

async fn places(on: &mut MySqlConnection) -> Result<Vec<ArchivePlace>, Fault> {
    let look = "SELECT topic, log_partition, next, time_ms FROM archive_place";
    let rows = sqlx::query(look).fetch_all(on).await?;
    // A topic that only a later build knows is none of ours.
    rows.iter().filter_map(|row| place(row).transpose()).collect()
}

fn place(row: &MySqlRow) -> Result<Option<ArchivePlace>, Fault> {
    let partition = PartitionId(row.try_get(1)?);
    let (next, time_ms) = (Position(row.try_get(2)?), row.try_get(3)?);
    let topic = Topic::from_number(row.try_get(0)?);
    Ok(topic.map(|topic| ArchivePlace { at: LogPartition { topic, partition }, next, time_ms }))
}

async fn note(on: &mut MySqlConnection, places: &[ArchivePlace]) -> Result<(), Fault> {
    for part in parts(places) {
        let mut noting = Statement::new(
            "INSERT INTO archive_place (topic, log_partition, next, time_ms) VALUES ",
        );
        for (n, ArchivePlace { at, next, time_ms }) in part.iter().enumerate() {
            push_between(&mut noting, n, ", ");
            let mut row = noting.separated(", ");
            row.push_unseparated("(").push_bind(at.topic as u8).push_bind(at.partition.0);
            row.push_bind(next.0).push_bind(*time_ms).push_unseparated(")");
        }
        // One after the other, from the left: the time is compared with the place that was there.
        noting.push(
            " ON DUPLICATE KEY UPDATE time_ms = IF(VALUES(next) > next, VALUES(time_ms), time_ms), \
             next = GREATEST(next, VALUES(next))",
        );
        noting.build().execute(&mut *on).await?;
    }
    Ok(())
}
