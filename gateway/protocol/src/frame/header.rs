//! The header of one frame: parsed as early as its bytes allow, so that a bad frame is refused
//! before its payload arrives.

use super::{CONTROL_BYTES_MAX, FrameError, Side};

pub(crate) const FIN: u8 = 0x80;
pub(crate) const MASKED: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
pub(crate) const LENGTH_16: u8 = 126;
pub(crate) const LENGTH_64: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Result<Self, FrameError> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            unknown => return Err(FrameError::UnknownOpcode(unknown)),
        })
    }

    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The first byte of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lead {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
}

impl Lead {
    pub(crate) const fn parse(byte: u8) -> Result<Self, FrameError> {
        if byte & RESERVED != 0 {
            return Err(FrameError::ReservedBits);
        }
        match Opcode::from_bits(byte & OPCODE) {
            Ok(opcode) => {
                let fin = byte & FIN != 0;
                if opcode.is_control() && !fin {
                    return Err(FrameError::FragmentedControl);
                }
                Ok(Self { fin, opcode })
            }
            Err(error) => Err(error),
        }
    }
}

/// The rest of a frame's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Payload bytes; `u64` because the peer chooses it.
    pub(crate) payload_bytes: u64,
    /// Bytes before the payload, the mask included.
    pub(crate) header_bytes: usize,
}

impl Extent {
    /// Reads the length from the start of a frame. `Ok(Err(wanted))` when `buf` ends before it.
    #[inline]
    pub(crate) fn parse(
        buf: &[u8],
        opcode: Opcode,
        side: Side,
    ) -> Result<Result<Self, usize>, FrameError> {
        let Some(&second) = buf.get(1) else { return Ok(Err(2)) };
        let mask_bytes = match (side, second & MASKED != 0) {
            (Side::Server, true) => 4,
            (Side::Client, false) => 0,
            (Side::Server, false) => return Err(FrameError::NotMasked),
            (Side::Client, true) => return Err(FrameError::Masked),
        };
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(FrameError::ControlTooLong);
        }
        let (payload_bytes, length_end) = match short {
            LENGTH_16 => match buf.get(2..4).and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) => (u64::from(u16::from_be_bytes(bytes)), 4),
                None => return Ok(Err(4)),
            },
            LENGTH_64 => match buf.get(2..10).and_then(|bytes| bytes.try_into().ok()) {
                Some(bytes) => (u64::from_be_bytes(bytes), 10),
                None => return Ok(Err(10)),
            },
            short => (u64::from(short), 2),
        };
        let shortest = match short {
            LENGTH_16 => payload_bytes >= u64::from(LENGTH_16),
            LENGTH_64 => payload_bytes > u64::from(u16::MAX) && payload_bytes >> 63 == 0,
            _ => true,
        };
        if !shortest {
            return Err(FrameError::BadLength);
        }
        Ok(Ok(Self { payload_bytes, header_bytes: length_end + mask_bytes }))
    }
}
