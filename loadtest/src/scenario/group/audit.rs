//! The inboxes of some members, online and offline, compared with the books after a run.
//!
//! Read over REST, so that members without a link stay without one. In: closed ledgers. Out: an
//! [`AuditVerdict`]. Seqs above the baseline, which was read before the run, must be dense, and
//! the messages of all flows into the member's groups must be there, the member's own included:
//! once, in order, with the ids that were acknowledged and the member's own `recvID`.

use super::books::Cast;
use crate::calls::{Calls, Source};
use crate::envelope::{Body, Incoming, Mark, NEWEST_SEQ, PULL, Pulled, print_of, quoted};
use crate::fleet::Losses;
use crate::http::{self, Address};
use crate::ledger::{Ledger, StoredFaults, StoredFlow, StoredVerdict};
use crate::setup::Setup;
use anyhow::bail;
use std::collections::VecDeque;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Members looked at: so many with a link and so many without, spread evenly.
const SAMPLE: usize = 50;
const CONNECTIONS: usize = 16;
/// Messages per pull when they are small.
const PAGE_MAX: i64 = 500;
/// Content bytes per pull when they are large.
const PAGE_BYTES: usize = 4 << 20;
/// Between two looks at inboxes that are not complete yet.
const PATIENCE: Duration = Duration::from_millis(20);

/// One member's inbox.
#[derive(Default)]
struct Inbox {
    member: usize,
    /// Newest seq before the run.
    baseline: i64,
    newest: i64,
    /// Next seq to pull.
    next: i64,
    /// What was read of each flow, by its place.
    stored: Vec<StoredFlow>,
    faults: StoredFaults,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AuditVerdict {
    /// Members looked at.
    pub(super) members: usize,
    /// Those of them without a link.
    pub(super) offline: usize,
    /// Inboxes held all entries this long after the run's last push.
    pub(super) complete_after_ms: u64,
    pub(super) stored: StoredVerdict,
}

/// The members looked at.
pub(super) struct Audit {
    cast: Cast,
    rest: Address,
    setup: Setup,
    inboxes: Vec<Inbox>,
    /// Why inboxes could not be read.
    errors: Losses,
}

impl Audit {
    /// Chooses members and reads what their inboxes hold before the run.
    pub(super) fn begin(cast: Cast, setup: &Setup) -> anyhow::Result<Self> {
        let links = cast.layout.links();
        let all = cast.layout.users() - cast.layout.first_member();
        let members = spread(0, links).chain(spread(links, all));
        let inbox = |member| Inbox { member, ..Inbox::default() };
        let mut audit = Self {
            cast,
            rest: setup.registrar.rest.clone(),
            setup: setup.clone(),
            inboxes: members.map(inbox).collect(),
            errors: Losses::default(),
        };
        audit.pass(|_| true, None)?;
        if audit.errors.total() > 0 {
            bail!("cannot read the newest seqs of members: {}", audit.errors.line());
        }
        audit.inboxes.iter_mut().for_each(|inbox| inbox.baseline = inbox.newest);
        Ok(audit)
    }

