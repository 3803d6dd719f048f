//! The answer to a pull, made while it is taken: one batch of records in memory, and nothing of what is
//! still to come.
//!
//! Records are asked for some at a time, page by page: the history gives what it has, and the log those that the home
//! has named as not stored yet. The text wants all single chats before all groups, so pages in which there was a message to a
//! group are noted and gone through once more at the end. Within a batch the messages of a conversation
//! are put together; another batch may open the same conversation again, which clients read alike.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::pull::PullWriter;
use openim_protocol::reply::TimeUnit;
use openim_protocol::shown::Shown;
use openim_record::{Message, Position, Seq, UserId};
use openim_workers::reads::Read;
use openim_workers::{Done, Ranged};

use super::PullFailed;
use crate::bus::{Caller, LookUp};
use crate::driver::{Core, PULL_BYTES};
use crate::metrics::Waited;
use crate::ops::damaged;

/// Seqs of a page; and the bytes of records after which the answer to one question stops.
pub(super) const PAGE: u64 = 256;
const FETCH_BYTES: usize = 64 * 1024;
/// Seqs of a list that are so far from each other are asked for together, with those between them.
const NEAR: u64 = 4;
/// A part is written when the text has grown to this; it may exceed it by one fetch.
const PART_BYTES: usize = 64 * 1024;
const _: () = assert!(PULL_BYTES == FETCH_BYTES + 3 * PART_BYTES);

/// What a pull asks for, clipped to what there is.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// First and last.
    Range(Seq, Seq),
    /// Ascending, each once.
    List(Rc<[Seq]>),
}

impl Wanted {
    /// Seqs that follow each other, first and last.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Seq, Seq)> + use<> {
        match self {
            Self::Range(from, to) => vec![(*from, *to)],
            Self::List(seqs) => {
                let runs = seqs.chunk_by(|one, next| one.next() == *next);
                runs.filter_map(|run| Some((*run.first()?, *run.last()?))).collect()
            }
        }
        .into_iter()
    }
}

/// Whose inbox, and in which form it is wanted.
#[derive(Clone)]
pub(crate) struct Asked {
    /// The owner, with their token when their home may be elsewhere.
    pub(crate) owner: UserId,
    pub(crate) caller: Option<Caller>,
    pub(crate) unit: TimeUnit,
    pub(crate) req: i64,
    pub(crate) incr: Option<i64>,
}

/// See the module.
pub(crate) struct Parts {
    asked: Asked,
    wanted: Wanted,
    /// Where the next page begins: a seq of a range, an index into a list.
    next: u64,
    /// Pages with messages to groups.
    noted: VecDeque<u64>,
    /// All pages were gone through, and are once more for the groups.
    again: bool,
    /// A batch was written.
    begun: bool,
    /// What of the page that begins at `page` is still to be fetched, first and last.
    left: Option<(Seq, Seq)>,
    page: u64,
    /// What of the page was not stored when it was begun.
    unstored: Arc<[(Seq, Position)]>,
    writer: Option<PullWriter>,
}

impl Parts {
    pub(crate) fn new(core: &Core, asked: Asked, wanted: Wanted) -> Result<Self, PullFailed> {
        let next = match wanted {
            Wanted::Range(from, to) => {
                let messages_max = core.settings.pull_messages_max as u64;
                if from <= to && to.0 - from.0 >= messages_max {
                    return Err(PullFailed::TooMany);
                }
                from.0
            }
            Wanted::List(_) => 0,
        };
        Ok(Self {
            asked,
            wanted,
            next,
            noted: VecDeque::new(),
            again: false,
            begun: false,
            left: None,
            page: 0,
            unstored: Arc::default(),
            writer: None,
        })
    }

    /// What ends the reply behind the part given last, should no other follow: the client is to drop it.
    pub(super) fn tail(&self) -> Vec<u8> {
        let (mut tail, failed) = (Vec::new(), ErrCode::PullFailed);
        if let Some(writer) = self.writer.clone() {
            writer.end(&mut tail, self.asked.req, self.asked.incr, failed, failed.text());
        }
        tail
    }

