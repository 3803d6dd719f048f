//! A transfer that runs, as whoever has started it sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use crate::status::{Board, Status};

/// What the thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    Go,
    /// Finish what is begun, then end.
    Stop,
    /// End at once.
    Drop,
}

/// The newest order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders(Arc<AtomicU8>);

impl Orders {
    pub(crate) fn now(&self) -> Order {
        match self.0.load(Ordering::Relaxed) {
            0 => Order::Go,
            1 => Order::Stop,
            _ => Order::Drop,
        }
    }

    fn give(&self, order: Order) {
        self.0.fetch_max(order as u8, Ordering::Relaxed);
    }
}

/// A transfer, or an archiver. Dropped without [`Self::stop`], it ends where it stands, as if it were killed; its thread
/// is not waited for.
#[derive(Debug)]
pub struct Running {
    orders: Orders,
    board: Board,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn new(orders: Orders, board: Board, thread: JoinHandle<()>) -> Self {
        Self { orders, board, thread: Some(thread) }
    }

    /// How it stood a moment ago.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.read()
    }

    /// Takes no more records, finishes and checkpoints what it has taken, within [`crate::Options::stop_wait`], leaves the
    /// group and ends.
    pub fn stop(mut self) {
        self.orders.give(Order::Stop);
        self.join();
    }

    /// Ends where it stands, and waits for that only.
    pub fn end(mut self) {
        self.orders.give(Order::Drop);
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread has panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.orders.give(Order::Drop);
    }
}
