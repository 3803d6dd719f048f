//! Small writes of several partitions in one command: the store works about as long on a command as on many documents.
//!
//! In: documents of one batch. Out: what became of these. Invariant: what is said of a write is what the store would say had
//! it come alone; where a command that was shared does not show that, each does its own.

use std::sync::{Arc, Weak};

use mongodb::bson::{RawArrayBuf, RawDocumentBuf, rawdoc};
use openim_storage::port::StoreError;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::fault::{Written, unavailable};
use super::generation::Generation;
use super::server::{ENTRIES, PAGES, Server, USERS};
use super::{ENDED, late};

/// Documents of a write that may share a command, and of a command that is shared.
const SMALL: usize = 64;
const SHARED: usize = 512;
/// Bytes of such.
const SMALL_BYTES: usize = 64 << 10;
/// Commands of a kind at once: what comes meanwhile goes with the next.
const LANES: usize = 2;
/// Writes that wait; more wait outside.
const WAITING: usize = 1_024;

/// What is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Entries of inboxes, which are new.
    Entries,
    /// Users' documents, which are raised.
    Users,
    /// Pages, which are put in the place of themselves.
    Pages,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Entries, Self::Users, Self::Pages];

    /// The command that writes these, in any order.
    pub(super) fn command(self, documents: RawArrayBuf) -> RawDocumentBuf {
        let updated = match self {
            Self::Entries => {
                return rawdoc! { "insert": ENTRIES, "documents": documents, "ordered": false };
            }
            Self::Users => USERS,
            Self::Pages => PAGES,
        };
        rawdoc! { "update": updated, "updates": documents, "ordered": false }
    }
}

/// One write, and who waits for it.
struct Wish {
    what: String,
    generation: Generation,
    documents: Vec<RawDocumentBuf>,
    answer: oneshot::Sender<Result<Option<Written>, StoreError>>,
}

/// Where writes of each kind meet.
#[derive(Debug)]
pub(super) struct Gather([mpsc::Sender<Wish>; 3]);

/// The other end, until it is run.
pub(super) struct Gathering([mpsc::Receiver<Wish>; 3]);

pub(super) fn gather() -> (Gather, Gathering) {
    let [entries, users, pages] = Kind::ALL.map(|_| mpsc::channel(WAITING));
    (Gather([entries.0, users.0, pages.0]), Gathering([entries.1, users.1, pages.1]))
}

