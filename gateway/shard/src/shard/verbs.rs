//! What front and back take each for itself. What concerns both is beside this.

use openim_auth::{Newest, Platform};
use openim_back::{Back, Groups};
use openim_front::{Admission, Credentials, Effects, Front, LinkId};
use openim_record::{Access, InboxBounds, Now, Position, Seq, StoreBatch, UserId};

use super::Shard;

/// The front's.
impl Shard {
    /// Links, and sends that wait for an answer.
    #[must_use]
    pub const fn front(&self) -> &Front {
        &self.front
    }

    /// See [`Front::set_frames_per_second`].
    pub fn set_frames_per_second(&mut self, frames_per_second: u32) {
        self.front.set_frames_per_second(frames_per_second);
    }

    /// See [`Front::exempt`].
    pub fn exempt(&mut self, users: impl IntoIterator<Item = UserId>) {
        self.front.exempt(users);
    }

    /// See [`Front::open`].
    pub fn open(
        &mut self,
        uid: &str,
        platform: u8,
        credentials: Credentials,
        now: Now,
        fx: &mut impl Effects,
    ) -> LinkId {
        self.front.open(uid, platform, credentials, now, fx)
    }

    /// See [`Front::closed`].
    pub fn closed(&mut self, link: LinkId, fx: &mut impl Effects) {
        self.front.closed(link, fx);
    }

    /// See [`Front::note_links_of`].
    pub fn note_links_of(&mut self, uid: &str, fx: &mut impl Effects) {
        self.front.note_links_of(uid, fx);
    }

    /// See [`Front::renew`].
    pub fn renew(&mut self, link: LinkId, credentials: Credentials) {
        self.front.renew(link, credentials);
    }

    /// See [`Front::issued`].
    pub fn issued(
        &mut self,
        uid: &str,
        platform: Platform,
        newest: Newest,
        now: Now,
        fx: &mut impl Effects,
    ) {
        self.front.issued(uid, platform, newest, now, fx);
    }

    /// See [`Front::reload`].
    pub fn reload(&mut self, uid: &UserId) {
        self.front.reload(uid);
    }

    /// See [`Front::hold_to_tokens`].
    pub fn hold_to_tokens(&mut self, uid: &str, by: u8, now: Now, fx: &mut impl Effects) {
        self.front.hold_to_tokens(uid, by, now, fx);
    }

    /// See [`Front::heard`].
    pub fn heard(&mut self, link: LinkId, now: Now) {
        self.front.heard(link, now);
    }

    /// See [`Front::frame_allowed`].
    ///
    /// # Errors
    /// Milliseconds until the next frame is allowed.
    pub fn frame_allowed(&mut self, link: LinkId, now: Now) -> Result<(), u32> {
        self.front.frame_allowed(link, now)
    }

    /// See [`Front::queued`].
    pub fn queued(&mut self, link: LinkId, bytes: usize, now: Now, fx: &mut impl Effects) {
        self.front.queued(link, bytes, now, fx);
    }

    /// See [`Front::unread`].
    pub fn unread(&mut self, link: LinkId, unread: bool, now: Now) {
        self.front.unread(link, unread, now);
    }

    /// See [`Front::carrying`].
    pub fn carrying(&mut self, link: LinkId, carrying: bool) {
        self.front.carrying(link, carrying);
    }

    /// See [`Front::written`].
    pub fn written(&mut self, link: LinkId, bytes: usize, now: Now) {
        self.front.written(link, bytes, now);
    }

    /// See [`Front::outbox`].
    pub fn outbox(
        &mut self,
        link: LinkId,
        held_bytes: usize,
        progressed: bool,
        now: Now,
        fx: &mut impl Effects,
    ) {
        self.front.outbox(link, held_bytes, progressed, now, fx);
    }

    /// See [`Front::shed`].
    pub fn shed(&mut self, link: LinkId, fx: &mut impl Effects) {
        self.front.shed(link, fx);
    }

    /// See [`Front::in_order`].
    pub fn in_order(&mut self, link: LinkId) -> Admission {
        self.front.in_order(link)
    }

    /// See [`Front::in_view`].
    pub fn in_view(&mut self, link: LinkId) -> Admission {
        self.front.in_view(link)
    }

    /// See [`Front::stamp`].
    pub fn stamp(&mut self, now: Now) -> i64 {
        self.front.stamp(now)
    }

    /// See [`Front::note_time`].
    pub fn note_time(&mut self, send_time_ns: i64) {
        self.front.note_time(send_time_ns);
    }

    /// See [`Front::room`].
    pub fn room(&mut self, places: usize, fx: &mut impl Effects) {
        self.front.room(places, fx);
    }
}

/// The back's.
impl Shard {
    /// Inboxes and groups, and what waits before them.
    #[must_use]
    pub const fn back(&self) -> &Back {
        &self.back
    }

    /// See [`Back::groups`].
    #[must_use]
    pub const fn groups(&self) -> &Groups {
        self.back.groups()
    }

    /// See [`Back::groups_mut`].
    pub const fn groups_mut(&mut self) -> &mut Groups {
        self.back.groups_mut()
    }

    /// See [`Back::bound_unstored`].
    pub const fn bound_unstored(&mut self, entries_max: usize) {
        self.back.bound_unstored(entries_max);
    }

    /// See [`Back::load`].
    pub fn load(&mut self, uid: &UserId, bounds: InboxBounds) {
        self.back.load(uid, bounds);
    }

    /// See [`Back::bounds`].
    pub fn bounds(&mut self, uid: &str) -> Option<InboxBounds> {
        self.back.bounds(uid)
    }

    /// See [`Back::raise_min`].
    pub fn raise_min(&mut self, uid: &str, min: Seq) {
        self.back.raise_min(uid, min);
    }

    /// See [`Back::take_batch`]. A front alone has none, not even an empty one.
    pub fn take_batch(&mut self, head: Position) -> Option<StoreBatch> {
        if self.alone { None } else { self.back.take_batch(head) }
    }

    /// See [`Back::stored`].
    pub fn stored(&mut self) {
        self.back.stored();
    }

    /// See [`Back::take_fanned_out`].
    pub fn take_fanned_out(&mut self) -> impl Iterator<Item = i64> {
        self.back.take_fanned_out()
    }
}

/// Of both.
impl Shard {
    /// Something was decided about a user's tokens and inbox, durably; see [`Front::decided`].
    pub fn decided(
        &mut self,
        uid: &str,
        access: &Access,
        platform: u8,
        now: Now,
        fx: &mut impl Effects,
    ) {
        // Also what was read of the inbox before shows too much.
        self.back.raise_min(uid, access.min);
        self.front.decided(uid, access, platform, now, fx);
    }

    /// From now on at most this many users stay in memory without need. A recovery lets all in.
    pub fn set_users_max(&mut self, users_max: usize) {
        self.front.set_users_max(users_max);
        self.back.set_users_max(users_max);
    }

    /// Sends that left no trace so far.
    #[must_use]
    pub const fn ephemerals(&self) -> u64 {
        self.ephemerals
    }
}
