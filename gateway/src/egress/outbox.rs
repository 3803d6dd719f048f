//! The bytes that wait for one link.
//!
//! Empty, it holds no buffer: a million idle links own none. Buffers come from the shard's pool and
//! go back when the socket has taken everything. While a long reply is streamed as fragments, whole
//! frames wait beside it, because a message must not be torn apart by another.

use std::io;

use openim_protocol::{frame, push};
use openim_record::Seq;

use crate::socket::{Socket, Taken};

/// Buffers up to this size go back to the pool.
const POOLED_BYTES_MAX: usize = 32 * 1024;
const POOLED_MAX: usize = 256;

/// Buffers of one shard that no link uses now.
#[derive(Default)]
pub(crate) struct Pool {
    buffers: Vec<Vec<u8>>,
}

impl Pool {
    fn take(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= POOLED_BYTES_MAX && self.buffers.len() < POOLED_MAX {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    /// Where the last frame begins in `bytes`.
    last: usize,
    /// A fragmented message that is still open.
    open: Option<Box<Open>>,
}

/// The first pushed seqs that a socket has not taken; 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untaken {
    /// Not wholly.
    pub(crate) first: Seq,
    /// Not even begun.
    pub(crate) unbegun: Seq,
}

/// See [`Outbox::open`]; boxed, so that an idle link has eight bytes of it.
#[derive(Default)]
struct Open {
    /// Frames behind it.
    behind: Vec<u8>,
    /// The text that ends it where it is, should the link end now.
    tail: Vec<u8>,
}

impl Outbox {
    /// Appends a whole frame; returns how many bytes it took.
    pub(crate) fn frame(&mut self, pool: &mut Pool, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let buffer = match &mut self.open {
            Some(open) => &mut open.behind,
            None => {
                if self.bytes.capacity() == 0 {
                    self.bytes = pool.take();
                }
                &mut self.bytes
            }
        };
        let before = buffer.len();
        write(buffer);
        let added = buffer.len() - before;
        if self.open.is_none() {
            self.last = before;
        }
        added
    }

    /// Appends a part of a fragmented message; frames wait until [`Self::end_stream`]. Should the link end
    /// before, `tail` is the text that completes the message.
    pub(crate) fn part(&mut self, part: &[u8], tail: Vec<u8>) {
        self.open.get_or_insert_default().tail = tail;
        self.last = self.bytes.len();
        self.bytes.extend_from_slice(part);
    }

    /// The fragmented message is complete; what waited behind it follows.
    pub(crate) fn end_stream(&mut self) {
        if let Some(open) = self.open.take() {
            self.bytes.extend_from_slice(&open.behind);
        }
    }

    /// Whether nothing waits but a single frame, however large: a message that may be sent may be
    /// received too.
    pub(crate) fn is_one_frame(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.behind.is_empty()) && self.written >= self.last
    }

    /// Bytes that the socket has not taken and could.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Bytes held for the link in all.
    pub(crate) fn held(&self) -> usize {
        self.waiting() + self.open.as_ref().map_or(0, |open| open.behind.len())
    }

    /// Writes what the socket takes now, in all its parts together.
    ///
    /// # Errors
    /// The socket's, but for "would block".
    pub(crate) fn flush(&mut self, stream: &mut Socket, pool: &mut Pool) -> io::Result<Taken> {
        let mut sum = Taken::default();
        loop {
            let Taken { offered, by_system } = stream.offer(&self.bytes[self.written..])?;
            if offered > 0 && stream.owed_bytes() > 0 {
                stream.mark_owed(self.untaken(0).first.0);
            }
            self.written += offered;
            sum.offered += offered;
            sum.by_system += by_system;
            if self.waiting() == 0 {
                break;
            }
            if offered == 0 {
                return Ok(sum);
            }
        }
        self.written = 0;
        self.last = 0;
        pool.give(std::mem::take(&mut self.bytes));
        Ok(sum)
    }

    /// Drops what the socket has not begun to take, for a link whose peer does not read: a frame that it
    /// has half of is left whole, a fragmented message open.
    pub(crate) fn drop_unbegun(&mut self) {
        let mut end = 0;
        while end < self.written {
            end += frame::length(self.bytes.get(end..).unwrap_or_default());
        }
        let rest = self.bytes.get(self.written..end).unwrap_or_default().to_vec();
        *self = Self { bytes: rest, ..Self::default() };
    }

    /// What of the pushes the socket has not taken. `owed`: the first of those that it has
    /// encrypted and the system has not taken, or 0.
    pub(crate) fn untaken(&self, owed: u64) -> Untaken {
        let behind = self.open.as_ref().map(|open| (&open.behind, 0));
        let mut untaken = Untaken::default();
        for (bytes, written) in [Some((&self.bytes, self.written)), behind].into_iter().flatten() {
            let mut at = 0;
            while at < bytes.len() && untaken.unbegun.0 == 0 {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = frame::length(rest);
                let (begun, whole) = (at < written, at + length <= written);
                at += length;
                if whole {
                    continue;
                }
                let seq = push::seq_of(rest.get(..length).unwrap_or_default());
                let Some(seq) = seq.filter(|seq| *seq > 0).map(Seq) else { continue };
                if untaken.first.0 == 0 {
                    untaken.first = seq;
                }
                if !begun {
                    untaken.unbegun = seq;
                }
            }
        }
        if owed > 0 {
            untaken.first = Seq(owed);
        }
        untaken
    }

