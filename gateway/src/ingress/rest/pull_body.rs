//! A long pull as a chunked body: one part in memory, the next fetched when it was taken.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::answer::Parts as AnswerParts;
use super::under_way::{Chunk, Held};
use crate::bus::{Bounds, Caller};
use crate::driver::Core;
use crate::ops::pull::{Parts, PullFailed, PullPermit, Wanted};

type NextPart = Pin<Box<dyn Future<Output = (Parts, Result<(Chunk, bool), PullFailed>)>>>;

/// See the module.
pub(super) struct PullBody {
    core: Rc<Core>,
    caller: Caller,
    wanted: Wanted,
    first: Option<Chunk>,
    parts: Option<Parts>,
    next: Option<NextPart>,
    _permit: PullPermit,
}

impl PullBody {
    pub(super) fn new(
        core: &Rc<Core>,
        (caller, wanted): (Caller, Wanted),
        parts: Parts,
        first: Chunk,
        permit: PullPermit,
    ) -> Self {
        Self {
            core: Rc::clone(core),
            caller,
            wanted,
            first: Some(first),
            parts: Some(parts),
            next: None,
            _permit: permit,
        }
    }
}

impl AnswerParts for PullBody {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.next.is_none() {
            let Some(mut parts) = self.parts.take() else { return Poll::Ready(None) };
            let core = Rc::clone(&self.core);
            let caller = self.caller.clone();
            self.next = Some(Box::pin(async move {
                let Some(held) = Held::next_page(&core).await else {
                    return (parts, Err(PullFailed::Unavailable));
                };
                let mut text = Vec::new();
                // The token may have been superseded while the client took the part before.
                if core.at_home(Bounds { caller }).await.is_err() {
                    return (parts, Err(PullFailed::Unavailable));
                }
                let outcome = parts.next(&core, &mut text).await;
                (parts, outcome.map(|more| (Chunk::of_page(text, held), more)))
            }));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (parts, outcome) = match next.as_mut().poll(cx) {
            Poll::Ready(ready) => ready,
            Poll::Pending => return Poll::Pending,
        };
        self.next = None;
        match outcome {
            Ok((part, more)) => {
                self.parts = more.then_some(parts);
                if !more {
                    self.core.note_pull(&self.caller, &self.wanted);
                }
                Poll::Ready(Some(Ok(part)))
            }
            // The status is sent: only a cut body tells the client that this is not all.
            Err(_) => Poll::Ready(Some(Err(io::Error::other("history cannot be read")))),
        }
    }
}
