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
/// What comes within so long is written together.
const GATHER: Duration = Duration::from_millis(5);
/// Open links that one note may have to pass over.
const PASSED_MAX: usize = 4096;
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
    /// The last pull of a device: the count when it was written, its place.
    pulls: HashMap<(Who, u8), (u64, u32, PullNote)>,
    /// Slots written so far.
    written: u64,
}

impl Book {
    /// Takes the file, and notes that the links of the run before have ended with it.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(mut file: LinksFile<SLOT_BYTES>, now_ms: i64) -> io::Result<Self> {
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
        Ok(Self { file, places, open, pulls, written: 0 })
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
        if let Some(word) = self.open.get_mut(word) {
            *word = if is_open { *word | bit } else { *word & !bit };
        }
    }

    fn is_open(&self, at: u32) -> bool {
        let word = self.open.get((at / u64::BITS) as usize);
        word.is_some_and(|word| word & 1 << (at % u64::BITS) != 0)
    }

    fn take_pull(&mut self, pull: PullNote) -> io::Result<()> {
        let device = (pull.who, pull.platform);
        let half = u64::from(self.file.len().0 / 2);
        if let Some((count, at, last)) = self.pulls.get_mut(&device)
            && self.written - *count < half
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
        self.pulls.insert(device, (self.written, at, pull));
        Ok(())
    }

    /// Writes a slot in the place of the oldest that is of no open link.
    fn push(&mut self, slot: Slot) -> io::Result<u32> {
        for _ in 0..PASSED_MAX {
            let (at, before) = self.file.peek()?;
            if self.is_open(at) {
                self.file.skip();
                continue;
            }
            if let Some(before) = before.as_ref().and_then(Note::decode) {
                self.file.forget_before(before.at_ms());
            }
            self.written += 1;
            return Ok(self.file.push(slot));
        }
        Err(io::Error::other("open links take all the room of the journal (why.journalBytesMax)"))
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
                        Fate::WithoutHistory { .. } => unnumbered,
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

    /// Hands what is new to the system.
    ///
    /// # Errors
    /// The file system's.
    pub fn flush(&mut self, now_ms: i64) -> io::Result<usize> {
        self.file.flush(now_ms)
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
    let mut complained = false;
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
        if taken > 0 || flushed.elapsed() >= ALIVE || stop {
            flushed = Instant::now();
            if let Err(cause) = book.flush(now_ms)
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
mod tests {
    use openim_record::Seq;
    use openim_why::{Had, LinkName, Pushed};

    use super::*;

    fn book(dir: &std::path::Path, slots: u64, now_ms: i64) -> Book {
        let bytes = 4096 + slots * SLOT_BYTES as u64;
        Book::open(LinksFile::open(dir, bytes, now_ms).unwrap(), now_ms).unwrap()
    }

    fn link(number: u32, newest: u64, end: Option<End>) -> Note {
        let (first_ns, newest_ns) = (1_000_000, 2_000_000);
        let pushed = Pushed { first: Seq(1), newest: Seq(newest), first_ns, newest_ns };
        let link = LinkName { run_s: 1, shard: 0, number };
        let (who, index, untaken) = (Who::new(&format!("u{number}")), number, Seq(0));
        Note::Link(LinkNote { who, platform: 1, link, index, opened_ms: 1, pushed, untaken, end })
    }

    fn asked(number: u32, seq: u64) -> Asked {
        let who = Who::new(&format!("u{number}"));
        Asked { who, platform: 0, seq: Seq(seq), sent_ms: 2, origin: None, uncopied: false }
    }

    #[test]
    fn open_links_stay_however_much_comes() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = book(dir.path(), 64, 0);
        for number in 0..10 {
            book.take(&link(number, 1, None)).unwrap();
        }
        for number in 100..400 {
            let end = Some(End { at_ms: i64::from(number), why: Ended::Left });
            book.take(&link(number, 5, end)).unwrap();
        }
        for number in 0..10 {
            book.take(&link(number, 9, None)).unwrap();
            let answer = book.ask(asked(number, 9), None).unwrap();
            assert_eq!(answer.trail.taken.map(|taken| taken.how), Some(Had::Pushed));
        }
        // Of the others the oldest went, and it is known from when on none has.
        let known = book.ask(asked(399, 1), None).unwrap().trail.known_from_ms;
        for number in 100..400 {
            let there = book.ask(asked(number, 1), None).unwrap().trail.taken.is_some();
            assert_eq!(there, i64::from(number) > known, "{number}");
        }
    }

    /// The place of a link in its shard is given again, perhaps before all is known of the one before it.
    #[test]
    fn a_place_that_is_given_again_keeps_links_apart() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = book(dir.path(), 64, 0);
        let in_place = |number, newest, end| match link(number, newest, end) {
            Note::Link(note) => Note::Link(LinkNote { index: 0, ..note }),
            other => other,
        };
        let had = |book: &Book, number, seq| {
            book.ask(asked(number, seq), None).unwrap().trail.taken.is_some()
        };
        let end = Some(End { at_ms: 9, why: Ended::Left });
        book.take(&in_place(1, 2, None)).unwrap();
        book.take(&in_place(1, 2, end)).unwrap();
        book.take(&in_place(2, 1, None)).unwrap();
        // What the socket of the first took in the end.
        book.take(&in_place(1, 3, end)).unwrap();
        book.take(&in_place(2, 5, None)).unwrap();
        assert!(had(&book, 1, 3) && had(&book, 2, 5) && !had(&book, 2, 6));
        assert_eq!(book.file.len().1, 3, "the open one was written anew in its place");
        // The end of the second is lost.
        book.take(&in_place(3, 7, None)).unwrap();
        book.take(&in_place(3, 8, None)).unwrap();
        assert!(had(&book, 1, 3) && had(&book, 2, 5) && had(&book, 3, 8));
        assert_eq!(book.open.iter().map(|word| word.count_ones()).sum::<u32>(), 1);
    }

    #[test]
    fn links_of_a_run_that_was_killed_have_ended_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut before = book(dir.path(), 64, 0);
        before.take(&link(1, 4, None)).unwrap();
        before.flush(7).unwrap();
        drop(before);
        let after = book(dir.path(), 64, 50);
        let cut = after.ask(asked(1, 5), None).unwrap().trail.cut.unwrap();
        assert_eq!((cut.why, cut.at_ms), (Ended::Lost, 50));
        assert!(after.ask(asked(1, 4), None).unwrap().trail.taken.is_some());
    }

    #[test]
    fn who_pulls_the_same_again_takes_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = book(dir.path(), 64, 0);
        let who = Who::new("u1");
        let pull = |from, to, at_ms| {
            Note::Pull(PullNote {
                who,
                platform: 1,
                link: None,
                from: Seq(from),
                to: Seq(to),
                at_ms,
            })
        };
        for round in 0..1000 {
            book.take(&pull(1, 9, round * 10_000)).unwrap();
        }
        assert_eq!(book.file.len().1, 1);
        // One that goes on is one with it; one that comes later is not.
        book.take(&pull(10, 12, 100)).unwrap();
        assert_eq!(book.file.len().1, 1);
        book.take(&pull(13, 15, 90_000)).unwrap();
        assert_eq!(book.file.len().1, 2);
        let at = |seq| book.ask(asked(1, seq), None).unwrap().trail.taken.map(|taken| taken.at_ms);
        assert_eq!((at(1), at(12), at(13), at(16)), (Some(0), Some(0), Some(90_000), None));
    }

    #[test]
    fn a_refusal_is_found_by_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = book(dir.path(), 64, 0);
        let (sender, send) = (Who::new("u1"), SendName::new("m"));
        let fate = Fate::Refused { code: 203, blocked: false };
        for at_ms in [5, 3] {
            book.take(&Note::Send(SendNote { sender, send, fate, at_ms })).unwrap();
        }
        let found = |send, sender| book.ask(asked(2, 0), Some((send, sender))).unwrap().sends[0];
        assert_eq!(found(send, None).map(|note| note.at_ms), Some(5));
        assert_eq!(found(send, Some(sender)).map(|note| note.fate), Some(fate));
        assert_eq!(found(send, Some(Who::new("u2"))), None);
        assert_eq!(found(SendName::new("n"), None), None);
    }
}
