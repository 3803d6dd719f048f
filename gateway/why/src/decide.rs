//! From what is known of a message and a user to the reason.

use openim_record::Seq;

use crate::note::LinkName;
use crate::trail::{Cut, Had, Taken, Trail};

/// Where a message was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nowhere, back to a time (unix milliseconds).
    Nowhere {
        /// All that was sent since was looked at.
        back_to_ms: i64,
        /// Nobody said who sent it: the inbox of its sender was not looked through.
        sender_unknown: bool,
    },
    /// In the inbox, and it can be pulled.
    Numbered,
    /// It was in the inbox, and history keeps it no more.
    Expired,
    /// They did not receive the conversation when it was sent.
    Unwanted {
        /// When, unix milliseconds.
        at_ms: i64,
    },
    /// Sent to others.
    ForOthers {
        /// To a group.
        group: bool,
    },
    /// Sent with `history` off.
    WithoutHistory,
    /// Durable, and not yet in the inbox.
    Coming,
    /// Sent as a repeat of a message that was there already.
    Repeat {
        /// When that was sent, unix milliseconds.
        first_ms: i64,
    },
}

/// That a send was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it was answered with.
    pub code: i32,
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// The receiver had blocked the sender.
    pub blocked: bool,
}

/// All that is decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where the message is.
    pub found: Found,
    /// What the notes say of it.
    pub trail: Trail,
    /// The last refusal of a send under its id.
    pub refused: Option<Refusal>,
}

/// Why somebody did not get a message, or that they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// They pulled it.
    Pulled(Taken),
    /// It was pushed to their link.
    Pushed(Taken),
    /// It waits in the inbox.
    Waits {
        /// Where.
        seq: Seq,
        /// A link that was there behind it and has not asked for it: since when, of which device.
        link_since: Option<(i64, u8)>,
        /// Since when it is known that nobody has taken it, unix milliseconds.
        since_ms: i64,
    },
    /// The send was refused.
    Refused {
        /// What it was answered with.
        code: i32,
        /// When, unix milliseconds.
        at_ms: i64,
    },
    /// It was sent to others: to a group they were no member of, or to somebody else.
    NotMember {
        /// To a group.
        group: bool,
    },
    /// They had blocked the sender, or do not receive this conversation.
    Blocked {
        /// When, unix milliseconds.
        at_ms: i64,
        /// The send was refused; else it was taken, and its sender has it.
        refused: bool,
    },
    /// Their link was cut before it had taken it, and they have not pulled it since.
    Cut(Cut),
    /// It was older than history is kept.
    Expired,
    /// Another device of theirs has it.
    OtherDevice(Taken),
    /// There is no such message.
    NeverAccepted {
        /// As far back as that is known, unix milliseconds.
        back_to_ms: i64,
        /// Nobody said who sent it: it may be there, and was not for the user.
        sender_unknown: bool,
    },
    /// It is a repeat of one that was accepted before.
    Duplicate {
        /// When that was sent, unix milliseconds.
        first_ms: i64,
    },
    /// Its sender asked for no history: whoever was there got it, and nobody can pull it.
    NoHistory {
        /// A link that was there behind it.
        link_since: Option<(i64, u8)>,
    },
}

impl Reason {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pulled(_) => "pulled",
            Self::Pushed(_) => "pushed",
            Self::Waits { .. } => "waits",
            Self::Refused { .. } => "refused",
            Self::NotMember { .. } => "not_a_member",
            Self::Blocked { .. } => "blocked",
            Self::Cut(_) => "cut",
            Self::Expired => "expired",
            Self::OtherDevice(_) => "other_device",
            Self::NeverAccepted { .. } => "never_accepted",
            Self::Duplicate { .. } => "duplicate",
            Self::NoHistory { .. } => "no_history",
        }
    }

    /// Every name.
    pub const NAMES: [&'static str; 12] = [
        "pulled",
        "pushed",
        "waits",
        "refused",
        "not_a_member",
        "blocked",
        "cut",
        "expired",
        "other_device",
        "never_accepted",
        "duplicate",
        "no_history",
    ];

    /// The moment that it tells of, unix milliseconds.
    #[must_use]
    pub const fn at_ms(&self) -> Option<i64> {
        match self {
            Self::Pulled(taken) | Self::Pushed(taken) | Self::OtherDevice(taken) => {
                Some(taken.at_ms)
            }
            Self::Cut(cut) => Some(cut.at_ms),
            Self::Refused { at_ms, .. } | Self::Blocked { at_ms, .. } => Some(*at_ms),
            Self::Waits { since_ms, .. } => Some(*since_ms),
            Self::Duplicate { first_ms } => Some(*first_ms),
            Self::NotMember { .. }
            | Self::Expired
            | Self::NeverAccepted { .. }
            | Self::NoHistory { .. } => None,
        }
    }

    /// The device and the link that it tells of.
    #[must_use]
    pub const fn link(&self) -> Option<(u8, Option<LinkName>)> {
        match self {
            Self::Pulled(taken) | Self::Pushed(taken) | Self::OtherDevice(taken) => {
                Some((taken.platform, taken.link))
            }
            Self::Cut(cut) => Some((cut.platform, Some(cut.link))),
            Self::Waits { .. }
            | Self::Refused { .. }
            | Self::NotMember { .. }
            | Self::Blocked { .. }
            | Self::Expired
            | Self::NeverAccepted { .. }
            | Self::Duplicate { .. }
            | Self::NoHistory { .. } => None,
        }
    }
}

/// The reason. Evidence that a device has it stands above all else: also of what has expired since.
#[must_use]
pub fn decide(facts: &Facts) -> Reason {
    let Facts { found, trail, refused } = facts;
    let asked = trail.asked();
    if let Found::Repeat { first_ms } = *found {
        return Reason::Duplicate { first_ms };
    }
    if asked.seq.0 > 0 {
        if let Some(taken) = trail.taken {
            return match taken.how {
                Had::Pulled => Reason::Pulled(taken),
                Had::Pushed | Had::Sent => Reason::Pushed(taken),
            };
        }
        // Of one device it is said first what became of its own link.
        let cut = trail.cut.filter(|_| asked.platform > 0);
        match (cut, trail.elsewhere) {
            (Some(cut), _) => return Reason::Cut(cut),
            (None, Some(taken)) => return Reason::OtherDevice(taken),
            (None, None) => {}
        }
    }
    match *found {
        Found::Nowhere { back_to_ms, sender_unknown } => match refused {
            Some(Refusal { at_ms, blocked: true, .. }) => {
                Reason::Blocked { at_ms: *at_ms, refused: true }
            }
            Some(Refusal { code, at_ms, .. }) => Reason::Refused { code: *code, at_ms: *at_ms },
            None => Reason::NeverAccepted { back_to_ms, sender_unknown },
        },
        Found::Expired => Reason::Expired,
        Found::Unwanted { at_ms } => Reason::Blocked { at_ms, refused: false },
        Found::ForOthers { group } => Reason::NotMember { group },
        Found::WithoutHistory => Reason::NoHistory { link_since: trail.link_since },
        Found::Repeat { first_ms } => Reason::Duplicate { first_ms },
        Found::Numbered | Found::Coming => match trail.cut {
            Some(cut) => Reason::Cut(cut),
            None => Reason::Waits {
                seq: asked.seq,
                link_since: trail.link_since,
                since_ms: asked.sent_ms.max(trail.known_from_ms),
            },
        },
    }
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;
