//! Taking away what has expired: `m` first, then entries, then bodies.
//!
//! Invariants: a reader who has read `m` finds every entry from there on, and its body. `d` is set last, so that whatever
//! was cut off before is found again and done again. Entries expire from the oldest of an inbox up to the first that has
//! not: where one lies behind a younger one it waits, and its body is kept for longer ([`super::Options::bodies_kept`]).

use mongodb::bson::{Document, doc, rawdoc};
use openim_record::{Seq, UserId};
use openim_storage::port::{RetainReport, StoreError};

use super::server::{BODIES, ENTRIES, META, Server, USERS, first};
use super::shapes::{self, NEVER};
use super::writes::Writer;

/// Inboxes that one call looks into.
const USERS_MAX: usize = 256;
/// Bodies of one partition that one call removes.
const BODIES_MAX: usize = 1_000;

/// What has expired of an inbox.
struct Cut {
    user: UserId,
    /// As it was read.
    newest: i64,
    min: Seq,
    /// The oldest that is kept, and when that was appended; unknown where there was no room to look at it.
    kept: Seq,
    oldest_ms: Option<i64>,
}

impl Server {
    pub(super) async fn retain(
        &self,
        what: &str,
        older_than_ms: i64,
        entries_max: usize,
    ) -> Result<RetainReport, StoreError> {
        let generation = self.generation(what).await?;
        let writer = Writer { server: self, what, generation, p: 0 };
        let said = rawdoc! { "_id": "retained", "t": older_than_ms };
        self.put_meta(writer, said).await?;
        let mut report = RetainReport::default();
        let due = self.due(what, older_than_ms).await?;
        report.more = due.len() == USERS_MAX;
        let mut cuts = Vec::new();
        for (user, (min, newest)) in due {
            let room = entries_max
                .saturating_sub(usize::try_from(report.entries_removed).unwrap_or(usize::MAX));
            if room == 0 {
                report.more = true;
                break;
            }
            let cut = self.cut(what, user, (min, newest), older_than_ms, room).await?;
            report.more |= cut.oldest_ms.is_none();
            report.entries_removed += cut.kept.0 - cut.min.0;
            cuts.push(cut);
        }
        report.more |= !self.remove(writer, &cuts).await?;
        let raised = cuts.iter().filter(|cut| cut.kept > cut.min);
        report.raised = raised.map(|cut| (cut.user.clone(), cut.kept)).collect();
        if !report.more {
            report.more = self.remove_bodies(what, older_than_ms).await?;
        }
        Ok(report)
    }

    async fn put_meta(
        &self,
        writer: Writer<'_>,
        document: mongodb::bson::RawDocumentBuf,
    ) -> Result<(), StoreError> {
        let update = rawdoc! { "q": { "_id": "retained" }, "u": document, "upsert": true };
        writer.update(META, vec![update]).await.map(drop)
    }

    /// Inboxes whose oldest entry has expired, with their bounds.
    async fn due(
        &self,
        what: &str,
        older_than_ms: i64,
    ) -> Result<Vec<(UserId, (Seq, i64))>, StoreError> {
        let mut due = Vec::new();
        let mut options = first(USERS_MAX);
        options.sort = Some(doc! { "d": 1 });
        let filter = doc! { "d": { "$lt": older_than_ms } };
        self.each(what, USERS, filter, options, |user| {
            let read = shapes::bounds(user);
            let (uid, bounds) = read.map_err(|cause| self.malformed(USERS, "", cause))?;
            due.push((uid, (bounds.min, shapes::clamped(bounds.newest.0))));
            Ok(true)
        })
        .await?;
        Ok(due)
    }

    async fn cut(
        &self,
        what: &str,
        user: UserId,
        (min, newest): (Seq, i64),
        older_than_ms: i64,
        room: usize,
    ) -> Result<Cut, StoreError> {
        let through = Seq(newest.cast_unsigned());
        let mut cut = Cut { user, newest, min, kept: min, oldest_ms: None };
        let mut options = first(room.saturating_add(1));
        options.projection = Some(doc! { "t": 1 });
        let (mut seen, mut young) = (0, None);
        let filter = shapes::of_inbox(&cut.user, min, through);
        self.each(what, ENTRIES, filter, options, |entry| {
            let read = shapes::seq(entry).and_then(|seq| Ok((seq, entry.get_i64("t")?)));
            let (seq, append_ms) =
                read.map_err(|cause| self.malformed(ENTRIES, &cut.user, cause))?;
            seen += 1;
            if append_ms >= older_than_ms {
                young = Some((seq, append_ms));
            } else if seen <= room {
                cut.kept = seq.next();
            }
            Ok(young.is_none())
        })
        .await?;
        cut.oldest_ms = match young {
            Some((_, append_ms)) => Some(append_ms),
            None if seen <= room => Some(NEVER),
            None => None,
        };
        Ok(cut)
    }

