//! What the two sides say to each other, as messages of one gRPC stream.
//!
//! ```text
//! to the gateway   hello, then batches;  back   hello, then an answer for each batch, in order
//! hello    = "OIMD", version u16, what a later version may add
//! batch    = part*
//! part     = front (16 bytes), kind u8 (1 Deliver, 2 Settle), number u32, (delivery | settled)*
//! delivery = flags u8 (1 sync, 2 of a group, 4 emphasised), except platform u8, seq u64, sent ms i64, uid length u16,
//!            uid, body u32, [length u32, bytes]
//! settled  = key u128, partition u16, position u64, first ns i64
//! answer   = platforms u8 for each delivery of the batch, in their order
//! ```
//! Integers are little-endian. A body is the number of a message within its batch; the first delivery that has it
//! carries its bytes. A secret, where there is one, goes along as metadata ([`SECRET`]).
//!
//! Invariant: nothing read from a peer panics, and what it makes is a small multiple of its bytes. Guarded by `tests`.

mod codec;
mod read;
mod write;

pub(crate) use codec::Bare;
pub(crate) use read::read;
pub(crate) use write::{Writer, cost, largest};

use bytes::Bytes;

/// A batch ends before it would be longer (R8), unless its only delivery is.
pub(crate) const BATCH_BYTES_MAX: usize = 1 << 20;
/// Shards of a process that one batch may name; a process has 256 at most.
pub(crate) const FRONTS_MAX: usize = 1024;
/// A delivery without uid and body.
const DELIVERY_BYTES_MIN: usize = 24;
/// A settled send.
const SETTLED_BYTES: usize = 34;
/// A part's front, kind and number.
const PART_BYTES: usize = 21;
/// An answer to the smallest deliveries that fit into a batch.
pub(crate) const ANSWER_BYTES_MAX: usize = BATCH_BYTES_MAX / DELIVERY_BYTES_MIN;

const KIND_DELIVER: u8 = 1;
const KIND_SETTLE: u8 = 2;

const SYNC: u8 = 1;
const OF_GROUP: u8 = 2;
const EMPHASISED: u8 = 4;

/// The one call of the service.
pub(crate) const PATH: &str = "/openim.Delivery/Tell";
/// Metadata that carries the secret's bytes.
pub(crate) const SECRET: &str = "openim-secret-bin";

const MAGIC: &[u8; 4] = b"OIMD";
/// The version of the messages that this build speaks.
const VERSION: u16 = 1;

/// The first message of each side.
pub(crate) fn hello() -> Bytes {
    let mut hello = MAGIC.to_vec();
    hello.extend_from_slice(&VERSION.to_le_bytes());
    hello.into()
}

/// Whether the first message of the other side begins what this build understands.
pub(crate) fn greeted(hello: &[u8]) -> Result<(), Stranger> {
    let said = hello.split_first_chunk::<4>().filter(|(magic, _)| *magic == MAGIC);
    let version = said.and_then(|(_, rest)| rest.first_chunk::<2>());
    match version.map(|version| u16::from_le_bytes(*version)) {
        Some(VERSION) => Ok(()),
        Some(theirs) => Err(Stranger::Version { theirs }),
        None => Err(Stranger::Unknown),
    }
}

/// Why the other side is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    /// It is of another build.
    #[error(
        "this process speaks version {VERSION} of deliveries, the other one version {theirs}; \
         update the older one"
    )]
    Version {
        /// Its version.
        theirs: u16,
    },
    /// It is none of ours.
    #[error("the first message is no greeting of an openim process")]
    Unknown,
}

#[cfg(test)]
mod tests;
