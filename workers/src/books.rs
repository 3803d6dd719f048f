//! Which deliveries the books of a shard miss or have twice, by name.
//!
//! In: a [`Residue`]. Out: whom it concerns and which message, found in the log between two positions. One or two
//! deliveries are found by their tickets alone: what two accounts differ by is the sum of the tickets. More are looked up in
//! the inboxes, one by one. Runs on a reader's thread and never on a shard's; what it reads and holds is bounded.

use std::collections::{HashMap, HashSet};

use openim_record::{
    Addresses, Members, Message, MessageKey, Pair, PartitionId, Placement, Position, Record,
    Residue, Seq, Stamp, UserId,
};
use openim_storage::port::StoreError;

use crate::reads::Sources;

/// Deliveries that are named of one residue.
const NAMED_MAX: usize = 16;
/// Deliveries among which they are looked for.
const CANDIDATES_MAX: usize = 1 << 19;
/// Of those so many are looked up in inboxes.
const LOOKED_UP_MAX: usize = 4_096;
/// Of the log so much is in memory at once.
const PAGE_BYTES: usize = 4 << 20;
/// What came late lies before the residue, at most so many bytes of the log.
const BEFORE_BYTES: u64 = 64 << 20;

/// Whose books they are.
#[derive(Clone, Copy, Debug)]
pub struct OfShard {
    /// Which users are where.
    pub placement: Placement,
    /// How many shards there are.
    pub shards: u16,
    /// Which this is.
    pub index: u16,
}

impl OfShard {
    fn owns(self, partition: PartitionId) -> bool {
        self.placement.shard(partition, self.shards) == self.index
    }
}

/// A delivery that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// It is missing; else it is there more than once.
    pub lost: bool,
    /// To whom, or which group's home.
    pub uid: UserId,
    /// Where its record lies.
    pub position: Position,
    /// Its `serverMsgID`.
    pub server_msg_id: String,
    /// As its sender named it.
    pub client_msg_id: String,
    /// How often the stored inbox has it; `None` where it has no place in one, or that could not be read.
    pub stored: Option<u64>,
}

/// Somebody to whom a record is to go.
struct Candidate {
    ticket: u64,
    position: Position,
    uid: UserId,
    key: MessageKey,
    numbered: bool,
}

/// Finds the deliveries that make up a residue; fewer than it has where they cannot be told.
///
/// # Errors
/// [`StoreError`], of the log.
pub async fn name(
    sources: &Sources,
    residue: &Residue,
    shard: OfShard,
) -> Result<Vec<Wrong>, StoreError> {
    let before = Position(residue.to.0.saturating_sub(BEFORE_BYTES));
    for from in [residue.from.max(before), before] {
        let candidates = candidates(sources, residue, from, shard).await?;
        let mut wrong = by_tickets(residue, &candidates);
        if wrong.is_empty() && residue.size() > 1 {
            wrong = by_inboxes(sources, residue, &candidates).await;
        }
        if !wrong.is_empty() {
            wrong.truncate(NAMED_MAX);
            let mut named = Vec::with_capacity(wrong.len());
            for (candidate, lost) in wrong {
                named.push(told(sources, candidate, lost).await);
            }
            return Ok(named);
        }
    }
    Ok(Vec::new())
}

/// Everybody at home on the shard to whom records from `from` on are to go.
async fn candidates(
    sources: &Sources,
    residue: &Residue,
    from: Position,
    shard: OfShard,
) -> Result<Vec<Candidate>, StoreError> {
    let mut found =
        Found { shard, of_inbox: residue.pair == Pair::Inbox, group: None, all: Vec::new() };
    let Some(records) = &sources.records else { return Ok(found.all) };
    let mut next = from;
    while found.all.len() < CANDIDATES_MAX {
        let read = records.between(next, residue.to, PAGE_BYTES).await?;
        let Some((last, _)) = read.last() else { break };
        next = Position(last.0 + 1);
        read.iter().for_each(|(position, record)| found.take(*position, record));
    }
    Ok(found.all)
}

/// What is read of the log, record by record.
struct Found {
    shard: OfShard,
    of_inbox: bool,
    /// The message whose members come next, and whether these number it.
    group: Option<(Position, MessageKey, bool)>,
    all: Vec<Candidate>,
}

impl Found {
    fn take(&mut self, position: Position, record: &[u8]) {
        match Record::decode(record) {
            Ok(Record::Message(message)) => {
                let to_group = message.is_to_group();
                let (key, history) = (message.key, message.switches.history);
                self.group = to_group.then_some((position, key, history));
                let (stamp, numbered) = (Stamp::of(position), history && !to_group);
                for to in Addresses::of(&message, self.shard.placement).iter() {
                    let uid = to.addressee.owner(&message);
                    let ticket = match self.of_inbox {
                        true => stamp.uid(uid),
                        false => stamp.addressee(to.addressee),
                    };
                    if self.shard.owns(to.partition) && (numbered || !self.of_inbox) {
                        let uid = UserId::new(uid);
                        self.all.push(Candidate { ticket, position, uid, key, numbered });
                    }
                }
            }
            Ok(Record::Members(list)) => {
                let Some((position, key, numbered)) = self.group else { return };
                let (stamp, shard) = (Stamp::of(position), self.shard);
                let own = list.sections().filter(|section| shard.owns(section.partition));
                for member in own.flat_map(|own| Members::of_section(record, own)) {
                    let (ticket, uid) = (stamp.uid(member.uid), UserId::new(member.uid));
                    self.all.push(Candidate { ticket, position, uid, key, numbered });
                }
            }
            Ok(Record::Rows(_)) | Err(_) => {}
        }
    }
}

