//! What a gateway writes down of its links: calls to presence that are carried out and answered in any order, some of
//! them after nobody waits for them any more.

use std::collections::VecDeque;

use openim_front::{Announced, Announcer, Entry, LinkId, Step, Written};
use openim_record::UserId;

use crate::gateways::{Gateway, Socket};
use crate::rules::Without;
use crate::world::World;

/// Calls that a gateway has under way at once.
const CALLS_MAX: usize = 6;

#[derive(Clone, Debug)]
enum Call {
    /// The first entry of a link, which is admitted then.
    Enter(UserId, u8, Entry),
    /// The entry once more, for a pass.
    Again(u64, UserId, u8, Entry),
    /// A link has gone.
    Leave(UserId, u8, u32),
    Begin(u64),
    End(u64),
    Look,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It was not carried out, or nobody knows.
    Unknown,
    Entry(Written),
    /// Of a mark; whether it stands.
    Stands(bool),
    Looked(Option<Announced>),
}

#[derive(Debug, Default)]
pub(crate) struct Announcing {
    announcer: Announcer,
    /// The pass that has begun last.
    pass: u64,
    /// Without numbers: entries of that pass for which no answer was taken.
    unanswered: usize,
    opening: VecDeque<LinkId>,
    /// Of which generation.
    leaving: VecDeque<(UserId, u8, u32)>,
    /// Entries of a pass that wait for an earlier write of the same link.
    again: VecDeque<(u64, LinkId)>,
    /// Under way, each with its answer when it is carried out.
    calls: Vec<(Call, Option<Answer>)>,
    /// For which nobody waits any more, and which may be carried out all the same.
    late: Vec<Call>,
}

impl Announcing {
    pub(crate) fn opened(&mut self, link: LinkId) {
        self.opening.push_back(link);
    }

    pub(crate) fn closed(&mut self, uid: UserId, platform: u8, link: u32) {
        self.opening.retain(|opening| opening.generation != link);
        self.leaving.push_back((uid, platform, link));
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.announcer.is_marked()
            && self.opening.is_empty()
            && self.leaving.is_empty()
            && self.again.is_empty()
            && self.calls.iter().all(|(call, _)| matches!(call, Call::Look))
    }

    /// The mark is written again though it is there.
    pub(crate) fn disbelieve(&mut self) {
        self.announcer.looked(None);
    }

    /// An entry is written for a pass; `now`: it is taken for that pass', of which no more is told than was asked.
    fn wrote(&mut self, pass: u64, stands: bool, now: Option<u64>) {
        let told = now.is_none() || self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        if told {
            self.announcer.wrote(now.unwrap_or(pass), stands);
        }
    }

    fn writes(&self, link: LinkId) -> bool {
        let of = |call: &Call| match call {
            Call::Enter(.., entry) | Call::Again(.., entry) => entry.link == link,
            Call::Leave(..) | Call::Begin(_) | Call::End(_) | Call::Look => false,
        };
        self.opening.contains(&link) || self.calls.iter().any(|(call, _)| of(call))
    }
}

impl Gateway {
    /// The next call to make, if there is one.
    fn next_call(&mut self, mixed: bool) -> Option<Call> {
        let Self { process, announcing, sockets, .. } = self;
        let of = |link: LinkId| {
            let socket = sockets.get(&link)?;
            let entry = Entry { process: *process, link, epoch: socket.epoch };
            Some((socket.uid.clone(), socket.platform, entry))
        };
        if let Some((uid, platform, link)) = announcing.leaving.pop_front() {
            return Some(Call::Leave(uid, platform, link));
        }
        if let Some(link) = announcing.opening.pop_front() {
            let (uid, platform, entry) = of(link).expect("who leaves is not opening");
            return Some(Call::Enter(uid, platform, entry));
        }
        let ready = announcing.again.iter().position(|(_, link)| !announcing.writes(*link));
        if let Some((pass, link)) = ready.and_then(|at| announcing.again.remove(at)) {
            if let Some((uid, platform, entry)) = of(link) {
                return Some(Call::Again(pass, uid, platform, entry));
            }
            // A link that has gone is none that is missing.
            announcing.wrote(pass, true, mixed.then_some(pass));
        }
        match announcing.announcer.step() {
            Some(Step::Begin(pass)) => {
                announcing.again.clear();
                (announcing.pass, announcing.unanswered) = (pass, 0);
                Some(Call::Begin(pass))
            }
            Some(Step::Write(pass, link)) => {
                announcing.unanswered += 1;
                announcing.again.push_back((pass, link));
                None
            }
            Some(Step::End(pass)) => Some(Call::End(pass)),
            None if announcing.announcer.is_marked() => Some(Call::Look),
            None => None,
        }
    }
}

