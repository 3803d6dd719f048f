//! The writing end of the log in the hands of its thread, and before that of whoever changes something.
//!
//! In: batches from the one thread that owns [`EmbeddedLog`]; until there is one, single records. Never: two who write
//! while the server runs, so nobody waits for the lock then.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use openim_record::{PartitionId, Position};
use parking_lot::Mutex;

use super::recover::{Known, TornTail};
use super::segments::Segments;
use super::writer::{LogSettings, Writer};
use crate::port::{Handed, Outcome, Produce, StoreError};

/// The embedded engine's log; see the folder's documentation.
pub struct EmbeddedLog {
    writer: Arc<Mutex<Writer>>,
    segments: Arc<Segments>,
}

impl EmbeddedLog {
    /// Opens or begins the log.
    pub(in crate::embedded) fn open(
        settings: LogSettings,
        known: Known,
    ) -> Result<(Self, Option<TornTail>), StoreError> {
        let (writer, torn) = Writer::open(settings, known)?;
        let segments = writer.segments();
        Ok((Self { writer: Arc::new(Mutex::new(writer)), segments }, torn))
    }

    /// What writes, for those who append before the log has its thread.
    pub(in crate::embedded) const fn writer(&self) -> &Arc<Mutex<Writer>> {
        &self.writer
    }

    /// The read side.
    pub(in crate::embedded) fn segments(&self) -> Arc<Segments> {
        Arc::clone(&self.segments)
    }

    /// Whether nothing was ever appended.
    pub(in crate::embedded) fn is_empty(&self) -> bool {
        self.writer.lock().is_empty()
    }

    /// Append time of the newest record, unix milliseconds.
    #[must_use]
    pub fn newest_record_ms(&self) -> Option<i64> {
        self.writer.lock().newest_record_ms()
    }

    /// Says what time it is, for what is changed before the log has its thread.
    pub fn dated(&self, now_ms: i64) {
        self.writer.lock().dated(now_ms);
    }

    /// The position that the next record will get.
    #[must_use]
    pub fn head(&self) -> Position {
        self.segments.head()
    }
}

impl Produce for EmbeddedLog {
    fn submit(&mut self, records: &[Handed<'_>], now_ms: i64) -> Range<u64> {
        self.writer.lock().submit(records, now_ms)
    }

    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(Outcome<'_>)) {
        self.writer.lock().poll(wait, each);
    }

    fn head(&self, _: PartitionId) -> Position {
        self.segments.head()
    }

    fn finish(&mut self) -> Result<(), StoreError> {
        self.writer.lock().finish()
    }

    fn check(&self) -> Result<(), StoreError> {
        self.writer.lock().check()
    }
}
