//! The history store: single writes, each durable by itself, in a journal whose tail may be lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use openim_record::{InboxBounds, Position, Seq, UserId};
use openim_transfer::{
    Batch, Checkpoint, Contradiction, Document, LoadedUser, LogPartition, PageEntry, Raise, Source,
};

use crate::random::Random;
use crate::rules::Without;

/// One write.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    Body(Source, Arc<[u8]>),
    Document(Document),
    Raise(Raise),
    Page(Vec<PageEntry>),
}

#[derive(Clone, Debug)]
enum Fact {
    Body(Source, Arc<[u8]>),
    Document(Document),
    User(UserId, Seq, Position),
    Page(LogPartition, Vec<PageEntry>),
    Checkpoint(LogPartition, Checkpoint),
}

#[derive(Debug, Default)]
struct State {
    bodies: BTreeMap<Source, Arc<[u8]>>,
    documents: BTreeMap<UserId, BTreeMap<Seq, Document>>,
    users: BTreeMap<UserId, (Seq, Position)>,
    pages: BTreeMap<(LogPartition, Position), Vec<PageEntry>>,
    checkpoints: BTreeMap<LogPartition, Checkpoint>,
}

impl State {
    fn apply(&mut self, fact: &Fact) {
        match fact.clone() {
            Fact::Body(source, bytes) => drop(self.bodies.insert(source, bytes)),
            Fact::Document(document) => {
                let inbox = self.documents.entry(document.user.clone()).or_default();
                inbox.insert(document.seq, document);
            }
            Fact::User(uid, newest, through) => drop(self.users.insert(uid, (newest, through))),
            Fact::Page(at, page) => {
                let end = page.last().expect("a page has keys").position;
                self.pages.insert((at, end), page);
            }
            Fact::Checkpoint(at, checkpoint) => drop(self.checkpoints.insert(at, checkpoint)),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    without: Option<Without>,
    journal: Vec<Fact>,
    state: State,
    /// Without R3: kept elsewhere, and never lost.
    apart: BTreeMap<LogPartition, Checkpoint>,
    /// Which process of the store answers.
    pub(crate) generation: u64,
}

/// The writes of a batch, in an order that a store may do them in.
pub(crate) fn writes(batch: Batch, random: &mut Random) -> Vec<Write> {
    let mut all: Vec<Write> = batch.bodies.into_iter().map(|(of, b)| Write::Body(of, b)).collect();
    let mut documents: Vec<_> = batch.documents.into_iter().map(Write::Document).collect();
    shuffle(&mut documents, random);
    let mut raises: Vec<_> = batch.raises.into_iter().map(Write::Raise).collect();
    shuffle(&mut raises, random);
    all.extend(documents);
    all.extend(raises);
    all
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at + 1));
    }
}

impl Store {
    pub(crate) fn new(without: Option<Without>) -> Self {
        Self { without, ..Self::default() }
    }

    fn lacks(&self, rules: &[Without]) -> bool {
        self.without.is_some_and(|without| rules.contains(&without))
    }

    fn write(&mut self, fact: Fact) {
        self.state.apply(&fact);
        self.journal.push(fact);
    }

    /// The last writes were acknowledged and are gone; another process of the store answers.
    pub(crate) fn lose_tail(&mut self, writes: usize) {
        self.journal.truncate(self.journal.len().saturating_sub(writes));
        self.generation += 1;
        self.state = State::default();
        for fact in &self.journal {
            self.state.apply(fact);
        }
    }

