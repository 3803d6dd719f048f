//! What fronts are told, to the bytes of a batch.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use openim_record::{Process, Settled};
use openim_transfer::Delivery;

use super::{
    BATCH_BYTES_MAX, DELIVERY_BYTES_MIN, EMPHASISED, KIND_DELIVER, KIND_SETTLE, OF_GROUP,
    PART_BYTES, SETTLED_BYTES, SYNC,
};
use crate::Told;

/// A batch that is being written.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
    /// The number of each body that is written, by where it lies in memory; the batch's tells are kept until it is
    /// whole, so that no other body can come to lie there.
    bodies: HashMap<usize, u32, FixedState>,
    kept: Vec<Told>,
    deliveries: u64,
}

/// A batch that is written.
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) deliveries: u64,
}

impl Writer {
    /// Adds what of `told` fits, from its item `from` on; gives how many items that is. The first item of a batch
    /// always fits.
    pub(crate) fn part(&mut self, front: Process, told: &Told, from: usize) -> usize {
        let begin = self.out.len();
        let kind = match told {
            Told::Deliver(_) => KIND_DELIVER,
            Told::Settle(_) => KIND_SETTLE,
        };
        self.out.extend_from_slice(&front.0);
        self.out.push(kind);
        self.out.extend_from_slice(&[0; 4]);
        let count = match told {
            Told::Deliver(deliveries) => {
                self.items(deliveries, from, begin, Self::delivery_bytes, Self::delivery)
            }
            Told::Settle(settled) => {
                self.items(settled, from, begin, |_, _| SETTLED_BYTES, Self::settled)
            }
        };
        if count == 0 {
            self.out.truncate(begin);
        }
        if let Some(number) = self.out.get_mut(begin + PART_BYTES - 4..begin + PART_BYTES) {
            number.copy_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        }
        count
    }

    /// Keeps what is written to its end, until the batch is.
    pub(crate) fn keep(&mut self, told: Told) {
        self.kept.push(told);
    }

    pub(crate) fn finish(self) -> Written {
        Written { bytes: self.out, deliveries: self.deliveries }
    }

    fn items<T>(
        &mut self,
        items: &[T],
        from: usize,
        begin: usize,
        bytes: impl Fn(&Self, &T) -> usize,
        write: impl Fn(&mut Self, &T),
    ) -> usize {
        let mut count = 0;
        for item in items.iter().skip(from) {
            let is_first = begin == 0 && count == 0;
            if !is_first && self.out.len() + bytes(self, item) > BATCH_BYTES_MAX {
                break;
            }
            write(self, item);
            count += 1;
        }
        count
    }

    fn delivery_bytes(&self, delivery: &Delivery) -> usize {
        let body = match self.bodies.contains_key(&address(delivery)) {
            true => 0,
            false => 4 + delivery.message.len(),
        };
        DELIVERY_BYTES_MIN + delivery.uid.as_str().len() + body
    }

    fn delivery(&mut self, delivery: &Delivery) {
        let mut flags = if delivery.sync { SYNC } else { 0 };
        match delivery.member {
            None => {}
            Some(false) => flags |= OF_GROUP,
            Some(true) => flags |= OF_GROUP | EMPHASISED,
        }
        let uid = delivery.uid.as_str().as_bytes();
        // Ids are of 64 code points at most.
        let uid_len = u16::try_from(uid.len()).unwrap_or(0);
        let number = u32::try_from(self.bodies.len()).unwrap_or(u32::MAX);
        let body = *self.bodies.entry(address(delivery)).or_insert(number);
        let out = &mut self.out;
        out.extend_from_slice(&[flags, delivery.except_platform]);
        out.extend_from_slice(&delivery.seq.0.to_le_bytes());
        out.extend_from_slice(&delivery.sent_ms.to_le_bytes());
        out.extend_from_slice(&uid_len.to_le_bytes());
        out.extend_from_slice(uid.get(..usize::from(uid_len)).unwrap_or_default());
        out.extend_from_slice(&body.to_le_bytes());
        if body == number {
            let len = u32::try_from(delivery.message.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&delivery.message);
        }
        self.deliveries += 1;
    }

    fn settled(&mut self, settled: &Settled) {
        let out = &mut self.out;
        out.extend_from_slice(&settled.key.0.to_le_bytes());
        out.extend_from_slice(&settled.place.partition.0.to_le_bytes());
        out.extend_from_slice(&settled.place.position.0.to_le_bytes());
        out.extend_from_slice(&settled.first_ns.to_le_bytes());
    }
}

/// What something that is told holds of memory, about: bodies that several of its deliveries share count once.
pub(crate) fn cost(told: &Told) -> usize {
    let deliveries = match told {
        Told::Deliver(deliveries) => deliveries,
        Told::Settle(settled) => return settled.len() * size_of::<Settled>(),
    };
    let mut bodies = HashSet::with_hasher(FixedState::default());
    let mut bytes = 0;
    for delivery in deliveries {
        bytes += size_of::<Delivery>() + delivery.uid.as_str().len();
        if bodies.insert(address(delivery)) {
            bytes += delivery.message.len();
        }
    }
    bytes
}

/// Bytes on the way of the largest item, about.
pub(crate) fn largest(told: &Told) -> usize {
    match told {
        Told::Settle(_) => PART_BYTES + SETTLED_BYTES,
        Told::Deliver(deliveries) => {
            let largest = deliveries.iter().map(|delivery| delivery.message.len()).max();
            PART_BYTES + DELIVERY_BYTES_MIN + 4 + usize::from(u16::MAX) + largest.unwrap_or(0)
        }
    }
}

/// Where the body of a delivery lies: what two have in common if they share it, while both are there.
fn address(delivery: &Delivery) -> usize {
    delivery.message.as_ptr().addr()
}
