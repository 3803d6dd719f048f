//! Lists that are read a page at a time, and written so: what one answer needs of memory is a page, and
//! only so many pages are under way at once.
//!
//! The first page decides the answer: until it is there, an error can still be told. After that only a
//! cut body tells the client that this is not all.

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{ListKey, ListWriter};

use super::answer::{self, Outcome, Parts, Refusal};
use super::under_way::{Chunk, Held};
use crate::bus::Refused;
use crate::driver::Core;

/// Rows of a page.
pub(super) const PAGE: usize = 64;

/// A list that is being read.
pub(super) trait Source: Unpin + 'static {
    /// Appends the next page to `out`, the first with what stands before the list, the last with what
    /// stands behind it. Whether more follow.
    async fn page(&mut self, core: &Rc<Core>, out: &mut Vec<u8>) -> Result<bool, Refused>;
}

/// How far a list has come.
pub(super) struct Cursor<K> {
    key: ListKey,
    /// The last row shown.
    pub(super) after: Option<K>,
    writer: Option<ListWriter>,
}

impl<K> Cursor<K> {
    /// At the beginning of a list under `key`.
    pub(super) fn new(key: ListKey) -> Self {
        Self { key, after: None, writer: None }
    }

    /// To write the next page with; on the first one what stands before the list is written.
    pub(super) fn writer(&mut self, out: &mut Vec<u8>) -> ListWriter {
        let key = self.key;
        self.writer.take().unwrap_or_else(|| ListWriter::begin(out, key))
    }

    /// Ends a page whose last row is `last`; whether more follow, as they may behind a `full` one.
    pub(super) fn turn(
        &mut self,
        writer: ListWriter,
        out: &mut Vec<u8>,
        full: bool,
        last: Option<K>,
    ) -> bool {
        if !full {
            writer.end(out, ErrCode::Ok, "");
            return false;
        }
        (self.after, self.writer) = (last, Some(writer));
        true
    }
}

/// Ids that a request named: each once, in the order in which they came first, a page at a time.
pub(super) struct Named<T> {
    ids: Vec<T>,
    cursor: Cursor<()>,
}

impl<T: Clone + Eq + Hash> Named<T> {
    /// Of a list under `key`.
    pub(super) fn new(key: ListKey, ids: impl Iterator<Item = T>) -> Self {
        let mut ids = once(ids);
        // Pages are taken off the end.
        ids.reverse();
        Self { ids, cursor: Cursor::new(key) }
    }

    /// The ids of the next page.
    pub(super) fn next(&mut self) -> Vec<T> {
        let from = self.ids.len().saturating_sub(PAGE);
        let mut page = self.ids.split_off(from);
        page.reverse();
        page
    }

    /// To write the page with.
    pub(super) fn writer(&mut self, out: &mut Vec<u8>) -> ListWriter {
        self.cursor.writer(out)
    }

    /// Ends a page; whether more follow.
    pub(super) fn turn(&mut self, writer: ListWriter, out: &mut Vec<u8>) -> bool {
        self.cursor.turn(writer, out, !self.ids.is_empty(), None)
    }
}

/// Each id once, in the order in which they came first.
pub(super) fn once<T: Clone + Eq + Hash>(ids: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    ids.filter(|id| seen.insert(id.clone())).collect()
}

/// Answers with a list; `failed` makes the answer where its first page cannot be read, or finds no room.
pub(super) async fn list<S: Source>(
    core: &Rc<Core>,
    mut source: S,
    failed: impl FnOnce(Refused) -> Refusal,
) -> Outcome {
    let first = match page(core, Held::first_page(core).await, &mut source).await {
        Ok((first, true)) => first,
        Ok((only, false)) => return Ok(answer::page(only)),
        Err(why) => return Err(failed(why)),
    };
    let (core, first) = (Rc::clone(core), Some(first));
    Ok(answer::parts(Pages { core, first, source: Some(source), next: None }))
}

/// Makes the next page, if there was room for it.
async fn page<S: Source>(
    core: &Rc<Core>,
    room: Option<Held>,
    source: &mut S,
) -> Result<(Chunk, bool), Refused> {
    let held = room.ok_or(Refused::Unavailable)?;
    let mut text = Vec::new();
    let more = source.page(core, &mut text).await?;
    Ok((Chunk::of_page(text, held), more))
}

type NextPage<S> = Pin<Box<dyn Future<Output = (S, Result<(Chunk, bool), Refused>)>>>;

/// See the module.
struct Pages<S> {
    core: Rc<Core>,
    first: Option<Chunk>,
    source: Option<S>,
    next: Option<NextPage<S>>,
}

impl<S: Source> Parts for Pages<S> {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.next.is_none() {
            let Some(mut source) = self.source.take() else { return Poll::Ready(None) };
            let core = Rc::clone(&self.core);
            self.next = Some(Box::pin(async move {
                let outcome = page(&core, Held::next_page(&core).await, &mut source).await;
                (source, outcome)
            }));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (source, outcome) = ready!(next.as_mut().poll(cx));
        self.next = None;
        match outcome {
            Ok((page, more)) => {
                self.source = more.then_some(source);
                Poll::Ready(Some(Ok(page)))
            }
            Err(_) => Poll::Ready(Some(Err(io::Error::other("the list cannot be read")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_ids_come_once_and_in_pages() {
        let ids = (0..3 * PAGE).map(|number| number % (PAGE + 2));
        let mut named = Named::new(ListKey::Data, ids);
        assert_eq!(named.next(), (0..PAGE).collect::<Vec<_>>());
        assert_eq!(named.next(), [PAGE, PAGE + 1]);
        assert!(named.next().is_empty());
    }
}
