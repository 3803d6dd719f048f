//! Changes of users, tokens, relations, groups and options on their way to the log's one writer.
//!
//! In: records from whoever changes something, with what tells of them, who waits; one at a time, so a queue of one. Out:
//! what the log has decided. A log that has ended answers nobody, and whoever waits is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use openim_bus::Doorbell;
use openim_record::{Position, Told};
use openim_storage::embedded::HandIn;
use openim_storage::port::{Spot, StoreError};

/// A record that somebody waits for.
#[derive(Debug)]
pub struct Change {
    /// The encoded rows.
    pub record: Vec<u8>,
    /// What tells of them.
    pub told: Vec<Told>,
    /// See [`HandIn::hand_in`].
    durable: Arc<AtomicU64>,
    decided: Sender<Result<Position, StoreError>>,
}

impl Change {
    /// What it holds of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.record.len() + self.told.iter().map(Told::bytes).sum::<usize>()
    }

    /// It is durable at this position. Gives what tells of it, to be handed out from now on, and before whoever waits is
    /// told: who asks for it on having been answered finds it. Readers wait for nothing where nobody is told.
    pub(crate) fn landed(&mut self, position: Position) -> Vec<Told> {
        if !self.told.is_empty() {
            self.durable.store(position.0, Ordering::Release);
        }
        std::mem::take(&mut self.told)
    }

    /// Tells whoever waits what became of it.
    pub(crate) fn decide(self, outcome: Result<Position, StoreError>) {
        // Who does not wait any more is ending.
        let _gone = self.decided.send(outcome);
    }
}

/// The way to the log's writer.
#[derive(Debug)]
pub struct ChangesTo {
    changes: Sender<Change>,
    bell: Arc<Doorbell>,
}

/// A way to the log's writer, whose bell this is, and its other end.
#[must_use]
pub fn to_log(bell: &Arc<Doorbell>) -> (ChangesTo, Receiver<Change>) {
    let (changes, taken) = bounded(1);
    (ChangesTo { changes, bell: Arc::clone(bell) }, taken)
}

impl HandIn for ChangesTo {
    fn hand_in(
        &self,
        record: Vec<u8>,
        told: Vec<Told>,
        durable: &Arc<AtomicU64>,
    ) -> Result<Position, StoreError> {
        let (decided, decision) = bounded(1);
        let durable = Arc::clone(durable);
        self.changes.send(Change { record, told, durable, decided }).map_err(|_| ended())?;
        self.bell.ring();
        decision.recv().map_err(|_| ended())?
    }
}

fn ended() -> StoreError {
    StoreError::Corrupt {
        place: Spot::Engine("handing a change to the log".to_owned()),
        cause: "the log's thread has ended; restart to recover".into(),
    }
}
