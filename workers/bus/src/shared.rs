//! A queue from many threads to one, for answers off the message path.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use crate::Doorbell;

/// A bounded lock-free queue whose one consumer has a bell.
#[derive(Debug)]
pub struct Shared<T> {
    queue: ArrayQueue<T>,
    bell: Arc<Doorbell>,
}

impl<T> Shared<T> {
    /// A queue of `capacity` values (at least one).
    #[must_use]
    pub fn new(capacity: usize, bell: Arc<Doorbell>) -> Self {
        Self { queue: ArrayQueue::new(capacity.max(1)), bell }
    }

    /// Pushes a value and wakes the consumer.
    ///
    /// # Errors
    /// Gives the value back when the queue is full.
    pub fn try_send(&self, value: T) -> Result<(), T> {
        self.queue.push(value)?;
        self.bell.ring();
        Ok(())
    }

    /// Takes the oldest value.
    #[must_use]
    pub fn try_recv(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Whether nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many values wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// The consumer's bell.
    #[must_use]
    pub fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }
}
