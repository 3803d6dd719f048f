//! What the notes say of one message in one inbox.

use openim_record::Seq;

use crate::note::{End, Ended, LinkName, LinkNote, Note, PullNote, Who};

/// Messages that were on their way when a server ended: so long before that moment they were sent at most.
const ON_THE_WAY_MS: i64 = 60_000;

/// A place in an inbox, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Whose inbox.
    pub who: Who,
    /// The one device that is asked about, 1 to 7; 0: any.
    pub platform: u8,
    /// Where in the inbox; 0: it is not in there.
    pub seq: Seq,
    /// When it was sent, unix milliseconds.
    pub sent_ms: i64,
    /// From which of the user's own devices, where they sent it themselves.
    pub origin: Option<u8>,
    /// The user sent it themselves, and their other devices get no copy.
    pub uncopied: bool,
}

/// How somebody has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Had {
    /// They asked for it.
    Pulled,
    /// It was written to their link.
    Pushed,
    /// They have sent it.
    Sent,
}

/// That a device has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How.
    pub how: Had,
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// Which device; 0: not known.
    pub platform: u8,
    /// Over which link; none: by REST.
    pub link: Option<LinkName>,
}

/// That a link ended before it had taken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Why.
    pub why: Ended,
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// Which device.
    pub platform: u8,
    /// Which link.
    pub link: LinkName,
}

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    asked: Asked,
    /// First taken by a device that is asked about.
    pub taken: Option<Taken>,
    /// First taken by another one.
    pub elsewhere: Option<Taken>,
    /// The last link that ended before it had taken it.
    pub cut: Option<Cut>,
    /// The newest link that was there behind it, since when.
    pub link_since: Option<(i64, u8)>,
    /// The first moment from which on all notes are there, unix milliseconds.
    pub known_from_ms: i64,
}

impl Trail {
    /// Before any note.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        let mut trail = Self {
            asked,
            taken: None,
            elsewhere: None,
            cut: None,
            link_since: None,
            known_from_ms: 0,
        };
        if let Some(platform) = asked.origin {
            let (how, at_ms, link) = (Had::Sent, asked.sent_ms, None);
            // Whoever has sent it is no device that was to get it.
            trail.elsewhere = Some(Taken { how, at_ms, platform, link });
        }
        trail
    }

    /// What it is about.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// One more note, in any order.
    pub fn see(&mut self, note: &Note) {
        match note {
            Note::Link(note) if note.who == self.asked.who => self.see_link(note),
            Note::Pull(note) if note.who == self.asked.who => self.see_pull(note),
            Note::Link(_) | Note::Pull(_) | Note::Send(_) => {}
        }
    }

    const fn is_asked_about(&self, platform: u8) -> bool {
        self.asked.platform == 0 || self.asked.platform == platform
    }

    fn see_pull(&mut self, note: &PullNote) {
        let PullNote { platform, link, from, to, at_ms, .. } = *note;
        if self.asked.seq.0 > 0 && (from..=to).contains(&self.asked.seq) {
            self.note(Taken { how: Had::Pulled, at_ms, platform, link });
        }
    }

    fn see_link(&mut self, note: &LinkNote) {
        let LinkNote { platform, link, opened_ms, pushed, untaken, end, .. } = *note;
        let Asked { seq, sent_ms, origin, uncopied, .. } = self.asked;
        let lasted = end.is_none_or(|end| end.at_ms >= sent_ms);
        if lasted && self.is_asked_about(platform) && origin != Some(platform) {
            let since = (opened_ms, platform);
            self.link_since = Some(self.link_since.map_or(since, |before| before.max(since)));
        }
        if seq.0 == 0 || uncopied || origin == Some(platform) {
            return;
        }
        let was_pushed = pushed.first.0 > 0 && (pushed.first..=pushed.newest).contains(&seq);
        if was_pushed && (untaken.0 == 0 || seq < untaken) {
            let (first_ms, newest_ms) = (ms(pushed.first_ns), ms(pushed.newest_ns));
            // All in between went out as it came in.
            let at_ms = match seq == pushed.newest {
                true => newest_ms,
                false => sent_ms.clamp(first_ms, newest_ms.max(first_ms)),
            };
            return self.note(Taken { how: Had::Pushed, at_ms, platform, link: Some(link) });
        }
        let Some(End { at_ms, why }) = end else { return };
        // How far it had come when the server ended is not known to the last.
        let perhaps = why == Ended::Lost
            && seq > pushed.newest
            && (opened_ms - ON_THE_WAY_MS..=at_ms).contains(&sent_ms);
        if (was_pushed || perhaps) && self.is_asked_about(platform) {
            let cut = Cut { why, at_ms, platform, link };
            let later = self.cut.is_none_or(|before| before.at_ms <= at_ms);
            self.cut = if later { Some(cut) } else { self.cut };
        }
    }

    fn note(&mut self, taken: Taken) {
        let of = match self.is_asked_about(taken.platform) {
            true => &mut self.taken,
            false => &mut self.elsewhere,
        };
        if of.is_none_or(|before| taken.at_ms < before.at_ms) {
            *of = Some(taken);
        }
    }
}

const fn ms(ns: i64) -> i64 {
    ns.div_euclid(1_000_000)
}