impl World {
    /// A gateway makes a call, or one is carried out, or answered.
    pub(crate) fn presence_step(&mut self, g: usize) {
        let (step, nth) = (self.random.below(3), self.random.below(CALLS_MAX));
        let mixed = self.without == Some(Without::PassNumbers);
        let gateway = &mut self.gateways[g];
        match step {
            0 if gateway.announcing.calls.len() < CALLS_MAX => {
                let call = gateway.next_call(mixed);
                gateway.announcing.calls.extend(call.map(|call| (call, None)));
            }
            1 => self.carry_out_a_call(g, nth),
            _ => {
                let slow = !self.calm && self.random.percent(self.plan.slow_answers);
                let calls = &mut gateway.announcing.calls;
                let done = calls.iter().enumerate().filter(|(_, (call, answer))| {
                    answer.is_some() && !(slow && matches!(call, Call::Again(..)))
                });
                if let Some(at) = done.map(|(at, _)| at).cycle().take(CALLS_MAX).nth(nth) {
                    let (call, answer) = calls.swap_remove(at);
                    self.answer_call(g, call, answer.expect("it is done"));
                }
            }
        }
    }

    fn carry_out_a_call(&mut self, g: usize, nth: usize) {
        if !self.calm && self.random.percent(20) {
            let late = &mut self.gateways[g].announcing.late;
            if !late.is_empty() && !self.presence.is_away(self.now_ms) {
                let call = late.swap_remove(nth % late.len());
                self.note(|| format!("carried out late: {call:?}"));
                self.counts.note("presence written late");
                self.carry_out(g, &call);
            }
            return;
        }
        let calls = &self.gateways[g].announcing.calls;
        let open = calls.iter().enumerate().filter(|(_, (_, done))| done.is_none());
        let Some(at) = open.map(|(at, _)| at).cycle().take(CALLS_MAX).nth(nth) else { return };
        let call = calls[at].0.clone();
        let slow = !self.calm && self.random.percent(self.plan.slow_writes);
        if slow && matches!(call, Call::Again(..)) {
            return;
        }
        let late = !self.calm && self.random.percent(self.plan.presence_late);
        let answer = match late || self.presence.is_away(self.now_ms) {
            true => Answer::Unknown,
            false => self.carry_out(g, &call),
        };
        let announcing = &mut self.gateways[g].announcing;
        announcing.calls[at].1 = Some(answer);
        if late {
            announcing.late.push(call);
        }
    }

    /// The store does what it is asked.
    fn carry_out(&mut self, g: usize, call: &Call) -> Answer {
        let process = self.gateways[g].process;
        let in_one_go = self.without == Some(Without::PassInOneGo);
        match *call {
            Call::Enter(ref uid, platform, entry) | Call::Again(_, ref uid, platform, entry) => {
                self.write_entry(g, uid, platform, entry)
            }
            Call::Leave(ref uid, platform, link) => {
                self.presence.remove(uid, platform, process, link);
                Answer::Stands(false)
            }
            Call::Begin(pass) => {
                if !in_one_go {
                    self.presence.announce(process, Announced::Writing(pass));
                }
                Answer::Stands(true)
            }
            Call::End(pass) => {
                let own = self.presence.announced(process) == Some(Announced::Writing(pass));
                let stands = own || in_one_go;
                if stands {
                    self.presence.announce(process, Announced::All(pass));
                    self.assert_all_written(g);
                }
                self.note(|| format!("{process:?} ends pass {pass}: {stands}"));
                self.counts.note(if stands { "pass" } else { "pass undone" });
                Answer::Stands(stands)
            }
            Call::Look => Answer::Looked(self.presence.announced(process)),
        }
    }