    /// What is left, for a link that is ending. A fragmented message that is still open is ended with the
    /// text that tells the client to drop it, so that the notice and the close behind it can be read.
    pub(crate) fn into_rest(mut self) -> (Vec<u8>, usize) {
        if let Some(open) = &self.open {
            let mark = frame::begin_continuation(&mut self.bytes);
            self.bytes.extend_from_slice(&open.tail);
            frame::finish(&mut self.bytes, mark);
        }
        self.end_stream();
        (self.bytes, self.written)
    }
}

#[cfg(test)]
mod tests {
    use openim_protocol::push::push;
    use openim_protocol::shown::Shown;
    use openim_record::Message;

    use super::*;
    use crate::socket::tests::{some_is_read, with_a_pair};

    fn pushed(seq: i64) -> impl FnOnce(&mut Vec<u8>) {
        move |out| {
            let mark = frame::begin_text(out);
            let message = Message { content: "a \",\"seq\":77 b", ..Message::BLANK };
            push(out, &Shown { message, server_msg_id: "s", seq, send_time: 1 }, false);
            frame::finish(out, mark);
        }
    }

    #[test]
    fn what_is_not_wholly_taken_is_known_by_its_seq() {
        let (mut pool, mut outbox) = (Pool::default(), Outbox::default());
        let mut ends = Vec::new();
        // A ping, three pushes of what is numbered with one between them that is not.
        outbox.frame(&mut pool, |out| frame::write_ping(out, b""));
        for seq in [4, 0, 5, 9] {
            outbox.frame(&mut pool, pushed(seq));
            ends.push(outbox.bytes.len());
        }
        let untaken = |first, unbegun| Untaken { first: Seq(first), unbegun: Seq(unbegun) };
        for (written, expected) in [
            (0, untaken(4, 4)),
            (3, untaken(4, 5)),
            (ends[0], untaken(5, 5)),
            (ends[0] + 1, untaken(5, 5)),
            (ends[1] + 1, untaken(5, 9)),
            (ends[2], untaken(9, 9)),
            (ends[3] - 1, untaken(9, 0)),
            (ends[3], untaken(0, 0)),
        ] {
            outbox.written = written;
            assert_eq!(outbox.untaken(0), expected, "{written}");
        }
        // Behind a message that is written in parts nothing is taken.
        outbox.part(b"\x01\x00", Vec::new());
        outbox.frame(&mut pool, pushed(11));
        outbox.written = outbox.bytes.len();
        assert_eq!(outbox.untaken(0), untaken(11, 11));
    }

    /// Bytes of a header are no text, whichever they are.
    #[test]
    fn a_push_of_any_length_is_known() {
        let content = "x".repeat(40_000);
        for length in (0..1_500).chain((31_200..31_800).step_by(7)) {
            let (mut pool, mut outbox) = (Pool::default(), Outbox::default());
            outbox.frame(&mut pool, |out| {
                let mark = frame::begin_text(out);
                let message = Message { content: &content[..length], ..Message::BLANK };
                push(out, &Shown { message, server_msg_id: "s", seq: 3, send_time: 1 }, false);
                frame::finish(out, mark);
            });
            assert_eq!(outbox.untaken(0).first, Seq(3), "{length}");
        }
    }

    #[test]
    fn what_is_encrypted_and_owed_is_not_taken() {
        with_a_pair(async |mut socket, mut peer| {
            let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
            let mut seq = 0;
            while socket.owed_bytes() == 0 {
                seq += 1;
                outbox.frame(&mut pool, pushed(seq));
                outbox.flush(&mut socket, &mut pool).unwrap();
            }
            assert_eq!(outbox.waiting(), 0, "only its encrypted form waits");
            let first = |outbox: &Outbox, socket: &Socket| {
                outbox.untaken(socket.owed_mark()).first.0.cast_signed()
            };
            assert_eq!(first(&outbox, &socket), seq);
            outbox.frame(&mut pool, pushed(seq + 1));
            assert_eq!(first(&outbox, &socket), seq);
            while outbox.held() + socket.owed_bytes() > 0 {
                outbox.flush(&mut socket, &mut pool).unwrap();
                some_is_read(&socket, &mut peer).await;
            }
            assert_eq!(first(&outbox, &socket), 0);
        });
    }

    /// What the peer of a link with TLS takes slowly is progress, also where it is less than a record, and nothing else is.
    #[test]
    fn each_byte_that_the_system_takes_is_progress() {
        with_a_pair(async |mut socket, mut peer| {
            let (mut outbox, mut pool) = (Outbox::default(), Pool::default());
            outbox.frame(&mut pool, |out| out.resize(64 * 1024, 7));
            let (mut offered, mut by_system, mut read, mut parts) = (0, 0, 0, 0);
            while outbox.held() + socket.owed_bytes() > 0 || read < by_system {
                let owed = socket.owed_bytes();
                let taken = outbox.flush(&mut socket, &mut pool).unwrap();
                if taken.offered == 0 {
                    assert_eq!(taken.by_system, owed - socket.owed_bytes());
                    // Of a record less than is left of it.
                    parts += usize::from((1..socket.owed_bytes()).contains(&taken.by_system));
                }
                offered += taken.offered;
                by_system += taken.by_system;
                read += some_is_read(&socket, &mut peer).await;
            }
            assert_eq!((offered, read), (64 * 1024, by_system));
            assert!(by_system > offered && parts > 0, "{by_system} {parts}");
        });
    }
}
