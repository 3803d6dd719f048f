//! The journal of links: its file, its thread, and their end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use openim_bus::{Doorbell, Receiver};
use openim_config::Config;
use openim_storage::embedded::{LINKS_FILE, LinksFile};
use openim_why::Note;
use openim_workers::Clock;
use openim_workers::links::{self, Book, LinksStatus, Question};
use tokio::sync::mpsc;

use super::blueprint::ToJournal;
use super::server::join_within;
use super::workers::thread;
use crate::bus::Inquiry;
use crate::driver::{AskLinks, Plan};
use crate::metrics::Sources;
use crate::watched::{Figure, Watched};

/// Questions that wait.
const QUESTIONS_MAX: usize = 64;
const END_WITHIN: Duration = Duration::from_secs(5);

/// The journal, before its thread is there.
pub(super) struct Links {
    book: Book,
    questions: crossbeam_channel::Receiver<Question>,
    bell: Arc<Doorbell>,
    status: Arc<LinksStatus>,
}

/// It, if there is one, and what shards will note.
pub(super) type Unheard = (Option<Links>, Vec<Receiver<Note>>);

/// Its thread.
pub(super) struct Running {
    thread: JoinHandle<()>,
    bell: Arc<Doorbell>,
    status: Arc<LinksStatus>,
}

/// Opens the journal, and gives the shards' way to it; `None`: none is to be kept.
pub(super) fn open(
    config: &Config,
    (data_dir, newest_record_ms): (&Path, Option<i64>),
    clock: &Arc<Clock>,
    sources: &Sources,
) -> anyhow::Result<Option<(Links, ToJournal)>> {
    let bytes_max = config.why.journal_bytes_max;
    if bytes_max == 0 {
        return Ok(None);
    }
    let now_ms = clock.read().unix_ms();
    let file = LinksFile::open(data_dir, bytes_max, now_ms);
    let book = file.and_then(|file| Book::open(file, newest_record_ms, now_ms));
    let book = book.with_context(|| {
        let file = data_dir.join(LINKS_FILE);
        format!(
            "{}: cannot be used for the journal of links; without the file it begins anew, with \
             why.journalBytesMax: 0 none is kept",
            file.display()
        )
    })?;
    let (ask, questions) = crossbeam_channel::bounded(QUESTIONS_MAX);
    let bell = Arc::new(Doorbell::new()?);
    let status = Arc::new(LinksStatus::default());
    let run_s = u32::try_from(now_ms.div_euclid(1000)).unwrap_or(0);
    let to = ToJournal {
        run_s,
        ask: AskLinks { questions: ask, bell: Arc::clone(&bell) },
        status: Arc::clone(&status),
    };
    let figures = Figures { status: Arc::clone(&status), clock: Arc::clone(clock) };
    sources.parts.add(Arc::new(figures));
    Ok(Some((Links { book, questions, bell, status }, to)))
}

/// Starts its thread, which takes what the shards note; the first shard answers what operators ask of it.
pub(super) fn start(
    links: Option<Links>,
    notes: Vec<Receiver<Note>>,
    (inquiries, plans): (mpsc::Receiver<Inquiry>, &mut [Plan]),
    clock: &Arc<Clock>,
) -> anyhow::Result<Option<Running>> {
    let Some(links) = links else { return Ok(None) };
    if let Some(first) = plans.first_mut() {
        first.inquiries = Some(inquiries);
    }
    links.start(notes, clock).map(Some)
}

impl Links {
    fn start(self, notes: Vec<Receiver<Note>>, clock: &Arc<Clock>) -> anyhow::Result<Running> {
        let Self { book, questions, bell, status } = self;
        let (its_bell, its_status) = (Arc::clone(&bell), Arc::clone(&status));
        let clock = Arc::clone(clock);
        let thread = thread("links", move || {
            links::run(book, notes, &questions, &its_bell, &clock, &its_status);
        })?;
        Ok(Running { thread, bell, status })
    }
}

impl Running {
    /// Ends it, when the shards have ended; whether it did.
    pub(super) fn end(self) -> bool {
        self.status.stop.store(true, Ordering::Release);
        self.bell.ring();
        join_within(self.thread, END_WITHIN)
    }
}

#[derive(Debug)]
struct Figures {
    status: Arc<LinksStatus>,
    clock: Arc<Clock>,
}

impl Watched for Figures {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let status = &self.status;
        let known_ms = status.known_from_ms.load(Ordering::Relaxed);
        let age_ms = if known_ms > 0 { self.clock.read().unix_ms() - known_ms } else { 0 };
        show(Figure::LinkNotes, status.notes.load(Ordering::Relaxed) as f64);
        show(Figure::LinkNotesLost, status.lost.load(Ordering::Relaxed) as f64);
        show(Figure::LinkSlots, status.slots.load(Ordering::Relaxed) as f64);
        show(Figure::LinkSlotsUsed, status.used.load(Ordering::Relaxed) as f64);
        show(Figure::LinksKnown, age_ms.max(0) as f64 / 1000.0);
        show(Figure::LinkQuestions, status.questions.load(Ordering::Relaxed) as f64);
    }
}
