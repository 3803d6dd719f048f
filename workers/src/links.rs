//! The journal of links: who had which link when, how far it was pushed to, what was pulled, which sends were refused.
//!
//! In: [`Note`]s from the shards' rings; questions. Out: what they say of one message ([`Answer`]). One slot a link, written anew
//! as it comes on; a pull and a refusal have one each. Bounded: the file is a ring, in which the oldest goes, but for links
//! that are open. It waits for no flush: what is lost with the power is told as not known. What a run had not noted when
//! it was killed is told as that ([`Ended::Lost`]).

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver as Questions;
use openim_bus::{Doorbell, Receiver};
use openim_storage::embedded::LinksFile;
use openim_why::{
    Asked, End, Ended, Fate, LinkNote, Note, PullNote, SLOT_BYTES, SendName, SendNote, Slot, Trail,
    Who, glance,
};

use crate::Clock;

/// Notes that are taken from a ring before the others have their turn.
const BATCH: usize = 4096;
/// The file says that often that the process is alive.
const ALIVE: Duration = Duration::from_secs(1);
/// How far the file may be behind the log when a run ends.
const BEHIND_MS: i64 = 10_000;
/// What comes within so long is written together.
const GATHER: Duration = Duration::from_millis(5);
/// Slots that wait for a file that takes nothing, after which they are given up: 8 MiB.
const UNWRITTEN_MAX: usize = 1 << 16;
/// Pulls that another one may continue, and within which time.
const PULLS_MAX: usize = 4096;
const CONTINUES_MS: i64 = 1000;

/// What is asked of the journal.
pub struct Question {
    /// About which message in whose inbox.
    pub asked: Asked,
    /// Also whether a send by this id was refused; by this user, if that is known.
    pub send: Option<(SendName, Option<Who>)>,
    /// Takes the answer; called on the journal's thread.
    pub answer: Box<dyn FnOnce(Answer) + Send>,
}

/// What it says.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Of the message.
    pub trail: Trail,
    /// Of the send the last refusal, repeat, and acceptance without history.
    pub sends: [Option<SendNote>; 3],
}

/// What the journal shows of itself, and how it is told to end.
#[derive(Debug, Default)]
pub struct LinksStatus {
    /// Whether it is to end, when the rings are empty.
    pub stop: AtomicBool,
    /// Notes taken.
    pub notes: AtomicU64,
    /// Notes for which a ring had no room, or the file.
    pub lost: AtomicU64,
    /// Slots of the file, and used ones.
    pub slots: AtomicU64,
    /// Of them.
    pub used: AtomicU64,
    /// Since when nothing is missing, unix milliseconds.
    pub known_from_ms: AtomicI64,
    /// Questions answered.
    pub questions: AtomicU64,
}

/// Where an open link lies.
#[derive(Clone, Copy, Debug)]
struct Open {
    at: u32,
    /// Which link that is.
    number: u32,
}

/// No slot.
const NOWHERE: u32 = u32::MAX;

/// The notes, as they are kept.
#[derive(Debug)]
pub struct Book {
    file: LinksFile<SLOT_BYTES>,
    /// The open links of this run: by shard, by their place there, which is below how many it ever had at once.
    places: Vec<Vec<Open>>,
    /// Of each slot a bit: an open link lies there.
    open: Vec<u64>,
    /// How many those are.
    open_count: u32,
    /// The last pull of a device: the count when it was written, its place.
    pulls: HashMap<(Who, u8), (u64, u32, PullNote)>,
    /// Slots written or passed over so far: how far the ring has come round.
    passed: u64,
}

