//! A ring from one thread to one other, bounded in places and in bytes.
//!
//! Each end counts the bytes that went through it; the reader's count is shown to the writer whenever it
//! says that it made room, so a value costs no more than without. A value that is larger than the whole
//! bound passes when the ring is empty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use crate::Doorbell;

/// What a ring holds at most.
#[derive(Debug)]
pub struct Capacity<T> {
    /// Values; at least one.
    pub values: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// What a value counts.
    pub weigh: fn(&T) -> usize,
}

/// What both ends see.
#[derive(Debug, Default)]
struct Gauge {
    starved: AtomicBool,
    /// Bytes taken out.
    taken: AtomicU64,
    /// Bytes put in when the consumer was rung last; for its metrics alone.
    sent: AtomicU64,
}

/// The writing end.
#[derive(Debug)]
pub struct Sender<T> {
    producer: rtrb::Producer<T>,
    consumer_bell: Arc<Doorbell>,
    gauge: Arc<Gauge>,
    weigh: fn(&T) -> usize,
    bytes_max: usize,
    /// Bytes put in.
    sent: u64,
}

/// The reading end.
#[derive(Debug)]
pub struct Receiver<T> {
    consumer: rtrb::Consumer<T>,
    producer_bell: Arc<Doorbell>,
    gauge: Arc<Gauge>,
    weigh: fn(&T) -> usize,
    taken: u64,
}

/// A ring between the threads that own the two bells.
#[must_use]
pub fn ring<T>(
    capacity: Capacity<T>,
    producer_bell: Arc<Doorbell>,
    consumer_bell: Arc<Doorbell>,
) -> (Sender<T>, Receiver<T>) {
    let Capacity { values, bytes: bytes_max, weigh } = capacity;
    let (producer, consumer) = rtrb::RingBuffer::new(values.max(1));
    let gauge = Arc::new(Gauge::default());
    let back = Arc::clone(&gauge);
    (
        Sender { producer, consumer_bell, gauge, weigh, bytes_max, sent: 0 },
        Receiver { consumer, producer_bell, gauge: back, weigh, taken: 0 },
    )
}

impl<T> Sender<T> {
    /// Pushes a value; the consumer learns of it by [`Self::notify`], once a batch.
    ///
    /// # Errors
    /// Gives the value back when the ring is full; the producer's bell rings when there is room.
    pub fn try_send(&mut self, value: T) -> Result<(), T> {
        let bytes = (self.weigh)(&value);
        // The consumer may have made room before it could see that it is wanted.
        if !self.has_room(bytes) && !self.want_room(bytes) {
            return Err(value);
        }
        self.producer.push(value).map_err(|rtrb::PushError::Full(value)| value)?;
        self.sent += bytes as u64;
        Ok(())
    }

    /// As [`Self::try_send`], but however large the value: for what belongs to something that was found
    /// to fit.
    ///
    /// # Errors
    /// Gives the value back when there is no place.
    pub fn send_whole(&mut self, value: T) -> Result<(), T> {
        let bytes = (self.weigh)(&value);
        self.producer.push(value).map_err(|rtrb::PushError::Full(value)| value)?;
        self.sent += bytes as u64;
        Ok(())
    }

