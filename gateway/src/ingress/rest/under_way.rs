//! The bytes of all answers under way: made, and not yet taken by their clients.
//!
//! Keeps the sum of one shard ([`crate::doors::RestLoad`]). A page is made when there is room for it; without room whoever has taken
//! nothing of an answer for longest is closed, and the others wait their turn, for a while. Short answers
//! are counted and never wait.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::{Instant, timeout};

use crate::doors::PAGE_BYTES;
use crate::driver::Core;

/// How long an answer waits for room.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a client may take nothing of its answer while others wait for room.
const GRACE: Duration = Duration::from_millis(300);
/// How often somebody who waits looks for such a client.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes that count until dropped.
pub(super) struct Held {
    core: Rc<Core>,
    bytes: usize,
}

impl Held {
    /// Room for the first page of an answer, if some comes in time. A quarter of all room is left to answers
    /// that have begun.
    pub(super) async fn first_page(core: &Rc<Core>) -> Option<Self> {
        let max = core.rest.answer_bytes_max();
        Self::page(core, max - max / 4).await
    }

    /// Room for another page, if some comes in time.
    pub(super) async fn next_page(core: &Rc<Core>) -> Option<Self> {
        Self::page(core, core.rest.answer_bytes_max()).await
    }

    async fn page(core: &Rc<Core>, max: usize) -> Option<Self> {
        let until = Instant::now() + PATIENCE;
        while core.rest.answer_bytes() + PAGE_BYTES > max {
            if Instant::now() >= until {
                core.metrics.rest_answers_refused.add(1);
                return None;
            }
            let unread = core.doors.answers();
            if unread.longest().is_some_and(|since| since.elapsed() >= GRACE) && unread.make_room()
            {
                core.metrics.connections_displaced.add(1);
            }
            // Whether room was given or not: it is looked for again.
            drop(timeout(LOOK, core.rest.room()).await);
        }
        Some(Self::at_once(core, PAGE_BYTES))
    }

    /// Counts what is there already.
    pub(super) fn at_once(core: &Rc<Core>, bytes: usize) -> Self {
        let held = Self { core: Rc::clone(core), bytes };
        core.rest.answer_becomes(0, bytes);
        held
    }

    /// What was reckoned is made, and has its true size.
    fn becomes(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.core.rest.answer_becomes(before, bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.becomes(0);
    }
}

/// A part of an answer on its way to the socket.
pub(super) struct Chunk {
    bytes: Bytes,
    held: Option<Held>,
}

impl Chunk {
    /// A page for which there was room.
    pub(super) fn of_page(page: Vec<u8>, mut held: Held) -> Self {
        held.becomes(page.capacity());
        Self { bytes: page.into(), held: Some(held) }
    }

    /// What takes no memory of its own, or is counted when it goes out.
    pub(super) fn uncounted(bytes: Bytes) -> Self {
        Self { bytes, held: None }
    }

    /// Counts it from now on, if it does not count yet.
    pub(super) fn counted(mut self, core: &Rc<Core>) -> Self {
        let bytes = self.bytes.len();
        self.held.get_or_insert_with(|| Held::at_once(core, bytes));
        self
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}