impl Book {
    /// Takes the file, and notes that the links of the run before have ended with it. `newest_record_ms`: what is newest in the
    /// log, before this run.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(
        mut file: LinksFile<SLOT_BYTES>,
        newest_record_ms: Option<i64>,
        now_ms: i64,
    ) -> io::Result<Self> {
        // Messages were taken while no journal was kept here: without one, by a program that has none, or by another server.
        if newest_record_ms.is_some_and(|newest| newest > file.alive_ms() + BEHIND_MS) {
            file.forget_before(now_ms);
        }
        let mut lost = Vec::new();
        file.scan(&mut |at, slot| {
            if let Some(Note::Link(note @ LinkNote { end: None, .. })) = Note::decode(slot) {
                lost.push((at, note));
            }
        })?;
        for (at, note) in lost {
            let end = Some(End { at_ms: now_ms, why: Ended::Lost });
            file.put(at, Note::Link(LinkNote { end, ..note }).encode());
        }
        file.flush(now_ms)?;
        let open = vec![0; file.len().0.div_ceil(u64::BITS) as usize];
        let (places, pulls) = (Vec::new(), HashMap::new());
        Ok(Self { file, places, open, open_count: 0, pulls, passed: 0 })
    }

    /// Takes a note.
    ///
    /// # Errors
    /// The file system's: the note is lost.
    pub fn take(&mut self, note: &Note) -> io::Result<()> {
        match note {
            Note::Link(link) => self.take_link(link),
            Note::Pull(pull) => self.take_pull(*pull),
            Note::Send(_) => self.push(note.encode()).map(drop),
        }
    }

    fn take_link(&mut self, note: &LinkNote) -> io::Result<()> {
        let (slot, number) = (Note::Link(*note).encode(), note.link.number);
        let (before, is_open) = (*self.place(note), note.end.is_none());
        let is_there = before.at != NOWHERE && before.number == number;
        let at = match is_there {
            true => {
                self.file.put(before.at, slot);
                before.at
            }
            false => self.push(slot)?,
        };
        if !(is_there || is_open) {
            // What its socket took after its end: another link may be in its place.
            return Ok(());
        }
        if !is_there {
            // The end of the link before it was lost.
            self.mark(before.at, false);
        }
        self.mark(at, is_open);
        *self.place(note) = Open { at: if is_open { at } else { NOWHERE }, number };
        Ok(())
    }

    /// Where the link in this place of its shard lies.
    fn place(&mut self, note: &LinkNote) -> &mut Open {
        const NONE: Open = Open { at: NOWHERE, number: 0 };
        let (shard, index) = (usize::from(note.link.shard), note.index as usize);
        if self.places.len() <= shard {
            self.places.resize(shard + 1, Vec::new());
        }
        let links = &mut self.places[shard];
        if links.len() <= index {
            links.resize(index + 1, NONE);
        }
        &mut links[index]
    }

    /// Whether an open link lies in a slot from now on.
    fn mark(&mut self, at: u32, is_open: bool) {
        let (word, bit) = ((at / u64::BITS) as usize, 1 << (at % u64::BITS));
        let Some(word) = self.open.get_mut(word) else { return };
        match (is_open, *word & bit != 0) {
            (true, false) => self.open_count += 1,
            (false, true) => self.open_count -= 1,
            (true, true) | (false, false) => {}
        }
        *word = if is_open { *word | bit } else { *word & !bit };
    }

    /// The first slot from one on, before another, in which no open link lies.
    fn first_free(&self, from: u32, before: u32) -> Option<u32> {
        let first = (from / u64::BITS) as usize;
        let mut mask = u64::MAX << (from % u64::BITS);
        for (word, of) in self.open.get(first..)?.iter().zip((from / u64::BITS)..) {
            let free = !word & std::mem::replace(&mut mask, u64::MAX);
            if free != 0 {
                return Some(of * u64::BITS + free.trailing_zeros()).filter(|at| *at < before);
            }
        }
        None
    }

    fn take_pull(&mut self, pull: PullNote) -> io::Result<()> {
        let device = (pull.who, pull.platform);
        let half = u64::from(self.file.len().0 / 2);
        if let Some((count, at, last)) = self.pulls.get_mut(&device)
            && self.passed - *count < half
            && last.link == pull.link
            && pull.from >= last.from
        {
            // Whoever asks for the same again and again takes no room by it.
            if pull.to <= last.to {
                return Ok(());
            }
            if pull.from <= last.to.next() && pull.at_ms - last.at_ms <= CONTINUES_MS {
                last.to = pull.to;
                self.file.put(*at, Note::Pull(*last).encode());
                return Ok(());
            }
        }
        let at = self.push(Note::Pull(pull).encode())?;
        if self.pulls.len() >= PULLS_MAX {
            self.pulls.clear();
        }
        self.pulls.insert(device, (self.passed, at, pull));
        Ok(())
    }

    /// Writes a slot in the place of the oldest that is of no open link.
    fn push(&mut self, slot: Slot) -> io::Result<u32> {
        let (next, slots) = (self.file.next(), self.file.len().0);
        let ahead = self.first_free(next, slots).map(|at| at - next);
        let behind = || self.first_free(0, next).map(|at| slots - next + at);
        let Some(open) = ahead.or_else(behind) else {
            let text = "open links take all the room of the journal (why.journalBytesMax)";
            return Err(io::Error::other(text));
        };
        self.file.skip(open);
        self.passed += u64::from(open);
        if let Some(before) = self.file.peek()?.as_ref().and_then(Note::decode) {
            self.file.forget_before(before.at_ms());
        }
        self.passed += 1;
        Ok(self.file.push(slot))
    }

    /// The size that the journal should have at least, in bytes, where open links take more than half of it.
    fn too_small(&self) -> Option<u64> {
        let few = self.open_count > self.file.len().0 / 2;
        few.then(|| u64::from(self.open_count) * 4 * SLOT_BYTES as u64)
    }

    /// Says what size the journal should have, where it is too small; whether it is.
    fn tells_too_small(&self) -> bool {
        let Some(bytes) = self.too_small() else { return false };
        tracing::warn!(
            "open links take more than half of the journal of links, and the past the rest: for so many set \
             why.journalBytesMax to {bytes} or more"
        );
        true
    }

    /// What is noted of a message, and of a send.
    ///
    /// # Errors
    /// The file system's.
    pub fn ask(&self, asked: Asked, send: Option<(SendName, Option<Who>)>) -> io::Result<Answer> {
        let mut trail = Trail::new(asked);
        trail.known_from_ms = self.file.known_from_ms();
        let mut sends: [Option<SendNote>; 3] = [None; 3];
        self.file.scan(&mut |_, slot| {
            // Most are of others, which a look shows.
            let (who, is_send) = glance(slot);
            let of_asked = who == asked.who;
            if !(of_asked || is_send && send.is_some()) {
                return;
            }
            match Note::decode(slot) {
                Some(Note::Send(note)) => {
                    let is_it = send.is_some_and(|(name, sender)| {
                        name == note.send && sender.is_none_or(|sender| sender == note.sender)
                    });
                    let [refused, repeat, unnumbered] = &mut sends;
                    let last = match note.fate {
                        Fate::Refused { .. } => refused,
                        Fate::Repeat { .. } => repeat,
                        Fate::WithoutHistory { .. } | Fate::Unwanted { .. } => unnumbered,
                    };
                    if is_it && last.is_none_or(|before| before.at_ms <= note.at_ms) {
                        *last = Some(note);
                    }
                }
                Some(note) if of_asked => trail.see(&note),
                _ => {}
            }
        })?;
        Ok(Answer { trail, sends })
    }

    /// Hands what is new to the system. What it does not take is kept for the next time, up to a bound; behind that nothing
    /// is known of before now.
    ///
    /// # Errors
    /// The file system's.
    pub fn flush(&mut self, now_ms: i64) -> io::Result<usize> {
        let flushed = self.file.flush(now_ms);
        if flushed.is_err() && self.is_behind() {
            self.file.give_up(now_ms);
            // None of them can be continued where it lay.
            self.pulls.clear();
        }
        flushed
    }

    /// Whether no more can wait to be written.
    fn is_behind(&self) -> bool {
        self.file.unwritten() >= UNWRITTEN_MAX
    }
}