    /// Removes what was cut off; whether all of it is done with.
    async fn remove(&self, writer: Writer<'_>, cuts: &[Cut]) -> Result<bool, StoreError> {
        let (mut raises, mut entries, mut oldest) = (Vec::new(), Vec::new(), Vec::new());
        for cut in cuts {
            let (user, kept) = (cut.user.as_str(), shapes::clamped(cut.kept.0));
            raises.push(rawdoc! { "q": { "_id": user }, "u": { "$max": { "m": kept } } });
            // Also what an earlier call has not come to.
            let below = doc! { "$gte": { "u": user, "s": 0_i64 }, "$lt": { "u": user, "s": kept } };
            entries.push(doc! { "_id": below });
            let Some(oldest_ms) = cut.oldest_ms else { continue };
            let set = rawdoc! { "$set": { "d": oldest_ms } };
            let found = match oldest_ms {
                // Not of an inbox that has got an entry since.
                NEVER => rawdoc! { "_id": user, "n": cut.newest },
                _ => rawdoc! { "_id": user },
            };
            oldest.push(rawdoc! { "q": found, "u": set });
        }
        if cuts.is_empty() {
            return Ok(true);
        }
        writer.update(USERS, raises).await?;
        self.delete(writer.what, ENTRIES, entries).await?;
        let all = oldest.len();
        Ok(writer.update(USERS, oldest).await? == all)
    }

    /// Removes bodies, some of each partition; whether there may be more.
    async fn remove_bodies(&self, what: &str, older_than_ms: i64) -> Result<bool, StoreError> {
        let kept_ms = i64::try_from(self.options.bodies_kept.as_millis()).unwrap_or(i64::MAX);
        let older_than_ms = older_than_ms.saturating_sub(kept_ms);
        let (mut p, mut more) = (0, false);
        // From partition to partition, of those that have any.
        while let Some(found) = self.partition_with_bodies(what, p).await? {
            let mut last = None;
            let mut seen = 0;
            let mut options = first(BODIES_MAX);
            options.projection = Some(doc! { "t": 1 });
            let filter = doc! { "_id": shapes::of_partition(found) };
            self.each(what, BODIES, filter, options, |body| {
                let old = body.get_i64("t").is_ok_and(|append_ms| append_ms < older_than_ms);
                if old {
                    seen += 1;
                    last = body.get_document("_id").ok().and_then(|id| id.get_i64("o").ok());
                }
                Ok(old)
            })
            .await?;
            if let Some(last) = last {
                let id = doc! { "$gte": { "p": found }, "$lte": { "p": found, "o": last } };
                self.delete(what, BODIES, vec![doc! { "_id": id }]).await?;
            }
            more |= seen == BODIES_MAX;
            p = found.saturating_add(1);
        }
        Ok(more)
    }

    /// The next partition from `p` on.
    async fn partition_with_bodies(&self, what: &str, p: i32) -> Result<Option<i32>, StoreError> {
        let mut found = None;
        let mut options = first(1);
        options.projection = Some(doc! { "_id": 1 });
        self.each(what, BODIES, doc! { "_id": { "$gte": { "p": p } } }, options, |body| {
            found = body.get_document("_id").ok().and_then(|id| id.get_i32("p").ok());
            Ok(false)
        })
        .await?;
        Ok(found)
    }

    /// Removes all that one of the filters fits.
    pub(super) async fn delete(
        &self,
        what: &str,
        collection: &str,
        filters: Vec<Document>,
    ) -> Result<(), StoreError> {
        let deletes: Vec<_> =
            filters.into_iter().map(|filter| doc! { "q": filter, "limit": 0 }).collect();
        let command = doc! {
            "delete": collection, "deletes": deletes, "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let failed = |error| super::fault::told(what, error);
        let answer = self.database.run_command(command).await.map_err(failed)?;
        super::fault::Written::read(what, &answer).map(drop)
    }
}
