//! The shard's one timer: every second it looks at a slice of the links, so that no link needs a
//! timer of its own.
//!
//! In: the second. Out: pings for the quiet, closes for the dead, the stalled and the expired.

use crate::CloseReason;
use crate::LinkId;
use crate::links::Links;

/// What the sweep is told to do with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ping it.
    Ping(LinkId),
    /// Close it.
    Close(LinkId, CloseReason),
}

/// Deadlines in seconds; 0 switches one off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// A link that was silent this long is pinged.
    pub(crate) ping_s: u32,
    /// Unanswered pings before a link is closed.
    pub(crate) pings_missed_max: u8,
    /// A link whose socket took nothing this long is closed.
    pub(crate) write_stall_s: u32,
}

/// Remembers where the last slice ended.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    next: usize,
    at_s: u32,
}

impl Sweep {
    /// Examines the slice that is due at `now_s`; each link comes up once in `period` seconds, the
    /// smallest deadline.
    pub(crate) fn turn(
        &mut self,
        links: &mut Links,
        deadlines: Deadlines,
        now_s: u32,
        now_unix_s: i64,
        out: &mut Vec<Verdict>,
    ) {
        let elapsed = now_s.saturating_sub(self.at_s);
        if elapsed == 0 {
            return;
        }
        self.at_s = now_s;
        let period = [deadlines.ping_s, deadlines.write_stall_s, 60]
            .into_iter()
            .filter(|&s| s > 0)
            .min()
            .unwrap_or(60);
        let slots = links.capacity();
        let due = slots.div_ceil(period as usize).saturating_mul(elapsed as usize).min(slots);
        for _ in 0..due {
            if self.next >= slots {
                self.next = 0;
            }
            if let Some(verdict) = examine(links, self.next, deadlines, now_s, now_unix_s) {
                out.push(verdict);
            }
            self.next += 1;
        }
    }
}

fn examine(
    links: &mut Links,
    index: usize,
    deadlines: Deadlines,
    now_s: u32,
    now_unix_s: i64,
) -> Option<Verdict> {
    let (id, link) = links.at_mut(index)?;
    if link.closing {
        return None;
    }
    if link.credentials.expires_at <= now_unix_s {
        return Some(Verdict::Close(id, CloseReason::TokenExpired));
    }
    let stalled = now_s.saturating_sub(link.stalled_since_s);
    if deadlines.write_stall_s > 0 && link.outbox_bytes > 0 && stalled > deadlines.write_stall_s {
        return Some(Verdict::Close(id, CloseReason::WriteStalled));
    }
    // A link that is held is not read, so its silence says nothing, nor does it afterwards.
    if link.held || link.unread {
        link.heard_at_s = now_s;
        link.pings_missed = 0;
        return None;
    }
    // One period for the first ping, one more for each that went unanswered.
    let quiet = u64::from(now_s.saturating_sub(link.heard_at_s));
    let due = u64::from(deadlines.ping_s) * (u64::from(link.pings_missed) + 1);
    if deadlines.ping_s == 0 || quiet < due {
        return None;
    }
    if link.pings_missed >= deadlines.pings_missed_max {
        return Some(Verdict::Close(id, CloseReason::Dead));
    }
    link.pings_missed += 1;
    Some(Verdict::Ping(id))
}

#[cfg(test)]
mod tests;