    /// Waits up to `grace` until all entries can be seen, then pulls and compares. `ledgers` are
    /// those of all flows.
    pub(super) fn finish(
        mut self,
        ledgers: &[Ledger],
        grace: Duration,
    ) -> anyhow::Result<(AuditVerdict, Losses)> {
        let began = Instant::now();
        let layout = self.cast.layout.clone();
        let acked = |pool| {
            let flows = layout.flows_of(pool).iter();
            flows.map(|flow| ledgers[*flow].tally().acked as i64).sum::<i64>()
        };
        let expected: Vec<i64> = (0..layout.pools).map(acked).collect();
        let is_short =
            |inbox: &Inbox| inbox.newest - inbox.baseline < expected[layout.pool_of(inbox.member)];
        loop {
            self.pass(is_short, None)?;
            if !self.inboxes.iter().any(is_short) || began.elapsed() > grace {
                break;
            }
            sleep(PATIENCE);
        }
        let complete_after_ms = began.elapsed().as_millis() as u64;
        for inbox in &mut self.inboxes {
            inbox.next = inbox.baseline + 1;
            let places = layout.flows_of(layout.pool_of(inbox.member)).len();
            inbox.stored.resize_with(places, StoredFlow::default);
        }
        // Entries that should not be there arrive behind those that should.
        self.pass(|_| true, None)?;
        self.pass(|inbox| inbox.next <= inbox.newest, Some(ledgers))?;
        let mut verdict = AuditVerdict {
            members: self.inboxes.len(),
            offline: self.inboxes.iter().filter(|one| one.member >= layout.links()).count(),
            complete_after_ms,
            stored: StoredVerdict::default(),
        };
        for inbox in self.inboxes {
            judge(inbox, &self.cast, ledgers, &mut verdict.stored);
        }
        Ok((verdict, self.errors))
    }

    /// Asks each inbox that `wanted` holds for: its newest seq, or its messages when there are
    /// `ledgers` to compare them with.
    fn pass(
        &mut self,
        wanted: impl Fn(&Inbox) -> bool,
        ledgers: Option<&[Ledger]>,
    ) -> anyhow::Result<()> {
        let ready = (0..self.inboxes.len()).filter(|at| wanted(&self.inboxes[*at])).collect();
        let (rest, timeout) = (self.rest.clone(), self.setup.timeout);
        let mut calls = Calls::new(rest, CONNECTIONS, timeout, self.setup.clock)?;
        let page = (PAGE_BYTES / (self.cast.content_bytes + 256)) as i64;
        let page = page.clamp(1, PAGE_MAX);
        calls.run(&mut Pass { audit: self, ready, ledgers, page, scratch: Vec::new() })
    }
}

/// Up to [`SAMPLE`] of the members from `first` to before `end`, evenly spread.
fn spread(first: usize, end: usize) -> impl Iterator<Item = usize> {
    let all = end - first;
    let count = all.min(SAMPLE);
    (0..count).map(move |turn| first + turn * all / count)
}

fn judge(inbox: Inbox, cast: &Cast, ledgers: &[Ledger], verdict: &mut StoredVerdict) {
    verdict.faults.add(&inbox.faults);
    if inbox.faults.inboxes_unread > 0 {
        return;
    }
    let flows = cast.layout.flows_of(cast.layout.pool_of(inbox.member));
    for (stored, flow) in inbox.stored.into_iter().zip(flows) {
        let one = stored.judge(&ledgers[*flow]);
        verdict.stored += one.stored;
        verdict.in_doubt_stored += one.in_doubt_stored;
        verdict.faults.add(&one.faults);
    }
}

/// One round of questions. A call's id is the inbox's index.
struct Pass<'a> {
    audit: &'a mut Audit,
    ready: VecDeque<usize>,
    ledgers: Option<&'a [Ledger]>,
    page: i64,
    scratch: Vec<u8>,
}

