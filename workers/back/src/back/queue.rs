//! What waits for its turn, by partition: records for a user to be loaded, and members of a group's
//! message for the shard to get round to them.
//!
//! Invariants: a partition's log order is kept (what waits makes all behind it in its partition wait);
//! a group of any size takes a bounded share of a turn, and partitions where a record waits behind
//! members of groups have theirs before all others; no batch is taken in the middle of a section,
//! because a replay would number its first members twice.

use std::collections::VecDeque;

use openim_record::{
    Committed, Deliver, Member, Members, Message, PartitionId, Place, Position, Section, Seq,
    Stamp, To, UserId, broken, own_members, own_message,
};

use super::Back;
use crate::books::Became;
use crate::effects::Effects;
use crate::inbox::Unknown;

/// Members of one section after which the others get their turn. Most sections are far smaller.
const SECTION_STEP: usize = 256;
/// The same in bytes of their pushes.
const SECTION_STEP_BYTES: usize = 512 * 1024;
/// A member whose links are sent more counts for as many more in a turn.
const MEMBER_BYTES: usize = 2 * 1024;
const UNIT: &str = "a section lies in the lists of its message";

/// Messages whose end is remembered until somebody asks; a replay, where nobody does, ends here.
const FANNED_OUT_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) enum Waiting {
    /// For an inbox, or a group's home.
    Record { to: To, committed: Committed },
    /// Members of a group's message.
    Section(Fanned),
}

/// The members of one partition in one list of a [`Unit`].
#[derive(Debug)]
pub(super) struct Fanned {
    unit: usize,
    list: usize,
    section: Section,
    /// How many of them had their turn, and where the next one begins.
    done: u32,
    at: usize,
}

/// A message to a group whose members here have not all had their turn.
#[derive(Debug)]
pub(super) struct Unit {
    committed: Committed,
    /// Sections that are not finished.
    open: usize,
}

/// Partitions where members of groups are next, in the order in which they have their turns.
#[derive(Debug)]
pub(super) struct Turns {
    /// Both have a partition at most once; an empty turn does no harm.
    urgent: Line,
    others: Line,
}

#[derive(Debug)]
struct Line {
    queue: VecDeque<PartitionId>,
    /// By partition, whether it is in the queue.
    listed: Vec<bool>,
}

/// An ephemeral message to a group: no order, no inbox, nothing to load.
#[derive(Debug)]
pub(super) struct Passing {
    record: Box<[u8]>,
    list: Box<[u8]>,
    sections: VecDeque<Section>,
}

/// How far a section came.
enum Step {
    Finished,
    /// Its turn is over.
    Later,
    /// This member must be loaded first.
    Load(UserId),
}

impl Waiting {
    /// What it holds of memory; a section's message is its unit's.
    fn bytes(&self) -> usize {
        match self {
            Self::Record { committed, .. } => committed.bytes(),
            Self::Section(_) => 0,
        }
    }

    const fn is_record(&self) -> bool {
        !matches!(self, Self::Section(_))
    }
}

impl Passing {
    fn bytes(&self) -> usize {
        self.record.len() + self.list.len()
    }
}

impl Turns {
    pub(super) fn new(partitions: u16) -> Self {
        Self { urgent: Line::new(partitions), others: Line::new(partitions) }
    }

    fn pop(&mut self) -> Option<PartitionId> {
        self.urgent.pop().or_else(|| self.others.pop())
    }
}

impl Turns {
    fn has(&self, partition: PartitionId) -> bool {
        let listed = |line: &Line| line.listed.get(usize::from(partition.0)) == Some(&true);
        listed(&self.urgent) || listed(&self.others)
    }
}

impl Line {
    fn new(partitions: u16) -> Self {
        Self { queue: VecDeque::new(), listed: vec![false; usize::from(partitions)] }
    }

    fn push(&mut self, partition: PartitionId) {
        if let Some(listed) = self.listed.get_mut(usize::from(partition.0))
            && !std::mem::replace(listed, true)
        {
            self.queue.push_back(partition);
        }
    }

    fn pop(&mut self) -> Option<PartitionId> {
        let partition = self.queue.pop_front()?;
        if let Some(listed) = self.listed.get_mut(usize::from(partition.0)) {
            *listed = false;
        }
        Some(partition)
    }
}

/// How many members' turns one takes whose links are sent so many bytes.
const fn turns(bytes: usize) -> usize {
    1 + bytes / MEMBER_BYTES
}

