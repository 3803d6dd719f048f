//! Frames in: one [`Reader`] per link, sixteen bytes while no fragmented message is open.
//!
//! In: the unread bytes of the link, from the first byte of a frame. Out: one [`Step`] per call. The
//! payload is unmasked where it lies and borrowed from there; only a fragmented message is copied,
//! as its parts arrive, up to the size limit.

use super::header::{Extent, Lead, Opcode};
use super::{FrameError, Side, mask};
use crate::close;

/// The framing state of one link.
#[derive(Debug)]
pub struct Reader {
    /// The fragmented message in progress. Boxed: almost every link is idle or sends whole messages.
    open: Option<Box<Assembly>>,
    message_bytes_max: u32,
    side: Side,
}

// A million idle links pay for this struct; see the budget of a link.
const _: () = assert!(size_of::<Reader>() <= 16);

/// A message whose parts are still arriving.
#[derive(Debug)]
struct Assembly {
    bytes: Vec<u8>,
    /// How much of `bytes` is known to be whole UTF-8 characters; unused for binary.
    valid_bytes: usize,
    text: bool,
    /// Handed out as an event; dropped by the next call.
    delivered: bool,
}

/// One thing a peer said.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message. The payload of a text message is valid UTF-8.
    Message {
        /// Text rather than binary.
        text: bool,
        /// The message, unmasked.
        payload: &'a [u8],
    },
    /// Answer with a pong of the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping, or unsolicited.
    Pong(&'a [u8]),
    /// The peer ends the link: answer with [`super::write_close_echo`], read nothing more.
    Close {
        /// The peer's code, one that may travel on the wire; absent when the frame was empty.
        code: Option<u16>,
        /// The peer's reason, valid UTF-8.
        reason: &'a [u8],
    },
}

/// What one call of [`Reader::next`] came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole message or control frame.
    Event {
        /// What it says.
        event: Event<'a>,
        /// Bytes of the buffer it took.
        consumed: usize,
    },
    /// A part of a fragmented message was taken; no event yet.
    Progress {
        /// Bytes of the buffer it took.
        consumed: usize,
    },
    /// The buffer holds no whole frame; keep its bytes and call again with more behind them.
    More {
        /// Bytes needed from the start of the buffer: of the whole frame, or of its header while
        /// the length is unknown. More than the buffer holds, and never over the message limit
        /// (125 for control frames) plus [`super::HEADER_BYTES_MAX`].
        wanted: usize,
    },
}

impl Reader {
    /// The state of a fresh link. `message_bytes_max` bounds the payload of a message, whole or in
    /// fragments; control frames are bounded by the protocol.
    pub const fn new(side: Side, message_bytes_max: u32) -> Self {
        Self { open: None, message_bytes_max, side }
    }

