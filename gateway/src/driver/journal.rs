//! A shard's end of the journal of links: what it notes, and the way to ask.
//!
//! In: how far links have come, pulls that were answered, sends that were refused. Out: [`Note`]s into the ring of the journal's
//! thread, which is rung once a turn. Bounded: what that ring does not take waits here, `WAITING_MAX` notes; beyond it they
//! are lost, which is counted, and told to who asks. Never: waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender as Questions;
use openim_bus::{Doorbell, Sender};
use openim_protocol::close::CloseReason;
use openim_protocol::errcode::ErrCode;
use openim_record::{LinkId, Seq, UserId};
use openim_shard::LinkState;
use openim_why::{
    Asked, End, Ended, Fate, LinkName, LinkNote, Note, PullNote, SendName, SendNote, Who,
};
use openim_workers::links::{Answer, LinksStatus, Question};
use tokio::sync::oneshot;

use super::Core;
use crate::bus::Refused;
use crate::egress::Untaken;
use crate::metrics::Waited;

/// Notes that wait for room in the ring.
const WAITING_MAX: usize = 1 << 16;

/// See the module.
pub(crate) struct Journal {
    notes: Sender<Note>,
    waiting: VecDeque<Note>,
    run_s: u32,
    shard: u16,
    rings: bool,
    status: Arc<LinksStatus>,
    /// The link that is being closed, how it ends, and what its socket has not taken.
    ending: Option<(LinkId, Ended, Untaken)>,
    /// The link that was closed last, if its socket has not taken all; its note, and the first of what it has not begun.
    unfinished: Option<(LinkId, LinkNote, Seq)>,
}

/// The way to ask the journal.
#[derive(Clone)]
pub(crate) struct AskLinks {
    pub(crate) questions: Questions<Question>,
    pub(crate) bell: Arc<Doorbell>,
}

impl Journal {
    pub(crate) fn new(
        notes: Sender<Note>,
        (run_s, shard): (u32, u16),
        status: Arc<LinksStatus>,
    ) -> Self {
        let waiting = VecDeque::new();
        Self { notes, waiting, run_s, shard, rings: false, status, ending: None, unfinished: None }
    }

    fn name(&self, link: LinkId) -> LinkName {
        LinkName { run_s: self.run_s, shard: self.shard, number: link.generation }
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.rings = true;
        if self.waiting.is_empty() {
            match self.notes.try_send(note) {
                Ok(()) => {}
                Err(back) => self.waiting.push_back(back),
            }
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(note);
        } else {
            self.status.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rings the journal's thread if there is anything for it.
    pub(crate) fn ring(&mut self) {
        while let Some(note) = self.waiting.pop_front() {
            if let Err(back) = self.notes.try_send(note) {
                self.waiting.push_front(back);
                break;
            }
        }
        if std::mem::take(&mut self.rings) || !self.waiting.is_empty() {
            self.notes.notify();
        }
    }

    /// A link whose end is noted next ends so.
    pub(crate) fn ends(&mut self, link: LinkId, reason: CloseReason, untaken: Untaken) {
        let ended = match reason {
            CloseReason::Peer => Ended::Left,
            _ if reason.is_slow() => Ended::Slow,
            _ => Ended::Closed,
        };
        self.ending = Some((link, ended, untaken));
    }

    /// Notes how far a link has come.
    pub(crate) fn link(&mut self, state: &LinkState<'_>, untaken: Untaken, now_ms: i64) {
        let LinkState { uid, platform, link, opened_ms, pushed, over } = *state;
        let (why, untaken) = match self.ending.take_if(|(of, ..)| over && *of == link) {
            Some((_, why, untaken)) => (why, untaken),
            None => (Ended::Left, untaken),
        };
        let note = LinkNote {
            who: Who::new(uid),
            platform,
            link: self.name(link),
            index: link.index,
            opened_ms,
            pushed,
            untaken: untaken.first,
            end: over.then_some(End { at_ms: now_ms, why }),
        };
        if over {
            let left = untaken.first.0 > 0;
            self.unfinished = left.then_some((link, note, untaken.unbegun));
        }
        self.note(Note::Link(note));
    }

    /// What is to be noted of a link that has just ended once its socket has taken what is left, if anything. What was not
    /// begun is not left where it was `dropped`.
    pub(crate) fn unfinished(&mut self, link: LinkId, dropped: bool) -> Option<Note> {
        let (_, note, unbegun) = self.unfinished.take_if(|(of, ..)| *of == link)?;
        let untaken = if dropped { unbegun } else { Seq(0) };
        Some(Note::Link(LinkNote { untaken, ..note }))
    }

    /// Notes that a pull was answered; `link`: over which.
    pub(crate) fn pulled(
        &mut self,
        (uid, platform): (&str, u8),
        link: Option<LinkId>,
        (from, to): (Seq, Seq),
        at_ms: i64,
    ) {
        let link = link.map(|link| self.name(link));
        if from <= to {
            self.note(Note::Pull(PullNote { who: Who::new(uid), platform, link, from, to, at_ms }));
        }
    }

    /// Notes that a send was refused.
    pub(crate) fn refused(&mut self, sender: &str, client_msg_id: &str, why: ErrCode, at_ms: i64) {
        let fate = Fate::Refused { code: why.number(), blocked: why == ErrCode::Blocked };
        self.send((sender, client_msg_id), fate, at_ms);
    }

    /// Notes what became of a send.
    pub(crate) fn send(&mut self, (sender, client_msg_id): (&str, &str), fate: Fate, at_ms: i64) {
        let (sender, send) = (Who::new(sender), SendName::new(client_msg_id));
        self.note(Note::Send(SendNote { sender, send, fate, at_ms }));
    }
}

impl Core {
    /// Asks the journal of links about a message in the inbox of a user who is at home here.
    pub(crate) async fn ask_links(
        &self,
        uid: &UserId,
        asked: Asked,
        send: Option<(SendName, Option<Who>)>,
    ) -> Result<Answer, Refused> {
        let Some(ask) = &self.links else { return Err(Refused::Unavailable) };
        self.with(|shard, io| {
            shard.note_links_of(uid.as_str(), io);
            io.journal.iter_mut().for_each(Journal::ring);
        });
        let (tell, told) = oneshot::channel();
        let answer = Box::new(move |answer| {
            // Who waited for too long is gone.
            let _gone = tell.send(answer);
        });
        let question = Question { asked, send, answer };
        ask.questions.try_send(question).map_err(|_| Refused::Unavailable)?;
        ask.bell.ring();
        match self.in_time(Waited::Question, told).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(Refused::Unavailable),
        }
    }
}