impl Back {
    /// Where the first record that waits in `queue` lies.
    pub(super) fn first_position(&self, queue: &VecDeque<Waiting>) -> Option<Position> {
        queue.front().map(|waiting| match waiting {
            Waiting::Record { committed, .. } => committed.position,
            Waiting::Section(fanned) => {
                self.units.get(fanned.unit).map_or(Position(0), |unit| unit.committed.position)
            }
        })
    }

    /// Puts a record behind what waits in its partition, and lets it through when it is
    /// the first.
    pub(super) fn wait(&mut self, partition: PartitionId, waiting: Waiting, fx: &mut impl Effects) {
        let queue = self.waiting.entry(partition).or_default();
        let first = queue.is_empty();
        // A record in front waits for its user, who is on the way.
        let behind_members = queue.front().is_some_and(|front| !front.is_record());
        self.waiting_len += 1;
        self.waiting_bytes += waiting.bytes();
        queue.push_back(waiting);
        if first {
            self.run(partition, 0, fx);
        } else if behind_members {
            self.fan_later(partition, true);
        }
    }

    /// Works a partition's queue off: until it is empty, a user must be loaded, or about `members`
    /// members of groups had their turn. How many turns they were.
    pub(super) fn run(
        &mut self,
        partition: PartitionId,
        members: usize,
        fx: &mut impl Effects,
    ) -> usize {
        let Some(mut queue) = self.waiting.remove(&partition) else { return 0 };
        let mut had = 0;
        let mut later = false;
        while let Some(front) = queue.front_mut() {
            match front {
                Waiting::Record { to, committed } => {
                    if let Some(uid) = self.unloaded(committed, *to) {
                        self.loads.need(&uid);
                        break;
                    }
                    self.apply(committed, &committed.message(), *to, fx);
                }
                Waiting::Section(fanned) => {
                    if had >= members {
                        later = true;
                        break;
                    }
                    match self.fan(fanned, &mut had, fx) {
                        Step::Finished => self.finish(fanned),
                        Step::Later => {
                            later = true;
                            break;
                        }
                        Step::Load(uid) => {
                            self.loads.need(&uid);
                            break;
                        }
                    }
                }
            }
            if let Some(finished) = queue.pop_front() {
                self.waiting_len -= usize::from(finished.is_record());
                self.waiting_bytes -= finished.bytes();
            }
        }
        if later {
            self.fan_later(partition, queue.iter().any(Waiting::is_record));
        }
        if !queue.is_empty() {
            self.waiting.insert(partition, queue);
        }
        had
    }

    /// Who must be loaded before a record can be applied.
    fn unloaded(&self, committed: &Committed, to: To) -> Option<UserId> {
        let message = committed.message();
        let ready = self.is_ready(committed.position, &message, to);
        (!ready).then(|| UserId::new(to.addressee.owner(&message)))
    }

    // --- groups --------------------------------------------------------------------------------

    /// A message to a group is durable, and was given to [`Self::committed`]: its members here get their turns.
    pub fn committed_to_members(&mut self, committed: Committed) {
        let switches = Message::peek_switches(&committed.record);
        let history = switches.is_some_and(|switches| switches.history);
        let mut sections = Vec::new();
        for (list, bytes) in committed.members.iter().enumerate() {
            for section in own_members(bytes).sections() {
                let place = Place { partition: section.partition, position: committed.position };
                if !self.inboxes.owns(section.partition) {
                    continue;
                }
                if self.inboxes.replayed(place) {
                    self.fanned += u64::from(section.members);
                    let stamp = Stamp::of(committed.position);
                    for member in Members::of_section(bytes, section) {
                        let ticket = stamp.uid(member.uid);
                        self.books.settle(committed.position, ticket, Became::There);
                    }
                    continue;
                }
                if history {
                    self.expect_members(bytes, section);
                }
                sections.push((list, section));
            }
        }
        if sections.is_empty() {
            return;
        }
        self.waiting_bytes += committed.bytes();
        let unit = self.units.insert(Unit { committed, open: sections.len() });
        for (list, section) in sections {
            self.fanning_members += section.members as usize;
            let fanned = Fanned { unit, list, section, done: 0, at: section.from };
            let queue = self.waiting.entry(section.partition).or_default();
            let first = queue.is_empty();
            queue.push_back(Waiting::Section(fanned));
            if first {
                self.fan_later(section.partition, false);
            }
        }
    }

    /// Asks for members who are not in memory, so that they are when their turn comes.
    fn expect_members(&mut self, list: &[u8], section: Section) {
        for member in Members::of_section(list, section) {
            if !self.inboxes.knows(member.uid) {
                self.loads.expect(&UserId::new(member.uid));
            }
        }
    }

