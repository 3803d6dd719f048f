//! The surroundings of one front, as its driver keeps them: the producer, and what was asked for and nobody has done
//! yet.

use std::sync::Arc;

use openim_front::{CloseReason, Effects, Given, LinkId, Origin, SendRefused};
use openim_record::{Deliver, MessageKey, Presence, Process, Seq, Submission, UserId, own_message};
use openim_transfer::{LogPartition, Sent, Topic};

use crate::producer::{Producer, Producing};

/// What the front asked for in one call, in order.
#[derive(Debug)]
pub(crate) enum Effect {
    Receipt {
        origin: Origin,
        key: MessageKey,
        send_time_ns: i64,
    },
    Refuse(Origin, SendRefused),
    Push(LinkId, Push),
    /// A link was given this seq, or a higher one, before.
    Dropped(LinkId),
    Ping(LinkId),
    Close(LinkId, CloseReason),
    Resume(LinkId),
    ResumeCalls(usize),
    /// A link is there, or is gone.
    Presence {
        uid: UserId,
        platform: u8,
        link: LinkId,
        up: bool,
    },
}

/// What a link is sent.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) key: MessageKey,
    pub(crate) seq: Seq,
    pub(crate) send_time_ns: i64,
    pub(crate) history: bool,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct FrontIo {
    process: Process,
    pub(crate) producer: Producer,
    pub(crate) effects: Vec<Effect>,
    pub(crate) given: Given,
    /// Without R8: links take whatever comes.
    unguarded: bool,
    /// Of the send to a group that is offered now: who gets it without being a member.
    pub(crate) extra: Vec<UserId>,
}

impl FrontIo {
    pub(crate) fn new(process: Process, records_max: usize, unguarded: bool) -> Self {
        Self {
            process,
            producer: Producer::new(records_max),
            effects: Vec::new(),
            given: Given::default(),
            unguarded,
            extra: Vec::new(),
        }
    }
}

impl Effects for FrontIo {
    fn has_room(&mut self, _: usize) -> bool {
        self.producer.has_room()
    }

    fn submit(&mut self, submission: Submission) {
        let Submission { key, to, record, lists } = submission;
        assert!(lists.is_empty(), "members are named where the record is decided");
        let message = own_message(&record);
        let partition = to.origin().expect("somebody answers for a send");
        let extra: Vec<&str> = self.extra.iter().map(UserId::as_str).collect();
        let (topic, bytes): (_, Arc<[u8]>) = match message.is_to_group() {
            true => {
                let emphasised = ["user0"];
                let bytes =
                    Sent::encode_to_group(self.process, &emphasised, &extra, false, &record);
                (Topic::Group, bytes.into())
            }
            false => (Topic::Chat, Sent::encode(self.process, &record).into()),
        };
        let at = LogPartition { topic, partition };
        self.producer.hand_in(Producing { key, at, bytes, message: record, until_ms: 0 });
    }

    fn receipt(
        &mut self,
        origin: Origin,
        send_id: &str,
        client_msg_id: &str,
        key: MessageKey,
        send_time_ns: i64,
    ) {
        assert!(!send_id.is_empty() && !client_msg_id.is_empty(), "a receipt names its send");
        self.effects.push(Effect::Receipt { origin, key, send_time_ns });
    }

    fn refuse(&mut self, origin: Origin, why: SendRefused) {
        self.effects.push(Effect::Refuse(origin, why));
    }

    fn push(&mut self, link: LinkId, deliver: &Deliver<'_>) -> usize {
        if !self.given.takes(link, deliver.seq) && !self.unguarded {
            self.effects.push(Effect::Dropped(link));
            return 0;
        }
        assert_eq!(deliver.member.is_some(), deliver.message.is_to_group(), "one of its members");
        let bytes = 100 + deliver.message.content.len();
        let (seq, message) = (deliver.seq, deliver.message);
        let (key, send_time_ns) = (message.key, message.send_time_ns);
        let history = message.switches.history;
        self.effects.push(Effect::Push(link, Push { key, seq, send_time_ns, history, bytes }));
        bytes
    }

    fn ping(&mut self, link: LinkId) {
        self.effects.push(Effect::Ping(link));
    }

    fn close(&mut self, link: LinkId, reason: CloseReason) {
        self.effects.push(Effect::Close(link, reason));
    }

    fn resume(&mut self, link: LinkId) {
        self.effects.push(Effect::Resume(link));
    }

    fn resume_calls(&mut self, calls_max: usize) {
        self.effects.push(Effect::ResumeCalls(calls_max));
    }

    fn presence(&mut self, presence: Presence<'_>) {
        let Presence { uid, platform, link, up } = presence;
        self.effects.push(Effect::Presence { uid: UserId::new(uid), platform, link, up });
    }
}