    /// Whether a fragmented message is open.
    pub fn is_assembling(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.delivered)
    }

    /// Bytes that came of an open fragmented message.
    pub fn assembled_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.bytes.len())
    }

    /// Bytes this reader holds on the heap: those of an open fragmented message.
    pub fn heap_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| size_of::<Assembly>() + open.bytes.capacity())
    }

    /// Reads the frame that starts at `buf[0]`.
    ///
    /// Call until it returns [`Step::More`], also with an empty rest: that call is what frees a
    /// delivered fragmented message. A frame is taken whole or not at all, and `buf` is altered only
    /// where it was taken.
    ///
    /// # Errors
    /// As soon as the bytes present prove a fault. The link must then be closed; the reader's further
    /// answers mean nothing.
    #[inline]
    pub fn next<'a>(&'a mut self, buf: &'a mut [u8]) -> Result<Step<'a>, FrameError> {
        if self.open.is_some() {
            self.drop_delivered();
        }
        let Some(&first) = buf.first() else { return Ok(Step::More { wanted: 2 }) };
        let lead = Lead::parse(first)?;
        self.check_order(lead.opcode)?;
        let extent = match Extent::parse(buf, lead.opcode, self.side)? {
            Ok(extent) => extent,
            Err(wanted) => return Ok(Step::More { wanted }),
        };
        let consumed = extent.header_bytes + self.admit(lead.opcode, extent.payload_bytes)?;
        let Some((frame, _)) = buf.split_at_mut_checked(consumed) else {
            return Ok(Step::More { wanted: consumed });
        };
        let (header, payload) = frame.split_at_mut(extent.header_bytes);
        if self.side == Side::Server
            && let Some(key) = header.last_chunk::<4>()
        {
            mask::apply(*key, payload);
        }
        let event = match lead.opcode {
            Opcode::Text if lead.fin => whole(true, payload)?,
            Opcode::Binary if lead.fin => whole(false, payload)?,
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                return self.assemble(lead, payload, consumed);
            }
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            Opcode::Close => closing(payload)?,
        };
        Ok(Step::Event { event, consumed })
    }

    fn drop_delivered(&mut self) {
        if !self.is_assembling() {
            self.open = None;
        }
    }

    /// Fragments of one message come in order, with nothing but control frames between them.
    fn check_order(&self, opcode: Opcode) -> Result<(), FrameError> {
        match (opcode, self.open.is_some()) {
            (Opcode::Continuation, false) => Err(FrameError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, true) => Err(FrameError::UnfinishedMessage),
            _ => Ok(()),
        }
    }

    /// Checks the length a peer announces against what the message may still take.
    fn admit(&self, opcode: Opcode, payload_bytes: u64) -> Result<usize, FrameError> {
        let too_big = FrameError::TooBig { limit_bytes: self.message_bytes_max };
        if !opcode.is_control() {
            let held = self.open.as_ref().map_or(0, |open| open.bytes.len() as u64);
            if held.saturating_add(payload_bytes) > u64::from(self.message_bytes_max) {
                return Err(too_big);
            }
        }
        usize::try_from(payload_bytes).map_err(|_| too_big)
    }

    /// Takes one part of a fragmented message.
    fn assemble<'a>(
        &'a mut self,
        lead: Lead,
        part: &[u8],
        consumed: usize,
    ) -> Result<Step<'a>, FrameError> {
        let open = self.open.get_or_insert_with(|| {
            Box::new(Assembly {
                bytes: Vec::new(),
                valid_bytes: 0,
                text: lead.opcode == Opcode::Text,
                delivered: false,
            })
        });
        open.take(part, lead.fin, self.message_bytes_max)?;
        if !lead.fin {
            return Ok(Step::Progress { consumed });
        }
        open.delivered = true;
        let event = Event::Message { text: open.text, payload: &open.bytes };
        Ok(Step::Event { event, consumed })
    }
}

impl Assembly {
    fn take(&mut self, part: &[u8], last: bool, bytes_max: u32) -> Result<(), FrameError> {
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            // Doubles as a vector would, yet never beyond the limit: `admit` keeps `needed` below it.
            let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
            let room = self.bytes.capacity().saturating_mul(2).clamp(needed, limit.max(needed));
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        if self.text { self.check_text(last) } else { Ok(()) }
    }

    /// Validates what the last part added. A character may be cut by a fragment's end, not by the
    /// message's.
    fn check_text(&mut self, last: bool) -> Result<(), FrameError> {
        let unchecked = self.bytes.get(self.valid_bytes..).unwrap_or_default();
        match std::str::from_utf8(unchecked) {
            Ok(_) => self.valid_bytes = self.bytes.len(),
            Err(error) if error.error_len().is_none() && !last => {
                self.valid_bytes += error.valid_up_to();
            }
            Err(_) => return Err(FrameError::InvalidText),
        }
        Ok(())
    }
}

fn whole(text: bool, payload: &[u8]) -> Result<Event<'_>, FrameError> {
    if text && std::str::from_utf8(payload).is_err() {
        return Err(FrameError::InvalidText);
    }
    Ok(Event::Message { text, payload })
}

fn closing(payload: &[u8]) -> Result<Event<'_>, FrameError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Event::Close { code: None, reason: payload })
        } else {
            Err(FrameError::HalfCloseCode)
        };
    };
    let code = u16::from_be_bytes(*code);
    if !close::may_be_received(code) {
        return Err(FrameError::BadCloseCode(code));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(FrameError::InvalidReason);
    }
    Ok(Event::Close { code: Some(code), reason })
}
