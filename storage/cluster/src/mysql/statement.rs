//! Parts of statements that several tables need: lists of ids, rows, times, pages.
//!
//! Every statement stays prepared, and there are few: one that is closed again costs a round trip, and the client's
//! sockets have Nagle's algorithm on, so what is sent behind the closing waits for the server's delayed acknowledgement.

use openim_record::UserId;
use sqlx::mysql::MySqlRow;
use sqlx::{MySql, QueryBuilder, Row as _};

use super::fault::Fault;

/// How many ids or rows one statement has at most; a power of two.
pub(super) const PART: usize = 512;

/// A statement that is being put together.
pub(super) type Statement = QueryBuilder<MySql>;

/// A column of times, as unix milliseconds.
macro_rules! millis {
    ($column:literal) => {
        concat!(
            "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', ",
            $column,
            ") DIV 1000"
        )
    };
}
pub(super) use millis;

/// Adds a time, unix milliseconds.
pub(super) fn push_time(statement: &mut Statement, ms: i64) {
    statement.push("TIMESTAMPADD(MICROSECOND, ");
    statement.push_bind(ms);
    statement.push(" * 1000, TIMESTAMP'1970-01-01 00:00:00')");
}

/// Adds `(?, ?, …)`. There must be an id.
pub(super) fn push_ids(statement: &mut Statement, ids: &[&[u8]]) {
    let mut list = statement.separated(", ");
    list.push_unseparated("(");
    for id in padded(ids) {
        list.push_bind(*id);
    }
    list.push_unseparated(")");
}

/// Values, with the last one as often as makes their number a power of two; where it does not matter how often one is
/// there.
pub(super) fn padded<T>(values: &[T]) -> impl Iterator<Item = &T> {
    values.iter().chain(values.last().into_iter().cycle()).take(values.len().next_power_of_two())
}

/// Adds what stands between parts, before all but the first.
pub(super) fn push_between(statement: &mut Statement, number: usize, between: &str) {
    if number > 0 {
        statement.push(between);
    }
}

/// Cuts rows into parts of a power of two of them, each for one statement: so there are few statements to prepare.
pub(super) fn parts<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let len = rows.len().min(PART).checked_ilog2().map(|bits| 1 << bits)?;
        let (part, rest) = rows.split_at(len);
        rows = rest;
        Some(part)
    })
}

/// Adds which ids a page has, those behind `after`, and how they are ordered and how many there are at most.
pub(super) fn push_page(
    statement: &mut Statement,
    after: Option<&str>,
    column: &str,
    rows_max: usize,
) {
    // An id may be empty.
    statement.push(if after.is_some() { " > " } else { " >= " });
    statement.push_bind(after.unwrap_or_default().as_bytes());
    statement.push(" ORDER BY ").push(column).push(" LIMIT ").push_bind(rows_max as u64);
}

/// Ids in their order, each once: locks are taken in it.
pub(super) fn sorted<'u>(ids: impl Iterator<Item = &'u UserId>) -> Vec<&'u [u8]> {
    let mut ids: Vec<&[u8]> = ids.map(|uid| uid.as_str().as_bytes()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A column of ids.
pub(super) fn id(row: &MySqlRow, column: usize) -> Result<&str, Fault> {
    let bytes: &[u8] = row.try_get(column)?;
    std::str::from_utf8(bytes).map_err(|_| not_text(column))
}

/// A column of texts; an empty one where there is none.
pub(super) fn text(row: &MySqlRow, column: usize) -> Result<String, Fault> {
    Ok(row.try_get::<Option<String>, _>(column)?.unwrap_or_default())
}

fn not_text(column: usize) -> Fault {
    let source = "an id that is not UTF-8".into();
    Fault::from(sqlx::Error::ColumnDecode { index: column.to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_powers_of_two_and_ids_filled_up_to_one() {
        let rows: Vec<u32> = (0..1_037).collect();
        let lens: Vec<usize> = parts(&rows).map(<[u32]>::len).collect();
        assert_eq!(lens, [512, 512, 8, 4, 1]);
        assert!(parts(&rows).flatten().eq(&rows));
        assert_eq!(parts::<u32>(&[]).count(), 0);
        let lens = [0, 1, 2, 3, 5].map(|len| padded(&rows[..len]).count());
        assert_eq!(lens, [0, 1, 2, 4, 8]);
        assert!(padded(&rows[..3]).eq(&[0, 1, 2, 2]));
    }
}
