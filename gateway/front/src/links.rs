//! The links machine: who is connected where, with which token, and what is waiting to be written.
//!
//! Invariants: one link per (uid, platform), the newest (L5); an old link's end never touches the
//! newer one (its generation differs); nobody is sent anything on a token that was superseded or has
//! expired (L8). It knows nothing of seq. Guarded by `tests/simulation.rs`.
#![allow(clippy::indexing_slicing, reason = "slots are named by the tables that hold them")]

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use openim_auth::{Class, Held, LoginPolicy, Newest, NewestTokens, TokenId};
use openim_cache::Cache;
use openim_record::{Access, LinkId, Now, UserId};
use openim_why::Pushed;
use slab::Slab;

use self::kept::Kept;

mod held;
mod kept;

/// Platforms are numbered 1 to 7 (spec, websocket 1.1).
pub(crate) const PLATFORMS: usize = 7;
const NONE: u32 = u32::MAX;

/// A keyed digest of a token's text, to compare a frame's token with the link's in a few nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameToken([u8; 16]);

impl FrameToken {
    /// Wraps a digest.
    #[must_use]
    pub const fn new(digest: u128) -> Self {
        Self(digest.to_ne_bytes())
    }
}

/// What a verified token says of its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Terminal class of the token's platform.
    pub class: Class,
    /// The token's platform, 1 to 7; 0 if the wire does not name it.
    pub platform: u8,
    /// Identity of the token.
    pub id: TokenId,
    /// `iat`, unix seconds.
    pub issued_at: i64,
    /// `exp`, unix seconds; `i64::MAX` for a token without.
    pub expires_at: i64,
    /// The token's text, digested.
    pub frame: FrameToken,
}

impl Credentials {
    /// What is held against the user's newest tokens.
    #[must_use]
    pub const fn held(&self) -> Held {
        let Self { class, platform, id, issued_at, expires_at, .. } = *self;
        Held { class, platform, id, issued_at, expires_at }
    }
}

/// One live link.
#[derive(Debug)]
pub(crate) struct Link {
    user: u32,
    generation: u32,
    /// 1 to 7.
    pub(crate) platform: u8,
    /// Pings that were not answered.
    pub(crate) pings_missed: u8,
    /// Sends that the log has not answered.
    pub(crate) in_flight: u16,
    /// Sends that were answered and are not settled.
    pub(crate) unsettled: u32,
    /// Some of them have not been for too long, or nobody will say when they are.
    pub(crate) settles_late: bool,
    /// The driver stopped reading this link and waits for a resume.
    pub(crate) held: bool,
    /// Told in this round (see `Front::room`) that there is room, and has not come yet.
    pub(crate) called_in: u32,
    /// The driver does not read it, for a reason of its own.
    pub(crate) unread: bool,
    /// The driver was told to close it: nothing more is sent to it.
    pub(crate) closing: bool,
    /// Bytes handed to the driver and not yet taken by the socket.
    pub(crate) outbox_bytes: u32,
    /// Last byte read, seconds of the shard's clock.
    pub(crate) heard_at_s: u32,
    /// Since when nothing could be written, the same.
    pub(crate) stalled_since_s: u32,
    /// Frames still allowed, in thousandths.
    pub(crate) frames_milli: u32,
    /// When that was computed (milliseconds, wrapping).
    pub(crate) frames_at_ms: u32,
    /// What its token said.
    pub(crate) credentials: Credentials,
    /// Since when it is open, unix milliseconds.
    pub(crate) opened_ms: i64,
    /// How far it was pushed to; an idle link keeps no memory for it.
    pub(crate) pushed: Option<Box<Pushed>>,
    /// It was pushed to since that was noted.
    pub(crate) unnoted: bool,
}

#[derive(Debug)]
struct User {
    uid: UserId,
    /// The link that receives, by platform.
    links: [u32; PLATFORMS],
    /// All links of the user, replaced ones that are still closing included.
    open: u32,
}