    /// Whether a value of so many bytes fits now.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        !self.producer.is_full() && self.fits(bytes)
    }

    fn fits(&self, bytes: usize) -> bool {
        let held = self.bytes();
        held == 0 || bytes == 0 || held.saturating_add(bytes) <= self.bytes_max
    }

    /// How many values fit now, as far as places go.
    pub fn room(&self) -> usize {
        self.producer.slots()
    }

    /// How many bytes fit now; in an empty ring one value of any size.
    #[must_use]
    pub fn bytes_room(&self) -> usize {
        self.bytes_max.saturating_sub(self.bytes())
    }

    /// Bytes in the ring, and of what was taken since the consumer last made room.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::try_from(self.sent - self.gauge.taken.load(Ordering::Acquire)).unwrap_or(usize::MAX)
    }

    /// Asks to be rung when there is room again; whether there is enough for `bytes` already.
    pub fn want_room(&self, bytes: usize) -> bool {
        self.gauge.starved.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.has_room(bytes)
    }

    /// How many values fit when the ring is empty.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.producer.buffer().capacity()
    }

    /// Wakes the consumer if it sleeps.
    pub fn notify(&self) {
        self.gauge.sent.store(self.sent, Ordering::Relaxed);
        self.consumer_bell.ring();
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest value.
    pub fn try_recv(&mut self) -> Option<T> {
        let value = self.consumer.pop().ok()?;
        self.taken += (self.weigh)(&value) as u64;
        Some(value)
    }

    /// Shows the oldest value without taking it.
    pub fn peek(&self) -> Option<&T> {
        self.consumer.peek().ok()
    }

    /// Whether nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// How many values wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.consumer.slots()
    }

    /// Bytes of what waits, as of the last time that the producer rang.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let sent = self.gauge.sent.load(Ordering::Relaxed);
        usize::try_from(sent.saturating_sub(self.taken)).unwrap_or(usize::MAX)
    }

    /// After draining: tells a producer that found the ring full that there is room.
    pub fn made_room(&self) {
        self.gauge.taken.store(self.taken, Ordering::Release);
        fence(Ordering::SeqCst);
        let starved = &self.gauge.starved;
        if starved.load(Ordering::Relaxed) && starved.swap(false, Ordering::AcqRel) {
            self.producer_bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn capacity(values: usize, bytes: usize) -> Capacity<usize> {
        Capacity { values, bytes, weigh: |value| *value }
    }

    #[test]
    fn a_ring_is_full_of_bytes_until_room_was_made() {
        let bells = [(); 2].map(|()| Arc::new(Doorbell::new().unwrap()));
        let (mut tx, mut rx) = ring(capacity(8, 10), Arc::clone(&bells[0]), Arc::clone(&bells[1]));
        assert_eq!(tx.try_send(30), Ok(()), "one of any size");
        assert_eq!(tx.try_send(1), Err(1));
        assert_eq!(tx.try_send(0), Ok(()), "what weighs nothing takes a place only");
        assert_eq!((rx.try_recv(), tx.try_send(1)), (Some(30), Err(1)));
        rx.made_room();
        assert_eq!((tx.bytes(), tx.bytes_room()), (0, 10));
        assert_eq!((tx.try_send(4), tx.try_send(6), tx.try_send(1)), (Ok(()), Ok(()), Err(1)));
        assert!(!tx.has_room(1) && tx.room() > 0);
    }

    #[test]
    fn a_full_ring_hands_the_value_back_and_asks_for_room() {
        let bells = [(); 2].map(|()| Arc::new(Doorbell::new().unwrap()));
        let (mut tx, mut rx) = ring(capacity(1, 99), Arc::clone(&bells[0]), Arc::clone(&bells[1]));
        assert_eq!(tx.try_send(1), Ok(()));
        assert_eq!(tx.try_send(2), Err(2));
        assert_eq!(rx.try_recv(), Some(1));
        rx.made_room();
        assert_eq!(tx.try_send(2), Ok(()));
    }

    #[test]
    fn nothing_is_lost_between_two_sleeping_threads() {
        const VALUES: usize = 20_000;
        let bells = [(); 2].map(|()| Arc::new(Doorbell::new().unwrap()));
        let (mut tx, mut rx) =
            ring(capacity(4, 30_000), Arc::clone(&bells[0]), Arc::clone(&bells[1]));
        let producer = std::thread::spawn({
            let bell = Arc::clone(&bells[0]);
            move || {
                for n in 0..VALUES {
                    let mut value = n;
                    while let Err(back) = tx.try_send(value) {
                        value = back;
                        tx.notify();
                        bell.wait(Duration::from_secs(5), || tx.has_room(value));
                    }
                    tx.notify();
                }
            }
        });
        let mut expected = 0;
        while expected < VALUES {
            match rx.try_recv() {
                Some(value) => {
                    assert_eq!(value, expected);
                    expected += 1;
                }
                None => {
                    rx.made_room();
                    bells[1].wait(Duration::from_secs(5), || !rx.is_empty());
                }
            }
        }
        producer.join().unwrap();
    }
}
