//! What can go wrong with a statement, by what is done about it.
//!
//! In: what the client or the server says. Out: whether the change is tried again, whether its connection can be used
//! any more, and what the caller is told.

use openim_storage::port::{Cause, Spot, StoreError};
use sqlx::mysql::MySqlDatabaseError;

/// Why a call was not answered.
#[derive(Debug)]
pub(super) enum Fault {
    /// The client or the server says so.
    Sql(sqlx::Error),
    /// It took longer than a call may.
    Late,
    /// None became free, or could be opened, in time.
    NoConnection,
    /// Rows contradict their form or each other.
    Malformed(&'static str, Cause),
}

/// A row with this key is there.
pub(super) const DUPLICATE: u16 = 1062;

/// What the server says by number, of what is not [`Class::Away`].
const CLASSES: [(Class, &[u16]); 3] = [
    // Gave way to another change: a deadlock, a wait for a lock that was too long, a row that came in between.
    (Class::Yielded, &[1020, DUPLICATE, 1205, 1213]),
    // This row can never be taken: values that do not fit their columns, or a packet that is too large.
    (Class::Unfit, &[1048, 1118, 1153, 1264, 1265, 1292, 1301, 1364, 1366, 1406, 1690, 3988, 4025]),
    // The server cannot rely upon the table.
    (Class::Damaged, &[1034, 1194, 1195, 1712, 1877]),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Away,
    Yielded,
    Unfit,
    Damaged,
}

impl Fault {
    /// Rows of this table contradict their form or each other.
    pub(super) fn malformed(table: &'static str, why: impl Into<Cause>) -> Self {
        Self::Malformed(table, why.into())
    }

    /// Whether the same change may well be made when it is tried again.
    pub(super) fn yielded(&self) -> bool {
        matches!(self, Self::Sql(error) if class(error) == Class::Yielded)
    }

    /// Whether it is what was to be stored that cannot be.
    pub(super) fn unfit(&self) -> bool {
        matches!(self, Self::Sql(error) if class(error) == Class::Unfit)
    }

    /// Whether nobody knows in which state the connection is.
    pub(super) fn breaks_connection(&self) -> bool {
        match self {
            Self::Late | Self::NoConnection => true,
            Self::Sql(sqlx::Error::Database(_)) | Self::Malformed(..) => false,
            Self::Sql(_) => true,
        }
    }

    /// What the caller is told: what was being done, and at which server.
    pub(super) fn told(self, what: &str, server: &str) -> StoreError {
        let what = || format!("{what} at {server}");
        match self {
            Self::Late | Self::NoConnection => {
                StoreError::Unavailable { what: what(), cause: self.to_string().into() }
            }
            Self::Malformed(table, cause) => {
                StoreError::Corrupt { place: Spot::Key(format!("{server}/{table}")), cause }
            }
            Self::Sql(error) => match (class(&error), &error) {
                (Class::Unfit, _) => StoreError::Rejected { what: what(), cause: error.into() },
                (Class::Damaged, _) => {
                    StoreError::Corrupt { place: Spot::Engine(what()), cause: error.into() }
                }
                (_, sqlx::Error::ColumnDecode { index, .. }) => {
                    let place = Spot::Key(format!("{}, column {index}", what()));
                    StoreError::Corrupt { place, cause: error.into() }
                }
                _ => StoreError::Unavailable { what: what(), cause: error.into() },
            },
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sql(error) => error.fmt(f),
            Self::Late => f.write_str("it takes too long"),
            Self::NoConnection => f.write_str("no connection in time"),
            Self::Malformed(table, why) => write!(f, "{table}: {why}"),
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// The number that the server gives with an error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?;
    Some(error.number())
}

fn class(error: &sqlx::Error) -> Class {
    if matches!(error, sqlx::Error::Encode(_)) {
        return Class::Unfit;
    }
    let number = number(error);
    let found = CLASSES.iter().find(|(_, all)| number.is_some_and(|n| all.contains(&n)));
    found.map_or(Class::Away, |(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_the_caller_does() {
        let told = |fault: Fault| fault.told("reading users", "db:1").to_string();
        assert_eq!(told(Fault::Late), "reading users at db:1: it takes too long");
        let error = Fault::malformed("user", "no such role").told("reading users", "db:1");
        assert!(matches!(error, StoreError::Corrupt { .. }));
        assert_eq!(error.to_string(), "db:1/user is damaged: no such role");
        let error = Fault::from(sqlx::Error::WorkerCrashed).told("reading users", "db:1");
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(Fault::from(sqlx::Error::WorkerCrashed).breaks_connection());
        let index = "name".to_owned();
        let error = sqlx::Error::ColumnDecode { index, source: "no text".into() };
        assert!(matches!(Fault::from(error).told("r", "s"), StoreError::Corrupt { .. }));
        let error = sqlx::Error::Encode("too long".into());
        assert!(Fault::from(error).unfit());
    }
}