/// All links of the users at home on one shard.
#[derive(Debug)]
pub struct Links {
    links: Slab<Link>,
    users: Slab<User>,
    /// Slots of `users` by the uid that lies there.
    by_uid: HashTable<u32>,
    hasher: RandomState,
    tokens: Cache<Kept>,
    tokens_max: usize,
    policy: LoginPolicy,
    /// Users whose tokens no login ends: several may hold them at once.
    exempt: Box<[UserId]>,
    next_generation: u32,
}

/// A link was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The new link.
    pub id: LinkId,
    /// The link of the same user and platform that it replaces; kick and close it.
    pub replaced: Option<LinkId>,
}

/// A link that a message goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Push to it.
    Live(LinkId),
    /// Its token has expired: close it instead.
    Expired(LinkId),
}

impl Links {
    /// No links; tokens of at most `tokens_max` users stay in memory besides those of live links.
    pub fn new(policy: LoginPolicy, tokens_max: usize) -> Self {
        Self {
            links: Slab::new(),
            users: Slab::new(),
            by_uid: HashTable::new(),
            hasher: RandomState::default(),
            tokens: Cache::new(),
            tokens_max: tokens_max.max(1),
            policy,
            exempt: Box::default(),
            next_generation: 1,
        }
    }

    /// From now on tokens of at most this many users stay in memory besides those of live links.
    pub(crate) fn set_tokens_max(&mut self, tokens_max: usize) {
        self.tokens_max = tokens_max.max(1);
    }

    /// From now on no login ends tokens of these users.
    pub(crate) fn exempt(&mut self, users: impl IntoIterator<Item = UserId>) {
        self.exempt = users.into_iter().collect();
    }

    fn policy_of(&self, uid: &str) -> LoginPolicy {
        let exempt = self.exempt.iter().any(|user| user.as_str() == uid);
        if exempt { LoginPolicy::AllTerminals } else { self.policy }
    }

    /// Whether `uid`'s newest tokens are in memory.
    pub fn knows(&self, uid: &str) -> bool {
        self.tokens.contains(uid)
    }

    /// Brings a user's newest tokens into memory, and what was decided about them, in the place of what is there.
    /// Who must leave it for that is named to `left`: what was read of theirs before is not to be loaded.
    pub fn load(
        &mut self,
        uid: &UserId,
        tokens: NewestTokens,
        access: Option<Box<Access>>,
        mut left: impl FnMut(&UserId),
    ) {
        let kept = Kept { access, ..Kept::from(tokens) };
        if let Some(before) = self.tokens.get_mut(uid.as_str()) {
            *before = kept;
        } else {
            // Who has a link stays: its token must be comparable at any time.
            let tokens_max = self.tokens_max.saturating_add(self.users.len());
            let Self { users, by_uid, hasher, tokens: cache, .. } = self;
            let linked = |uid: &UserId| {
                let hash = hasher.hash_one(uid.as_str());
                by_uid.find(hash, |&at| users[at as usize].uid == *uid).is_some()
            };
            let leaves = |uid: UserId, _| left(&uid);
            cache.insert(uid, kept, tokens_max, |uid, _| !linked(uid), leaves);
        }
    }

    /// When the newest token of a user in memory was issued.
    pub(crate) fn newest_issued(&self, uid: &str) -> Option<i64> {
        self.tokens.get(uid)?.tokens.iter().map(|(_, newest)| newest.issued_at).max()
    }

    /// Whether a verified token is still the bearer's to use. `None`: load the user first.
    pub fn admits(&self, uid: &str, credentials: &Credentials, now_unix_s: i64) -> Option<bool> {
        let kept = self.tokens.get(uid)?;
        let (held, access) = (credentials.held(), kept.access.as_deref());
        Some(self.policy_of(uid).opens(&held, &kept.newest(), access, now_unix_s))
    }

    /// A token was issued, durably: note it and name the links whose tokens it supersedes. Of a user who
    /// is not in memory nothing is noted: tokens that were read before are not to be loaded.
    pub fn issued(
        &mut self,
        uid: &str,
        class: Class,
        newest: Newest,
        now_unix_s: i64,
    ) -> Vec<LinkId> {
        let policy = self.policy_of(uid);
        if let Some(kept) = self.tokens.get_mut(uid) {
            kept.record(policy, class, newest);
        }
        self.refused(uid, 0, now_unix_s)
    }

