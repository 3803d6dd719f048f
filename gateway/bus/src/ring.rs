//! A ring from one thread to one other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crate::Doorbell;

/// The writing end.
#[derive(Debug)]
pub struct Sender<T> {
    producer: rtrb::Producer<T>,
    consumer_bell: Arc<Doorbell>,
    starved: Arc<AtomicBool>,
}

/// The reading end.
#[derive(Debug)]
pub struct Receiver<T> {
    consumer: rtrb::Consumer<T>,
    producer_bell: Arc<Doorbell>,
    starved: Arc<AtomicBool>,
}

/// A ring of `capacity` values (at least one) between the threads that own the two bells.
#[must_use]
pub fn ring<T>(
    capacity: usize,
    producer_bell: Arc<Doorbell>,
    consumer_bell: Arc<Doorbell>,
) -> (Sender<T>, Receiver<T>) {
    let (producer, consumer) = rtrb::RingBuffer::new(capacity.max(1));
    let starved = Arc::new(AtomicBool::new(false));
    (
        Sender { producer, consumer_bell, starved: Arc::clone(&starved) },
        Receiver { consumer, producer_bell, starved },
    )
}

impl<T> Sender<T> {
    /// Pushes a value; the consumer learns of it by [`Self::notify`], once a batch.
    ///
    /// # Errors
    /// Gives the value back when the ring is full; the producer's bell rings when there is room.
    pub fn try_send(&mut self, value: T) -> Result<(), T> {
        match self.producer.push(value) {
            Ok(()) => Ok(()),
            Err(rtrb::PushError::Full(value)) => {
                self.starved.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                // The consumer may have made room before it could see the flag.
                self.producer.push(value).map_err(|rtrb::PushError::Full(value)| value)
            }
        }
    }

    /// How many values fit now.
    pub fn room(&self) -> usize {
        self.producer.slots()
    }

    /// Asks to be rung when there is room again; whether there is some already.
    pub fn want_room(&self) -> bool {
        self.starved.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.room() > 0
    }

    /// How many values fit when the ring is empty.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.producer.buffer().capacity()
    }

    /// Wakes the consumer if it sleeps.
    pub fn notify(&self) {
        self.consumer_bell.ring();
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest value.
    pub fn try_recv(&mut self) -> Option<T> {
        self.consumer.pop().ok()
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

    /// After draining: tells a producer that found the ring full that there is room.
    pub fn made_room(&self) {
        fence(Ordering::SeqCst);
        if self.starved.load(Ordering::Relaxed) && self.starved.swap(false, Ordering::AcqRel) {
            self.producer_bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_full_ring_hands_the_value_back_and_asks_for_room() {
        let bells = [(); 2].map(|()| Arc::new(Doorbell::new().unwrap()));
        let (mut tx, mut rx) = ring(1, Arc::clone(&bells[0]), Arc::clone(&bells[1]));
        assert_eq!(tx.try_send(1), Ok(()));
        assert_eq!(tx.try_send(2), Err(2));
        assert_eq!(rx.try_recv(), Some(1));
        rx.made_room();
        assert_eq!(tx.try_send(2), Ok(()));
    }

    #[test]
    fn nothing_is_lost_between_two_sleeping_threads() {
        const VALUES: u32 = 20_000;
        let bells = [(); 2].map(|()| Arc::new(Doorbell::new().unwrap()));
        let (mut tx, mut rx) = ring(4, Arc::clone(&bells[0]), Arc::clone(&bells[1]));
        let producer = std::thread::spawn({
            let bell = Arc::clone(&bells[0]);
            move || {
                for n in 0..VALUES {
                    let mut value = n;
                    while let Err(back) = tx.try_send(value) {
                        value = back;
                        tx.notify();
                        bell.wait(Duration::from_secs(5), || tx.room() > 0);
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