    /// Appends the next part to `out`; whether more follows.
    pub(crate) async fn next(
        &mut self,
        core: &Rc<Core>,
        out: &mut Vec<u8>,
    ) -> Result<bool, PullFailed> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => PullWriter::begin(out),
        };
        loop {
            while self.left.is_none() {
                if !self.turn_page(core).await? {
                    writer.end(out, self.asked.req, self.asked.incr, ErrCode::Ok, "");
                    return Ok(false);
                }
            }
            if out.len() >= PART_BYTES {
                self.writer = Some(writer);
                return Ok(true);
            }
            self.batch(core, &mut writer, out).await?;
        }
    }

    /// Goes on to the next page; `false` behind the last.
    async fn turn_page(&mut self, core: &Rc<Core>) -> Result<bool, PullFailed> {
        let page = match self.again {
            false => self.page_at(self.next),
            true => None,
        };
        let (from, to) = match page {
            Some((from, to, next)) => {
                self.page = std::mem::replace(&mut self.next, next);
                (from, to)
            }
            None => {
                self.again = true;
                let Some(noted) = self.noted.pop_front() else { return Ok(false) };
                let Some((from, to, _)) = self.page_at(noted) else { return Ok(false) };
                (from, to)
            }
        };
        self.unstored = self.ask_home(core, from, to).await?.into();
        self.left = Some((from, to));
        Ok(true)
    }

    /// First and last seq of the page that begins there, and where the next one does.
    fn page_at(&self, at: u64) -> Option<(Seq, Seq, u64)> {
        match &self.wanted {
            Wanted::Range(_, last) => {
                let to = last.0.min(at.saturating_add(PAGE - 1));
                (at <= last.0).then_some((Seq(at), Seq(to), to + 1))
            }
            Wanted::List(seqs) => {
                let rest = seqs.get(usize::try_from(at).ok()?..)?;
                let first = rest.first()?;
                let gaps = rest
                    .windows(2)
                    .take_while(|pair| pair[1].0 - pair[0].0 <= NEAR && pair[1].0 - first.0 < PAGE);
                let count = gaps.count() + 1;
                Some((*first, *rest.get(count - 1)?, at + count as u64))
            }
        }
    }

    /// What of a page is not stored yet. This is asked first: what is stored meanwhile is found in the history.
    async fn ask_home(
        &self,
        core: &Rc<Core>,
        from: Seq,
        to: Seq,
    ) -> Result<Vec<(Seq, Position)>, PullFailed> {
        let user = &self.asked.owner;
        match &self.asked.caller {
            Some(caller) => {
                let page = LookUp { caller: caller.clone(), from, to };
                let page = core.at_home(page).await.map_err(|_| PullFailed::Unavailable)?;
                Ok(page.recent)
            }
            None => Ok(core.shard.borrow().back().unstored(user.as_str(), from, to)),
        }
    }

    /// Writes a batch of the page: single chats, or groups the second time; both when it is all there is.
    async fn batch(
        &mut self,
        core: &Rc<Core>,
        writer: &mut PullWriter,
        out: &mut Vec<u8>,
    ) -> Result<(), PullFailed> {
        let records = self.fetch(core).await?;
        let all = self.left.is_none() && self.page_at(self.next).is_none();
        let first = !std::mem::replace(&mut self.begun, true);
        let sole = all && first;
        let mut messages = Vec::with_capacity(records.len());
        let mut numbers: HashMap<(bool, &str), usize> = HashMap::new();
        let mut groups = false;
        for (seq, record) in &records {
            let message = damaged::message(record, &self.asked.owner);
            let message = message.map_err(|_| PullFailed::Unavailable)?;
            let to_group = message.is_to_group();
            groups |= to_group;
            if sole || to_group == self.again {
                let coming = numbers.len();
                let conversation = (to_group, peer(&self.asked.owner, &message));
                let number = *numbers.entry(conversation).or_insert(coming);
                let id = record.is_empty().then(|| damaged::id(&self.asked.owner, *seq));
                messages.push(((to_group, number), *seq, message, id));
            }
        }
        if groups && !sole && !self.again && self.noted.back() != Some(&self.page) {
            self.noted.push_back(self.page);
        }
        // Stable: within a conversation by seq.
        messages.sort_by_key(|(conversation, ..)| *conversation);
        for (_, seq, message, id) in &messages {
            write(writer, out, &self.asked, (*seq, id.as_deref()), message);
        }
        core.metrics.pull_messages.add(messages.len() as u64);
        Ok(())
    }

    /// The records that come next on the page, as many as one question gives.
    async fn fetch(&mut self, core: &Rc<Core>) -> Result<Vec<(Seq, Box<[u8]>)>, PullFailed> {
        let Some((from, to)) = self.left.take() else { return Ok(Vec::new()) };
        let (user, unstored) = (self.asked.owner.clone(), Arc::clone(&self.unstored));
        let bytes_max = FETCH_BYTES;
        let read = |ticket| Read::Range { ticket, user, from, to, unstored, bytes_max };
        let has_room = |core: &Core| core.asks.readers_have_room();
        core.patiently(has_room).await.map_err(|_| PullFailed::Unavailable)?;
        let Ok(Done::Ranged(_, Ok(Ranged { mut records, next }))) =
            core.read(Waited::Pull, read).await
        else {
            return Err(PullFailed::Unavailable);
        };
        self.left = next.map(|next| (next, to));
        if let Wanted::List(seqs) = &self.wanted {
            records.retain(|(seq, _)| seqs.binary_search(seq).is_ok());
        }
        Ok(records)
    }
}

/// Appends one message; `id` is its id and the client's of one that is damaged.
fn write(
    writer: &mut PullWriter,
    out: &mut Vec<u8>,
    asked: &Asked,
    (seq, id): (Seq, Option<&str>),
    message: &Message<'_>,
) {
    let server_msg_id = id.map_or_else(|| message.key.server_id(message.send_id), str::to_owned);
    let seq = i64::try_from(seq.0).unwrap_or(i64::MAX);
    let send_time = asked.unit.from_nanos(message.send_time_ns);
    let mut message = *message;
    message.client_msg_id = id.unwrap_or(message.client_msg_id);
    let shown = Shown { message, server_msg_id: &server_msg_id, seq, send_time };
    if message.is_to_group() {
        writer.group_message(out, asked.owner.as_str(), &shown);
    } else {
        writer.message(out, peer(&asked.owner, &message), &shown);
    }
}

/// The group, or the other party of a single chat; of a chat with oneself the owner.
fn peer<'a>(owner: &UserId, message: &Message<'a>) -> &'a str {
    let received = !message.is_to_group() && message.recv_id == owner.as_str();
    if received { message.send_id } else { message.recv_id }
}