    /// What was decided about a user's tokens, if the user is in memory.
    pub(crate) fn access(&self, uid: &str) -> Option<&Access> {
        self.tokens.get(uid)?.access.as_deref()
    }

    /// Something was decided about a user's tokens, durably: note it and name the links whose tokens are
    /// refused now, and those on `platform` (0: none) whatever their token.
    pub fn decided(
        &mut self,
        uid: &str,
        access: &Access,
        platform: u8,
        now_unix_s: i64,
    ) -> Vec<LinkId> {
        if let Some(kept) = self.tokens.get_mut(uid) {
            kept.access = Some(Box::new(access.clone()));
        }
        self.refused(uid, platform, now_unix_s)
    }

    /// The open links of a user whose tokens are good no more, or which are on `platform`.
    fn refused(&self, uid: &str, platform: u8, now_unix_s: i64) -> Vec<LinkId> {
        let Some(user) = self.user(uid) else { return Vec::new() };
        let refused = |link: &Link| {
            link.platform == platform
                || self.admits(uid, &link.credentials, now_unix_s) == Some(false)
        };
        user.links
            .iter()
            .filter_map(|&index| self.links.get(index as usize).map(|link| (index, link)))
            .filter(|(_, link)| !link.closing && refused(link))
            .map(|(index, link)| LinkId { index, generation: link.generation })
            .collect()
    }

    /// Opens a link for an admitted bearer. `platform` is 1 to 7.
    pub fn open(
        &mut self,
        uid: &str,
        platform: u8,
        credentials: Credentials,
        now: Now,
        frames_milli: u32,
    ) -> Opened {
        let now_s = now.mono_s();
        let user = match self.find(uid) {
            Some(user) => user,
            None => self.add(uid),
        };
        let generation = self.next_generation;
        self.next_generation = self.next_generation.wrapping_add(1);
        let index = number(self.links.insert(Link {
            user,
            generation,
            platform,
            pings_missed: 0,
            in_flight: 0,
            unsettled: 0,
            settles_late: false,
            held: false,
            called_in: 0,
            unread: false,
            closing: false,
            outbox_bytes: 0,
            heard_at_s: now_s,
            stalled_since_s: now_s,
            frames_milli,
            frames_at_ms: now_s.wrapping_mul(1000),
            credentials,
            opened_ms: now.unix_ms(),
            pushed: None,
            unnoted: false,
        }));
        let entry = &mut self.users[user as usize];
        entry.open += 1;
        let slot = &mut entry.links[slot_of(platform)];
        let old = std::mem::replace(slot, index);
        let replaced = self
            .links
            .get(old as usize)
            .filter(|_| old != NONE)
            .map(|link| LinkId { index: old, generation: link.generation });
        Opened { id: LinkId { index, generation }, replaced }
    }

    /// Forgets a link; a stale id does nothing.
    pub fn close(&mut self, id: LinkId) {
        if self.get(id).is_none() {
            return;
        }
        let link = self.links.remove(id.index as usize);
        let user = &mut self.users[link.user as usize];
        let slot = &mut user.links[slot_of(link.platform)];
        if *slot == id.index {
            *slot = NONE;
        }
        user.open -= 1;
        if user.open == 0 {
            self.remove(link.user);
        }
    }

    fn find(&self, uid: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(uid);
        self.by_uid.find(hash, |&at| self.users[at as usize].uid.as_str() == uid).copied()
    }

    fn user(&self, uid: &str) -> Option<&User> {
        self.users.get(self.find(uid)? as usize)
    }

    fn add(&mut self, uid: &str) -> u32 {
        let user = User { uid: UserId::new(uid), links: [NONE; PLATFORMS], open: 0 };
        let at = number(self.users.insert(user));
        let Self { users, by_uid, hasher, .. } = self;
        by_uid.insert_unique(hasher.hash_one(uid), at, |&at| {
            hasher.hash_one(users[at as usize].uid.as_str())
        });
        at
    }