/// Keeps the journal until it is told to stop.
pub fn run(
    mut book: Book,
    mut lanes: Vec<Receiver<Note>>,
    questions: &Questions<Question>,
    bell: &Doorbell,
    clock: &Clock,
    status: &LinksStatus,
) {
    let (mut flushed, mut lost) = (Instant::now(), 0);
    let (mut complained, mut fails, mut is_told) = (false, false, false);
    loop {
        let stop = status.stop.load(Ordering::Acquire);
        // What was handed in before this moment is taken before it is noted.
        let now_ms = clock.read().unix_ms();
        let mut taken = take(&mut book, &mut lanes, status);
        let asked = questions.try_recv().ok();
        if asked.is_some() {
            // Also what came just before the question.
            while take(&mut book, &mut lanes, status) > 0 {
                taken += 1;
            }
        }
        let lost_now = status.lost.load(Ordering::Relaxed);
        if std::mem::replace(&mut lost, lost_now) != lost_now {
            book.file.forget_before(now_ms);
        }
        is_told = is_told || book.tells_too_small();
        // A file that takes nothing is not asked at once again.
        let is_due = taken > 0 && !fails || book.is_behind();
        if is_due || flushed.elapsed() >= ALIVE || stop {
            flushed = Instant::now();
            let written = book.flush(now_ms);
            fails = written.is_err();
            if let Err(cause) = written
                && !std::mem::replace(&mut complained, true)
            {
                tracing::error!(%cause, "the journal of links cannot be written: what is not in it is not known later");
            }
            let (slots, used) = book.file.len();
            status.slots.store(slots.into(), Ordering::Relaxed);
            status.used.store(used.into(), Ordering::Relaxed);
            status.known_from_ms.store(book.file.known_from_ms(), Ordering::Relaxed);
        }
        match asked {
            Some(Question { asked, send, answer }) => {
                status.questions.fetch_add(1, Ordering::Relaxed);
                match book.ask(asked, send) {
                    Ok(found) => answer(found),
                    // Who asked hears that there is no answer.
                    Err(cause) => tracing::error!(%cause, "the journal of links cannot be read"),
                }
            }
            None if taken == 0 && stop => return,
            None => {
                let has_work = || {
                    lanes.iter().any(|lane| !lane.is_empty())
                        || !questions.is_empty()
                        || status.stop.load(Ordering::Acquire)
                };
                bell.wait(ALIVE, has_work);
                if questions.is_empty() {
                    std::thread::sleep(GATHER);
                }
            }
        }
    }
}

/// Takes what is in the rings, some of each; how many that were.
fn take(book: &mut Book, lanes: &mut [Receiver<Note>], status: &LinksStatus) -> usize {
    let mut taken = 0;
    for lane in lanes {
        for _ in 0..BATCH {
            let Some(note) = lane.try_recv() else { break };
            taken += 1;
            if book.take(&note).is_err() {
                status.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        lane.made_room();
    }
    status.notes.fetch_add(taken as u64, Ordering::Relaxed);
    taken
}

#[cfg(test)]
mod tests;