impl Pass<'_> {
    fn range_end(&self, inbox: &Inbox) -> i64 {
        inbox.newest.min(inbox.next + self.page - 1)
    }

    fn take(&mut self, at: usize, body: &[u8]) -> Result<(), String> {
        let answer: Incoming<'_> = serde_json::from_slice(body).map_err(|one| one.to_string())?;
        if answer.code != 0 {
            return Err(format!("errCode {}: {}", answer.code, answer.text));
        }
        match self.ledgers {
            None => {
                let body = answer.data.ok_or("no newest seq in the answer")?;
                self.audit.inboxes[at].newest = body.seq;
            }
            Some(ledgers) => {
                let pulled: Pulled<'_> =
                    serde_json::from_slice(body).map_err(|one| one.to_string())?;
                self.take_page(at, pulled, ledgers);
            }
        }
        Ok(())
    }

    /// Enters one page.
    fn take_page(&mut self, at: usize, pulled: Pulled<'_>, ledgers: &[Ledger]) {
        let end = self.range_end(&self.audit.inboxes[at]);
        let of = |group: bool| move |message| (group, message);
        let single = pulled.data.single.into_iter().flat_map(|one| one.list).map(of(false));
        let group = pulled.data.group.into_iter().flat_map(|one| one.list).map(of(true));
        let mut messages: Vec<(bool, Body<'_>)> = single.chain(group).collect();
        messages.sort_by_key(|(_, message)| message.seq);
        let inbox = &mut self.audit.inboxes[at];
        for (in_group, message) in messages {
            if message.seq < inbox.next || message.seq > end {
                inbox.faults.seq_twins += 1;
                continue;
            }
            inbox.faults.seq_holes += (message.seq - inbox.next).unsigned_abs();
            inbox.next = message.seq + 1;
            see(inbox, &self.audit.cast, &message, in_group, ledgers, &mut self.scratch);
        }
        inbox.faults.seq_holes += (end + 1 - inbox.next).unsigned_abs();
        inbox.next = end + 1;
        if inbox.next <= inbox.newest {
            self.ready.push_back(at);
        }
    }
}

/// Enters one message; those of other runs are of no concern.
fn see(
    inbox: &mut Inbox,
    cast: &Cast,
    message: &Body<'_>,
    in_group: bool,
    ledgers: &[Ledger],
    scratch: &mut Vec<u8>,
) {
    let mark = Mark::read(&message.content).filter(|mark| mark.run == cast.run);
    let Some(mark) = mark else { return };
    let (member, flow) = (inbox.member, mark.flow as usize);
    let seat = cast.layout.seats().get(flow);
    let Some(seat) = seat.filter(|seat| seat.pool == cast.layout.pool_of(member)) else {
        inbox.faults.corrupted += 1;
        return;
    };
    let addressed = in_group && cast.is_addressed(&message.receiver, member, flow);
    if !addressed || !cast.is_whole(message, mark, scratch) {
        inbox.faults.corrupted += 1;
    }
    inbox.stored[seat.place].see(mark.number, print_of(&message.server_id), &ledgers[flow]);
}

impl Source for Pass<'_> {
    fn next(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let at = self.ready.pop_front()?;
        let inbox = &self.audit.inboxes[at];
        let cast = &self.audit.cast;
        let account = &cast.roster.accounts()[cast.layout.first_member() + inbox.member];
        let uid = quoted(&account.uid);
        let head = format!("\"sendID\":{uid},\"operationID\":\"lt\",\"msgIncr\":1");
        let (path, body) = match self.ledgers {
            None => ("/chat/newest_seq", format!("{{\"reqIdentifier\":{NEWEST_SEQ},{head}}}")),
            Some(_) => {
                let (begin, end) = (inbox.next, self.range_end(inbox));
                let data = format!("\"data\":{{\"seqBegin\":{begin},\"seqEnd\":{end}}}");
                ("/chat/pull_msg", format!("{{\"reqIdentifier\":{PULL},{head},{data}}}"))
            }
        };
        http::post(out, &self.audit.rest.host, path, Some(&account.token), body.as_bytes());
        Some(at)
    }

    fn answered(&mut self, at: usize, status: u16, body: &[u8], _took_ns: u64) {
        if let Err(why) = self.take(at, body) {
            self.failed(at, &format!("HTTP {status}, {why}"));
        }
    }

    fn failed(&mut self, at: usize, why: &str) {
        self.audit.errors.count(why.to_owned());
        self.audit.inboxes[at].faults.inboxes_unread = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_and_never_more_than_there_are() {
        assert_eq!(spread(3, 6).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(spread(7, 7).count(), 0);
        let sample: Vec<_> = spread(2_000, 10_000).collect();
        assert_eq!((sample.len(), sample[0], sample[SAMPLE - 1]), (SAMPLE, 2_000, 9_840));
    }
}