/// Those whose tickets are what the accounts differ by; each with whether it is lost.
fn by_tickets<'a>(residue: &Residue, all: &'a [Candidate]) -> Vec<(&'a Candidate, bool)> {
    let by_ticket: HashMap<u64, &Candidate> = all.iter().map(|one| (one.ticket, one)).collect();
    let (lost, sum) = (residue.lost(), residue.missing.sum);
    let sum_of_all = if lost < 0 { sum.wrapping_neg() } else { sum };
    match lost {
        1 | -1 => by_ticket.get(&sum_of_all).map(|one| vec![(*one, lost > 0)]).unwrap_or_default(),
        2 | -2 => all
            .iter()
            .find_map(|one| {
                let other = by_ticket.get(&sum_of_all.wrapping_sub(one.ticket))?;
                Some(vec![(one, lost > 0), (*other, lost > 0)])
            })
            .unwrap_or_default(),
        0 => all
            .iter()
            .find_map(|one| {
                let doubled = by_ticket.get(&one.ticket.wrapping_sub(sum))?;
                Some(vec![(one, true), (*doubled, false)])
            })
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Those whom their inbox does not have, or has twice. A message that was sent again has a record that no inbox has.
async fn by_inboxes<'a>(
    sources: &Sources,
    residue: &Residue,
    all: &'a [Candidate],
) -> Vec<(&'a Candidate, bool)> {
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    for one in all.iter().filter(|one| one.numbered).take(LOOKED_UP_MAX) {
        let first = seen.insert((one.key, &one.uid));
        match stored(sources, &one.uid, one.position).await {
            Ok(0) if first && residue.lost() >= 0 => wrong.push((one, true)),
            Ok(2..) => wrong.push((one, false)),
            Ok(_) | Err(_) => {}
        }
        if wrong.len() == NAMED_MAX {
            break;
        }
    }
    wrong
}

async fn told(sources: &Sources, candidate: &Candidate, lost: bool) -> Wrong {
    let &Candidate { position, ref uid, numbered, .. } = candidate;
    let stored = match numbered {
        true => stored(sources, uid, position).await.ok(),
        false => None,
    };
    let mut record = Vec::new();
    let read = match &sources.records {
        Some(records) => records.read(position, &mut record).await.is_ok(),
        None => false,
    };
    let message = Some(&record).filter(|_| read).and_then(|record| Message::decode(record).ok());
    Wrong {
        lost,
        uid: uid.clone(),
        position,
        server_msg_id: message.map_or_else(String::new, |of| of.key.server_id(of.send_id)),
        client_msg_id: message.map_or_else(String::new, |of| of.client_msg_id.to_owned()),
        stored,
    }
}

/// How often a stored inbox has the record at a position: its entries lie in the order of the log.
async fn stored(sources: &Sources, uid: &UserId, position: Position) -> Result<u64, StoreError> {
    let bounds = sources.history.bounds(std::slice::from_ref(uid)).await?.pop().unwrap_or_default();
    let (mut low, mut high) = (bounds.min.0.max(1), bounds.newest.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let at = sources.history.range(uid, Seq(middle), Seq(middle), 1).await?;
        match at.entries.first().is_some_and(|entry| entry.position >= position) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    let mut times = 0;
    while low + times <= bounds.newest.0 {
        let seq = Seq(low + times);
        let at = sources.history.range(uid, seq, seq, 1).await?;
        if at.entries.first().is_none_or(|entry| entry.position != position) {
            break;
        }
        times += 1;
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use openim_record::Account;

    use super::*;

    fn candidate(position: u64, uid: &str) -> Candidate {
        let ticket = Stamp::of(Position(position)).uid(uid);
        let (position, uid, key) = (Position(position), UserId::new(uid), MessageKey(1));
        Candidate { ticket, position, uid, key, numbered: true }
    }

    fn named(all: &[Candidate], lost: &[usize], doubled: &[usize]) -> Vec<(u64, String, bool)> {
        let mut missing = Account::default();
        lost.iter().for_each(|&at| missing.add(all[at].ticket));
        for &at in doubled {
            let mut one = Account::default();
            one.add(all[at].ticket);
            missing = missing.minus(one);
        }
        let residue = Residue { pair: Pair::Log, from: Position(0), to: Position(9), missing };
        let named = by_tickets(&residue, all).into_iter();
        named.map(|(one, lost)| (one.position.0, one.uid.to_string(), lost)).collect()
    }

    #[test]
    fn one_or_two_are_named_by_what_the_accounts_differ_by() {
        let all: Vec<Candidate> = (0..40)
            .flat_map(|at| ["alice", "bob", "carol"].map(|uid| candidate(at, uid)))
            .collect();
        let of = |at: usize, lost| (all[at].position.0, all[at].uid.to_string(), lost);
        assert_eq!(named(&all, &[17], &[]), [of(17, true)]);
        assert_eq!(named(&all, &[], &[80]), [of(80, false)]);
        assert_eq!(named(&all, &[17], &[80]), [of(17, true), of(80, false)]);
        assert_eq!(named(&all, &[3, 5], &[]), [of(3, true), of(5, true)]);
        assert_eq!(named(&all, &[], &[3, 3]), [of(3, false), of(3, false)]);
        assert!(named(&all, &[1, 2, 3], &[]).is_empty(), "that is for the inboxes");
    }
}