    /// An ephemeral message to a group, from its home. When too much waits its members have their turn at
    /// once, and others wait for that.
    pub fn pass_to_members(&mut self, record: Box<[u8]>, list: Box<[u8]>, fx: &mut impl Effects) {
        let sections: VecDeque<Section> = own_members(&list).sections().collect();
        let count = sections.iter().map(|section| section.members as usize).sum::<usize>();
        self.fanning_members += count;
        let passing = Passing { record, list, sections };
        self.waiting_bytes += passing.bytes();
        self.passing.push_back(passing);
        while self.waiting_bytes > self.limits.waiting_bytes_max && !self.passing.is_empty() {
            self.pass(fx);
        }
    }

    /// Gives a section of the oldest ephemeral message its turn; how many members' turns that were.
    fn pass(&mut self, fx: &mut impl Effects) -> usize {
        let Some(mut passing) = self.passing.pop_front() else { return 0 };
        let Some(section) = passing.sections.pop_front() else {
            self.waiting_bytes -= passing.bytes();
            return 0;
        };
        let message = own_message(&passing.record);
        let mut had = 0;
        for member in Members::of_section(&passing.list, section) {
            let deliver = Self::to_member(&message, member, Seq(0), 0);
            had += turns(deliver.map_or(0, |deliver| fx.deliver(&deliver)));
        }
        self.had_their_turn(section.members);
        self.passing.push_front(passing);
        had
    }

    /// Gives about `members` members of groups their turn, fewer of large messages; whether more are
    /// waiting for one. The messages of one partition come together, so that a link is written to once.
    pub fn fan_out(&mut self, members: usize, fx: &mut impl Effects) -> bool {
        let mut had = 0;
        while let Some(partition) = self.fanning.pop() {
            had += self.run(partition, members - had, fx);
            if had >= members {
                return true;
            }
        }
        while had < members && !self.passing.is_empty() {
            had += self.pass(fx);
        }
        !self.passing.is_empty()
    }

    /// Members of groups that wait for their turn.
    #[must_use]
    pub const fn fanning(&self) -> usize {
        self.fanning_members
    }

    /// Members of groups who had their turn so far, or will have none because the log refused.
    #[must_use]
    pub const fn fanned(&self) -> u64 {
        self.fanned
    }

    /// When the log took each message to a group whose last member here has had their turn since this
    /// was asked before, in milliseconds; of very many not all.
    pub fn take_fanned_out(&mut self) -> impl Iterator<Item = i64> {
        self.fanned_out.drain(..)
    }

    /// The log has refused a message to a group: so many members will have no turn.
    pub fn no_turn(&mut self, members: u32) {
        self.fanned += u64::from(members);
    }

    fn had_their_turn(&mut self, members: u32) {
        self.fanning_members -= members as usize;
        self.fanned += u64::from(members);
    }

    /// Has the members who are next in `partition` wait for their turn, before others if `urgent`: when
    /// a record is behind them.
    fn fan_later(&mut self, partition: PartitionId, urgent: bool) {
        match urgent {
            true => self.fanning.urgent.push(partition),
            false => self.fanning.others.push(partition),
        }
    }

    fn fan(&mut self, fanned: &mut Fanned, had: &mut usize, fx: &mut impl Effects) -> Step {
        // Taken out while its members have their turn: they need the rest of the shard.
        let Some(unit) = self.units.get_mut(fanned.unit) else { broken(UNIT) };
        let committed = std::mem::replace(&mut unit.committed, Committed::none());
        let step = self.fan_members(fanned, &committed, had, fx);
        if let Some(unit) = self.units.get_mut(fanned.unit) {
            unit.committed = committed;
        }
        step
    }

