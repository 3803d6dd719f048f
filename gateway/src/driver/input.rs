//! What links have sent and the shard has to keep: a frame or message that is not whole yet, a request
//! that was not taken with what came behind it, a send that is carried. All of it has one share of
//! `limits.shardBytesMax`, and a message that has begun must come to its end in time.
//!
//! A link that keeps something has leave for so many bytes: for the whole frame that it has begun, as its
//! header announces it. Leave is given while the sum is below the share, so the sum exceeds it by what one
//! link may keep. At the bound a link reads what it has leave for and nothing else: whoever has begun may
//! finish, and whoever keeps nothing waits in a queue, its bytes in the kernel, and is called when there
//! is room. A link that keeps nothing costs nothing here.
//!
//! A message that has begun must grow by a KiB, or be whole, every `limits.frameSeconds`. While others wait for
//! room, whoever has not grown for longest goes first.

use std::collections::BTreeMap;

use openim_protocol::frame::HEADER_BYTES_MAX;
use openim_shard::LinkId;

use crate::settings::Settings;

/// Bytes by which a message has grown.
const GROWTH_BYTES: usize = 1024;
/// How long a message may not grow while others wait for room.
const CROWDED_MS: u64 = 2_000;
/// Links that one look closes.
const OVERDUE_MAX: usize = 1024;

/// Of all links of one shard.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: usize,
    bytes_max: usize,
    message_bytes_max: usize,
    frame_ms: u64,
    /// Links that are not read, by when they came.
    waiting: BTreeMap<u64, LinkId>,
    next_turn: u64,
    /// Links whose message has begun, by when it is due; and what they have leave for.
    begun: BTreeMap<(u64, LinkId), usize>,
}

/// Of one link.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Bytes that it may keep; they are in the sum.
    leave: usize,
    /// Its turn among those who wait to be read.
    turn: Option<u64>,
    /// When the message that it has not finished grew (milliseconds), and to which size.
    grown: Option<(u64, usize)>,
    /// When that message is due; it is noted under this time.
    due_ms: Option<u64>,
}

/// What a link keeps now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holds {
    pub(crate) bytes: usize,
    /// Bytes that came of the message that is not whole.
    pub(crate) came: usize,
    /// Bytes of the frame that has begun, header and all; 0: none, or it does not say yet.
    pub(crate) frame_bytes: usize,
    /// Parts of a message are kept and others are to come.
    pub(crate) in_parts: bool,
    /// The rest of a frame or message is to come from the client.
    pub(crate) unfinished: bool,
}

impl Kept {
    /// Nothing of it has to be remembered.
    pub(crate) fn is_idle(&self) -> bool {
        self.leave == 0 && self.turn.is_none() && self.due_ms.is_none()
    }

    pub(crate) fn waits(&self) -> bool {
        self.turn.is_some()
    }

    /// A message is whole: the next one has its own time.
    pub(crate) fn finished(&mut self) {
        self.grown = None;
    }
}

impl Input {
    pub(crate) fn of(settings: &Settings) -> Self {
        let message_bytes_max = settings.message_bytes_max as usize;
        Self::new(settings.shares.input, message_bytes_max, settings.frame_ms)
    }

    fn new(bytes_max: usize, message_bytes_max: usize, frame_ms: u64) -> Self {
        Self {
            bytes: 0,
            bytes_max,
            message_bytes_max,
            frame_ms,
            waiting: BTreeMap::new(),
            next_turn: 0,
            begun: BTreeMap::new(),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn has_room(&self) -> bool {
        self.bytes < self.bytes_max
    }

    /// How much a link that has `have` bytes of a frame may read now; `None`: it waits until it is called.
    pub(crate) fn may_read(&mut self, kept: &mut Kept, id: LinkId, have: usize) -> Option<usize> {
        let leave = if self.has_room() { usize::MAX } else { kept.leave };
        let bytes = leave.saturating_sub(have);
        if bytes > 0 {
            self.leave_queue(kept);
            return Some(bytes);
        }
        let turn = *kept.turn.get_or_insert_with(|| {
            self.next_turn += 1;
            self.next_turn
        });
        self.waiting.insert(turn, id);
        None
    }

    /// Brings sum and times up to date with what a link keeps.
    pub(crate) fn settle(&mut self, kept: &mut Kept, id: LinkId, holds: Holds, now_ms: u64) {
        let needs = match holds.in_parts {
            // The message so far, and as much again of the frame that brings the rest.
            true => 2 * (self.message_bytes_max + HEADER_BYTES_MAX),
            false => holds.frame_bytes,
        };
        let leave = holds.bytes.max(needs);
        self.bytes = self.bytes - kept.leave + leave;
        kept.leave = leave;
        // While the server does not read it, a link is not late.
        let timed = holds.unfinished && kept.turn.is_none();
        let grown = kept.grown.filter(|(_, size)| holds.came < size + GROWTH_BYTES);
        kept.grown = timed.then(|| grown.unwrap_or((now_ms, holds.came)));
        let due_ms = kept.grown.map(|(at_ms, _)| at_ms + self.frame_ms);
        if let Some(before) = kept.due_ms
            && due_ms != kept.due_ms
        {
            self.begun.remove(&(before, id));
        }
        if let Some(due) = due_ms {
            self.begun.insert((due, id), leave);
        }
        kept.due_ms = due_ms;
    }

    /// A link is gone.
    pub(crate) fn forget(&mut self, kept: &mut Kept, id: LinkId) {
        self.leave_queue(kept);
        self.settle(kept, id, Holds::default(), 0);
    }

    fn leave_queue(&mut self, kept: &mut Kept) {
        if let Some(turn) = kept.turn.take() {
            self.waiting.remove(&turn);
        }
    }

    /// Takes who has waited for longest out of the queue, if there is room.
    pub(crate) fn next_called(&mut self) -> Option<LinkId> {
        if !self.has_room() {
            return None;
        }
        self.waiting.pop_first().map(|(_, id)| id)
    }

    /// Gives a link that was called leave for a message until it has looked: no more are called than there
    /// is room for.
    pub(crate) fn call(&mut self, kept: &mut Kept) {
        let leave = kept.leave.max(self.message_bytes_max + HEADER_BYTES_MAX);
        self.bytes = self.bytes - kept.leave + leave;
        kept.leave = leave;
    }

    /// Links that did not finish in time; while others wait for room, those that have not grown for longest as
    /// well, until half is free.
    pub(crate) fn overdue(&self, now_ms: u64) -> Vec<LinkId> {
        let crowded = !self.has_room() && !self.waiting.is_empty();
        let mut bytes = self.bytes;
        let mut overdue = Vec::new();
        for (&(due_ms, id), leave) in &self.begun {
            let still_ms = (now_ms + self.frame_ms).saturating_sub(due_ms);
            let in_the_way = crowded && still_ms >= CROWDED_MS && bytes > self.bytes_max / 2;
            if (due_ms > now_ms && !in_the_way) || overdue.len() >= OVERDUE_MAX {
                break;
            }
            bytes = bytes.saturating_sub(*leave);
            overdue.push(id);
        }
        overdue
    }
}

#[cfg(test)]
mod tests;
