//! The bytes of a batch, to what fronts are told.

use std::sync::Arc;

use openim_record::{MessageKey, PartitionId, Place, Position, Process, Seq, Settled, UserId};
use openim_transfer::Delivery;

use super::{
    DELIVERY_BYTES_MIN, EMPHASISED, KIND_DELIVER, KIND_SETTLE, OF_GROUP, SETTLED_BYTES, SYNC,
};
use crate::Told;

/// The bytes are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is no batch of deliveries")]
pub(crate) struct Garbage;

/// Reads the parts of a batch, in order.
///
/// # Errors
/// [`Garbage`].
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<(Process, Told)>, Garbage> {
    let mut reader = Reader { bytes, bodies: Vec::new() };
    let mut parts = Vec::new();
    while !reader.bytes.is_empty() {
        parts.push(reader.part()?);
    }
    Ok(parts)
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The bodies so far, by their number.
    bodies: Vec<Arc<[u8]>>,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Garbage> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or(Garbage)?;
        self.bytes = rest;
        Ok(*head)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Garbage> {
        let (head, rest) = self.bytes.split_at_checked(len).ok_or(Garbage)?;
        self.bytes = rest;
        Ok(head)
    }

    fn u16(&mut self) -> Result<u16, Garbage> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Garbage> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Garbage> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Garbage> {
        self.take().map(i64::from_le_bytes)
    }

    fn part(&mut self) -> Result<(Process, Told), Garbage> {
        let front = self.take().map(Process)?;
        let told = match self.take()? {
            [KIND_DELIVER] => Told::Deliver(self.items(DELIVERY_BYTES_MIN, Self::delivery)?),
            [KIND_SETTLE] => Told::Settle(self.items(SETTLED_BYTES, Self::settled)?),
            _ => return Err(Garbage),
        };
        Ok((front, told))
    }

    /// A number, and so many items, of which each has so many bytes at least.
    fn items<T>(
        &mut self,
        bytes_min: usize,
        next: fn(&mut Self) -> Result<T, Garbage>,
    ) -> Result<Vec<T>, Garbage> {
        let count = self.u32()? as usize;
        // No memory for what cannot be there.
        if count == 0 || count > self.bytes.len() / bytes_min {
            return Err(Garbage);
        }
        (0..count).map(|_| next(self)).collect()
    }

    fn delivery(&mut self) -> Result<Delivery, Garbage> {
        let [flags, except_platform] = self.take()?;
        let sync = flags & SYNC != 0;
        let member = match flags & !SYNC {
            0 => None,
            OF_GROUP => Some(false),
            both if both == OF_GROUP | EMPHASISED => Some(true),
            _ => return Err(Garbage),
        };
        let (seq, sent_ms) = (Seq(self.u64()?), self.i64()?);
        let len = self.u16()?.into();
        let uid = std::str::from_utf8(self.bytes(len)?).map_err(|_| Garbage)?;
        let uid = UserId::new(uid);
        let message = self.body()?;
        Ok(Delivery { uid, seq, sync, member, except_platform, sent_ms, message })
    }

    fn body(&mut self) -> Result<Arc<[u8]>, Garbage> {
        let number = self.u32()? as usize;
        if number == self.bodies.len() {
            let len = self.u32()? as usize;
            let body = self.bytes(len)?.into();
            self.bodies.push(body);
        }
        self.bodies.get(number).cloned().ok_or(Garbage)
    }

    fn settled(&mut self) -> Result<Settled, Garbage> {
        let key = MessageKey(u128::from_le_bytes(self.take()?));
        let partition = PartitionId(self.u16()?);
        let place = Place { partition, position: Position(self.u64()?) };
        Ok(Settled { key, place, first_ns: self.i64()? })
    }
}