impl Gather {
    /// Writes documents together with those of others. `None`: it must be done alone.
    pub(super) async fn write(
        &self,
        kind: Kind,
        what: &str,
        generation: Generation,
        documents: &[RawDocumentBuf],
    ) -> Result<Option<Written>, StoreError> {
        let bytes: usize = documents.iter().map(|document| document.as_bytes().len()).sum();
        if documents.is_empty() || documents.len() > SMALL || bytes > SMALL_BYTES {
            return Ok(None);
        }
        let [entries, users, pages] = &self.0;
        let wishes = match kind {
            Kind::Entries => entries,
            Kind::Users => users,
            Kind::Pages => pages,
        };
        let (answer, answered) = oneshot::channel();
        let wish =
            Wish { what: what.to_owned(), generation, documents: documents.to_vec(), answer };
        let ended = || unavailable(what, ENDED);
        wishes.send(wish).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

impl Gathering {
    /// Writes what comes, until nobody can write any more. Called where the store's client runs.
    pub(super) fn run(self, server: &Arc<Server>) {
        for (kind, wishes) in Kind::ALL.into_iter().zip(self.0) {
            drop(tokio::spawn(serve(kind, wishes, Arc::downgrade(server))));
        }
    }
}

async fn serve(kind: Kind, mut wishes: mpsc::Receiver<Wish>, server: Weak<Server>) {
    let lanes = Arc::new(Semaphore::new(LANES));
    let mut left = None;
    loop {
        let Ok(lane) = Arc::clone(&lanes).acquire_owned().await else { return };
        let first = match left.take() {
            Some(wish) => wish,
            None => match wishes.recv().await {
                Some(wish) => wish,
                None => return,
            },
        };
        let (generation, mut count) = (first.generation, first.documents.len());
        let mut together = vec![first];
        while let Ok(wish) = wishes.try_recv() {
            count += wish.documents.len();
            if wish.generation != generation || count > SHARED {
                left = Some(wish);
                break;
            }
            together.push(wish);
        }
        let Some(server) = server.upgrade() else { return };
        drop(tokio::spawn(async move {
            server.write_together(kind, together).await;
            drop(lane);
        }));
    }
}

impl Server {
    async fn write_together(&self, kind: Kind, mut together: Vec<Wish>) {
        let counts: Vec<usize> = together.iter().map(|wish| wish.documents.len()).collect();
        let mut documents = RawArrayBuf::new();
        for document in together.iter_mut().flat_map(|wish| wish.documents.drain(..)) {
            documents.push(document);
        }
        let Some(Wish { what, generation, .. }) = together.first() else { return };
        let write = self.write(what, *generation, kind.command(documents));
        let written = tokio::time::timeout(self.options.call_timeout, write).await;
        let written = written.unwrap_or_else(|_| Err(late(what)));
        for (wish, told) in together.into_iter().zip(shared_out(kind, &counts, written)) {
            // Who has gone asks again.
            drop(wish.answer.send(told));
        }
    }
}

/// What each of those who had so many documents in one command is told; `None`: it must find out alone.
fn shared_out(
    kind: Kind,
    counts: &[usize],
    written: Result<Written, StoreError>,
) -> Vec<Result<Option<Written>, StoreError>> {
    if counts.len() == 1 {
        return vec![written.map(Some)];
    }
    let alone = || counts.iter().map(|_| Ok(None)).collect();
    let written = match written {
        Ok(written) => written,
        Err(StoreError::Unavailable { what, cause }) => {
            let cause = cause.to_string();
            return counts.iter().map(|_| Err(unavailable(&what, cause.clone()))).collect();
        }
        // One document was refused, and nobody knows what became of those behind it.
        Err(_) => return alone(),
    };
    // Of updates the store says only how many found something.
    if kind != Kind::Entries
        && (written.found < counts.iter().sum() || !written.duplicates.is_empty())
    {
        return alone();
    }
    let mut begin = 0;
    counts
        .iter()
        .map(|count| {
            let own = begin..begin + count;
            begin = own.end;
            let duplicates = written.duplicates.iter().filter(|place| own.contains(place));
            let duplicates: Vec<usize> = duplicates.map(|place| place - own.start).collect();
            Ok(Some(Written { found: count - duplicates.len(), duplicates }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(
        kind: Kind,
        counts: &[usize],
        written: Result<Written, StoreError>,
    ) -> Vec<Option<(usize, Vec<usize>)>> {
        let told = shared_out(kind, counts, written).into_iter();
        told.map(|told| told.expect("known").map(|of| (of.found, of.duplicates))).collect()
    }

    #[test]
    fn each_is_told_what_became_of_its_own_documents() {
        let written =
            |found, duplicates: &[usize]| Ok(Written { found, duplicates: duplicates.to_vec() });
        let entries = told(Kind::Entries, &[2, 3, 1], written(4, &[1, 4]));
        assert_eq!(entries, [Some((1, vec![1])), Some((2, vec![2])), Some((1, vec![]))]);
        let all = told(Kind::Users, &[2, 3], written(5, &[]));
        assert_eq!(all, [Some((2, vec![])), Some((3, vec![]))]);
        // Somebody's is missing, and nobody knows whose.
        assert_eq!(told(Kind::Users, &[2, 3], written(4, &[])), [None, None]);
        assert_eq!(told(Kind::Pages, &[2, 3], written(5, &[0])), [None, None]);
        assert_eq!(told(Kind::Users, &[3], written(2, &[])), [Some((2, vec![]))]);
    }

    #[test]
    fn a_document_that_is_refused_is_refused_to_its_own_and_what_is_away_is_away_for_all() {
        let refused = || StoreError::Rejected { what: "w".to_owned(), cause: "large".into() };
        assert_eq!(told(Kind::Entries, &[1, 1], Err(refused())), [None, None]);
        assert!(shared_out(Kind::Entries, &[1], Err(refused()))[0].is_err());
        let away = shared_out(Kind::Entries, &[1, 1], Err(unavailable("w", "away")));
        assert!(away.iter().all(|told| matches!(told, Err(StoreError::Unavailable { .. }))));
    }
}
