//! What happens to links: opened, closed, superseded, heard, slow; and deliveries to them.
//!
//! Invariant: a link that the driver was told to close is told so once and is sent nothing more.

use openim_auth::{Newest, Platform};
use openim_record::{Access, Deliver, Now, Presence, Seq, UserId};

use super::{Delivered, Front};
use crate::CloseReason;
use crate::LinkId;
use crate::effects::{Effects, LinkState, Origin};
use crate::limits::Admission;
use crate::links::{Credentials, Opened, PLATFORMS, Target};

/// How far a link was pushed to is noted so long after the first push that has no note.
const NOTE_EVERY_S: u32 = 10;
/// Links of which it is noted in one tick.
const NOTED_A_TICK: usize = 256;

impl Front {
    /// Opens a link for an admitted bearer; the link it replaces is told and closed.
    pub fn open(
        &mut self,
        uid: &str,
        platform: u8,
        credentials: Credentials,
        now: Now,
        fx: &mut impl Effects,
    ) -> LinkId {
        let budget = self.limits.frames_per_second.saturating_mul(2000);
        let Opened { id, replaced } = self.links.open(uid, platform, credentials, now, budget);
        fx.presence(Presence { uid, platform, link: id, up: true });
        self.note_link(id, false, fx);
        if let Some(old) = replaced {
            self.cut(old, CloseReason::Replaced, fx);
        }
        id
    }

    /// The driver has closed a link, or its peer has.
    pub fn closed(&mut self, link: LinkId, fx: &mut impl Effects) {
        self.came(Origin::Link { id: link, msg_incr: 0 });
        if let Some((uid, platform)) = self.links.uid(link).zip(self.links.platform(link)) {
            fx.presence(Presence { uid: uid.as_str(), platform, link, up: false });
        }
        self.note_link(link, true, fx);
        self.links.close(link);
    }

    /// Notes how far the links of a user were pushed to: somebody asks.
    pub fn note_links_of(&mut self, uid: &str, fx: &mut impl Effects) {
        let of_user = |link: &&LinkId| self.links.uid(**link).is_some_and(|of| of.as_str() == uid);
        // Also one that is being closed, if it was pushed to since it was noted.
        let closing = self.unnoted.iter().map(|(link, _)| link).filter(of_user).copied();
        let links: Vec<LinkId> = self.links.of(uid).map(|(link, _)| link).chain(closing).collect();
        for link in links {
            self.note_link(link, false, fx);
        }
    }

    /// How far a link was pushed to, where that is kept.
    #[must_use]
    pub fn pushed_to(&self, link: LinkId) -> openim_why::Pushed {
        let link = self.links.get(link);
        link.and_then(|link| link.pushed.as_deref().copied()).unwrap_or_default()
    }

    /// The same of the links that were pushed to a while ago and have no note of it, some of them at a time.
    pub(super) fn note_pushed(&mut self, now: Now, fx: &mut impl Effects) {
        let mut left = NOTED_A_TICK;
        let is_due = |(_, since_s): &mut (LinkId, u32)| *since_s + NOTE_EVERY_S <= now.mono_s();
        while left > 0
            && let Some((id, _)) = self.unnoted.pop_front_if(is_due)
        {
            if let Some(link) = self.links.get_mut(id) {
                link.unnoted = false;
                self.note_link(id, false, fx);
                left -= 1;
            }
        }
    }

    fn note_link(&mut self, id: LinkId, over: bool, fx: &mut impl Effects) {
        let Some(link) = self.links.get(id) else { return };
        let (platform, opened_ms) = (link.platform, link.opened_ms);
        let pushed = link.pushed.as_deref().copied().unwrap_or_default();
        if let Some(uid) = self.links.uid(id) {
            let uid = uid.as_str();
            fx.link_note(&LinkState { uid, platform, link: id, opened_ms, pushed, over });
        }
    }

    /// Another process has a newer link of the same user and platform: this one is told and closed.
    pub fn replaced(&mut self, link: LinkId, fx: &mut impl Effects) {
        self.cut(link, CloseReason::Replaced, fx);
    }

    /// The uid a link belongs to.
    #[must_use]
    pub fn uid(&self, link: LinkId) -> Option<&UserId> {
        self.links.uid(link)
    }

    /// The platform a link connected as.
    #[must_use]
    pub fn platform(&self, link: LinkId) -> Option<u8> {
        self.links.platform(link)
    }

    /// What the link's token said.
    #[must_use]
    pub fn credentials(&self, link: LinkId) -> Option<&Credentials> {
        self.links.credentials(link)
    }

