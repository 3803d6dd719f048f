//! Whether a log is the one that a reader has read up to its place: what it has not read would be passed over, or what it has
//! read be taken for new, where that is not looked at (R3).

use openim_record::{Position, place, position};

/// A partition of a log as it is now, in positions of the epoch of the reader's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogNow {
    /// The first record that it still has.
    pub start: Position,
    /// The next record that it is going to have.
    pub end: Position,
    /// The first record that is younger than all that the reader has met.
    pub younger: Option<Position>,
}

/// Why a reader cannot go on at its place, until somebody decides to leave what is missing behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Records that were not read are gone.
    #[error(
        "the log begins at {}, and it was read up to {}: what lay between is gone; if the topic is the right one, openim adopt-log goes on without it",
        shown(.start), shown(.next)
    )]
    Cut {
        /// Where the reader goes on.
        next: Position,
        /// The log's first record.
        start: Position,
    },
    /// It ends before the place, or has records before it that nobody can have read.
    #[error(
        "this is not the log that was read up to {}: it has {} to {}, and what is new begins at {}; if the topic is the right one, openim adopt-log goes on with it",
        shown(.next), shown(.start), shown(.end), shown(.from)
    )]
    Another {
        /// Where the reader goes on.
        next: Position,
        /// The log's first record.
        start: Position,
        /// The log's end.
        end: Position,
        /// The first that was not read.
        from: Position,
    },
}

/// The offset, as tools of the log show it.
fn shown(position: &Position) -> u64 {
    place(*position).1
}

impl LogNow {
    /// # Errors
    /// [`Misfit`]: `next` is no place of this log.
    pub fn fits(&self, next: Position) -> Result<(), Misfit> {
        let Self { start, end, younger } = *self;
        if next < start {
            return Err(Misfit::Cut { next, start });
        }
        match younger {
            Some(from) if from < next => Err(Misfit::Another { next, start, end, from }),
            None if end < next => Err(Misfit::Another { next, start, end, from: end }),
            _ => Ok(()),
        }
    }
}

impl Misfit {
    /// Where the reader would go on.
    #[must_use]
    pub const fn next(&self) -> Position {
        match self {
            Self::Cut { next, .. } | Self::Another { next, .. } => *next,
        }
    }

    /// The place of a reader who is done with the old log, and has read nothing of what is new; `None` where logs are
    /// counted no further. Of another log it lies above all places of those before.
    #[must_use]
    pub fn adopted(&self) -> Option<Position> {
        match *self {
            Self::Cut { start, .. } => Some(start),
            Self::Another { from, .. } => {
                let (epoch, offset) = place(from);
                // Stores keep a sign.
                let next = epoch.checked_add(1).filter(|next| *next <= EPOCH_MAX)?;
                position(next, offset)
            }
        }
    }
}

const EPOCH_MAX: u16 = i16::MAX.cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    fn now(start: u64, end: u64, younger: Option<u64>) -> LogNow {
        LogNow { start: Position(start), end: Position(end), younger: younger.map(Position) }
    }

    fn later(offset: u64) -> Option<Position> {
        position(1, offset)
    }

    #[test]
    fn a_reader_goes_on_in_its_own_log_only() {
        for own in [now(0, 9, None), now(4, 9, None), now(0, 12, Some(9)), now(9, 9, None)] {
            assert_eq!(own.fits(Position(9)), Ok(()), "{own:?}");
        }
        let cut = now(12, 20, Some(12)).fits(Position(9)).expect_err("records are missing");
        assert_eq!(cut.adopted(), Some(Position(12)), "the log is the same");
        // Made anew: empty, with less than was read, with more.
        for (other, from) in
            [(now(0, 0, None), 0), (now(0, 4, Some(0)), 0), (now(2, 30, Some(2)), 2)]
        {
            let misfit = other.fits(Position(9)).expect_err("another log");
            assert_eq!(misfit.adopted(), later(from), "{other:?}");
        }
        // One that has lost its end and goes on without it.
        let shorter = now(0, 7, None).fits(Position(9)).expect_err("records are missing");
        assert_eq!(shorter.adopted(), later(7), "what was read is not read again");
        let longer = now(0, 30, Some(7)).fits(Position(9)).expect_err("records are missing");
        assert_eq!(longer.adopted(), later(7));
    }

    #[test]
    fn who_has_adopted_a_log_goes_on_in_it() {
        let adopted = now(0, 4, Some(0)).fits(Position(9)).expect_err("another log").adopted();
        let now = LogNow {
            start: later(0).expect("an offset"),
            end: later(4).expect("an offset"),
            younger: later(0),
        };
        assert_eq!(now.fits(adopted.expect("a place")), Ok(()));
        let last = position(EPOCH_MAX, 3).expect("an offset");
        let misfit = Misfit::Another { next: last, start: last, end: last, from: last };
        assert_eq!(misfit.adopted(), None);
    }

    #[test]
    fn the_line_for_the_operator_names_the_command() {
        for misfit in [now(12, 20, None), now(0, 4, None)].map(|log| log.fits(Position(9))) {
            let line = misfit.expect_err("it does not fit").to_string();
            assert!(line.contains("openim adopt-log") && !line.contains('\n'), "{line}");
        }
    }
}