    /// Writes an entry; its link may have gone since.
    fn write_entry(&mut self, g: usize, uid: &UserId, platform: u8, entry: Entry) -> Answer {
        let Entry { process, link, epoch } = entry;
        let wrote = self.presence.write(uid, platform, entry);
        self.note(|| format!("{link:?} of {uid} at {process:?}: {wrote:?}"));
        let Written::Stands { replaced, .. } = wrote else {
            self.replace(g, link);
            return Answer::Entry(wrote);
        };
        let mut written = None;
        if let Some(socket) = self.gateways[g].sockets.get_mut(&link) {
            if epoch == 0 {
                self.written += 1;
                socket.written = self.written;
            }
            written = Some(socket.written);
        }
        if let Some(old) = replaced
            && let Some(other) = self.gateway_of(old.process)
        {
            let socket = self.gateways[other].sockets.get(&old.link);
            let newer = socket.is_some_and(|of| written.is_some_and(|own| own < of.written));
            assert!(!newer, "L5: {link:?} replaces a newer one");
            self.replace(other, old.link);
        }
        Answer::Entry(wrote)
    }

    /// Owners ask for a link no longer, and it does not know yet.
    fn replace(&mut self, g: usize, link: LinkId) {
        if let Some(socket) = self.gateways[g].sockets.get_mut(&link) {
            socket.from = None;
            socket.replaced = true;
        }
    }

    /// R7: the mark says that all entries are there. What comes of it when they are not is to be seen without the
    /// number in its place.
    fn assert_all_written(&self, g: usize) {
        let gateway = &self.gateways[g];
        let standing = |(_, socket): &(&LinkId, &Socket)| {
            socket.written > 0 && !socket.replaced && !socket.closing
        };
        for (link, Socket { uid, platform, .. }) in gateway.sockets.iter().filter(standing) {
            let written = self.presence.is_written(uid, *platform, gateway.process, *link);
            let all = written || self.without == Some(Without::PassInOneGo);
            assert!(all, "R7: a mark, and {link:?} of {uid} is not written");
        }
    }

    fn answer_call(&mut self, g: usize, call: Call, answer: Answer) {
        if let Answer::Entry(Written::Stands { replaced: Some(old), .. }) = answer
            && let Some(other) = self.gateway_of(old.process)
        {
            self.counts.note("replaced elsewhere");
            // The other gateway is told, which may fail; it finds out with its next pass.
            if self.calm || !self.random.percent(10) {
                self.replaced_elsewhere(other, old.link);
            }
        }
        let gateway = &mut self.gateways[g];
        let stands = match answer {
            Answer::Unknown | Answer::Entry(Written::Older) => false,
            Answer::Entry(Written::Stands { .. }) => true,
            Answer::Stands(stands) => stands,
            Answer::Looked(announced) => return gateway.announcing.announcer.looked(announced),
        };
        if let (Call::Enter(.., of) | Call::Again(.., of), Answer::Entry(written)) = (&call, answer)
            && let Some(socket) = gateway.sockets.get_mut(&of.link)
        {
            match written {
                Written::Stands { epoch, .. } => socket.epoch = epoch,
                Written::Older => self.replaced_elsewhere(g, of.link),
            }
        }
        let gateway = &mut self.gateways[g];
        // Without the numbers whatever is answered is taken for an answer to the pass of now.
        let now =
            Some(gateway.announcing.pass).filter(|_| self.without == Some(Without::PassNumbers));
        let announcer = &mut gateway.announcing.announcer;
        match call {
            Call::Enter(.., Entry { link, .. }) => match gateway.sockets.get_mut(&link) {
                Some(socket) if stands => socket.admitted = true,
                Some(_) => self.close(g, link),
                None => {}
            },
            Call::Again(pass, .., Entry { link, .. }) => {
                let gone = gateway.sockets.get(&link).is_none_or(|socket| socket.closing);
                gateway.announcing.wrote(pass, stands || gone, now);
            }
            Call::Begin(pass) => {
                let links: Vec<LinkId> = gateway.sockets.keys().copied().collect();
                announcer.begun(now.unwrap_or(pass), stands, links.into_iter());
            }
            Call::End(pass) => announcer.ended(now.unwrap_or(pass), stands),
            Call::Leave(..) | Call::Look => {}
        }
    }
}
