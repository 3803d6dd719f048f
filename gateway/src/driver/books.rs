//! The shard's books, once a second: compared, counted, and what differs is named.
//!
//! Who is missing a message is looked up by a reader's thread, in the log; meanwhile the shard goes on. A residue waits for
//! that until the inboxes it may concern are stored.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use openim_record::{Committed, Now, Residue};
use openim_shard::Became;
use openim_workers::books::{OfShard, Wrong, name};
use openim_workers::reads::Read;

use crate::driver::Core;
use crate::metrics::{Reached, Waited};

/// Residues that wait to be named; one more is only counted.
const UNNAMED_MAX: usize = 16;
/// So long one waits for the inboxes to be stored at most.
const STORED_WITHIN_MS: u64 = 15_000;

/// See the module.
#[derive(Default)]
pub(super) struct Books {
    compared_s: Cell<u32>,
    /// Since when the log's side was not compared.
    behind_s: Cell<u32>,
    /// With the time when they were found, milliseconds of the shard's clock.
    unnamed: RefCell<VecDeque<(Residue, u64)>>,
}

impl Core {
    /// Compares the books, if it is time.
    pub(super) fn keep_books(self: &Rc<Self>, now: Now) {
        if self.books.compared_s.replace(now.mono_s()) == now.mono_s() {
            return;
        }
        let found = self.with(|shard, io| shard.compare_books(io.written));
        for residue in found {
            let Residue { pair, from, to, missing: _ } = residue;
            tracing::error!(
                account = pair.name(),
                from = from.0,
                to = to.0,
                lost = residue.lost(),
                "the books of deliveries do not balance: who is concerned follows; tell the makers of openim"
            );
            self.metrics.books_residue.of(pair).add(residue.size());
            let mut unnamed = self.books.unnamed.borrow_mut();
            if unnamed.len() < UNNAMED_MAX {
                unnamed.push_back((residue, now.mono_ms));
            }
        }
        self.publish_books(now);
        self.name_residue(now);
    }

    fn publish_books(&self, now: Now) {
        let (shard, metrics) = (self.shard.borrow(), &self.metrics);
        let (books, delivered) = (shard.back().books(), shard.front().delivered());
        for (became, &count) in Became::ALL.into_iter().zip(books.became()) {
            let counter = metrics.books_deliveries.of(became);
            counter.add(count - counter.get());
        }
        for (reached, account) in
            [(Reached::Pushed, delivered.pushed), (Reached::Waiting, delivered.waiting)]
        {
            let counter = metrics.books_reached.of(reached);
            counter.add(account.count - counter.get());
        }
        if books.opened().is_none() {
            self.books.behind_s.set(now.mono_s());
        }
        metrics.books_behind.set(u64::from(now.mono_s() - self.books.behind_s.get()));
    }

    /// Has the oldest residue named, if the inboxes that it may concern are stored.
    fn name_residue(self: &Rc<Self>, now: Now) {
        let mut unnamed = self.books.unnamed.borrow_mut();
        let stored = |residue: &Residue| {
            self.wheel.last_batch().0 >= residue.to.0 && !self.shard.borrow().back().storing()
        };
        let due = |(residue, found_ms): &mut (Residue, u64)| {
            stored(residue) || now.mono_ms >= *found_ms + STORED_WITHIN_MS
        };
        let Some((residue, _)) = unnamed.pop_front_if(due) else { return };
        let (core, here) = (Rc::clone(self), self.here);
        let shard = OfShard { placement: here.placement, shards: here.shards, index: here.index };
        tokio::task::spawn_local(async move {
            let question = move |ticket| {
                Read::Ask(
                    ticket,
                    Box::new(move |sources| {
                        Box::pin(async move {
                            let named = name(&sources, &residue, shard).await?;
                            tell(&residue, &named);
                            Ok(Box::new(()) as Box<_>)
                        })
                    }),
                )
            };
            if core.read(Waited::Question, question).await.is_err() {
                tracing::warn!(
                    "who is concerned by a residue of the books is not known yet: the readers have no time"
                );
            }
        });
    }
}

/// A record as the shard takes it.
#[cfg(feature = "testing")]
pub(super) fn as_taken(record: Committed) -> Committed {
    crate::testing::lose_record(record)
}

/// A record as the shard takes it.
#[cfg(not(feature = "testing"))]
pub(super) fn as_taken(record: Committed) -> Committed {
    record
}

/// A line for each that was found.
fn tell(residue: &Residue, named: &[Wrong]) {
    let account = residue.pair.name();
    for Wrong { lost, uid, position, server_msg_id, client_msg_id, stored } in named {
        let what = if *lost { "lost" } else { "doubled" };
        let stored = stored.map_or(-1, u64::cast_signed);
        tracing::error!(
            account, delivery = what, %uid, server_msg_id, client_msg_id, position = position.0, stored,
            "a delivery is {what}: openim why {uid} {client_msg_id} tells more"
        );
    }
    if (named.len() as u64) < residue.size() {
        let unnamed = residue.size() - named.len() as u64;
        tracing::error!(account, unnamed, "of what the books miss or have twice not all is named");
    }
}
