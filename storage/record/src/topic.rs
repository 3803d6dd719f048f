//! Names of places in a cluster: which partition of which topic, and where in it.

use std::fmt;
use std::str::FromStr;

use crate::{PartitionId, Position};

/// The two topics that a transfer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Topic {
    /// Sends by sender, relays by receiver.
    Chat = 1,
    /// Sends to groups and changes of groups, by group.
    Group = 2,
}

impl Topic {
    /// The topic with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Chat),
            2 => Some(Self::Group),
            _ => None,
        }
    }
}

/// One partition of a topic: what has one order, and one owner at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPartition {
    /// Of which topic.
    pub topic: Topic,
    /// Which one.
    pub partition: PartitionId,
}

/// As operators write it: `chat/3`, `group/0`.
impl fmt::Display for LogPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = match self.topic {
            Topic::Chat => "chat",
            Topic::Group => "group",
        };
        write!(f, "{topic}/{}", self.partition.0)
    }
}

/// No partition of a log is called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPartition;

impl FromStr for LogPartition {
    type Err = NoPartition;

    fn from_str(name: &str) -> Result<Self, NoPartition> {
        let (topic, number) = name.split_once('/').ok_or(NoPartition)?;
        let topic = match topic {
            "chat" => Topic::Chat,
            "group" => Topic::Group,
            _ => return Err(NoPartition),
        };
        let partition = PartitionId(number.parse().map_err(|_| NoPartition)?);
        Ok(Self { topic, partition })
    }
}

/// Where a `Send` lies that was relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// In which log partition.
    pub of: LogPartition,
    /// Where in it; grows with the log, also over a log that was made anew (see [`position`]).
    pub position: Position,
}

/// Bits of a position that hold the offset; those above count the logs that were adopted.
const OFFSET_BITS: u32 = 48;

/// The position of an offset in the `epoch`th log of a partition: all of a later log lie above it.
/// `None` when the offset does not fit.
#[must_use]
pub fn position(epoch: u16, offset: u64) -> Option<Position> {
    (offset >> OFFSET_BITS == 0).then(|| Position(u64::from(epoch) << OFFSET_BITS | offset))
}

/// Which log of its partition a position is in, and the offset there: the inverse of [`position`].
#[must_use]
pub const fn place(position: Position) -> (u16, u64) {
    ((position.0 >> OFFSET_BITS) as u16, position.0 & ((1 << OFFSET_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_as_they_are_written() {
        for topic in [Topic::Chat, Topic::Group] {
            let at = LogPartition { topic, partition: PartitionId(63) };
            assert_eq!(at.to_string().parse(), Ok(at));
        }
        for none in ["chat", "chat/", "chat/x", "chat/65536", "push/1", "chat/1/2"] {
            assert_eq!(none.parse::<LogPartition>(), Err(NoPartition), "{none}");
        }
    }

    #[test]
    fn positions_of_a_later_log_lie_above() {
        let last = position(0, (1 << OFFSET_BITS) - 1).unwrap();
        assert!(last < position(1, 0).unwrap());
        assert_eq!(position(0, 7), Some(Position(7)));
        assert_eq!(position(3, 7).map(place), Some((3, 7)));
        assert_eq!(position(0, 1 << OFFSET_BITS), None);
    }
}
