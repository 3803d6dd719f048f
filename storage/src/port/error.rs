//! Why a storage call failed, sorted by what its caller does about it.
//!
//! In: what was being done, where, and the reason in the engine's words. Out: the class, which is all that callers look
//! at, and one line for whoever reads it. Never: names an engine.

use std::fmt;

/// The reason behind a failure, in the words of the system or of the engine.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A storage call failed. The variant says what the caller does now; the text is for people.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Ask again later: the device is full or failing, a file cannot be opened, a store is away or late. A change of a
    /// store that was late may have been made all the same; to make it again changes nothing more.
    #[error("{what}: {cause}")]
    Unavailable {
        /// What was being done, and where.
        what: String,
        /// The reason.
        cause: Cause,
    },
    /// What the call was built on is not what is stored: load that again, and begin from there.
    #[error("{what}: {cause}")]
    Conflict {
        /// What was being done, and where.
        what: String,
        /// What is there instead.
        cause: Cause,
    },
    /// This record or request can never be taken; others can.
    #[error("{what}: {cause}")]
    Rejected {
        /// What was being done.
        what: String,
        /// Why not.
        cause: Cause,
    },
    /// What is stored cannot be relied upon: stop, nothing may be built on it. Never asked again, never read as data.
    #[error("{place}: {cause}")]
    Corrupt {
        /// Where.
        place: Spot,
        /// What was expected there, or what the engine says.
        cause: Cause,
    },
}

impl StoreError {
    /// The same, for another who waits.
    #[must_use]
    pub fn again(&self) -> Self {
        let (what, cause) = match self {
            Self::Unavailable { what, cause }
            | Self::Conflict { what, cause }
            | Self::Rejected { what, cause } => (what.clone(), cause.to_string().into()),
            Self::Corrupt { place, cause } => {
                return Self::Corrupt { place: place.clone(), cause: cause.to_string().into() };
            }
        };
        match self {
            Self::Unavailable { .. } => Self::Unavailable { what, cause },
            Self::Conflict { .. } => Self::Conflict { what, cause },
            Self::Rejected { .. } | Self::Corrupt { .. } => Self::Rejected { what, cause },
        }
    }
}

/// Where it is that stored bytes cannot be relied upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// From a byte of a file on.
    Byte {
        /// Which file.
        file: String,
        /// Which byte.
        offset: u64,
    },
    /// Under a key, or in a table: with the address of its store where that is another process.
    Key(String),
    /// Anywhere: since it failed at this, the engine itself does not know what it holds, until a start looks.
    Engine(String),
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte { file, offset } => write!(f, "{file} is damaged at byte {offset}"),
            Self::Key(key) => write!(f, "{key} is damaged"),
            Self::Engine(doing) => f.write_str(doing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_where_and_why() {
        let doing = || "reading d/log".to_owned();
        let place = |place, cause: &str| StoreError::Corrupt { place, cause: cause.into() };
        let byte = Spot::Byte { file: "d/log".to_owned(), offset: 7 };
        for (error, text) in [
            (
                StoreError::Unavailable { what: doing(), cause: "away".into() },
                "reading d/log: away",
            ),
            (StoreError::Conflict { what: doing(), cause: "moved".into() }, "reading d/log: moved"),
            (StoreError::Rejected { what: doing(), cause: "long".into() }, "reading d/log: long"),
            (place(byte, "no record"), "d/log is damaged at byte 7: no record"),
            (place(Spot::Key("host/t/k".to_owned()), "no row"), "host/t/k is damaged: no row"),
            (place(Spot::Engine(doing()), "gave up"), "reading d/log: gave up"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