    /// A frame carried another, verified token of the same user: from now on it is the link's.
    pub fn renew(&mut self, link: LinkId, credentials: Credentials) {
        self.links.renew(link, credentials);
    }

    /// The links of `uid` that are not being closed, with their platforms.
    pub fn links_of<'a>(&'a self, uid: &str) -> impl Iterator<Item = (LinkId, u8)> + use<'a> {
        self.links.of(uid)
    }

    /// The platforms on which `uid` is connected, ascending.
    #[must_use]
    pub fn platforms(&self, uid: &str) -> Vec<u8> {
        self.links.of(uid).map(|(_, platform)| platform).collect()
    }

    /// Every live link.
    pub fn links(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.ids()
    }

    /// Number of live links.
    #[must_use]
    pub fn links_len(&self) -> usize {
        self.links.len()
    }

    /// A token was issued durably: links that it supersedes are told and closed.
    pub fn issued(
        &mut self,
        uid: &str,
        platform: Platform,
        newest: Newest,
        now: Now,
        fx: &mut impl Effects,
    ) {
        self.loads.outdated(uid);
        for link in self.links.issued(uid, platform.class(), newest, now.trusted_s()) {
            self.cut(link, CloseReason::Superseded { by: platform.id() }, fx);
        }
    }

    /// Something was decided about a user's tokens, durably: links whose tokens are refused now, and those on
    /// `platform` (0: none), are told and closed.
    pub fn decided(
        &mut self,
        uid: &str,
        access: &Access,
        platform: u8,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let reason = match access.banned(now.trusted_s()) {
            Some(_) => CloseReason::Banned,
            None => CloseReason::LoggedOut,
        };
        self.loads.outdated(uid);
        for link in self.links.decided(uid, access, platform, now.trusted_s()) {
            self.cut(link, reason, fx);
        }
    }

    /// What the stores have of a user's tokens was read again: links that they do not open any more are told and
    /// closed. `by`: on which platform the last login was; 0: that is not known.
    pub fn hold_to_tokens(&mut self, uid: &str, by: u8, now: Now, fx: &mut impl Effects) {
        let outdated: Vec<_> = self.links.outdated(uid, by, now.trusted_s()).collect();
        for (link, reason) in outdated {
            self.cut(link, reason, fx);
        }
    }

    /// Something arrived from the peer.
    pub fn heard(&mut self, link: LinkId, now: Now) {
        if let Some(link) = self.links.get_mut(link) {
            link.heard_at_s = now.mono_s();
            link.pings_missed = 0;
        }
    }

    /// Whether the link may have one more frame read now. `Err(ms)`: pause reading that long.
    ///
    /// # Errors
    /// Milliseconds until the next frame is allowed.
    pub fn frame_allowed(&mut self, link: LinkId, now: Now) -> Result<(), u32> {
        let rate = self.limits.frames_per_second;
        let Some(link) = self.links.get_mut(link).filter(|_| rate > 0) else { return Ok(()) };
        // Wraps every 49 days; differences are taken modulo the same.
        let now_ms = u32::try_from(now.mono_ms % (1 << 32)).unwrap_or(0);
        let elapsed = now_ms.wrapping_sub(link.frames_at_ms);
        let earned = elapsed.saturating_mul(rate);
        link.frames_milli = link.frames_milli.saturating_add(earned).min(rate.saturating_mul(2000));
        link.frames_at_ms = now_ms;
        if link.frames_milli >= 1000 {
            link.frames_milli -= 1000;
            return Ok(());
        }
        Err((1000 - link.frames_milli).div_ceil(rate).max(1))
    }

    /// The outbox of a link grew by `bytes`. A slow receiver is cut loose.
    pub fn queued(&mut self, link: LinkId, bytes: usize, now: Now, fx: &mut impl Effects) {
        let max = self.limits.outbox_burst_bytes_max.max(self.limits.outbox_bytes_max);
        let Some(state) = self.links.get_mut(link) else { return };
        if state.outbox_bytes == 0 {
            state.stalled_since_s = now.mono_s();
        }
        state.outbox_bytes =
            state.outbox_bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if state.outbox_bytes > max {
            self.cut(link, CloseReason::OutboxFull, fx);
        }
    }

    /// The driver does not read the link, or does again: a long reply is being written to it, or there is no
    /// room for what it sends. Meanwhile its silence says nothing; that it takes what is written is watched
    /// as ever.
    pub fn unread(&mut self, link: LinkId, unread: bool, now: Now) {
        if let Some(state) = self.links.get_mut(link) {
            state.unread = unread;
            state.heard_at_s = now.mono_s();
            state.pings_missed = 0;
        }
    }

    /// The driver carries a send of the link by itself, or no more: one in flight, like those that the
    /// log owes an answer.
    pub fn carrying(&mut self, link: LinkId, carrying: bool) {
        if let Some(state) = self.links.get_mut(link) {
            state.in_flight = match carrying {
                true => state.in_flight + 1,
                false => state.in_flight.saturating_sub(1),
            };
        }
    }

    /// The socket took `bytes` of a link's outbox.
    pub fn written(&mut self, link: LinkId, bytes: usize, now: Now) {
        if let Some(state) = self.links.get_mut(link) {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            state.outbox_bytes = state.outbox_bytes.saturating_sub(bytes);
            state.stalled_since_s = now.mono_s();
        }
    }

    /// What a link's outbox holds after a flush, replies included; `progressed` when the socket took
    /// anything. Corrects the running count of [`Self::queued`].
    pub fn outbox(
        &mut self,
        link: LinkId,
        held_bytes: usize,
        progressed: bool,
        now: Now,
        fx: &mut impl Effects,
    ) {
        let max = self.limits.outbox_bytes_max;
        let Some(state) = self.links.get_mut(link) else { return };
        if progressed || state.outbox_bytes == 0 {
            state.stalled_since_s = now.mono_s();
        }
        state.outbox_bytes = u32::try_from(held_bytes).unwrap_or(u32::MAX);
        if state.outbox_bytes > max {
            self.cut(link, CloseReason::OutboxFull, fx);
        }
    }

    /// Too much waits for all links together, and this one holds most: it is cut loose as too slow.
    pub fn shed(&mut self, link: LinkId, fx: &mut impl Effects) {
        self.cut(link, CloseReason::OutboxFull, fx);
    }

    /// Whether requests other than sends may be handled now. They are answered after the sends
    /// before them (spec, websocket 1.7); if any is in flight the link is held until it is answered.
    /// A link that is being closed is held: its token may be superseded.
    pub fn in_order(&mut self, link: LinkId) -> Admission {
        self.came(Origin::Link { id: link, msg_incr: 0 });
        match self.links.get_mut(link) {
            Some(state) if state.in_flight > 0 || state.closing => {
                state.held = true;
                Admission::Hold
            }
            _ => Admission::Taken,
        }
    }

    /// Whether a question about the user's inbox may be handled now: like [`Self::in_order`], and it sees
    /// the sends before it. Refused: these have been on the way into the inbox for too long.
    pub fn in_view(&mut self, link: LinkId) -> Admission {
        if self.in_order(link) == Admission::Hold {
            return Admission::Hold;
        }
        match self.links.get_mut(link) {
            Some(state) if state.settles_late => Admission::Refused,
            Some(state) if state.unsettled > 0 => {
                state.held = true;
                Admission::Hold
            }
            Some(_) | None => Admission::Taken,
        }
    }

    /// What has become of deliveries so far.
    #[must_use]
    pub const fn delivered(&self) -> &Delivered {
        &self.delivered
    }

    /// Pushes a message to the live links of a user; how many bytes that added to their outboxes.
    pub fn deliver(&mut self, deliver: &Deliver<'_>, now: Now, fx: &mut impl Effects) -> usize {
        let (mut queued, mut links) = (0, 0);
        let mut targets = [None; PLATFORMS];
        let found = self.links.targets(deliver.uid, deliver.except_platform, now.trusted_s());
        for (slot, target) in targets.iter_mut().zip(found) {
            *slot = Some(target);
        }
        for target in targets.into_iter().flatten() {
            match target {
                Target::Live(link) => {
                    let bytes = fx.push(link, deliver);
                    queued += bytes;
                    links += 1;
                    if fx.keeps_journal() {
                        self.pushed(link, deliver.seq, now);
                    }
                    self.queued(link, bytes, now, fx);
                }
                Target::Expired(link) => self.cut(link, CloseReason::TokenExpired, fx),
            }
        }
        self.delivered.settle(deliver, links);
        queued
    }

    /// A link was pushed to. That is noted now and then, not for each message.
    fn pushed(&mut self, id: LinkId, seq: Seq, now: Now) {
        if let Some(link) = self.links.get_mut(id).filter(|_| seq.0 > 0) {
            link.pushed.get_or_insert_default().add(seq, now.unix_ns);
            if !std::mem::replace(&mut link.unnoted, true) {
                self.unnoted.push_back((id, now.mono_s()));
            }
        }
    }

    /// Tells the driver to close a link, once.
    pub(super) fn cut(&mut self, id: LinkId, reason: CloseReason, fx: &mut impl Effects) {
        if let Some(link) = self.links.get_mut(id)
            && !link.closing
        {
            link.closing = true;
            fx.close(id, reason);
        }
    }
}
