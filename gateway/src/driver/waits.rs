//! Who waits for which answer, by ticket.
//!
//! A wait that is dropped before its answer leaves its slot until the answer has come, so a late
//! answer never reaches somebody else.

use std::task::Waker;

use slab::Slab;

enum Wait<T> {
    Open(Option<Waker>),
    Answered(T),
    Abandoned,
}

/// Open waits for answers of one kind.
pub(crate) struct Waits<T> {
    slots: Slab<Wait<T>>,
}

impl<T> Waits<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Slab::new() }
    }

    /// Opens a wait.
    pub(crate) fn open(&mut self) -> usize {
        self.slots.insert(Wait::Open(None))
    }

    /// The answer has come.
    pub(crate) fn answer(&mut self, ticket: usize, answer: T) {
        match self.slots.get_mut(ticket) {
            Some(Wait::Abandoned) => {
                self.slots.remove(ticket);
            }
            Some(slot) => {
                if let Wait::Open(Some(waker)) = std::mem::replace(slot, Wait::Answered(answer)) {
                    waker.wake();
                }
            }
            None => {}
        }
    }

    /// Takes the answer if it is there, else remembers whom to wake.
    pub(crate) fn poll(&mut self, ticket: usize, waker: &Waker) -> Option<T> {
        match self.slots.get_mut(ticket)? {
            Wait::Answered(_) => match self.slots.remove(ticket) {
                Wait::Answered(answer) => Some(answer),
                Wait::Open(_) | Wait::Abandoned => None,
            },
            slot => {
                *slot = Wait::Open(Some(waker.clone()));
                None
            }
        }
    }

    /// Nobody waits any more. Not for a ticket whose answer was taken.
    pub(crate) fn abandon(&mut self, ticket: usize) {
        match self.slots.get_mut(ticket) {
            Some(slot @ Wait::Open(_)) => *slot = Wait::Abandoned,
            Some(Wait::Answered(_)) => {
                self.slots.remove(ticket);
            }
            Some(Wait::Abandoned) | None => {}
        }
    }

    /// The question was never asked; its ticket is free again.
    pub(crate) fn cancel(&mut self, ticket: usize) {
        self.slots.try_remove(ticket);
    }
}
