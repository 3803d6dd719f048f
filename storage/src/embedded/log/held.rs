//! What of a segment outlives history, counted while it is written, so that nobody has to read it again for that. Pure.

use openim_record::{Kept, Message};

use super::frame::RECORD_HEAD_BYTES;

/// What a segment holds that outlives history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) struct Held {
    /// Archived messages of single chats.
    pub(in crate::embedded) single: Share,
    /// Those to groups.
    pub(in crate::embedded) group: Share,
    /// Bytes of records that this version does not know.
    pub(in crate::embedded) unknown_bytes: u64,
    /// Why that is not all that is known.
    pub(in crate::embedded) besides: Besides,
}

/// Archived messages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) struct Share {
    pub(in crate::embedded) bytes: u64,
    /// Append time of the newest, unix milliseconds.
    pub(in crate::embedded) newest_ms: i64,
}

/// What a [`Held`] does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::embedded) enum Besides {
    /// It tells all.
    #[default]
    Nothing,
    /// An earlier version noted that the segment holds something, and not what.
    Untold,
    /// The segment is damaged.
    Damaged,
}

impl Share {
    fn add(&mut self, append_ms: i64, bytes: u64) {
        let is_first = self.bytes == 0;
        self.newest_ms = if is_first { append_ms } else { self.newest_ms.max(append_ms) };
        self.bytes += bytes;
    }
}

impl Held {
    /// Of a segment of which only this is known.
    pub(in crate::embedded) fn only(besides: Besides) -> Self {
        Self { besides, ..Self::default() }
    }

    /// Counts a record of the segment.
    pub(in crate::embedded) fn add(&mut self, append_ms: i64, record: &[u8]) {
        let bytes = (RECORD_HEAD_BYTES + record.len()) as u64;
        match Message::kept(record) {
            None => {}
            Some(Kept::Single) => self.single.add(append_ms, bytes),
            Some(Kept::Group) => self.group.add(append_ms, bytes),
            Some(Kept::Unknown) => self.unknown_bytes += bytes,
        }
    }

    /// Whether nothing in the segment outlives history.
    pub(in crate::embedded) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use openim_record::{SESSION_GROUP, Switches};

    use super::*;

    #[test]
    fn what_outlives_history_is_counted_by_its_chat() {
        let record = |session_type, persistent| {
            let switches = Switches { persistent, ..Switches::ON };
            let mut out = Vec::new();
            Message { session_type, switches, content: "hello", ..Message::BLANK }.encode(&mut out);
            out
        };
        let mut held = Held::default();
        held.add(1, &record(1, false));
        assert!(held.is_nothing());
        let bytes = (RECORD_HEAD_BYTES + record(1, true).len()) as u64;
        for (session_type, at_ms) in [(1, -9), (1, -3), (1, -5), (SESSION_GROUP, 8)] {
            held.add(at_ms, &record(session_type, true));
        }
        held.add(5, b"of a later version");
        assert_eq!(held.single, Share { bytes: 3 * bytes, newest_ms: -3 });
        assert_eq!(held.group, Share { bytes, newest_ms: 8 });
        assert_eq!(held.unknown_bytes, RECORD_HEAD_BYTES as u64 + 18);
    }
}
