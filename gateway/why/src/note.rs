//! What the journal of links notes.

use std::fmt;

use openim_record::{MessageKey, Seq};

/// A user, as notes name them: a digest, for a note has a fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Who(pub u128);

impl Who {
    /// The user of this uid.
    #[must_use]
    pub fn new(uid: &str) -> Self {
        Self(MessageKey::new(uid, 0, "", "").0)
    }
}

/// A send by the id that its client gave it, whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SendName(pub u128);

impl SendName {
    /// That of this `clientMsgID`.
    #[must_use]
    pub fn new(client_msg_id: &str) -> Self {
        Self(MessageKey::new("", 0, "", client_msg_id).0)
    }
}

/// A link, apart from every other of this server, those of earlier runs included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkName {
    /// When the run began, unix seconds.
    pub run_s: u32,
    /// The shard that has it.
    pub shard: u16,
    /// Its number there.
    pub number: u32,
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}-{}", self.run_s, self.shard, self.number)
    }
}

/// How far a link was pushed to. All that is numbered while a link is open is pushed to it, but for what its own device
/// has sent; so first and last say it all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// The first seq; 0: nothing yet.
    pub first: Seq,
    /// The last.
    pub newest: Seq,
    /// When it got the first, unix nanoseconds.
    pub first_ns: i64,
    /// When it got the last.
    pub newest_ns: i64,
}

impl Pushed {
    /// One more was pushed.
    pub const fn add(&mut self, seq: Seq, now_ns: i64) {
        if self.first.0 == 0 {
            self.first = seq;
            self.first_ns = now_ns;
        }
        self.newest = seq;
        self.newest_ns = now_ns;
    }
}

/// Why a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its client went.
    Left,
    /// It took too slowly what was written to it.
    Slow,
    /// The server closed it: a newer link, a login, a ban, a drain, a fault of the client's.
    Closed,
    /// The server itself ended, before it could note anything.
    Lost,
}

/// The end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When, unix milliseconds. Of [`Ended::Lost`] when the next run began.
    pub at_ms: i64,
    /// Why.
    pub why: Ended,
}

/// A link, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkNote {
    /// Whose.
    pub who: Who,
    /// Of which platform, 1 to 7.
    pub platform: u8,
    /// Which.
    pub link: LinkName,
    /// Its place in its shard's table, which no other has while it is open.
    pub index: u32,
    /// Since when, unix milliseconds.
    pub opened_ms: i64,
    /// How far it was pushed to.
    pub pushed: Pushed,
    /// The first of that which the socket had not wholly taken; 0: it had all.
    pub untaken: Seq,
    /// Its end, if it has ended.
    pub end: Option<End>,
}

/// A pull that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullNote {
    /// Whose inbox.
    pub who: Who,
    /// By which platform; 0: not known.
    pub platform: u8,
    /// Over which link; none: by REST.
    pub link: Option<LinkName>,
    /// First seq.
    pub from: Seq,
    /// Last seq.
    pub to: Seq,
    /// When the answer was taken, unix milliseconds.
    pub at_ms: i64,
}

/// What became of a send that no inbox tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was refused.
    Refused {
        /// What it was answered with.
        code: i32,
        /// The receiver had blocked the sender.
        blocked: bool,
    },
    /// It repeated one that was accepted before, and was answered as that.
    Repeat {
        /// When that was sent, unix milliseconds.
        first_ms: i64,
    },
    /// It was accepted, with `history` off.
    WithoutHistory {
        /// To a group.
        group: bool,
        /// The receiver, or the group.
        to: Who,
    },
    /// It was accepted, with `history` off, and its receiver does not receive the conversation.
    Unwanted {
        /// The receiver.
        to: Who,
    },
}

/// A send that no inbox tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendNote {
    /// Who sent it.
    pub sender: Who,
    /// As what.
    pub send: SendName,
    /// What became of it.
    pub fate: Fate,
    /// When, unix milliseconds.
    pub at_ms: i64,
}

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A link: the newest note of one stands for all before it.
    Link(LinkNote),
    /// A pull.
    Pull(PullNote),
    /// A send.
    Send(SendNote),
}

impl Note {
    /// The last moment that it tells of, unix milliseconds.
    #[must_use]
    pub const fn at_ms(&self) -> i64 {
        match self {
            Self::Link(note) => match note.end {
                Some(end) => end.at_ms,
                None => note.opened_ms,
            },
            Self::Pull(note) => note.at_ms,
            Self::Send(note) => note.at_ms,
        }
    }
}
