//! Reading an inbox.
//!
//! Invariant: what is given follows each other without a gap. Where an entry is missing it has expired since the bounds
//! were read, or the store is damaged; never is it just left out.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};
use openim_record::{Seq, Source, UserId};
use openim_storage::port::{Entry, Range, Spot, StoreError};

use super::server::{BODIES, ENTRIES, Server, first};
use super::shapes::{self, Lies, Read};

/// Entries that one question asks for at most, and what each is taken to have of bytes.
const ENTRIES_MAX: usize = 256;
const ENTRY_BYTES: usize = 512;

impl Server {
    pub(super) async fn range(
        &self,
        what: &str,
        user: &UserId,
        (from, to): (Seq, Seq),
        bytes_max: usize,
    ) -> Result<Range, StoreError> {
        let bounds = self.bounds_of(what, user).await?;
        let (mut at, end) = (from.max(bounds.min), to.min(bounds.newest));
        let (mut range, mut bytes) = (Range::default(), 0);
        while at <= end && at > Seq(0) {
            if bytes >= bytes_max && !range.entries.is_empty() {
                range.next = Some(at);
                break;
            }
            let some = (bytes_max.saturating_sub(bytes) / ENTRY_BYTES + 1).min(ENTRIES_MAX);
            let read = self.entries_from(what, user, (at, end), some).await?;
            if read.is_empty() {
                // From here on, or it is damaged.
                let min = self.bounds_of(what, user).await?.min;
                if min <= at {
                    return Err(self.malformed(
                        ENTRIES,
                        format_args!("{user}/{at}"),
                        "it is missing",
                    ));
                }
                if !range.entries.is_empty() {
                    range.next = Some(min).filter(|min| *min <= end);
                    break;
                }
                at = min;
                continue;
            }
            for entry in self.whole(what, user, read).await? {
                if bytes >= bytes_max && !range.entries.is_empty() {
                    break;
                }
                at = entry.seq.next();
                bytes += entry.record.as_ref().map_or(0, |record| record.len());
                range.entries.push(entry);
            }
        }
        Ok(range)
    }

    async fn bounds_of(
        &self,
        what: &str,
        user: &UserId,
    ) -> Result<openim_record::InboxBounds, StoreError> {
        let bounds = self.bounds(what, std::slice::from_ref(user)).await?;
        Ok(bounds.first().copied().unwrap_or_default())
    }

    /// Entries from the first asked for on, as far as they follow each other.
    async fn entries_from(
        &self,
        what: &str,
        user: &UserId,
        (from, to): (Seq, Seq),
        limit: usize,
    ) -> Result<Vec<Read>, StoreError> {
        let mut entries: Vec<Read> = Vec::new();
        let filter = shapes::of_inbox(user, from, to);
        self.each(what, ENTRIES, filter, first(limit), |document| {
            let read = Read::of(document);
            let read = read.map_err(|cause| self.malformed(ENTRIES, user, cause))?;
            let follows = read.seq == entries.last().map_or(from, |last| last.seq.next());
            if follows {
                entries.push(read);
            }
            Ok(follows)
        })
        .await?;
        Ok(entries)
    }

    /// Entries with their records.
    async fn whole(
        &self,
        what: &str,
        user: &UserId,
        read: Vec<Read>,
    ) -> Result<Vec<Entry>, StoreError> {
        let among = |read: &Read| match read.lies {
            Some(Lies::Among(source)) => Some(source),
            Some(Lies::With(_)) | None => None,
        };
        let bodies = self.bodies(what, read.iter().filter_map(among).collect()).await?;
        let whole = |Read { seq, position, lies }| {
            let record = match lies {
                Some(Lies::With(own)) => Some(own),
                Some(Lies::Among(source)) => bodies.get(&source).cloned(),
                None => None,
            };
            let damaged = || StoreError::Corrupt {
                place: Spot::Key(self.place(ENTRIES, format_args!("{user}/{seq}"))),
                cause: "its message is missing".into(),
            };
            Entry { seq, position, record: record.ok_or_else(damaged) }
        };
        Ok(read.into_iter().map(whole).collect())
    }

    async fn bodies(
        &self,
        what: &str,
        mut sources: Vec<Source>,
    ) -> Result<HashMap<Source, Box<[u8]>>, StoreError> {
        let mut bodies = HashMap::new();
        sources.sort_unstable();
        sources.dedup();
        if sources.is_empty() {
            return Ok(bodies);
        }
        let id = |source: &Source| {
            doc! { "p": shapes::number(source.of), "o": shapes::clamped(source.position.0) }
        };
        let ids: Vec<Document> = sources.iter().map(id).collect();
        self.each(what, BODIES, doc! { "_id": { "$in": ids } }, first(sources.len()), |body| {
            let source = body.get_document("_id").ok().and_then(shapes::source);
            if let (Some(source), Ok(record)) = (source, body.get_binary("b")) {
                bodies.insert(source, record.bytes.into());
            }
            Ok(true)
        })
        .await?;
        Ok(bodies)
    }
}
