//! The archive on the embedded engine: the log itself, shown through the `persistent` switch.
//!
//! Nothing is written: a body lies once in the log, and retention keeps every segment that holds an
//! archived one.

use std::ops::ControlFlow;
use std::sync::Arc;

use openim_record::{Message, Position};

use super::log::Segments;
use crate::port::{Archive, Archived, StoreError};

/// The embedded engine's archive.
pub struct EmbeddedArchive {
    segments: Arc<Segments>,
}

impl EmbeddedArchive {
    pub(super) const fn new(segments: Arc<Segments>) -> Self {
        Self { segments }
    }
}

impl Archive for EmbeddedArchive {
    fn scan(
        &self,
        from: Position,
        messages_max: usize,
        each: &mut dyn FnMut(Archived<'_>),
    ) -> Result<Option<Position>, StoreError> {
        let mut shown = 0;
        let mut next = None;
        self.segments.walk(from, &|segment| segment.archived == Some(false), &mut |replayed| {
            if !Message::peek_switches(replayed.record).is_some_and(|on| on.persistent) {
                return ControlFlow::Continue(());
            }
            if shown == messages_max.max(1) {
                next = Some(replayed.position);
                return ControlFlow::Break(());
            }
            shown += 1;
            each(Archived {
                position: replayed.position,
                append_ms: replayed.append_ms,
                record: replayed.record,
            });
            ControlFlow::Continue(())
        })?;
        Ok(next)
    }
}
