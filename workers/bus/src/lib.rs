//! Bounded lock-free rings between threads, and the bells that wake them.
//!
//! A [`ring()`] has one producer and one consumer; a [`Shared`] queue has many producers and
//! carries answers that are off the message path. Every consumer has a [`Doorbell`]: it costs its producers nothing
//! while the consumer is awake and one system call when it sleeps.
//!
//! Invariants: nothing here blocks but [`Doorbell::wait`]; nothing grows; a value that does not fit
//! is handed back.
#![forbid(unsafe_code)]

mod doorbell;
mod ring;
mod shared;

pub use doorbell::Doorbell;
pub use ring::{Capacity, Receiver, Sender, ring};
pub use shared::Shared;