    pub(crate) fn do_write(&mut self, at: LogPartition, write: Write) -> Result<(), Contradiction> {
        match write {
            Write::Body(source, bytes) => {
                if let Some(before) = self.state.bodies.get(&source) {
                    assert_eq!(*before, bytes, "a body is one");
                    return Ok(());
                }
                self.write(Fact::Body(source, bytes));
            }
            Write::Document(document) => {
                let inbox = self.state.documents.get(&document.user);
                if let Some(before) = inbox.and_then(|inbox| inbox.get(&document.seq)) {
                    return match *before == document {
                        true => Ok(()),
                        false => Err(Contradiction::Document(document.user, document.seq)),
                    };
                }
                self.write(Fact::Document(document));
            }
            Write::Raise(Raise { user, first, newest, through }) => {
                let before = self.state.users.get(&user).copied();
                let (old_newest, old_through) = before.unwrap_or_default();
                let dense = old_newest.0 + 1 >= first.0 && (before.is_some() || first == Seq(1));
                if !dense
                    && !self.lacks(&[Without::DensityAndCompare, Without::GenerationAndDensity])
                {
                    return Err(Contradiction::Density(user, first));
                }
                let (newest, through) = (newest.max(old_newest), through.max(old_through));
                self.write(Fact::User(user, newest, through));
            }
            Write::Page(page) => self.write(Fact::Page(at, page)),
        }
        Ok(())
    }

    pub(crate) fn checkpoint(
        &mut self,
        at: LogPartition,
        was: Option<Position>,
        new: Checkpoint,
    ) -> Result<(), Contradiction> {
        let before = self.checkpoint_of(at);
        let found = before.map(|checkpoint| checkpoint.next);
        if found != was {
            if !self.lacks(&[Without::DensityAndCompare]) {
                return Err(Contradiction::Checkpoint(found));
            }
            if found.is_some_and(|found| found > new.next) {
                return Ok(());
            }
        }
        let new = match self.lacks(&[Without::HighWaters]) {
            true => Checkpoint { high_waters: Vec::new(), ..new },
            false => new,
        };
        match self.lacks(&[Without::CheckpointWithEffects]) {
            true => drop(self.apart.insert(at, new)),
            false => self.write(Fact::Checkpoint(at, new)),
        }
        Ok(())
    }

    pub(crate) fn checkpoint_of(&self, at: LogPartition) -> Option<&Checkpoint> {
        match self.lacks(&[Without::CheckpointWithEffects]) {
            true => self.apart.get(&at),
            false => self.state.checkpoints.get(&at),
        }
    }

    pub(crate) fn pages(&self, at: LogPartition) -> Vec<PageEntry> {
        let pages = self.state.pages.iter().filter(|((of, _), _)| *of == at);
        match self.lacks(&[Without::Pages]) {
            true => Vec::new(),
            false => pages.flat_map(|(_, page)| page).copied().collect(),
        }
    }

    /// A user without entries.
    pub(crate) fn load_bounds(&self, uid: &UserId) -> LoadedUser {
        let (newest, mut through) = self.state.users.get(uid).copied().unwrap_or_default();
        if self.lacks(&[Without::Through]) {
            through = Position(0);
        }
        let min = if newest == Seq(0) { Seq(0) } else { Seq(1) };
        let bounds = InboxBounds { min, newest, through };
        LoadedUser { uid: uid.clone(), bounds, above: Vec::new() }
    }

    /// Entries of records at or above `from`, up to a seq.
    pub(crate) fn above(&self, uid: &UserId, from: Position, to: Seq) -> Vec<(Position, Seq)> {
        let documents = self.state.documents.get(uid).into_iter().flatten();
        documents
            .filter(|(seq, document)| **seq <= to && document.position >= from)
            .map(|(seq, document)| (document.position, *seq))
            .collect()
    }

    pub(crate) fn newest(&self, uid: &UserId) -> Seq {
        self.state.users.get(uid).map_or(Seq(0), |(newest, _)| *newest)
    }

    /// The entries up to `to`, as a pull gives them.
    pub(crate) fn pull(&self, uid: &UserId, to: Seq) -> Vec<(&Document, Option<&[u8]>)> {
        let documents = self.state.documents.get(uid).into_iter().flatten();
        documents
            .take_while(|(seq, _)| **seq <= to)
            .map(|(_, document)| {
                let bytes = match &document.content {
                    openim_transfer::Content::Own(bytes) => Some(&**bytes),
                    openim_transfer::Content::Group(source) => {
                        self.state.bodies.get(source).map(|bytes| &**bytes)
                    }
                };
                (document, bytes)
            })
            .collect()
    }

    /// How many entries there are of a user, above the newest included.
    pub(crate) fn documents(&self, uid: &UserId) -> usize {
        self.state.documents.get(uid).map_or(0, BTreeMap::len)
    }
}
