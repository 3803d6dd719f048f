//! Lists that are read from the store a page at a time, and written so: what one answer needs of memory
//! is a page.
//!
//! The first page decides the answer: until it is there, an error can still be told. After that only a
//! cut body tells the client that this is not all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Response;
use openim_protocol::errcode::ErrCode;
use openim_protocol::rest::{ListKey, ListWriter};

use super::answer::{self, Answer, Parts};
use crate::bus::Refused;
use crate::driver::Core;

/// Rows of a page.
pub(super) const PAGE: usize = 256;

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

/// Answers with a list; `failed` makes the answer where its first page cannot be read.
pub(super) async fn list<S: Source>(
    core: &Rc<Core>,
    mut source: S,
    failed: impl FnOnce(Refused) -> Response<Answer>,
) -> Response<Answer> {
    let mut first = Vec::new();
    match source.page(core, &mut first).await {
        Ok(false) => answer::json(200, first),
        Ok(true) => {
            let pages = Pages {
                core: Rc::clone(core),
                first: Some(first),
                source: Some(source),
                next: None,
            };
            answer::parts(pages)
        }
        Err(why) => failed(why),
    }
}

type NextPage<S> = Pin<Box<dyn Future<Output = (S, Result<(Vec<u8>, bool), Refused>)>>>;

/// See the module.
struct Pages<S> {
    core: Rc<Core>,
    first: Option<Vec<u8>>,
    source: Option<S>,
    next: Option<NextPage<S>>,
}

impl<S: Source> Parts for Pages<S> {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first.into())));
        }
        if self.next.is_none() {
            let Some(mut source) = self.source.take() else { return Poll::Ready(None) };
            let core = Rc::clone(&self.core);
            self.next = Some(Box::pin(async move {
                let mut text = Vec::new();
                let outcome = source.page(&core, &mut text).await;
                (source, outcome.map(|more| (text, more)))
            }));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (source, outcome) = match next.as_mut().poll(cx) {
            Poll::Ready(ready) => ready,
            Poll::Pending => return Poll::Pending,
        };
        self.next = None;
        match outcome {
            Ok((text, more)) => {
                self.source = more.then_some(source);
                Poll::Ready(Some(Ok(text.into())))
            }
            Err(_) => Poll::Ready(Some(Err(io::Error::other("the list cannot be read")))),
        }
    }
}