    fn remove(&mut self, user: u32) {
        let hash = self.hasher.hash_one(self.users[user as usize].uid.as_str());
        if let Ok(entry) = self.by_uid.find_entry(hash, |&at| at == user) {
            entry.remove();
        }
        self.users.remove(user as usize);
    }

    /// The uid a link belongs to.
    pub fn uid(&self, id: LinkId) -> Option<&UserId> {
        Some(&self.users.get(self.get(id)?.user as usize)?.uid)
    }

    /// The platform a link connected as.
    pub(crate) fn platform(&self, id: LinkId) -> Option<u8> {
        Some(self.get(id)?.platform)
    }

    /// What the link's token said.
    pub(crate) fn credentials(&self, id: LinkId) -> Option<&Credentials> {
        Some(&self.get(id)?.credentials)
    }

    /// A frame carried another, verified token of the same user: from now on it is the link's.
    pub(crate) fn renew(&mut self, id: LinkId, credentials: Credentials) {
        if let Some(link) = self.get_mut(id) {
            link.credentials = credentials;
        }
    }

    /// The links a message to `uid` goes to, except those on `except_platform` (0: none) and those
    /// that are being closed.
    pub fn targets<'a>(
        &'a self,
        uid: &str,
        except_platform: u8,
        now_unix_s: i64,
    ) -> impl Iterator<Item = Target> + use<'a> {
        let user = self.user(uid);
        let slots = user.map_or(&[][..], |user| &user.links[..]);
        slots.iter().filter_map(move |&index| {
            let link = self.links.get(index as usize)?;
            if link.closing || link.platform == except_platform {
                return None;
            }
            let id = LinkId { index, generation: link.generation };
            if link.credentials.expires_at <= now_unix_s {
                return Some(Target::Expired(id));
            }
            Some(Target::Live(id))
        })
    }

    /// The links of `uid` that are not being closed, with their platforms.
    pub fn of<'a>(&'a self, uid: &str) -> impl Iterator<Item = (LinkId, u8)> + use<'a> {
        let slots = self.user(uid).map_or(&[][..], |user| &user.links[..]);
        slots.iter().filter_map(|&index| {
            let link = self.links.get(index as usize).filter(|link| !link.closing)?;
            Some((LinkId { index, generation: link.generation }, link.platform))
        })
    }

    /// Number of live links.
    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// Slots in the table; the sweep walks them.
    pub(crate) fn capacity(&self) -> usize {
        self.links.capacity()
    }

    /// Every live link.
    pub(crate) fn ids(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links
            .iter()
            .map(|(index, link)| LinkId { index: number(index), generation: link.generation })
    }

    /// Panics when the tables contradict each other; walks everything.
    pub(crate) fn check_invariants(&self) {
        for (index, user) in &self.users {
            assert_eq!(self.find(user.uid.as_str()), Some(number(index)), "{}", user.uid);
            for &slot in user.links.iter().filter(|&&slot| slot != NONE) {
                let link = self.links.get(slot as usize);
                assert_eq!(link.map(|l| l.user as usize), Some(index), "a link of its user");
            }
        }
        let open = self.users.iter().map(|(_, user)| user.open as usize).sum::<usize>();
        assert_eq!((open, self.by_uid.len()), (self.links.len(), self.users.len()));
    }

    /// A live link.
    pub(crate) fn get(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id.index as usize).filter(|link| link.generation == id.generation)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(id.index as usize).filter(|link| link.generation == id.generation)
    }

    /// The link in a slot.
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<(LinkId, &mut Link)> {
        let link = self.links.get_mut(index)?;
        Some((LinkId { index: number(index), generation: link.generation }, link))
    }
}

fn number(slot: usize) -> u32 {
    u32::try_from(slot).expect("four billion links do not fit into memory")
}

fn slot_of(platform: u8) -> usize {
    usize::from(platform).clamp(1, PLATFORMS) - 1
}

#[cfg(test)]
mod tests;