    fn fan_members(
        &mut self,
        fanned: &mut Fanned,
        committed: &Committed,
        had: &mut usize,
        fx: &mut impl Effects,
    ) -> Step {
        let message = committed.message();
        let Some(list) = committed.members.get(fanned.list) else { broken(UNIT) };
        let stamp = Stamp::of(committed.position);
        // A large message is delivered to fewer at a time.
        let step = (SECTION_STEP_BYTES / committed.record.len().max(1)).clamp(1, SECTION_STEP);
        for _ in 0..step {
            if fanned.at >= fanned.section.to {
                return Step::Finished;
            }
            let Some((member, next)) = Members::member_at(list, fanned.at) else { broken(UNIT) };
            let seq = match message.switches.history {
                true => self.inboxes.number(member.uid, committed.position, committed.append_ms),
                false => Ok(Some(Seq(0))),
            };
            let Ok(seq) = seq.map_err(|Unknown| ()) else {
                return Step::Load(UserId::new(member.uid));
            };
            let ticket = stamp.uid(member.uid);
            let became = match seq {
                Some(Seq(0)) => Became::Unnumbered,
                Some(_) => Became::Numbered,
                None => Became::There,
            };
            self.books.settle(committed.position, ticket, became);
            let deliver = seq.and_then(|seq| Self::to_member(&message, member, seq, ticket));
            let sent = deliver.map_or(0, |deliver| {
                self.books.give(ticket);
                fx.deliver(&deliver)
            });
            if fanned.done == 0 {
                self.begun += 1;
            }
            fanned.at = next;
            fanned.done += 1;
            *had += turns(sent);
        }
        if fanned.at >= fanned.section.to { Step::Finished } else { Step::Later }
    }

    fn finish(&mut self, fanned: &Fanned) {
        self.begun -= usize::from(fanned.done > 0);
        self.had_their_turn(fanned.section.members);
        let Some(unit) = self.units.get_mut(fanned.unit) else { broken(UNIT) };
        unit.open -= 1;
        if unit.open == 0 {
            let unit = self.units.remove(fanned.unit);
            self.waiting_bytes -= unit.committed.bytes();
            if self.fanned_out.len() < FANNED_OUT_MAX {
                self.fanned_out.push(unit.committed.append_ms);
            }
        }
    }

    /// A group's message for the links of a member; the author's other devices perhaps get a copy.
    fn to_member<'a>(
        message: &'a Message<'a>,
        member: Member<'a>,
        seq: Seq,
        ticket: u64,
    ) -> Option<Deliver<'a>> {
        let own = member.uid == message.send_id;
        if own && !message.copy_for_author(seq) {
            return None;
        }
        let except_platform = if own { message.origin_platform } else { 0 };
        let (uid, member) = (member.uid, Some(member));
        Some(Deliver { uid, except_platform, message, seq, member, ticket })
    }

    /// Panics when the queues contradict themselves; walks everything, for tests.
    pub(super) fn check_queues(&self) {
        let waiting = self.waiting.values().flatten();
        let records = waiting.clone().filter(|waiting| waiting.is_record()).count();
        assert_eq!(self.waiting_len, records, "records that wait");
        let sections = || {
            waiting.clone().filter_map(|waiting| match waiting {
                Waiting::Section(fanned) => Some(fanned),
                Waiting::Record { .. } => None,
            })
        };
        let passing = self.passing.iter().flat_map(|passing| &passing.sections);
        let members = sections().map(|fanned| fanned.section.members as usize).sum::<usize>()
            + passing.map(|section| section.members as usize).sum::<usize>();
        assert_eq!(self.fanning_members, members, "members that wait");
        let records = waiting.clone().map(Waiting::bytes).sum::<usize>();
        let units = self.units.iter().map(|(_, unit)| unit.committed.bytes()).sum::<usize>();
        let bytes = records + units + self.passing.iter().map(Passing::bytes).sum::<usize>();
        assert_eq!(self.waiting_bytes, bytes, "bytes that wait");
        assert_eq!(self.begun, sections().filter(|fanned| fanned.done > 0).count(), "begun");
        for (at, unit) in &self.units {
            let open = sections().filter(|fanned| fanned.unit == at).count();
            assert_eq!(unit.open, open, "sections of a unit");
            assert!(open > 0, "a unit without sections is gone");
        }
        for (&partition, queue) in &self.waiting {
            let front = queue.front().expect("an empty queue is gone");
            if let Some(uid) = self.blocking(partition, front) {
                let hastens = self.loads.hastens(uid.as_str());
                assert!(hastens, "{partition:?} waits for {uid}, whom nobody hurries to load");
            }
        }
    }

    /// The user who must be loaded before anything of the partition moves.
    fn blocking(&self, partition: PartitionId, front: &Waiting) -> Option<UserId> {
        match front {
            Waiting::Record { to, committed } => self.unloaded(committed, *to),
            // It will ask in its turn.
            Waiting::Section(_) if self.fanning.has(partition) => None,
            Waiting::Section(fanned) => {
                let committed = &self.units.get(fanned.unit)?.committed;
                let list = committed.members.get(fanned.list)?;
                let (member, _) = Members::member_at(list, fanned.at)?;
                (!self.inboxes.knows(member.uid)).then(|| UserId::new(member.uid))
            }
        }
    }
}
