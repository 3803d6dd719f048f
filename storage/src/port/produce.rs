//! Into the log: the one place where a message comes into being (law: the log decides).

use std::ops::Range;
use std::time::Duration;

use openim_record::{PartitionId, Position};

use super::StoreError;

/// A clock that is further behind the newest record than this is followed: time must not stand still
/// for years because it was wrong once.
pub const FALL_FOLLOWED_MS: i64 = 24 * 60 * 60 * 1000;

/// Takes records in, and tells what became of each.
///
/// One thread owns it. Contract:
/// - A record has landed when it is durable, in the order in which the records of its partition were submitted. Each
///   that was submitted is answered once, landed or refused; a refused one may be there all the same where the log is
///   another process.
/// - What is submitted together lands as one, or nothing of it that is ever shown, where the log is one for all
///   partitions ([`Consumed::Record`](super::Consumed::Record) without a partition).
/// - Positions of a partition grow strictly. Append times (unix milliseconds) never fall, whatever the clock does,
///   but for one case: a clock more than [`FALL_FOLLOWED_MS`] behind the newest record proves that
///   record's time wrong, and is followed. A record is therefore no younger than any behind it.
pub trait Produce: Send {
    /// Hands records in at about `now_ms`. Gives their tickets, which are counted up over all calls; [`Self::poll`]
    /// answers them. May wait for a device, never for another process. A log on this machine decides here: the next
    /// [`Self::poll`] then tells of all of them, as one and without waiting.
    fn submit(&mut self, records: &[Handed<'_>], now_ms: i64) -> Range<u64>;

    /// Shows what has landed or was refused since, waiting at most so long for the first.
    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(Outcome<'_>));

    /// The position that the next record of a partition gets, or one below it that no record has.
    fn head(&self, partition: PartitionId) -> Position;

    /// Whether a record would be taken now, as far as can be told without one: for the writer's idle
    /// moments, so that a log that cannot go on is known before somebody sends.
    ///
    /// # Errors
    /// [`StoreError`], as the record would be refused.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Makes everything that has landed as durable as it can be, before the end.
    ///
    /// # Errors
    /// [`StoreError`]; what is lost then is no more than a crash would lose.
    fn finish(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A record on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Handed<'a> {
    /// Whose log it belongs into.
    pub partition: PartitionId,
    /// The encoded record.
    pub record: &'a [u8],
}

impl AsRef<[u8]> for Handed<'_> {
    fn as_ref(&self) -> &[u8] {
        self.record
    }
}

/// What became of records that were handed in one after the other.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// They are durable.
    Landed {
        /// Which.
        tickets: Range<u64>,
        /// When the log took them, unix milliseconds.
        append_ms: i64,
        /// Where each lies.
        positions: &'a [Position],
    },
    /// They were not taken. [`StoreError::Unavailable`] and [`StoreError::Rejected`]: the next ones may be.
    /// [`StoreError::Corrupt`]: nobody knows what the device kept, and the process must stop and recover; to go on
    /// could acknowledge what is not there.
    Refused {
        /// Which.
        tickets: Range<u64>,
        /// Why.
        cause: StoreError,
    },
}
